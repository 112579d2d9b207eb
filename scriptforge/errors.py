"""The errors that are explained to the user.

    Exception
    └── ScriptforgeError            exit 1   the work failed
        ├── UsageError              exit 2   the request was wrong
        ├── CorpusError                      a card, a download or an input file
        │   └── BrokenScript                 a text that breaks the rules of its format, in `screenplay`
        ├── DatasetError                     a prepared dataset
        ├── RunError                         a run folder, its weights or checkpoints
        ├── StudyError                       a search for better settings, or its storage
        ├── StorageError                     a disk that is full, read-only or broken
        ├── HubError                         a model on the Hub, or the connection to it
        ├── ExportError                      a model for other programs
        └── TrainingError                    training itself: NaN, memory, too little text

Library code raises these and never prints or exits; `scriptforge.cli` turns one into two lines on
stderr (what is wrong, what to do) and an exit code.
"""

import difflib
import errno
import os
import re
from collections.abc import Iterable
from typing import ClassVar

_WORD = re.compile(r"[^\W_]+")
_NUMBER_IN_WORDS = re.compile(r"\(os error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)  # Rust's; Arrow's
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OF_FILES = (*_FULL, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)
_OF_SQLITE = {8: errno.EROFS, 10: errno.EIO, 13: errno.ENOSPC}
"""From SQLite's result codes to `errno`; source: https://www.sqlite.org/rescode.html."""

_DAMAGE_OF_SQLITE = frozenset({11, 19, 20, 24, 26})
"""SQLite's result codes CORRUPT, CONSTRAINT, MISMATCH, FORMAT and NOTADB.

Our statements violate a constraint only if the database is damaged.
"""

_WORDS_OF_DAMAGE = (
    "malformed",
    "not a database",
    "unsupported file format",
    "could not decode",
    "no such table",
    "no such column",
    "no column named",
    "values were supplied",
    "already exists",
)
"""Parts of SQLite's messages, without a specific code, about unexpected tables and undecodable text."""


class ScriptforgeError(Exception):
    """A failure that the user can understand and do something about.

    Args:
        message: one line that says what is wrong.
        hint: one line that says what to do about it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)  # both, so that it can be pickled and sent by another process
        self.add_note(hint)  # for tracebacks in Python
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class UsageError(ScriptforgeError):
    """The request names something that does not exist or contradicts itself."""

    exit_code = 2


class CorpusError(ScriptforgeError):
    """A card, a download or an input file cannot be used."""


class DatasetError(ScriptforgeError):
    """A prepared dataset is missing, damaged or of another format."""


class RunError(ScriptforgeError):
    """A run folder, its weights or its checkpoints are missing or damaged."""


class StudyError(ScriptforgeError):
    """A study cannot be stored, or is not the one that was requested."""


class StorageError(ScriptforgeError):
    """The disk is full, read-only or broken."""


class HubError(ScriptforgeError):
    """A model on the Hub cannot be downloaded, uploaded or trusted."""


class ExportError(ScriptforgeError):
    """A model cannot be exported for another program."""


class TrainingError(ScriptforgeError):
    """Training cannot start or cannot continue."""


def disk_error(error: BaseException) -> StorageError | None:
    """Return the error to show for a disk that is full, read-only or broken; None for any other error.

    SQLite and libraries in Rust or C++ raise exceptions of their own, whose code or message contains the
    system's error number. An `OSError` of another kind that names its file, such as a missing permission,
    gives None.
    """
    number = _number_of(error)
    if number in _FULL:
        return StorageError(
            f"The disk is full: {os.strerror(number)}.",
            "Free some space and run the same command again; what was there before is untouched.",
        )
    if number == errno.EROFS:
        return StorageError(
            f"The disk cannot be written: {os.strerror(number)}.",
            "Make it writable, or use another one: --workspace names a folder.",
        )
    if number == errno.EIO or (number in _OF_FILES and getattr(error, "filename", None) is None):
        return StorageError(
            f"Reading or writing failed: {os.strerror(number)}.",
            "Check the disk and its permissions, and run the same command again; what was there before is"
            " untouched.",
        )
    return None


def is_damaged_database(error: BaseException) -> bool:
    """Return whether SQLite reports that a database is damaged or has unexpected contents."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in _DAMAGE_OF_SQLITE or any(words in str(error).lower() for words in _WORDS_OF_DAMAGE)


def _number_of(error: BaseException) -> int:
    """Return the `errno` of an error about a file; 0 if there is none."""
    if isinstance(error, ScriptforgeError):
        return 0
    if isinstance(error, OSError) and error.errno:
        return error.errno
    if code := getattr(error, "sqlite_errorcode", 0):
        return _OF_SQLITE.get(code & 0xFF, 0)
    said = _NUMBER_IN_WORDS.search(str(error))
    return int(said[1] or said[2]) if said else 0


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Return the known names most like `name`, as a whole or in one word, best first; case is ignored."""
    by_spelling: dict[str, list[str]] = {}
    for other in known:
        folded = other.casefold()
        for spelling in {folded, *_WORD.findall(folded)}:
            by_spelling.setdefault(spelling, []).append(other)
    matches = difflib.get_close_matches(name.casefold(), by_spelling, n=count, cutoff=0.6)
    return list(dict.fromkeys(other for match in matches for other in by_spelling[match]))[:count]


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """Return the error for an unknown name, with the most similar known ones as its hint.

    Args:
        what: the kind of thing that is named, in the singular: "corpus", "setting".
        name: the unknown name.
        known: every name that would be accepted.
    """
    known = list(known)
    close = nearest(name, known)
    if close:
        hint = f"Did you mean {' or '.join(close)}?"
    elif known:
        hint = f"Known: {', '.join(sorted(known)[:20])}{' …' if len(known) > 20 else ''}."
    else:
        hint = "There are none yet."
    return UsageError(f"There is no {what} named “{name}”.", hint)
