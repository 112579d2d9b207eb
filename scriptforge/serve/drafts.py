"""Drafts in a SQLite database: every change is one transaction, on disk before it is acknowledged.

Each draft has its elements in order, branches that were set aside, and a log of its latest changes. A change
names the revision that it was made on: one that was made on an older revision is refused, together with the
changes since, so that two tabs never overwrite each other. It also has an id, so that a page that did not
receive the response can send it again.

A damaged database is set aside under another name, and its readable rows go into a new one.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from pydantic import BaseModel, Field

from scriptforge.errors import ScriptforgeError, UsageError, disk_error, is_damaged_database
from scriptforge.serve import recovery
from scriptforge.serve.changes import Branch, Change, apply_change, as_json, insert_elements
from scriptforge.serve.elements import (
    CLOSED,
    DRAFT_SETTINGS,
    MAX_TITLE_LENGTH,
    DraftSettings,
    Identifier,
    Name,
    PageElement,
)
from scriptforge.serve.private_folder import FOR_OWNER, make_private
from scriptforge.workspace import parse_json, timestamp_after

KEPT_CHANGES = 2_000
"""Number of latest changes that are stored of each draft."""

MAX_MISSED_CHARACTERS = 8_000_000
"""Maximum characters of missed changes that are sent at once; a page further behind reloads the draft."""

_SCHEMA = """
CREATE TABLE drafts (
  id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, run TEXT NOT NULL, settings TEXT NOT NULL,
  updated TEXT NOT NULL, revision INTEGER NOT NULL
);
CREATE TABLE elements (
  draft TEXT NOT NULL, id TEXT NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
  origin TEXT NOT NULL, UNIQUE (draft, id)
);
CREATE INDEX elements_in_order ON elements (draft, position);
CREATE TABLE branches (
  draft TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, after TEXT, elements TEXT NOT NULL,
  UNIQUE (draft, id)
);
CREATE TABLE changes (
  draft TEXT NOT NULL, revision INTEGER NOT NULL, change TEXT NOT NULL, body TEXT NOT NULL,
  UNIQUE (draft, revision), UNIQUE (draft, change)
);
"""
_VERSION = 1
_TRIM_INTERVAL = 64
_BUSY_SECONDS = 10.0  # seconds to wait while another process keeps the database locked

ResultT = TypeVar("ResultT")


class DraftMissing(UsageError):  # noqa: N818 (it names the draft)
    """There is no such draft."""


class DiskFull(ScriptforgeError):  # noqa: N818 (it names the disk)
    """A change could not be written to disk; no part of it was."""


class RevisionConflict(Exception):  # noqa: N818 (it names what happened)
    """A change was made on another revision than the current one of the draft.

    Attributes:
        revision: current revision of the draft.
        changes: changes since the revision of the page; None if they are too many or no longer stored.
    """

    def __init__(self, revision: int, changes: list[dict[str, Any]] | None) -> None:
        super().__init__(f"the draft is at revision {revision}")
        self.revision = revision
        self.changes = changes


class _DraftRow(BaseModel):
    """The fields of a draft's row, which are validated since an invalid row means damage."""

    model_config = CLOSED

    id: Identifier
    title: str = Field(max_length=MAX_TITLE_LENGTH)
    run: Name
    updated: str
    revision: int = Field(ge=0, lt=2**53)


class _Summary(_DraftRow):
    elements: int


class _Draft(_DraftRow):
    settings: DraftSettings
    elements: list[PageElement]
    branches: list[Branch]


