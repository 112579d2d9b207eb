"""Scratch folders, in which files and folders are made, beside their final path, before they are moved there.

    .NAME.x1y2z3w4.tmp/
        .scriptforge    the mark of a scratch folder, with the name of the machine; locked by the process
        NAME            the new file or folder
        before/NAME     the old one that it replaces, on a system that cannot exchange two folders atomically

The mark is made first and removed last, and is locked while the process that made it lives. A scratch
folder of this machine that is not locked was left by a killed process: the next command removes it, after
restoring an old file or folder that was not replaced yet. One of another machine, or on a file system that
cannot lock, is removed after a day. A folder without the mark is removed only if it is empty.
"""

import ctypes
import errno
import os
import platform
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from scriptforge.workspace.locks import is_at, try_lock

_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.tmp", re.DOTALL)
"""Names of scratch folders."""

_MARK = ".scriptforge"
_BEFORE = "before"
_LONGEST = 40
"""Number of characters of NAME that the name of a scratch folder has, so that it is never too long."""

_UNKNOWN_FOR = 24 * 3600.0
"""Age in seconds from which a scratch folder counts as left behind, if its lock does not say so."""

_CANNOT_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)
_CANNOT_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP)
_HERE, _EXCHANGE, _SWAP = -100, 2, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS


@contextmanager
def scratch_folder(path: Path, *, makes_parents: bool = True) -> Iterator[Path]:
    """Yield a folder beside a path, with nothing in it but its mark, and remove it at the end.

    Args:
        path: the path of what is to be made.
        makes_parents: whether to make the folder of the path if it is missing.

    Raises:
        FileNotFoundError: the folder of the path is missing and may not be made.
    """
    if makes_parents:
        make_folder(path.parent)
    remove_leftovers(path.parent, path.name[:_LONGEST])
    folder, mark = _new_folder(path)
    with mark:
        try:
            yield folder
        finally:
            with suppress(OSError):
                _clear_away(folder, mark)


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


def put_new(new: Path, path: Path) -> None:
    """Move a file or folder from its scratch folder to its path, unless something is there by now.

    An empty folder makes way for a folder.

    Raises:
        OSError: something is there; `FileExistsError` if it is a file that was to be moved.
    """
    if new.is_dir():
        if sys.platform == "win32" and path.exists():
            path.rmdir()
        new.rename(path)
    elif sys.platform == "win32":
        new.rename(path)
    else:
        _link(new, path)
    sync_folder(path.parent)


def _link(new: Path, path: Path) -> None:
    """Give a file a second name, which must be free; the first one goes with the scratch folder."""
    try:
        path.hardlink_to(new)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: take the name, then replace the empty file
        path.touch(exist_ok=False)
        try:
            new.replace(path)
        except OSError:
            path.unlink()
            raise


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


def _new_folder(path: Path) -> tuple[Path, IO[bytes]]:
    """Make a scratch folder, and return it with its mark, which is locked where the system can do that."""
    while True:
        folder = path.with_name(f".{path.name[:_LONGEST]}.{secrets.token_hex(4)}.tmp")
        try:
            folder.mkdir()
        except OSError as error:  # name the folder that the user knows
            raise OSError(error.errno, error.strerror, os.fspath(path.parent)) from error
        try:
            mark = (folder / _MARK).open("xb", buffering=0)
        except FileNotFoundError:  # another process has taken the folder for an empty one that was left
            continue
        except OSError:
            with suppress(OSError):
                folder.rmdir()
            raise
        with suppress(OSError):  # on a full disk, the mark does not say whose it is
            mark.write(_machine())
        if try_lock(mark.fileno()) is not False and is_at(mark, folder / _MARK):
            return folder, mark
        mark.close()  # another process has taken it for one that was left


def _machine() -> bytes:
    return f"{platform.node()}\n".encode()


def _remove_leftover(path: Path) -> None:
    """Remove a scratch folder that an ended process left, and restore what it displaced."""
    if path.is_symlink() or not path.is_dir():
        return
    try:
        mark = (path / _MARK).open("r+b", buffering=0)
    except FileNotFoundError:
        path.rmdir()  # left by a kill before it was marked; or not empty, and not ours
        return
    with mark:
        is_free = try_lock(mark.fileno())
        if is_free is False:
            return
        mark.seek(0)
        is_own = _machine().startswith(mark.read())  # a kill may have cut it off
        if (is_free and is_own) or time.time() - os.fstat(mark.fileno()).st_mtime > _UNKNOWN_FOR:
            _clear_away(path, mark)
        else:
            _restore(path)


def _restore(path: Path) -> None:
    """Move what a scratch folder has displaced back to where nothing has taken its place."""
    for before in (path / _BEFORE).glob("*"):
        home = path.parent / before.name
        if not os.path.lexists(home):
            before.rename(home)
            sync_folder(path.parent)


def _clear_away(path: Path, mark: IO[bytes]) -> None:
    """Restore what a scratch folder has displaced, and remove the folder, its mark last.

    Raises:
        OSError: something in it cannot be removed; then the mark stays, for the next time.
    """
    _restore(path)
    for inner in path.iterdir():
        if inner.name == _MARK:
            continue
        if inner.is_dir() and not inner.is_symlink():
            shutil.rmtree(inner)
        else:
            inner.unlink()
    if sys.platform == "win32":
        mark.close()  # an open file cannot be removed there
    (path / _MARK).unlink()
    path.rmdir()


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
