"""Files and folders that are whole under their name or not there at all, and JSON read back from them.

Each is written under a temporary name beside its own, synced, and renamed. On Linux and macOS the rename is
synced, too. Windows cannot do that: after a power cut the old content may be back, but never half of the new.
"""

import errno
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scriptforge.errors import RunError, ScriptforgeError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CANNOT_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP)
_LEFTOVER = re.compile(r"\..+\.(tmp|old)|\.tmp\w+")  # the second kind is what safetensors writes into first


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file so that its name holds either the old content or the new, even after a power cut."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _translate_disk_errors():
            yield temporary
            _sync_file(temporary)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `path` that replaces it, whole, if the block succeeds.

    If it fails, an existing folder of that name stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        with _translate_disk_errors():
            yield temporary
            for file in temporary.iterdir():
                _sync_file(file)
            _sync_folder(temporary)
        temporary.chmod(0o755)
        if path.exists():
            _exchange(path, temporary)
        else:
            temporary.replace(path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync_folder(path.parent)


def rename_folder(path: Path, target: Path) -> None:
    """Rename a folder within its parent: at any moment the whole of it has the one name or the other."""
    path.rename(target)
    _sync_folder(target.parent)


def remove_folder(path: Path) -> None:
    """Delete a folder; from the first moment nothing of it is left under its name, whatever happens then."""
    if path.is_symlink():  # what it points to is somebody else's
        path.unlink()
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    try:
        path.rename(old / path.name)
    except BaseException:
        old.rmdir()
        raise
    _sync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """Delete what a killed process left half-written in a folder that only the caller writes to."""
    for path in parent.glob(".*") if parent.is_dir() else ():
        if not _LEFTOVER.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def parse_json(text: str | bytes, *, strict: bool = True) -> Any:
    """Return what JSON from elsewhere says; the one place that parses it, whose only error is a ValueError.

    Args:
        text: the JSON.
        strict: whether control characters are refused inside strings.

    Raises:
        ValueError: it is not JSON (`JSONDecodeError`), not text, or more than Python reads, which is said.
    """
    try:
        return json.loads(text, strict=strict)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError:
        raise ValueError("it has a number that is too long") from None


def read_json(path: Path) -> Any:
    """Parse a JSON file of a workspace folder.

    Raises:
        RunError: the file is missing or damaged.
    """
    try:
        return parse_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path.parent.name}/{path.name} cannot be read: {type(error).__name__}.",
            "The folder is damaged: restore it from a copy, or make it again.",
        ) from error


def _exchange(path: Path, temporary: Path) -> None:
    """Put a new folder in the place of an old one, since no system can rename onto a folder with files in it.

    If the second rename fails, as on Windows while a program has one of the files open, the first is undone.
    """
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent))
    try:
        path.replace(old / path.name)
        try:
            temporary.replace(path)
        except OSError:
            (old / path.name).replace(path)
            raise
    finally:
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _translate_disk_errors() -> Iterator[None]:
    """Say what to do about a full disk."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise ScriptforgeError(
                f"The disk is full: {error.strerror}.",
                "Free some space and run the same command again; what was there before is untouched.",
            ) from error
        raise


def _sync_file(path: Path) -> None:
    """Let everybody read a file, and wait until the disk has it."""
    path.chmod(0o644)
    with path.open("r+b") as file:  # Windows syncs no file that is open for reading only
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
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
