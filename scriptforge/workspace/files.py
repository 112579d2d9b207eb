"""Atomic writing of files and folders, and reading of JSON and TOML.

A file or folder is made in a scratch folder beside its destination, synced to disk, and then moved. On Linux
and macOS the parent folder is synced, too. Windows cannot do that: after a power cut the old content may be
back, but never half of the new. Permissions follow the umask; a replaced file keeps its permissions.
"""

import errno
import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from scriptforge.errors import RunError, disk_error
from scriptforge.workspace.scratch import put, put_new, scratch_folder, sync_folder

_FOR_FILES = 0o666
_TOO_DEEP, _TOO_LONG = "it is nested too deeply", "it has a number that is too long"
_DEEPEST_TOML = 100
"""Maximum depth of tables and arrays in TOML; dotted keys could make it deeper than the recursion limit."""

_LONGEST_INTEGER = 64
"""Bits of an integer in TOML, which promises no more."""

_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def atomic_write(path: Path, content: str | bytes, *, makes_parents: bool = True) -> None:
    """Write a file so that it has either the old content or the new, even after a power cut.

    The options are those of `atomic_file`.
    """
    with atomic_file(path, makes_parents=makes_parents) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


@contextmanager
def atomic_file(path: Path, *, replaces: bool = True, makes_parents: bool = True) -> Iterator[Path]:
    """Yield the path of a temporary file that becomes the file at `path` if the block succeeds.

    A link is replaced, and not the file that it leads to: a folder from elsewhere may hold any links. What a
    person names is written with `scriptforge.workspace.outputs`.

    Args:
        path: the path of the file.
        replaces: whether to replace a file that is there when the block ends.
        makes_parents: whether to make the folder of the file if it is missing.

    Raises:
        FileExistsError: there is a file and `replaces` is false; or there is a device, a pipe or a socket.
        FileNotFoundError: the folder is missing and may not be made.
    """
    with translate_disk_errors(), scratch_folder(path, makes_parents=makes_parents) as scratch:
        temporary = scratch / path.name
        yield temporary
        mode = path.stat().st_mode if path.is_file() else scratch.stat().st_mode
        _settle_file(temporary, mode & _FOR_FILES)
        if not replaces:
            put_new(temporary, path)
            return
        if is_special(path) and not path.is_symlink():
            raise FileExistsError(errno.EEXIST, "This is a device, not a file", os.fspath(path))
        temporary.replace(path)
        sync_folder(path.parent)


@contextmanager
def atomic_folder(
    path: Path, *, replaces: bool = True, check: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """Yield a temporary folder that becomes the folder at `path`, as a whole, if the block succeeds.

    If the block fails, an existing folder at `path` stays as it was.

    Args:
        path: the path of the folder.
        replaces: whether to replace a folder that is there and not empty when the block ends.
        check: called just before the folder is moved to its path; raises if it may not be.

    Raises:
        OSError: there is something and `replaces` is false.
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
        check()
        (put if replaces else put_new)(temporary, path)


def is_special(path: Path) -> bool:
    """Return whether there is something at a path, or where it leads to, that is neither file nor folder."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def refuse_special_files(folder: Path) -> None:
    """Check that nothing in a folder is a pipe or device, which a stranger may have put there.

    Raises:
        OSError: something is: it might be read for ever.
    """
    for path in folder.iterdir():
        if is_special(path):
            raise OSError(errno.EINVAL, f"{path.name} is a pipe or device, not a file", str(path))


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


def names_a_file(text: str) -> bool:
    """Return whether a text is the name of a file; one without a suffix or folder may be a speaker's."""
    if not (Path(text).suffix or os.sep in text):
        return False
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long a name, or one with NUL
        return False


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
