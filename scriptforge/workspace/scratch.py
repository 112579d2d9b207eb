"""Scratch folders, in which files and folders are made, beside their final path, before they are moved there.

    .NAME.x1y2z3w4.tmp/
        NAME            the new file or folder
        before/NAME     the old one that it replaces, on a system that cannot exchange two folders atomically

A scratch folder is locked while the process that made it lives. One that is not locked was left by a killed
process: the next command removes it, after restoring an old file or folder that was not replaced yet.
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
"""Names of scratch folders."""

_BEFORE = "before"
_LONGEST = 40
"""Number of characters of NAME that the name of a scratch folder has, so that it is never too long."""

_UNLOCKED_FOR = 24 * 3600.0
"""Age in seconds from which a scratch folder counts as left behind, where folders cannot be locked."""

_CANNOT_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)
_CANNOT_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_HERE, _EXCHANGE, _SWAP = -100, 2, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside a path, locked for this process and removed at the end."""
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
    """Make a folder and its missing parents, and sync them, so that they survive a power cut."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in reversed(missing):
        sync_folder(folder.parent)


def put(new: Path, path: Path) -> None:
    """Move a folder from its scratch folder to its path; what was there moves into the scratch folder.

    If the system can exchange two paths, something is at the path at every moment. Elsewhere nothing is there
    for a moment: if the process is killed then, `remove_leftovers` restores what was there.
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
    """Remove the scratch folders that ended processes left in a folder, and restore what they displaced.

    What cannot be removed is left for the next time.

    Args:
        parent: the folder.
        name: only remove scratch folders for names that begin with this.
    """
    with suppress(OSError):
        for found in parent.iterdir():
            if found.name.startswith(f".{name}") and _LEFTOVER.fullmatch(found.name):
                with suppress(OSError):
                    _remove_leftover(found)


def sync_folder(path: Path) -> None:
    """Sync the names in a folder to disk, if the system can."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows cannot open a folder
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:  # some network drives can open a folder, but not sync it
            raise
    finally:
        os.close(handle)


def _new_folder(path: Path) -> tuple[Path, int | None]:
    """Make a scratch folder and lock it; return it with the handle that holds the lock, None on Windows."""
    while True:
        folder = path.with_name(f".{path.name[:_LONGEST]}.{secrets.token_hex(4)}.tmp")
        try:
            folder.mkdir()
        except OSError as error:  # name the folder that the user knows
            raise OSError(error.errno, error.strerror, os.fspath(path.parent)) from error
        try:
            handle = os.open(folder, os.O_RDONLY)
        except PermissionError:
            return folder, None
        while not try_lock(handle):  # another process is checking whether it was left behind
            time.sleep(0)
        if folder.exists():
            return folder, handle
        os.close(handle)


def _remove_leftover(path: Path) -> None:
    """Remove a scratch folder, unless its process is still alive."""
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
    """Exchange two paths atomically; return whether the system can do that."""
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
