"""How work that waits for bytes tells that it is busy: a callback, and a watch on a folder that fills.

What bytes hash to, and whether a file from the Hub is the one that its commit names.

The one way to the Hub's client: quiet, and with no token of ours; it finds the person's own.
"""

import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from scriptforge.errors import HubError, UsageError
from scriptforge.net.errors import Asked, bound_waiting

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoSibling

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Told what is done, how many bytes of it are there, and how many there will be, if that is known."""

_INTERVAL = 0.2


def untold(what: str, done: int, total: int | None) -> None:
    """The progress callback of those who do not want to know."""


@contextmanager
def watching(folder: Path, what: str, total: int | None, progress: Progress) -> Iterator[None]:
    """Reports how much is in a folder while the block fills it.

    The clients that download draw their own bars and offer no callback, but all of them write to disk.

    Args:
        folder: where the bytes arrive; it need not exist yet.
        what: what to call it.
        total: how many bytes are expected.
        progress: told several times a second, from a thread of its own, and once at the end.
    """
    before = _bytes_in(folder)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_INTERVAL):
            progress(what, _bytes_in(folder) - before, total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
        progress(what, _bytes_in(folder) - before, total)
    finally:
        done.set()
        watcher.join()


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except FileNotFoundError:
            continue
    return total


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_as_promised(path: Path, sibling: "RepoSibling") -> bool:
    """Whether a file is the one of a commit: by its SHA-256 where it is large, else by what git calls it.

    Args:
        path: the file.
        sibling: what the Hub says of it, metadata included.
    """
    if sibling.lfs:
        return sha256_of(path) == sibling.lfs.sha256
    content = path.read_bytes()
    named = hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()
    return named == sibling.blob_id


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
