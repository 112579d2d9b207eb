"""The Hub's client as scriptforge uses it: silent, with limits on waiting, and with files that are verified.

It finds the person's own token; none is kept here. What it changes in the client's global state lasts for one
block, so that a program that uses the client itself finds it as it was.
"""

import hashlib
import math
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from logging import ERROR
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from scriptforge.errors import HubError, UsageError
from scriptforge.net import errors as network

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoSibling

ProgressCallback: TypeAlias = Callable[[str, int, int | None], None]
"""Takes what is done, how many bytes of it are there, and how many there will be, if that is known."""

REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
"""The form of the id of a repository: `OWNER/NAME`."""

_SENDING_TIMEOUT_SECONDS = 120  # on a slow line, much that counts as sent is still on its way
_WATCH_INTERVAL = 0.2


@contextmanager
def hub_client() -> "Iterator[HfApi]":
    """Yield the Hub's client, silent and with limits on waiting while the block lasts."""
    from importlib.metadata import version

    from huggingface_hub import HfApi

    with silent_hub(), limited_waiting():
        yield HfApi(library_name="scriptforge", library_version=version("scriptforge-lm"))


@contextmanager
def silent_hub(level: int = ERROR) -> Iterator[None]:
    """Switch off the progress bars of the Hub's client and its log messages below a level, for one block."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
        logging,
    )

    with ExitStack() as restoring:
        if not are_progress_bars_disabled():
            restoring.callback(enable_progress_bars)
            disable_progress_bars()
        restoring.callback(logging.set_verbosity, logging.get_verbosity())
        logging.set_verbosity(level)
        yield


@contextmanager
def limited_waiting() -> Iterator[None]:
    """Limit how long the Hub's client waits for an answer, for one block; else it may wait for ever."""
    from huggingface_hub import get_session

    hooks = get_session().event_hooks["request"]
    if _limit_waiting in hooks:  # an outer block has seen to it
        yield
        return
    hooks.append(_limit_waiting)
    try:
        yield
    finally:
        hooks.remove(_limit_waiting)


def _limit_waiting(request: Any) -> None:
    """Lower the timeouts of a request: to read and connect in `TIMEOUT_SECONDS`, to send in more."""
    limit = network.TIMEOUT_SECONDS if request.method in ("GET", "HEAD") else _SENDING_TIMEOUT_SECONDS
    timeouts = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {
        kind: min(limit, math.inf if seconds is None else seconds) for kind, seconds in timeouts.items()
    }


def user_name() -> str:
    """Return the name on the Hub of the person who is logged in.

    Raises:
        HubError: nobody is logged in, or the Hub cannot be reached.
    """
    with hub_client() as api, network.RemoteRequest("Your name on the Hub", HubError).translate_errors():
        return str(api.whoami()["name"])


def check_repository(id_: str) -> None:
    """Raise an error for what is not the id of a repository.

    Raises:
        UsageError: it is not of the form `OWNER/NAME`.
    """
    if not REPOSITORY.fullmatch(id_) or ".." in id_ or "--" in id_:
        raise UsageError(f"“{id_}” is not the id of a repository.", "Give OWNER/NAME, as its page has it.")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_as_promised(path: Path, sibling: "RepoSibling") -> bool:
    """Return whether a file is the one of a commit: by SHA-256 if it is large, else by its name in git.

    Args:
        path: the file.
        sibling: what the Hub says about it, metadata included.
    """
    if sibling.lfs:
        return sha256_of(path) == sibling.lfs.sha256
    content = path.read_bytes()
    git_name = hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()
    return git_name == sibling.blob_id


def no_progress(what: str, done: int, total: int | None) -> None:
    """Ignore progress: the callback for callers who do not want any."""


@contextmanager
def progress_bars(is_shown: bool | None) -> Iterator[ProgressCallback]:
    """Yield a callback that shows a bar for each task, or one that shows nothing.

    Args:
        is_shown: which of both; None shows bars in a notebook.
    """
    if not ("ipykernel" in sys.modules if is_shown is None else is_shown):
        yield no_progress
        return
    from tqdm.auto import tqdm

    bars: dict[str, Any] = {}

    def show(what: str, done: int, total: int | None) -> None:
        if what not in bars:
            bars[what] = tqdm(desc=what, total=total, leave=False)
        bars[what].update(done - bars[what].n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()


@contextmanager
def watch_folder(folder: Path, what: str, total: int | None, on_progress: ProgressCallback) -> Iterator[None]:
    """Report how much is in a folder while the block fills it.

    The clients that download draw bars of their own and offer no callback, but all of them write to disk.

    Args:
        folder: where the bytes arrive; it need not exist yet.
        what: what to call it.
        total: how many bytes are expected.
        on_progress: called several times a second, from a thread of its own, and once at the end.
    """
    before = _bytes_in(folder)
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_WATCH_INTERVAL):
            on_progress(what, _bytes_in(folder) - before, total)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
        on_progress(what, _bytes_in(folder) - before, total)
    finally:
        done.set()
        watcher.join()


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except FileNotFoundError:  # a temporary file that has just been renamed
            continue
    return total
