"""Locks on names, so that only one process at a time writes to a file or folder.

    .NAME.lock      beside NAME while a process holds the lock; has the process id and what it is doing

The operating system releases a lock when its process ends, even if it is killed. Since the lock file is
beside what it protects, that can be renamed or replaced while it is locked.
"""

import errno
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_BETWEEN_LOOKS = 0.01
_LOOKS = 10
"""Number of attempts before a lock counts as held: `holder` locks it for a moment to test it."""

_BEHIND_ALL = 1 << 30
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class LockHeld(Exception):  # noqa: N818 (it names the lock)
    """A lock is held by another process.

    Attributes:
        process: the process id, or `(unknown)`.
        doing: what that process is doing, such as "being trained".
    """

    def __init__(self, process: str, doing: str) -> None:
        super().__init__(f"{doing} by process {process}")
        self.process = process
        self.doing = doing


class Lock:
    """A lock that this process holds until it is released or the process ends; made by `acquire`."""

    def __init__(self, place: Path, file: IO[bytes]) -> None:
        self._place = place
        self._file = file

    @classmethod
    def acquire(cls, path: Path, doing: str, *, waits: bool = False) -> Self:
        """Lock the name of a path, which need not exist, but whose parent folder must.

        Args:
            path: the file or folder to be written.
            doing: what is being done, for other processes: "being trained".
            waits: whether to wait until the lock is free.

        Raises:
            LockHeld: another process holds the lock.
        """
        place = _place(path)
        looks = 0
        while True:
            file = place.open("a+b", buffering=0)
            if try_lock(file.fileno()):
                if _is_at(file, place):
                    break
                looks = 0
            else:
                looks += 1
                if looks >= _LOOKS and not waits:
                    with file:
                        raise _described(file)
                time.sleep(_BETWEEN_LOOKS)
            file.close()
        with suppress(OSError):  # on a full disk, others see an unknown process
            file.truncate(0)
            file.write(f"{os.getpid()} {doing}".encode())
        return cls(place, file)

    def release(self) -> None:
        """Release the lock."""
        with suppress(OSError):  # Windows cannot delete an open file; the next holder reuses it
            self._place.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def holder(path: Path) -> LockHeld | None:
    """Return which process holds the lock of a path, and what it is doing; None if the lock is free."""
    try:
        file = _place(path).open("rb", buffering=0)
    except OSError:
        return None
    with file:
        return None if try_lock(file.fileno()) else _described(file)


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
            os.lseek(handle, _BEHIND_ALL, os.SEEK_SET)  # others cannot read a locked byte
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _TAKEN
    return True


def _place(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _is_at(file: IO[bytes], place: Path) -> bool:
    """Return whether an open lock file is still in its place: its last holder may have removed it."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), place.stat())
    return False


def _described(file: IO[bytes]) -> LockHeld:
    """Return the holder of a lock, as it described itself in the lock file."""
    said = ""
    with suppress(OSError):
        file.seek(0)
        said = file.read().decode(errors="replace")
    process, _, doing = said.partition(" ")
    return LockHeld(process, doing) if doing else LockHeld("(unknown)", "in use")