@dataclass
class Drafts:
    """The drafts of a workspace. Its methods may be called from any thread.

    Args:
        path: the database, which is created if it does not exist, in a folder that only its owner may read.

    Attributes:
        notes: messages for the user, which name a damaged database that was set aside.

    Raises:
        UsageError: the folder or a file in it is a link.
    """

    path: Path
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None  # None if recovering it failed
        make_private(self.path.parent)
        with suppress(FileExistsError):
            self.path.touch(FOR_OWNER, exist_ok=False)  # SQLite makes its logs like it
        with _translate_errors():
            try:
                self._connect()
            except sqlite3.DatabaseError as problem:
                self._recover(problem)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._disconnect()

    def summaries(self) -> list[dict[str, Any]]:
        """Return a summary of each draft, the latest first."""
        return self._run(_read_summaries)

    def create(self, title: str, run: str, elements: Sequence[PageElement]) -> dict[str, Any]:
        """Create a draft and return it."""
        id_ = uuid4().hex

        def make(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO drafts VALUES (?, ?, ?, '{}', ?, 1)", (id_, title, run, _next_timestamp(db))
            )
            insert_elements(db, id_, elements)

        self._run(make, writes=True)
        return self.get(id_)

    def get(self, id_: str) -> dict[str, Any]:
        """Return a whole draft.

        Raises:
            DraftMissing: there is none.
        """
        return self._run(lambda db: _read_draft(db, id_))

    def update(self, id_: str, **fields: Any) -> dict[str, Any]:
        """Change title, run or settings of a draft, without a new revision; return all three."""

        def change(db: sqlite3.Connection) -> dict[str, Any]:
            _read_revision(db, id_)
            for name in ("title", "run", "settings"):
                if name in fields:
                    value = as_json(fields[name]) if name == "settings" else fields[name]
                    db.execute(
                        f"UPDATE drafts SET {name} = ?, updated = ? WHERE id = ?",
                        (value, _next_timestamp(db), id_),
                    )
            title, run, settings = db.execute(
                "SELECT title, run, settings FROM drafts WHERE id = ?", (id_,)
            ).fetchone()
            return {"title": title, "run": run, "settings": DRAFT_SETTINGS.validate_json(settings)}

        return self._run(change, writes=True)

    def remove(self, id_: str) -> None:
        """Delete a draft.

        Raises:
            DraftMissing: there is none.
        """

        def delete(db: sqlite3.Connection) -> None:
            _read_revision(db, id_)
            db.execute("DELETE FROM drafts WHERE id = ?", (id_,))
            for table in ("elements", "branches", "changes"):
                db.execute(f"DELETE FROM {table} WHERE draft = ?", (id_,))

        self._run(delete, writes=True)

    def change(self, id_: str, change: Change) -> tuple[int, dict[str, Any] | None]:
        """Apply a change; return the revision after it, and the event for other tabs.

        A change that was applied before is not applied again: its revision is returned, and no event.

        Raises:
            DraftMissing: there is no such draft.
            RevisionConflict: the change was made on another revision.
            UsageError: the draft would become too long.
            DiskFull: the change could not be written.
        """
        body = change.model_dump(exclude_unset=True, exclude={"base", "change"})

        def apply(db: sqlite3.Connection) -> tuple[int, dict[str, Any] | None]:
            revision = _read_revision(db, id_)
            done = db.execute(
                "SELECT revision FROM changes WHERE draft = ? AND change = ?", (id_, change.change)
            ).fetchone()
            if done:
                return int(done[0]), None
            if change.base != revision:
                raise RevisionConflict(revision, _read_changes(db, id_, change.base, revision))
            apply_change(db, id_, change)
            revision += 1
            db.execute(
                "INSERT INTO changes VALUES (?, ?, ?, ?)", (id_, revision, change.change, as_json(body))
            )
            db.execute(
                "UPDATE drafts SET revision = ?, updated = ? WHERE id = ?",
                (revision, _next_timestamp(db), id_),
            )
            if revision % _TRIM_INTERVAL == 0:
                db.execute(
                    "DELETE FROM changes WHERE draft = ? AND revision <= ?", (id_, revision - KEPT_CHANGES)
                )
            return revision, {"revision": revision, "change": change.change, **body}

        return self._run(apply, writes=True)

    def changes(self, id_: str, after: int) -> tuple[int, list[dict[str, Any]] | None]:
        """Return the revision of a draft, and the changes after another; None if not all can be sent."""

        def look(db: sqlite3.Connection) -> tuple[int, list[dict[str, Any]] | None]:
            revision = _read_revision(db, id_)
            return revision, _read_changes(db, id_, after, revision)

        return self._run(look)

    def _run(self, work: Callable[[sqlite3.Connection], ResultT], *, writes: bool = False) -> ResultT:
        """Run `work` in one transaction; if the database turns out to be damaged, recover it and retry."""
        with self._lock, _translate_errors():
            try:
                return self._in_transaction(work, writes)
            except sqlite3.DatabaseError as problem:
                self._recover(problem)
                return self._in_transaction(work, writes)

    def _in_transaction(self, work: Callable[[sqlite3.Connection], ResultT], writes: bool) -> ResultT:
        db = self._connect()
        db.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        try:
            with _report_invalid_rows_as_damage():
                result = work(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise
        return result

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            if recovery.finish(self.path):
                self.notes.append("The drafts were damaged. The readable ones are in a new file.")
            self._connection = _open_database(self.path)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _recover(self, problem: sqlite3.DatabaseError) -> None:
        """Recover the database if a problem means damage; otherwise raise the problem."""
        if not is_damaged_database(problem):
            raise problem
        self._disconnect()
        aside, counts = recovery.recover(self.path, _SCHEMA, _VERSION)
        self._connect()
        self.notes.append(
            f"The drafts were damaged. The file is kept as {aside.name}; {counts['drafts']} drafts with"
            f" {counts['elements']} elements could be read and are in a new file."
        )


def _open_database(path: Path) -> sqlite3.Connection:
    """Open or create the database, and check its integrity."""
    db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in filter(str.strip, _SCHEMA.split(";")):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")
        if version > _VERSION:
            raise ScriptforgeError(
                f"{path.name} was written by a later version of scriptforge.", "Install that version."
            )
        state = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if state != "ok":
            raise sqlite3.DatabaseError(f"malformed: {state}")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def _report_invalid_rows_as_damage() -> Iterator[None]:
    """Re-raise errors about invalid rows, which the room never writes, as SQLite's error about damage."""
    try:
        yield
    except (ValueError, TypeError) as problem:
        raise sqlite3.DatabaseError(f"malformed: {type(problem).__name__}") from problem


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Translate errors of the disk and the database into errors for the user."""
    try:
        yield
    except OSError as problem:
        raise DiskFull(
            f"The drafts are damaged, and could not be recovered: {problem.strerror}.",
            "Free some space, or check the disk; the damaged file is unchanged.",
        ) from problem
    except sqlite3.DatabaseError as problem:
        message = str(problem).lower()
        if is_damaged_database(problem):
            raise ScriptforgeError(
                "The drafts are damaged, and could not be recovered.",
                "Move drafts.db out of the folder `room`; its text may still be readable.",
            ) from problem
        if "locked" in message or "unable to open" in message or "readonly" in message:
            raise ScriptforgeError(
                f"The drafts cannot be written: {problem}.", "Close other programs that use them."
            ) from problem
        if disk_error(problem) is not None:
            raise DiskFull(
                "The disk is full or faulty: the change was not saved.",
                "Free some space, or check the disk; the page still has the text.",
            ) from problem
        raise


def _read_revision(db: sqlite3.Connection, id_: str) -> int:
    row = db.execute("SELECT revision FROM drafts WHERE id = ?", (id_,)).fetchone()
    if row is None:
        raise DraftMissing("There is no such draft.", "List them: scriptforge drafts")
    return int(row[0])


def _read_summaries(db: sqlite3.Connection) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT id, title, run, updated, revision, (SELECT count(*) FROM elements WHERE draft = drafts.id)"
        " FROM drafts ORDER BY updated DESC, id"
    )
    names = ("id", "title", "run", "updated", "revision", "elements")
    return [_Summary.model_validate(dict(zip(names, row, strict=True))).model_dump() for row in rows]


def _read_draft(db: sqlite3.Connection, id_: str) -> dict[str, Any]:
    revision = _read_revision(db, id_)
    title, run, settings, updated = db.execute(
        "SELECT title, run, settings, updated FROM drafts WHERE id = ?", (id_,)
    ).fetchone()
    elements = db.execute(
        "SELECT id, kind, text, origin FROM elements WHERE draft = ? ORDER BY position", (id_,)
    )
    branches = db.execute("SELECT id, name, after, elements FROM branches WHERE draft = ?", (id_,))
    draft = {
        "id": id_,
        "title": title,
        "run": run,
        "updated": updated,
        "revision": revision,
        "settings": parse_json(settings),
        "elements": [
            {"id": own, "kind": kind, "text": text, "origin": parse_json(origin)}
            for own, kind, text, origin in elements
        ],
        "branches": [
            {"id": own, "name": name, "after": after, "elements": parse_json(kept)}
            for own, name, after, kept in branches
        ],
    }
    _Draft.model_validate(draft)
    return draft


def _read_changes(db: sqlite3.Connection, id_: str, after: int, revision: int) -> list[dict[str, Any]] | None:
    (size,) = db.execute(
        "SELECT total(length(body)) FROM changes WHERE draft = ? AND revision > ?", (id_, after)
    ).fetchone()
    if size > MAX_MISSED_CHARACTERS:
        return None
    rows = db.execute(
        "SELECT revision, change, body FROM changes WHERE draft = ? AND revision > ? ORDER BY revision",
        (id_, after),
    ).fetchall()
    if after > revision or len(rows) != revision - after:
        return None
    return [{"revision": number, "change": change, **parse_json(body)} for number, change, body in rows]


def _next_timestamp(db: sqlite3.Connection) -> str:
    """Return the time of a change, later than that of all others."""
    latest = db.execute("SELECT max(updated) FROM drafts").fetchone()[0]
    return timestamp_after([latest] if latest else [], "milliseconds")
