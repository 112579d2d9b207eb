"""Atomic writing of files and folders, and reading of JSON and TOML.

A file or folder is made in a scratch folder beside its destination, synced to disk, and then moved. On Linux
and macOS the parent folder is synced, too. Windows cannot do that: after a power cut the old content may be
back, but never half of the new. Permissions follow the umask; a replaced file keeps its permissions.
"""

import json
import os
import re
import stat
import tomllib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from scriptforge.errors import RunError, UsageError, disk_error
from scriptforge.workspace.scratch import put, scratch_folder, sync_folder

_FOR_FILES = 0o666
_TOO_DEEP, _TOO_LONG = "it is nested too deeply", "it has a number that is too long"
_DEEPEST_TOML = 100
"""Maximum depth of tables and arrays in TOML; dotted keys could make it deeper than the recursion limit."""

_LONGEST_INTEGER = 64
"""Bits of an integer in TOML, which promises no more."""

_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def atomic_write(path: Path, content: str | bytes) -> None:
    """Write a file so that it has either the old content or the new, even after a power cut."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` if the block succeeds."""
    with translate_disk_errors(), scratch_folder(path) as scratch:
        temporary = scratch / path.name
        yield temporary
        mode = path.stat().st_mode if path.is_file() else scratch.stat().st_mode
        _settle_file(temporary, mode & _FOR_FILES)
        temporary.replace(path)
        sync_folder(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `path` as a whole if the block succeeds.

    If the block fails, an existing folder at `path` stays as it was.
    """
    path = path.absolute()  # the name of `.` is empty
    with translate_disk_errors(), scratch_folder(path) as scratch:
        temporary = scratch / path.name
        temporary.mkdir()
        yield temporary
        mode = stat.S_IMODE(temporary.stat().st_mode)
        for folder, _, files in os.walk(temporary, topdown=False):
            for name in files:
                _settle_file(Path(folder, name), mode & _FOR_FILES)
            sync_folder(Path(folder))
        put(temporary, path)


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
        raise UsageError(f"{path} is a file, and not a folder.", "Name another folder.")
    there = sorted(each.name for each in path.iterdir())
    foreign = [name for name in there if name not in names]
    if foreign:
        raise UsageError(
            f"The folder {path} holds {foreign[0]}, which is no part of {what}.",
            "Name a new folder: what is there stays as it is.",
        )
    if there and not force:
        raise UsageError(
            f"There is {what} in {path} already.", "Replace it with --force, or name another one."
        )


def rename_folder(path: Path, target: Path) -> None:
    """Rename a folder within its parent, atomically."""
    path.rename(target)
    sync_folder(target.parent)


def remove_folder(path: Path) -> None:
    """Delete a folder; it is moved away first, so that an interruption leaves nothing under its name."""
    if path.is_symlink():  # its target is not ours to delete
        path.unlink()
        return
    with scratch_folder(path) as scratch:
        path.rename(scratch / path.name)
        sync_folder(path.parent)


def refuse_existing(
    file: Path, force: bool, hint: str = "Replace it with --force, or name another one."
) -> None:
    """Refuse to replace a file without `--force`.

    Args:
        file: the file to be written.
        force: whether it may be replaced.
        hint: advice for the message.

    Raises:
        UsageError: the file exists, and `force` is false.
    """
    if file.exists() and not force:
        raise UsageError(f"There is a file {file} already.", hint)


def is_device(name: str) -> bool:
    """Return whether a name is reserved for a device on Windows, with any suffix, such as `con.txt`."""
    return _DEVICE.fullmatch(name) is not None


def expand_home(path: str | Path) -> Path:
    """Return a path with `~` expanded; the `~name` of an unknown user stays as it is."""
    with suppress(RuntimeError):
        return Path(path).expanduser()
    return Path(path)


def parse_json(text: str | bytes, *, strict: bool = True) -> Any:
    """Parse untrusted JSON, with ValueError as the only exception.

    Args:
        text: the JSON.
        strict: whether to refuse control characters inside strings.

    Raises:
        ValueError: it is not JSON (`JSONDecodeError`), not text, nested too deeply, or has too long a number.
    """
    try:
        return json.loads(text, strict=strict)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError:
        raise ValueError(_TOO_LONG) from None


def parse_toml(text: str) -> dict[str, Any]:
    """Parse untrusted TOML, with ValueError as the only exception.

    Raises:
        ValueError: it is not TOML (`TOMLDecodeError`), is nested too deeply, or has too long a number.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError:
        raise ValueError(_TOO_LONG) from None
    values: list[Any] = [document]
    for _ in range(_DEEPEST_TOML):
        if any(isinstance(each, int) and each.bit_length() > _LONGEST_INTEGER for each in values):
            raise ValueError(_TOO_LONG)
        tables = (each.values() for each in values if isinstance(each, dict))
        arrays = (each for each in values if isinstance(each, list))
        values = [*chain.from_iterable(tables), *chain.from_iterable(arrays)]
    if values:
        raise ValueError(_TOO_DEEP)
    return document


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


@contextmanager
def translate_disk_errors() -> Iterator[None]:
    """Turn any exception about a full, read-only or broken disk into an error that says what to do."""
    try:
        yield
    except Exception as error:
        if (explained := disk_error(error)) is not None:
            raise explained from error
        raise


def _settle_file(path: Path, mode: int) -> None:
    """Set the permissions of a file, and sync it to disk."""
    path.chmod(mode)
    with path.open("r+b") as file:  # Windows cannot sync a file that is open only for reading
        os.fsync(file.fileno())
