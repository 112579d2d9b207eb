"""What is done with a damaged database of drafts: it is set aside whole, and what can be read is copied.

Rows are read one by one, and those that cannot be read are stepped over. Where even the first page is
damaged, on which the tables are declared, that of a new database stands in for it: the same statements put
the same tables at the same places.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError

from scriptforge.serve.elements import (
    LONGEST_TEXT,
    LONGEST_TITLE,
    SETTINGS,
    Identifier,
    PageElement,
    PageKind,
    Writer,
)
from scriptforge.workspace.scratch import scratch_folder, sync_folder

_LOGS = ("-wal", "-shm")
_PLACE_OF_SIZE = 28
"""Where the first page says how many there are; source: https://www.sqlite.org/fileformat.html."""

_IDENTIFIERS: TypeAdapter[str] = TypeAdapter(Identifier)
_LONGEST_NAME = 200
_LARGEST_NUMBER = 1 << 53
_LARGEST_STEP = 1 << 16
_AHEAD = 1_000
"""How far the revision of a recovered draft is ahead, so that no open page takes it for its own."""


def recover(path: Path, schema: str, version: int) -> tuple[Path, dict[str, int]]:
    """Set a damaged database aside, and put a new one with what can be read in its place.

    Args:
        path: of the database, which nobody has open.
        schema: the statements that declare the tables.
        version: the number that the new one has.

    Returns:
        Where the damaged one is, and how many rows of each table could be read.
    """
    aside = _free_name(path)
    for suffix in ("", *_LOGS):
        if Path(f"{path}{suffix}").exists():
            shutil.copy2(f"{path}{suffix}", f"{aside}{suffix}")
    with scratch_folder(path) as folder:
        fresh = folder / "fresh.db"
        with closing(sqlite3.connect(fresh, isolation_level=None)) as db:
            db.executescript(schema)
            db.execute(f"PRAGMA user_version = {version}")
        first_page = fresh.read_bytes()[: _page_size(fresh)]
        copy = folder / "damaged.db"
        with closing(sqlite3.connect(fresh, isolation_level=None)) as target:
            target.execute("BEGIN")
            counts = _copy(aside, copy, target)
            if not counts["drafts"] and not counts["elements"]:
                counts = _copy(aside, copy, target, first_page)
            _complete(target)
            target.execute("COMMIT")
            counts = {table: _count(target, table) for table in _TABLES}
        for suffix in _LOGS:
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        fresh.replace(path)
        sync_folder(path.parent)
    return aside, counts


def _free_name(path: Path) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    names = (path.with_name(f"{path.stem}.damaged-{stamp}{more}{path.suffix}") for more in _numbers())
    return next(name for name in names if not name.exists())


def _numbers() -> Iterator[str]:
    yield ""
    yield from (f"-{number}" for number in range(2, 1_000_000))


def _page_size(path: Path) -> int:
    size = int.from_bytes(path.read_bytes()[16:18], "big")
    return 65_536 if size == 1 else size


def _copy(
    aside: Path, copy: Path, target: sqlite3.Connection, first_page: bytes | None = None
) -> dict[str, int]:
    """Copy what can be read of the damaged database, perhaps with another first page in place of its own."""
    for suffix in ("", *_LOGS):
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
        if Path(f"{aside}{suffix}").exists() and (not first_page or not suffix):
            shutil.copy2(f"{aside}{suffix}", f"{copy}{suffix}")
    if first_page is not None:
        pages = copy.stat().st_size // len(first_page)
        with copy.open("r+b") as file:
            file.write(first_page)
            file.seek(_PLACE_OF_SIZE)
            file.write(pages.to_bytes(4, "big"))
    counts = dict.fromkeys(_TABLES, 0)
    with closing(sqlite3.connect(copy, isolation_level=None)) as source:
        source.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
        for table, columns in _TABLES.items():
            for row in _rows(source, table):
                with suppress(sqlite3.Error, ValueError):  # of another table, or with other columns
                    marks = ", ".join("?" * len(columns))
                    values = [mended(value) for mended, value in zip(columns, row, strict=True)]
                    target.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", values)
                    counts[table] += 1
    return counts


def _text(value: object, longest: int = _LONGEST_NAME) -> str:
    """Return what is read of a text."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", errors="replace")
    return value[:longest] if isinstance(value, str) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < _LARGEST_NUMBER else 1


def _id_or_none(value: object) -> str | None:
    with suppress(ValidationError):
        return _IDENTIFIERS.validate_python(value, strict=True)
    return None


def _id(value: object) -> str:
    """Return an id that a page may name: a new one for what is none."""
    return _id_or_none(value) or uuid4().hex[:12]


def _draft(value: object) -> str:
    """Return the id of a draft: the same for all that has lost its own."""
    return _id_or_none(value) or "recovered"


def _kind(value: object) -> str:
    return value if isinstance(value, str) and value in get_args(PageKind) else "action"


def _json(adapter: TypeAdapter[Any], spare: str) -> Callable[[object], str]:
    """Return a function that returns JSON of some form, and for what is of no such form a spare."""

    def mended(value: object) -> str:
        try:
            adapter.validate_json(value if isinstance(value, str) else "")
        except ValueError:
            return spare
        return str(value)

    return mended


_TABLES: dict[str, tuple[Callable[[Any], object], ...]] = {
    "drafts": (_draft, partial(_text, longest=LONGEST_TITLE), _text, _json(SETTINGS, "{}"), _text, _number),
    "elements": (
        _draft,
        _id,
        _number,
        _kind,
        partial(_text, longest=LONGEST_TEXT),
        _json(TypeAdapter(Writer | None), "null"),
    ),
    "branches": (_draft, _id, _text, _id_or_none, _json(TypeAdapter(list[PageElement]), "[]")),
}
"""The tables that are copied, and what makes of each column something that the room may have written."""


def _rows(source: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table that can be read; behind one that cannot, further and further is tried."""
    last, step = 0, 1
    while step <= _LARGEST_STEP:
        try:
            found = source.execute(
                f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid LIMIT 1", (last,)
            ).fetchone()
        except (sqlite3.Error, OverflowError):
            last, step = last + step, step * 2
            continue
        if found is None:
            return
        if not isinstance(found[0], int) or found[0] <= last:  # a page leads back to one before
            last, step = last + step, step * 2
            continue
        last, step = found[0], 1
        yield found[1:]


def _complete(target: sqlite3.Connection) -> None:
    """Give every element a draft, and every draft a revision that no open page has."""
    target.execute("DELETE FROM changes")
    target.execute(
        "INSERT INTO drafts SELECT DISTINCT draft, 'Recovered', '', '{}', ?, 1 FROM elements"
        " WHERE draft NOT IN (SELECT id FROM drafts)",
        (datetime.now(UTC).isoformat(timespec="milliseconds"),),
    )
    target.execute("UPDATE drafts SET revision = revision + ?", (_AHEAD,))


def _count(target: sqlite3.Connection, table: str) -> int:
    return int(target.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
