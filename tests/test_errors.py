"""Unknown names and the names suggested for them; errors of disks as many libraries report them."""

import errno
import pickle
import sqlite3
import traceback
from pathlib import Path

import pytest

from scriptforge.errors import HubError, disk_error, nearest, unknown_name

CAST = ["Men", "Moe Szyslak", "Homer Simpson", "Marge Simpson", "Mrs. Krabappel"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("moe", ["Moe Szyslak", "Men"]),
        ("KRABAPEL", ["Mrs. Krabappel"]),
        ("homer simson", ["Homer Simpson", "Marge Simpson"]),
        ("simpson", ["Homer Simpson", "Marge Simpson"]),
        ("zzz", []),
        ("", []),
    ],
)
def test_a_word_of_a_name_is_like_the_name(name: str, expected: list[str]) -> None:
    assert nearest(name, CAST) == expected


def test_no_more_than_asked_for_are_suggested_and_none_twice() -> None:
    names = [f"size_{letter}_size" for letter in "abcdef"]
    assert nearest("size", names) == names[:3]


def test_all_are_listed_where_none_is_like_it() -> None:
    assert unknown_name("speaker", "zzz", ["B", "A"]).hint == "Known: A, B."
    assert unknown_name("speaker", "zzz", []).hint == "There are none yet."


def test_a_traceback_has_the_hint() -> None:
    error = unknown_name("speaker", "homer", CAST)
    assert traceback.format_exception_only(error)[-1] == "Did you mean Homer Simpson?\n"
    assert pickle.loads(pickle.dumps(error)).__notes__ == [error.hint]


FULL = "No space left on device"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, FULL, "/tmp/x"), "The disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "The disk is full"),
        (OSError(errno.EIO, "Input/output error"), "Reading or writing failed"),
        (OSError(errno.EROFS, "Read-only file system", "/tmp/x"), "The disk cannot be written"),
        (ValueError(f"Error while serializing: I/O error: {FULL} (os error 28)"), "The disk is full"),
        (OSError(f"[Errno 28] Error writing bytes to file. Detail: [errno 28] {FULL}"), "The disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "Reading or writing failed: Permission denied"),
        (Exception("Permission denied (os error 13)"), "Reading or writing failed: Permission denied"),
    ],
    ids=str,
)
def test_a_disk_is_explained_whoever_speaks_of_it(error: Exception, says: str) -> None:
    explained = disk_error(error)
    assert explained is not None and explained.message.startswith(says)
    assert explained.exit_code == 1 and "\n" not in explained.message + explained.hint


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/tmp/x"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        HubError("The connection broke ([Errno 104] Connection reset by peer).", "Try again."),
        HubError("It could not be kept: [Errno 28] No space left on device.", "Free some space."),
        ValueError("28"),
    ],
    ids=repr,
)
def test_what_no_disk_has_done_stays_what_it_is(error: Exception) -> None:
    assert disk_error(error) is None


def test_a_database_that_is_full_is_explained(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as db:
        db.execute("CREATE TABLE a (b)")
        db.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as caught:
            db.execute("INSERT INTO a VALUES (?)", ("x" * 100_000,))
    explained = disk_error(caught.value)
    assert explained is not None and explained.message.startswith("The disk is full")
