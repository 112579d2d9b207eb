"""How work that waits for bytes tells that it is busy: a callback, and a watch on a folder that fills."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

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
