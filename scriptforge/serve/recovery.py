"""Recovery of a damaged database of drafts: it is set aside, and its readable rows are copied to a new one.

Rows are read one by one, and unreadable ones are skipped. If the first page, which declares the tables, is
damaged, that of a new database replaces it, since the same statements put the same tables on the same pages.

The copies that are set aside are on disk before anything else changes. The new database then has a
temporary name until the logs of the damaged one are deleted, since SQLite would apply these to it. If the
process is killed in between, the next one that opens the drafts finishes the recovery.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from scriptforge.errors import disk_error
from scriptforge.serve.elements import (
    DRAFT_SETTINGS,
    MAX_TEXT_LENGTH,
    MAX_TITLE_LENGTH,
    Identifier,
    ModelOrigin,
    PageElement,
    PageKind,
)
from scriptforge.serve.private_folder import FOR_OWNER
from scriptforge.workspace.scratch import scratch_folder, sync_folder

_LOGS = ("-wal", "-shm")
_PAGE_COUNT_OFFSET = 28
"""Offset of the number of pages in the file header; source: https://www.sqlite.org/fileformat.html."""

_IDENTIFIERS: TypeAdapter[str] = TypeAdapter(Identifier)
_MAX_NAME_LENGTH = 200
_MAX_NUMBER = 1 << 53
_MAX_STEP = 1 << 16
_REVISION_STEP = 1_000
"""Added to the revision of a recovered draft, so that every open page reloads it."""

_UNREADABLE = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ)
"""SQLite's disk errors that concern a single row."""


def recover(path: Path, schema: str, version: int) -> tuple[Path, dict[str, int]]:
    """Set a damaged database aside, and replace it with a new one that has its readable rows.

    Args:
        path: the database, which must not be open.
        schema: the statements that declare the tables.
        version: the `user_version` of the new database.

    Returns:
        The path of the damaged database, and the number of recovered rows by table.

    Raises:
        OSError or sqlite3.Error: the disk is full or faulty; the damaged database is unchanged.
    """
    aside = _free_name(path)
    try:
        for suffix in _existing_suffixes(path):
            _copy_to_disk(Path(f"{path}{suffix}"), Path(f"{aside}{suffix}"))
        sync_folder(path.parent)
        with scratch_folder(path) as folder:
            counts = _create_recovered(folder / "fresh.db", aside, schema, version)
            (folder / "fresh.db").replace(_recovered_path(path))
    except BaseException:
        for suffix in _existing_suffixes(aside):
            Path(f"{aside}{suffix}").unlink()
        raise
    finish(path)
    return aside, counts


def finish(path: Path) -> bool:
    """Replace the damaged database with the recovered one; return whether there was one."""
    recovered = _recovered_path(path)
    if not recovered.exists():
        return False
    sync_folder(path.parent)
    for suffix in _LOGS:
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    sync_folder(path.parent)
    recovered.replace(path)
    sync_folder(path.parent)
    return True


def _recovered_path(path: Path) -> Path:
    """Return the temporary path of a recovered database."""
    return path.with_name(f"{path.stem}.recovered{path.suffix}")


def _existing_suffixes(path: Path) -> list[str]:
    """Return the suffixes of the existing files among the database and its logs."""
    return [suffix for suffix in ("", *_LOGS) if Path(f"{path}{suffix}").exists()]


def _copy_to_disk(source: Path, target: Path) -> None:
    shutil.copy2(source, target)
    with target.open("r+b") as file:
        os.fsync(file.fileno())


def _create_recovered(fresh: Path, aside: Path, schema: str, version: int) -> dict[str, int]:
    """Create a database with the readable rows of another; return their number by table."""
    fresh.touch(FOR_OWNER)
    with closing(sqlite3.connect(fresh, isolation_level=None)) as db:
        db.executescript(schema)
        db.execute(f"PRAGMA user_version = {version}")
    first_page = fresh.read_bytes()[: _page_size(fresh)]
    copy = fresh.with_name("damaged.db")
    with closing(sqlite3.connect(fresh, isolation_level=None)) as target:
        target.execute("BEGIN")
        counts = _copy(aside, copy, target)
        if not counts["drafts"] and not counts["elements"]:
            _copy(aside, copy, target, first_page)
        _complete_drafts(target)
        target.execute("COMMIT")
        return {table: _count(target, table) for table in _TABLES}


