"""The folder of the writing room: its owner's alone, with nothing that leads out of it, and with the secret.

A workspace may come from a stranger, and the folder with it: a link in it could lead to any file of the user,
and whoever made its secret knows it. The umask is not asked here, since drafts are not for other users.
"""

import os
import re
import secrets
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from scriptforge.errors import UsageError
from scriptforge.workspace import make_folder
from scriptforge.workspace.folders import RoomFolder
from scriptforge.workspace.scratch import sync_folder

FOR_OWNER = 0o600
"""The permissions of a file that no other user may read or write."""

_FOLDER_FOR_OWNER = 0o700
_FOR_OTHERS = 0o077
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows has no such flag
_KINDS = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFREG: "a file"}
_TOKEN_BYTES = 24
_MAX_SECRET_BYTES = 1_000
_SECRET = re.compile(rb"[\w-]{%d,}" % _TOKEN_BYTES)


def check_plain(folder: Path) -> None:
    """Check that a folder, if there is one, and what is in it are what the room makes: no link, no pipe.

    Raises:
        UsageError: the folder is none, or something in it is a link, or neither a file nor a folder; or a
            file of the room is none.
    """
    room = RoomFolder(folder)
    files = (room.drafts, room.token, room.address)
    if os.path.lexists(folder):
        _check_kind(folder, stat.S_ISDIR)
        for path in folder.iterdir():
            is_plain = stat.S_ISREG if path in files else _is_file_or_folder
            with suppress(FileNotFoundError):  # SQLite has just removed it
                _check_kind(path, is_plain)


def make_private(folder: Path) -> None:
    """Make the folder of the room if it is missing, and let nobody but its owner in.

    Raises:
        UsageError: as in `check_plain`.
    """
    check_plain(folder)
    make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir(_FOLDER_FOR_OWNER)
        sync_folder(folder.parent)
    if _is_exposed(folder.stat()):
        with suppress(OSError):  # somebody else's folder, or a file system without permissions, or read-only
            folder.chmod(_FOLDER_FOR_OWNER)


def load_secret(path: Path) -> str:
    """Return the secret of the room; make it if there is none, it is damaged, or others could know it.

    Raises:
        UsageError: as in `check_plain`.
    """
    make_private(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FOR_OWNER)
    except FileExistsError:
        kept = _read_secret(path)
        if kept is not None:
            return kept
        path.unlink(missing_ok=True)
        return load_secret(path)
    made = secrets.token_urlsafe(_TOKEN_BYTES)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(made)
    return made


def _read_secret(path: Path) -> str | None:
    """Return the secret in a file; None if it is damaged, or if others than its owner could know it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_LINK)
    except PermissionError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        kept = file.read(_MAX_SECRET_BYTES).strip()
        is_secret = _SECRET.fullmatch(kept) and not _is_exposed(os.fstat(descriptor))
    return kept.decode("ascii") if is_secret else None


def _is_exposed(status: os.stat_result) -> bool:
    """Return whether a file or folder is open to other users, or theirs; Windows has no such modes."""
    if sys.platform == "win32":
        return False
    return bool(status.st_mode & _FOR_OTHERS) or status.st_uid != os.geteuid()


def _check_kind(path: Path, is_plain: Callable[[int], bool]) -> None:
    mode = path.lstat().st_mode
    if not is_plain(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "a pipe or a device")
        raise UsageError(
            f"{path} is {kind}, which the writing room does not open.",
            "Remove it, or put a plain file or folder in its place.",
        )


def _is_file_or_folder(mode: int) -> bool:
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)
