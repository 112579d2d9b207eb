"""The Hub's client as scriptforge uses it: silent, with timeouts, and with verification of downloaded files.

The client finds the user's token itself; none is stored here. Changes to the client's global state are undone
at the end of a block, so that they do not affect other code that uses the client.
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
"""A function of the current task's name, the amount done, and the total if it is known: bytes of a download,
or rows."""

REPOSITORY = re.compile(r"\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
"""The form of a repository's id: `OWNER/NAME`."""

_ETAG = re.compile(r'(?:W/)?"?(?![.])[^/\\:"\0]{0,200}"?')
_SENDING_TIMEOUT_SECONDS = 120  # data counted as sent may still be in buffers on a slow connection
_WATCH_INTERVAL = 0.2


@contextmanager
def hub_client() -> "Iterator[HfApi]":
    """Yield the Hub's client, silenced and with timeouts for the duration of the block."""
    from importlib.metadata import version

    from huggingface_hub import HfApi

    with silent_hub(), watched_requests():
        yield HfApi(library_name="scriptforge", library_version=version("scriptforge-lm"))


@contextmanager
def silent_hub(level: int = ERROR) -> Iterator[None]:
    """Switch off the Hub client's progress bars, and its log messages below a level, within the block."""
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
def watched_requests() -> Iterator[None]:
    """Set timeouts for the Hub client's requests within the block, and check the answers.

    Without timeouts it may wait for ever, and it names files after whatever a server calls an ETag.
    """
    from huggingface_hub import get_session

    hooks = get_session().event_hooks
    if _limit_waiting in hooks["request"]:  # within an outer block
        yield
        return
    hooks["request"].append(_limit_waiting)
    hooks["response"].append(_check_etag)
    try:
        yield
    finally:
        hooks["request"].remove(_limit_waiting)
        hooks["response"].remove(_check_etag)


def _limit_waiting(request: Any) -> None:
    """Lower the timeouts of a request: to `TIMEOUT_SECONDS` for GET and HEAD, else to a longer limit."""
    limit = network.TIMEOUT_SECONDS if request.method in ("GET", "HEAD") else _SENDING_TIMEOUT_SECONDS
    timeouts = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {
        kind: min(limit, math.inf if seconds is None else seconds) for kind, seconds in timeouts.items()
    }


def _check_etag(response: Any) -> None:
    """Check that the ETag of a file, which HEAD asks for, can be part of a file's name.

    Raises:
        HubError: it cannot, or it leads out of a folder.
    """
    etags = (response.headers.get(name, "") for name in ("ETag", "X-Linked-ETag"))
    if response.request.method == "HEAD" and not all(map(_ETAG.fullmatch, etags)):
        name = response.request.url.path.rpartition("/")[2]
        raise HubError(
            f"“{name}” comes with an ETag that cannot be part of a file name.",
            "Try again; a proxy may have answered, or the server of HF_ENDPOINT is not a Hub.",
        )


def user_name() -> str:
    """Return the name of the user who is logged in to the Hub.

    Raises:
        HubError: nobody is logged in, or the Hub cannot be reached.
    """
    with hub_client() as api, network.RemoteRequest("Your name on the Hub", HubError).translate_errors():
        return str(api.whoami()["name"])


def check_repository(id_: str) -> None:
    """Check that an id is a repository's.

    Raises:
        UsageError: it is not a valid `OWNER/NAME`.
    """
    if not REPOSITORY.fullmatch(id_) or ".." in id_ or "--" in id_:
        raise UsageError(f"“{id_}” is not the id of a repository.", "Give OWNER/NAME, as its page has it.")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def matches_commit(path: Path, sibling: "RepoSibling") -> bool:
    """Return whether a file is the one of a commit, by its SHA-256 in Git LFS or else its Git blob id.

    Args:
        path: the file.
        sibling: the Hub's description of the file, including its metadata.
    """
    if sibling.lfs:
        return sha256_of(path) == sibling.lfs.sha256
    content = path.read_bytes()
    git_name = hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()
    return git_name == sibling.blob_id


def no_progress(what: str, done: int, total: int | None) -> None:
    """Ignore progress: the default callback."""


@contextmanager
def progress_bars(is_shown: bool | None) -> Iterator[ProgressCallback]:
    """Yield a callback that shows a progress bar for each task, or one that shows nothing.

    Args:
        is_shown: whether to show bars; None shows them only in a notebook.
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
    """Report the bytes that the block adds to a folder.

    The Hub's client draws its own progress bars and offers no callback, but it writes to disk.

    Args:
        folder: the folder that receives the bytes; it need not exist yet.
        what: the task's name in the reports.
        total: the expected number of bytes, if it is known.
        on_progress: called several times a second from a separate thread, and once at the end.
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