def _free_name(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    numbers = chain([""], (f"-{number}" for number in count(2)))
    names = (path.with_name(f"{path.stem}.damaged-{stamp}{more}{path.suffix}") for more in numbers)
    return next(name for name in names if not name.exists())


def _page_size(path: Path) -> int:
    size = int.from_bytes(path.read_bytes()[16:18], "big")
    return 65_536 if size == 1 else size


def _copy(
    aside: Path, copy: Path, target: sqlite3.Connection, first_page: bytes | None = None
) -> dict[str, int]:
    """Copy the readable rows, optionally with the first page replaced; return their number by table."""
    for suffix in ("", *_LOGS):
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
        if Path(f"{aside}{suffix}").exists() and (not first_page or not suffix):
            shutil.copy2(f"{aside}{suffix}", f"{copy}{suffix}")
    if first_page is not None:
        pages = copy.stat().st_size // len(first_page)
        with copy.open("r+b") as file:
            file.write(first_page)
            file.seek(_PAGE_COUNT_OFFSET)
            file.write(pages.to_bytes(4, "big"))
    counts = dict.fromkeys(_TABLES, 0)
    with closing(sqlite3.connect(copy, isolation_level=None)) as source:
        source.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
        for table, columns in _TABLES.items():
            for row in _readable_rows(source, table):
                try:
                    marks = ", ".join("?" * len(columns))
                    values = [repair(value) for repair, value in zip(columns, row, strict=True)]
                    target.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)
                except (sqlite3.Error, ValueError) as problem:  # a row of another table
                    if disk_error(problem) is not None:
                        raise
                else:
                    counts[table] += 1
    return counts


def _repair_text(value: object, longest: int = _MAX_NAME_LENGTH) -> str:
    """Return a value as text, cut to `longest` characters; empty if it is not text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return value[:longest] if isinstance(value, str) else ""


def _repair_number(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < _MAX_NUMBER else 1


def _repair_optional_id(value: object) -> str | None:
    with suppress(ValidationError):
        return _IDENTIFIERS.validate_python(value, strict=True)
    return None


def _repair_id(value: object) -> str:
    """Return the value if it is a valid id, else a new id."""
    return _repair_optional_id(value) or uuid4().hex[:12]


def _repair_draft(value: object) -> str:
    """Return the value if it is a valid id, else the id of a draft for all such rows."""
    return _repair_optional_id(value) or "recovered"


def _repair_kind(value: object) -> str:
    return value if isinstance(value, str) and value in get_args(PageKind) else "action"


def _json_repairer(adapter: TypeAdapter[Any], default: str) -> Callable[[object], str]:
    """Return a function that keeps JSON that `adapter` accepts, and returns `default` for anything else."""

    def repair(value: object) -> str:
        try:
            adapter.validate_json(value if isinstance(value, str) else "")
        except ValueError:
            return default
        return str(value)

    return repair


_TABLES: dict[str, tuple[Callable[[Any], object], ...]] = {
    "drafts": (
        _repair_draft,
        partial(_repair_text, longest=MAX_TITLE_LENGTH),
        _repair_text,
        _json_repairer(DRAFT_SETTINGS, "{}"),
        _repair_text,
        _repair_number,
    ),
    "elements": (
        _repair_draft,
        _repair_id,
        _repair_number,
        _repair_kind,
        partial(_repair_text, longest=MAX_TEXT_LENGTH),
        _json_repairer(TypeAdapter(ModelOrigin | None), "null"),
    ),
    "branches": (
        _repair_draft,
        _repair_id,
        _repair_text,
        _repair_optional_id,
        _json_repairer(TypeAdapter(list[PageElement]), "[]"),
    ),
}
"""The tables that are copied, and for each column the function that repairs its values."""


def _readable_rows(source: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield the readable rows of a table; after an unreadable one, row ids are skipped in doubling steps."""
    last, step = 0, 1
    while step <= _MAX_STEP:
        try:
            found = source.execute(
                f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT 1", (last,)
            ).fetchone()
        except (sqlite3.Error, OverflowError) as problem:
            if disk_error(problem) and getattr(problem, "sqlite_errorcode", 0) not in _UNREADABLE:
                raise
            last, step = last + step, step * 2
            continue
        if found is None:
            return
        if not isinstance(found[0], int) or found[0] <= last:  # a damaged page may lead back
            last, step = last + step, step * 2
            continue
        last, step = found[0], 1
        yield found[1:]


def _complete_drafts(target: sqlite3.Connection) -> None:
    """Create missing drafts of elements, and give every draft a revision that no open page has."""
    target.execute("DELETE FROM changes")
    target.execute(
        "INSERT INTO drafts SELECT DISTINCT draft, 'Recovered', '', '{}', ?, 1 FROM elements"
        " WHERE draft NOT IN (SELECT id FROM drafts)",
        (datetime.now(UTC).isoformat(timespec="milliseconds"),),
    )
    target.execute("UPDATE drafts SET revision = revision + ?", (_REVISION_STEP,))


def _count(target: sqlite3.Connection, table: str) -> int:
    return int(target.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
