"""Locks: names that one process at a time may write to.

    .NAME.lock      beside NAME, as long as a process holds it; says which one, and what it does

The system lets go of a lock when its process ends, however that may be. Since the file stands beside what it
protects, that can be renamed and exchanged meanwhile.
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
"""How often a lock is tried before it counts as held: who only asks for the holder has it for a moment."""

_BEHIND_ALL = 1 << 30
_TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class Held(Exception):  # noqa: N818 (it names the lock)
    """A lock is held by another process.

    Attributes:
        process: its number, or `(unknown)`.
        doing: what it does with the name, as in "being trained".
    """

    def __init__(self, process: str, doing: str) -> None:
        super().__init__(f"{doing} by process {process}")
        self.process = process
        self.doing = doing


class Lock:
    """A lock that this process holds until it releases it, or ends; make it with `acquire`."""

    def __init__(self, place: Path, file: IO[bytes]) -> None:
        self._place = place
        self._file = file

    @classmethod
    def acquire(cls, path: Path, doing: str, *, waits: bool = False) -> Self:
        """Reserve the name of a path, whose folder exists, whether or not there is something of that name.

        Args:
            path: the file or folder that is to be written.
            doing: what is done with it, for others who ask: "being trained".
            waits: whether to wait until it is free.

        Raises:
            Held: another process has it.
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
        with suppress(OSError):  # a full disk: others are told of an unknown process
            file.truncate(0)
            file.write(f"{os.getpid()} {doing}".encode())
        return cls(place, file)

    def release(self) -> None:
        """Release the name."""
        with suppress(OSError):  # Windows removes no file that is open; the next holder uses it
            self._place.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def holder(path: Path) -> Held | None:
    """Return which process holds the lock of a path, and what it does; None if nobody holds it."""
    try:
        file = _place(path).open("rb", buffering=0)
    except OSError:
        return None
    with file:
        return None if try_lock(file.fileno()) else _described(file)


def remove_free_locks(folder: Path) -> None:
    """Remove the locks in a folder whose process has ended without releasing them."""
    for place in folder.glob(".*.lock"):
        with suppress(OSError), place.open("rb", buffering=0) as file:
            if try_lock(file.fileno()) and _is_at(file, place):
                place.unlink()


def try_lock(handle: int) -> bool:
    """Lock an open file or folder, unless another process has locked it; return whether it did.

    On a drive that knows no locks everything counts as free.
    """
    try:
        if sys.platform == "win32":
            os.lseek(handle, _BEHIND_ALL, os.SEEK_SET)  # what is locked cannot be read by others
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _TAKEN
    return True


def _place(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _is_at(file: IO[bytes], place: Path) -> bool:
    """Return whether an open file still has its name: whoever held it before may have removed it."""
    with suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), place.stat())
    return False


def _described(file: IO[bytes]) -> Held:
    """Return what the holder of a lock says of itself."""
    said = ""
    with suppress(OSError):
        file.seek(0)
        said = file.read().decode(errors="replace")
    process, _, doing = said.partition(" ")
    return Held(process, doing) if doing else Held("(unknown)", "in use")
