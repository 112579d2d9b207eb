"""The one way to the Hub's client: quiet, and with no token of ours; it finds the person's own."""

import re
from importlib.metadata import version
from typing import TYPE_CHECKING

from scriptforge.errors import HubError, UsageError
from scriptforge.network import Asked, bound_waiting

if TYPE_CHECKING:
    from huggingface_hub import HfApi

REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
"""What the id of a repository looks like: `OWNER/NAME`."""


def client() -> "HfApi":
    """The Hub's client, without bars and chatter."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import disable_progress_bars, logging

    bound_waiting()
    disable_progress_bars()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    return HfApi(library_name="scriptforge", library_version=version("scriptforge-lm"))


def user_name() -> str:
    """The name on the Hub of the person at the keyboard.

    Raises:
        HubError: nobody is logged in, or the Hub cannot be asked.
    """
    with Asked("Your name on the Hub", HubError).explained():
        return str(client().whoami()["name"])


def checked_repository(id_: str) -> str:
    """The id of a repository, if it is one.

    Raises:
        UsageError: it is none.
    """
    if not REPOSITORY.fullmatch(id_) or ".." in id_ or "--" in id_:
        raise UsageError(f"“{id_}” is not the id of a repository.", "Give OWNER/NAME, as its page has it.")
    return id_
