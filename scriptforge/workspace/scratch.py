"""Scratch folders: things are made in them, beside the place that they are for, and then put there.

    .NAME.x1y2z3w4.tmp/
        NAME            what is being made
        before/NAME     what had the name, on a system that cannot exchange two folders at one moment

As long as the process lives that made it, a scratch folder is locked. One that is not is what a kill left:
the next command removes it, after it has brought back what had the name.
"""

import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scriptforge.workspace.locks import try_lock

_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
"""What scratch folders are called."""

_BEFORE = "before"
_LONGEST = 40
"""Letters of a name that are in that of its scratch folder, so that this is never too long."""

_UNLOCKED_FOR = 24 * 3600.0
"""After how many seconds a folder counts as left where folders cannot be locked."""

_CANNOT_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)
_CANNOT_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_HERE, _EXCHANGE, _SWAP = -100, 2, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside a path, for this process alone; at the end it is removed."""
    make_folder(path.parent)
    remove_leftovers(path.parent, path.name[:_LONGEST])
    folder, handle = _new_folder(path)
    try:
        yield folder
    finally:
        with suppress(OSError):
            _clear_away(folder)
        if handle is not None:
            os.close(handle)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, so that a power cut takes none of them away."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        sync_folder(folder.parent)


def put(new: Path, path: Path) -> None:
    """Give a folder in a scratch folder its name; what had the name is then in the scratch folder.

    Where the system can exchange two names, something has the name at every moment. Elsewhere nothing has it
    for a moment: after a kill then, `remove_leftovers` brings back what had it.
    """
    if not os.path.lexists(path):
        new.rename(path)
    elif not _exchange(new, path):
        before = new.parent / _BEFORE / path.name
        before.parent.mkdir()
        path.replace(before)
        try:
            new.replace(path)
        except OSError:
            before.replace(path)
            raise
    sync_folder(path.parent)


def remove_leftovers(parent: Path, name: str = "") -> None:
    """Remove the scratch folders in a folder whose processes have ended, and bring back what they displaced.

    What cannot be removed stays for the next time.

    Args:
        parent: the folder.
        name: with what the names of what was to be made begin.
    """
    with suppress(OSError):
        for found in parent.iterdir():
            if found.name.startswith(f".{name}") and _LEFTOVER.fullmatch(found.name):
                with suppress(OSError):
                    _remove_leftover(found)


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names in a folder, where the system can do that."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no folder
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:  # some network drives open a folder and cannot sync it
            raise
    finally:
        os.close(handle)


def _new_folder(path: Path) -> tuple[Path, int | None]:
    """Make a scratch folder and lock it; return it with the handle that keeps the lock, if there is one."""
    while True:
        folder = path.with_name(f".{path.name[:_LONGEST]}.{secrets.token_hex(4)}.tmp")
        try:
            folder.mkdir()
        except OSError as error:  # who reads this knows the place, and not its scratch folder
            raise OSError(error.errno, error.strerror, os.fspath(path.parent)) from error
        try:
            handle = os.open(folder, os.O_RDONLY)
        except PermissionError:
            return folder, None
        while not try_lock(handle):  # somebody looks whether it was left
            time.sleep(0)
        if folder.exists():
            return folder, handle
        os.close(handle)


def _remove_leftover(path: Path) -> None:
    """Remove a scratch folder, unless its process lives."""
    if path.is_symlink() or not path.is_dir():
        return
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        if time.time() - path.stat().st_mtime > _UNLOCKED_FOR:
            _clear_away(path)
        return
    try:
        if try_lock(handle):
            _clear_away(path)
    finally:
        os.close(handle)


def _clear_away(path: Path) -> None:
    for before in (path / _BEFORE).glob("*"):
        home = path.parent / before.name
        if not os.path.lexists(home):
            before.rename(home)
            sync_folder(path.parent)
    shutil.rmtree(path, ignore_errors=True)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange the names of two paths, at one moment; return whether the system can do that."""
    if sys.platform == "win32":
        return False
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(first), os.fsencode(second)
    try:
        if sys.platform == "darwin":
            failed = library.renamex_np(*names, _SWAP)
        else:
            failed = library.renameat2(_HERE, names[0], _HERE, names[1], _EXCHANGE)
    except AttributeError:  # an old C library
        return False
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), os.fspath(second))
