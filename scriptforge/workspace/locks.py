"""Locks on names, so that only one process at a time writes to a file or folder.

    .NAME.lock      beside NAME while a process holds the lock; has the process id and what it is doing

The operating system releases a lock when its process ends, even if it is killed. Since the lock file is
beside what it protects, that can be renamed or replaced while it is locked.
"""

import errno
import os
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
    """

    process: str
    doing: str


class LockHeldError(Exception):
    """A lock is held by another process.

    Attributes:
        holder: that process.
    """

    def __init__(self, holder: Holder) -> None:
        super().__init__(f"{holder.doing} by process {holder.process}")
        self.holder = holder


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
            on_wait: called again and again while the lock is not free, and may raise to stop waiting; None
                does not wait.

        Raises:
            LockHeldError: another process holds the lock.
        """
        place = _place(path)
        failures = 0
        while True:
            file = place.open("a+b", buffering=0)
            if not try_lock(file.fileno()):
                failures += 1
                with file:
                    if failures >= _ATTEMPTS and on_wait is None:
                        raise LockHeldError(_read_holder(file))
                if on_wait is not None:
                    on_wait()
                time.sleep(_SECONDS_BETWEEN_ATTEMPTS)
                continue
            if _is_at(file, place):
                _write_holder(file, doing)
                return cls(place, file)
            file.close()  # its last holder has just removed it
            failures = 0

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
    """Return the process that holds the lock of a path; None if the lock is free."""
    try:
        file = _place(path).open("rb", buffering=0)
    except OSError:
        return None
    with file:
        return None if try_lock(file.fileno()) else _read_holder(file)


def remove_free_locks(folder: Path) -> None:
    """Remove the lock files in a folder whose processes ended without releasing them."""
    for place in folder.glob(".*.lock"):
        with suppress(OSError), place.open("rb", buffering=0) as file:
            if try_lock(file.fileno()) and _is_at(file, place):
                place.unlink()


def try_lock(handle: int) -> bool:
    """Lock an open file or folder, unless another process has locked it; return whether it succeeded.

    On a file system without locks it always succeeds.
    """
    try:
        if sys.platform == "win32":
            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _HELD_BY_ANOTHER
    return True


def _place(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _is_at(file: IO[bytes], place: Path) -> bool:
    """Return whether an open lock file is still in its place: its last holder may have removed it."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), place.stat())
    return False


def _write_holder(file: IO[bytes], doing: str) -> None:
    """Write into a lock file that this process holds the lock, and what it is doing."""
    with suppress(OSError):  # on a full disk, others see an unknown process
        file.truncate(0)
        file.write(f"{os.getpid()} {doing}".encode())


def _read_holder(file: IO[bytes]) -> Holder:
    said = ""
    with suppress(OSError):
        file.seek(0)
        said = file.read().decode(errors="replace")
    process, _, doing = said.partition(" ")
    return Holder(process, doing) if doing else Holder("(unknown)", "in use")
