"""A change of a draft: what it says, and how it is made in the tables of the database.

Elements have positions with gaps between them, so that one that comes between two others moves none of them.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, Field

from scriptforge.errors import UsageError
from scriptforge.serve.elements import CLOSED, MOST_ELEMENTS, Identifier, Name, PageElement

_GAP = 1 << 20


class Edit(BaseModel):
    """One step of a change: an element that comes, changes or moves, or one that goes.

    Attributes:
        put: the element as it is now.
        after: the element that it stands behind; None at the beginning. Left out, it stays where it is, or
            comes at the end, as it does behind one that is not there.
        remove: the id of the element that goes, if it is there.
    """

    model_config = CLOSED

    put: PageElement | None = None
    after: Identifier | None = None
    remove: Identifier | None = None


class Branch(BaseModel):
    """What followed an element before a person tried another way.

    Attributes:
        id: unique in its draft.
        name: what it is called.
        after: the element behind which it stood; None at the beginning.
        elements: its elements.
    """

    model_config = CLOSED

    id: Identifier
    name: Name
    after: Identifier | None = None
    elements: list[PageElement] = Field(max_length=MOST_ELEMENTS)


class Change(BaseModel):
    """One change of a draft.

    Attributes:
        base: the revision that it was made on.
        change: the page's id of it.
        edits: what became of the elements, in order.
        branch: a branch to keep; one of its id is replaced.
        remove_branch: the id of a branch that goes.
    """

    model_config = CLOSED

    base: int = Field(ge=0, lt=2**53)
    change: Identifier
    edits: list[Edit] = Field(max_length=2 * MOST_ELEMENTS)
    branch: Branch | None = None
    remove_branch: Identifier | None = None


def fill(db: sqlite3.Connection, id_: str, elements: Sequence[PageElement]) -> None:
    """Give a draft that has none its elements.

    Raises:
        UsageError: two of them have one id.
    """
    _refuse_twins(each.id for each in elements)
    rows = [_row(id_, number * _GAP, each) for number, each in enumerate(elements, start=1)]
    db.executemany("INSERT INTO elements VALUES (?, ?, ?, ?, ?, ?)", rows)


def apply_change(db: sqlite3.Connection, id_: str, change: Change) -> None:
    """Make a change, within a transaction.

    Raises:
        UsageError: the draft becomes too long.
    """
    for edit in change.edits:
        if edit.put is not None:
            _put(db, id_, edit.put, edit.after, moves="after" in edit.model_fields_set)
        if edit.remove is not None:
            db.execute("DELETE FROM elements WHERE draft = ? AND id = ?", (id_, edit.remove))
    if change.remove_branch is not None:
        db.execute("DELETE FROM branches WHERE draft = ? AND id = ?", (id_, change.remove_branch))
    if branch := change.branch:
        kept = as_json([each.model_dump() for each in branch.elements])
        db.execute(
            "INSERT OR REPLACE INTO branches VALUES (?, ?, ?, ?, ?)",
            (id_, branch.id, branch.name, branch.after, kept),
        )
    (count,) = db.execute("SELECT count(*) FROM elements WHERE draft = ?", (id_,)).fetchone()
    if count > MOST_ELEMENTS:
        raise UsageError(f"A draft has at most {MOST_ELEMENTS:,} elements.", "Begin another draft.")


def _put(db: sqlite3.Connection, id_: str, element: PageElement, after: str | None, *, moves: bool) -> None:
    """Write an element at its place."""
    before = db.execute(
        "SELECT position FROM elements WHERE draft = ? AND id = ?", (id_, element.id)
    ).fetchone()
    if (before and not moves) or (before and _precedes(db, id_, before[0]) == after):
        position = before[0]
    else:
        if before:
            db.execute("DELETE FROM elements WHERE draft = ? AND id = ?", (id_, element.id))
        position = _place(db, id_, after, at_end=not moves)
    db.execute("INSERT OR REPLACE INTO elements VALUES (?, ?, ?, ?, ?, ?)", _row(id_, position, element))


def _precedes(db: sqlite3.Connection, id_: str, position: int) -> str | None:
    row = db.execute(
        "SELECT id FROM elements WHERE draft = ? AND position < ? ORDER BY position DESC LIMIT 1",
        (id_, position),
    ).fetchone()
    return row[0] if row else None


def _place(db: sqlite3.Connection, id_: str, after: str | None, *, at_end: bool) -> int:
    """Return a free position behind an element; where there is none, the draft is numbered anew."""
    for _ in range(3):
        first = 0
        if at_end:
            first = db.execute(
                "SELECT coalesce(max(position), 0) FROM elements WHERE draft = ?", (id_,)
            ).fetchone()[0]
        elif after is not None:
            row = db.execute(
                "SELECT position FROM elements WHERE draft = ? AND id = ?", (id_, after)
            ).fetchone()
            if row is None:
                at_end = True
                continue
            first = row[0]
        (following,) = db.execute(
            "SELECT min(position) FROM elements WHERE draft = ? AND position > ?", (id_, first)
        ).fetchone()
        if following is None:
            return int(first) + _GAP
        if following - first > 1:
            return int(first + following) // 2
        db.execute(
            "UPDATE elements SET position = numbered.place * ? FROM (SELECT id AS own, row_number() OVER"
            " (ORDER BY position) AS place FROM elements WHERE draft = ?) AS numbered"
            " WHERE draft = ? AND id = numbered.own",
            (_GAP, id_, id_),
        )
    raise AssertionError("elements numbered anew have room between them")


def _row(draft: str, position: int, element: PageElement) -> tuple[Any, ...]:
    origin = as_json(element.origin.model_dump() if element.origin else None)
    return draft, element.id, position, element.kind, element.text, origin


def _refuse_twins(ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            raise UsageError(f"Two elements have the id “{each}”.", "Give each one of its own.")
        seen.add(each)


def as_json(value: object) -> str:
    """Return a value as it is kept in a column."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
