"""Files and folders that a person names for the output of a command.

Nothing is replaced unless that was asked for: of two commands that write one new file or folder at the same
time, one succeeds, and the other is refused. A link stays a link, and the file that it leads to is written.
What has nothing to replace, such as a pipe or `/dev/stdout`, is written into as it stands.

This module does not know what is written. The files of a workspace, whose names are chosen here, are written
with `scriptforge.workspace.files`.
"""

import os
import re
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from scriptforge.errors import UsageError
from scriptforge.workspace.files import atomic_file, atomic_folder, is_special, translate_disk_errors
from scriptforge.workspace.locks import Lock, LockHeldError
from scriptforge.workspace.scratch import make_folder

_STREAMS = {"/dev/stdout": 1, "/dev/stderr": 2}
_OPEN = re.compile(r"/(?:dev|proc/self)/fd/(\d+)", re.ASCII)
_REPLACE = "Replace it with --force, or name another one."
_LONGEST = 40
"""Number of characters of a name by which a file is locked, so that the lock's name is never too long."""


def is_stream(path: Path) -> bool:
    """Return whether a path is that of a pipe, a terminal, or an open stream, which may lead into a file."""
    if _descriptor(path) is not None:
        return True
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def write_output(path: Path, content: str | bytes, *, force: bool, hint: str = _REPLACE) -> None:
    """Write a file as a whole, or into a stream; the arguments and errors are those of `output_file`."""
    with output_file(path, force=force, hint=hint) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def output_file(path: Path, *, force: bool, hint: str = _REPLACE) -> Iterator[Path]:
    """Yield the path of a temporary file that becomes the file at `path`, or goes into the stream there.

    Args:
        path: the file or stream.
        force: whether to replace a file that is there.
        hint: advice if there is a file that may not be replaced.

    Raises:
        UsageError: as in `refuse_existing`, before the block or after it.
    """
    if is_stream(path):
        with TemporaryDirectory() as folder:
            yield Path(folder) / "output"
            with (
                translate_disk_errors(),
                (Path(folder) / "output").open("rb") as content,
                _open_stream(path) as stream,
            ):
                shutil.copyfileobj(content, stream)
        return
    refuse_existing(path, force, hint)
    try:
        with atomic_file(Path(os.path.realpath(path)), replaces=force) as temporary:
            yield temporary
    except FileExistsError:
        refuse_existing(path, force, hint)
        raise


@contextmanager
def output_folder(path: Path, names: Collection[str], what: str, *, force: bool) -> Iterator[Path]:
    """Yield a temporary folder that becomes the folder at `path`.

    The arguments are those of `refuse_overwriting`.

    Raises:
        UsageError: the folder may not be overwritten, before the block or after it.
    """

    def check() -> None:
        refuse_overwriting(path, names, what, force=force)

    check()
    try:
        with atomic_folder(Path(os.path.realpath(path)), replaces=force, check=check) as temporary:
            yield temporary
    except OSError:
        check()
        raise


@contextmanager
def turn_to_write(path: Path) -> Iterator[None]:
    """Let one process at a time, within the block, read a file and write it anew; wait for it if needed.

    Raises:
        UsageError: the file system cannot lock, and another process may be writing the file.
    """
    path = Path(os.path.realpath(path))
    make_folder(path.parent)
    try:
        lock = Lock.acquire(path.with_name(path.name[:_LONGEST]), "being written", on_wait=lambda: None)
    except LockHeldError as held:
        raise UsageError(f"{path} is {held}.", held.hint) from None
    with lock:
        yield


def refuse_existing(file: Path, force: bool, hint: str = _REPLACE) -> None:
    """Refuse to replace a file without `--force`, and whatever is neither a file nor a stream.

    Args:
        file: the file to be written.
        force: whether it may be replaced.
        hint: advice for the message.

    Raises:
        UsageError: the file exists, and `force` is false; or it is a folder, a disk or a socket.
    """
    if is_stream(file):
        return
    if file.is_dir():
        raise UsageError(f"{file} is a folder.", "Name a file.")
    if is_special(file):
        raise UsageError(f"{file} is not a file that can be written.", "Name a file.")
    if file.exists() and not force:
        raise UsageError(f"There is a file {file} already.", hint)


def refuse_overwriting(path: Path, names: Collection[str], what: str, *, force: bool) -> None:
    """Refuse to overwrite a folder that is not empty, unless it has only known files and `force` is true.

    Args:
        path: the folder.
        names: the names of the known files.
        what: what such a folder contains, for the message, such as "a page".
        force: whether known files may be replaced.

    Raises:
        UsageError: the folder may not be overwritten.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise UsageError(f"{path} is a file, not a folder.", "Name another folder.")
    there = sorted(each.name for each in path.iterdir())
    foreign = [name for name in there if name not in names]
    if foreign:
        raise UsageError(
            f"The folder {path} holds {foreign[0]}, which is not part of {what}.",
            "Name a new folder: what is there stays as it is.",
        )
    if there and not force:
        raise UsageError(
            f"There is {what} in {path} already.", "Replace it with --force, or name another one."
        )


def _descriptor(path: Path) -> int | None:
    """Return the file descriptor of this process that a path names; None if it names none."""
    match = _OPEN.fullmatch(os.fspath(path))
    return int(match[1]) if match else _STREAMS.get(os.fspath(path))


def _open_stream(path: Path) -> IO[bytes]:
    """Open a stream for writing; one that is open goes on where it is, in whatever file it leads to."""
    descriptor = _descriptor(path)
    return path.open("wb") if descriptor is None else os.fdopen(os.dup(descriptor), "wb")
