"""Locks on names, so that only one process at a time writes to a file or folder.

    .NAME.scriptforge.lock      beside NAME while a process holds the lock; has the process id, what it is
                                doing, and the name of its machine

The operating system releases a lock when its process ends, even if it is killed. Since the lock file is
beside what it protects, that can be renamed or replaced while it is locked. On a file system that cannot
lock, a lock is free if its process has ended on this machine; what cannot be known counts as held.
"""

import errno
import os
import platform
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple, Self

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_SUFFIX = ".scriptforge.lock"

_SECONDS_BETWEEN_ATTEMPTS = 0.01
_ATTEMPTS = 10
"""Number of attempts before a lock counts as held: `holder` locks it for a moment to test it."""

_LOCKED_BYTE = 1 << 30
"""Offset of the byte locked on Windows, far behind the contents: others cannot read a locked byte."""

_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class Holder(NamedTuple):
    """The process that holds a lock, as it described itself in the lock file.

    Attributes:
        process: the process id, or `(unknown)`.
        doing: what that process is doing, such as "being trained".
        machine: the name of its machine, empty if it is unknown.
    """

    process: str
    doing: str
    machine: str = ""


_UNKNOWN = Holder("(unknown)", "in use")


class LockHeldError(Exception):
    """A lock is held by another process.

    Attributes:
        holder: that process.
        hint: what to do.
    """

    def __init__(self, holder: Holder, hint: str) -> None:
        super().__init__(f"{holder.doing} by process {holder.process}")
        self.holder = holder
        self.hint = hint


class Lock:
    """A lock that this process holds until it is released or the process ends; made by `acquire`."""

    def __init__(self, place: Path, file: IO[bytes]) -> None:
        self._place = place
        self._file = file

    @classmethod
    def acquire(cls, path: Path, doing: str, *, on_wait: Callable[[], None] | None = None) -> Self:
        """Lock the name of a path, which need not exist, but whose parent folder must.

        Args:
            path: the file or folder to be written.
            doing: what is being done, for other processes: "being trained".
            on_wait: called again and again while a process certainly holds the lock, and may raise to stop
                waiting; None does not wait.

        Raises:
            LockHeldError: another process holds the lock, or may hold it on a file system that cannot lock.
        """
        place = _place(path)
        failures = 0
        while True:
            try:
                file = place.open("a+b", buffering=0)
            except OSError as error:  # name the folder that the user knows
                raise OSError(error.errno, error.strerror, os.fspath(path.parent)) from error
            is_free = _take(file)
            if is_free and is_at(file, place):
                _write_holder(file, doing)
                return cls(place, file)
            with file:
                failures = 0 if is_free else failures + 1  # 0: its last holder has just removed it
                if failures >= _ATTEMPTS and (is_free is None or on_wait is None):
                    held = _read_holder(file)
                    raise LockHeldError(held, _hint(held, place, is_known=is_free is not None))
            if not is_free:
                if on_wait is not None:
                    on_wait()
                time.sleep(_SECONDS_BETWEEN_ATTEMPTS)

    def release(self) -> None:
        """Release the lock."""
        with suppress(OSError):  # Windows cannot delete an open file; the next holder reuses it
            self._place.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def holder(path: Path) -> Holder | None:
    """Return the process that holds the lock of a path, or may hold it; None if the lock is free."""
    try:
        file = _open(_place(path))
    except PermissionError:
        return _UNKNOWN
    except OSError:
        return None
    with file:
        return None if _take(file) else _read_holder(file)


def remove_free_locks(folder: Path) -> None:
    """Remove the lock files in a folder whose processes ended without releasing them."""
    for place in folder.glob(f".*{_SUFFIX}"):
        with suppress(OSError), place.open("r+b", buffering=0) as file:
            if _take(file) and is_at(file, place):
                place.unlink()


def try_lock(handle: int) -> bool | None:
    """Lock a file that is open for writing, unless another process has locked it.

    Returns:
        Whether it succeeded; None if the file system cannot lock.
    """
    try:
        if sys.platform == "win32":
            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _HELD_BY_ANOTHER else None
    return True


def is_at(file: IO[bytes], place: Path) -> bool:
    """Return whether an open lock file is still in its place: its last holder may have removed it."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), place.stat())
    return False


def _place(path: Path) -> Path:
    return path.with_name(f".{path.name}{_SUFFIX}")


def _open(place: Path) -> IO[bytes]:
    """Open a lock file for writing if possible, since some network drives cannot lock what is only read."""
    try:
        return place.open("r+b", buffering=0)
    except FileNotFoundError:
        raise
    except OSError:
        return place.open("rb", buffering=0)


def _take(file: IO[bytes]) -> bool | None:
    """Lock an open lock file if it is free; return whether it was, None if that cannot be known."""
    locked = try_lock(file.fileno())
    return _has_ended(file) if locked is None else locked


def _has_ended(file: IO[bytes]) -> bool | None:
    """Return whether the process that wrote a lock file has ended; None if it may be on another machine."""
    held = _read_holder(file)
    if held == _UNKNOWN and not os.fstat(file.fileno()).st_size:
        return True  # a new file, or one that a kill left empty
    if held.machine != platform.node() or sys.platform == "win32":
        return None
    try:
        os.kill(int(held.process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    except (ValueError, OverflowError, OSError):
        return None
    return False


def _hint(held: Holder, place: Path, *, is_known: bool) -> str:
    if is_known:
        return "Wait for it, stop it, or use another name."
    machine = f" on {held.machine}" if held.machine else ""
    return f"Wait for it; if it has ended{machine}, remove {place}: this disk cannot lock files."


def _write_holder(file: IO[bytes], doing: str) -> None:
    """Write into a lock file that this process holds the lock, and what it is doing."""
    with suppress(OSError):  # on a full disk, others see an unknown process
        file.truncate(0)
        file.write(f"{os.getpid()} {doing}\n{platform.node()}".encode())


def _read_holder(file: IO[bytes]) -> Holder:
    said = ""
    with suppress(OSError):
        file.seek(0)
        said = file.read().decode(errors="replace")
    first, _, machine = said.partition("\n")
    process, _, doing = first.partition(" ")
    return Holder(process, doing, machine) if doing else _UNKNOWN
