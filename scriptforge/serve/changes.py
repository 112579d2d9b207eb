"""Changes of a draft, and how they are applied to the tables of the database.

The positions of elements have gaps between them, so that one can be inserted between two others without
moving them.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, Field

from scriptforge.errors import UsageError
from scriptforge.serve.elements import CLOSED, MAX_ELEMENTS, Identifier, Name, PageElement

_GAP = 1 << 20
_MAX_SINGLE_EDITS = 100
"""Maximum number of edits that are applied one by one; for more, the whole draft is renumbered."""


class Edit(BaseModel):
    """One step of a change: an element is added, updated or moved, or one is removed.

    Attributes:
        put: the element with its new content.
        after: id of the element before it; null for the beginning of the draft. If this is left out, an
            existing element keeps its place and a new one is appended. An unknown id means the end.
        remove: id of the element to remove, if there is one.
    """

    model_config = CLOSED

    put: PageElement | None = None
    after: Identifier | None = None
    remove: Identifier | None = None


class Branch(BaseModel):
    """A passage that was set aside for an alternative.

    Attributes:
        id: id of the branch, unique in its draft.
        name: name of the branch.
        after: id of the element that it followed; None means the beginning of the draft.
        elements: elements of the branch.
    """

    model_config = CLOSED

    id: Identifier
    name: Name
    after: Identifier | None = None
    elements: list[PageElement] = Field(max_length=MAX_ELEMENTS)


class Change(BaseModel):
    """A change of a draft.

    Attributes:
        base: revision that the change was made on.
        change: id of the change, chosen by the page.
        edits: edits of the elements, in order.
        branch: a branch to store; it replaces one with the same id.
        remove_branch: id of a branch to remove.
    """

    model_config = CLOSED

    base: int = Field(ge=0, lt=2**53)
    change: Identifier
    edits: list[Edit] = Field(max_length=2 * MAX_ELEMENTS)
    branch: Branch | None = None
    remove_branch: Identifier | None = None


def insert_elements(db: sqlite3.Connection, id_: str, elements: Sequence[PageElement]) -> None:
    """Insert the elements of a new draft.

    Raises:
        UsageError: two of them have the same id.
    """
    _check_ids_are_unique(each.id for each in elements)
    rows = [_as_row(id_, number * _GAP, each) for number, each in enumerate(elements, start=1)]
    db.executemany("INSERT INTO elements VALUES (?, ?, ?, ?, ?, ?)", rows)


def apply_change(db: sqlite3.Connection, id_: str, change: Change) -> None:
    """Apply a change, within a transaction.

    Raises:
        UsageError: the draft would become too long.
    """
    if len(change.edits) > _MAX_SINGLE_EDITS:
        _edit_many(db, id_, change.edits)
    else:
        _edit_few(db, id_, change.edits)
    if change.remove_branch is not None:
        db.execute("DELETE FROM branches WHERE draft = ? AND id = ?", (id_, change.remove_branch))
    if branch := change.branch:
        kept = as_json([each.model_dump() for each in branch.elements])
        db.execute(
            "INSERT OR REPLACE INTO branches VALUES (?, ?, ?, ?, ?)",
            (id_, branch.id, branch.name, branch.after, kept),
        )
    (count,) = db.execute("SELECT count(*) FROM elements WHERE draft = ?", (id_,)).fetchone()
    if count > MAX_ELEMENTS:
        raise UsageError(f"A draft has at most {MAX_ELEMENTS:,} elements.", "Start another draft.")


def _edit_few(db: sqlite3.Connection, id_: str, edits: Iterable[Edit]) -> None:
    for edit in edits:
        if edit.put is not None:
            _put(db, id_, edit.put, edit.after, moves="after" in edit.model_fields_set)
        if edit.remove is not None:
            db.execute("DELETE FROM elements WHERE draft = ? AND id = ?", (id_, edit.remove))


def _edit_many(db: sqlite3.Connection, id_: str, edits: Iterable[Edit]) -> None:
    """Do the same as `_edit_few`, but order the elements in memory, and write all positions at the end."""
    rows = db.execute("SELECT id FROM elements WHERE draft = ? ORDER BY position", (id_,))
    before = [own for (own,) in rows]
    order, written = _Order(before), dict[str, PageElement]()
    for edit in edits:
        if edit.put is not None:
            own = edit.put.id
            written[own] = edit.put
            if "after" not in edit.model_fields_set:
                order.put(own, order.above(own) if own in order else order.last)
            elif own not in order or order.above(own) != edit.after:
                order.remove(own)
                is_there = edit.after is None or edit.after in order
                order.put(own, edit.after if is_there else order.last)
        if edit.remove is not None:
            order.remove(edit.remove)
            written.pop(edit.remove, None)
    positions = {own: number * _GAP for number, own in enumerate(order, start=1)}
    gone = ((id_, own) for own in before if own not in positions)
    db.executemany("DELETE FROM elements WHERE draft = ? AND id = ?", gone)
    moved = ((place, id_, own) for own, place in positions.items() if own not in written)
    db.executemany("UPDATE elements SET position = ? WHERE draft = ? AND id = ?", moved)
    new = (_as_row(id_, positions[own], element) for own, element in written.items())
    db.executemany("INSERT OR REPLACE INTO elements VALUES (?, ?, ?, ?, ?, ?)", new)


class _Order:
    """A doubly linked list of ids, in which each can be moved in constant time; None is the beginning.

    Args:
        ids: the ids in order.
    """

    def __init__(self, ids: Sequence[str]) -> None:
        circle = [None, *ids, None]
        self._below: dict[str | None, str | None] = dict(pairwise(circle))
        self._above = {below: above for above, below in self._below.items()}

    @property
    def last(self) -> str | None:
        """Return the last id; None if there is none."""
        return self._above[None]

    def above(self, own: str) -> str | None:
        """Return the id before this one; None for the first."""
        return self._above[own]

    def put(self, own: str, after: str | None) -> None:
        """Insert an id after another, or move it there."""
        self.remove(own)
        below = self._below[after]
        self._below[after], self._below[own] = own, below
        self._above[below], self._above[own] = own, after

    def remove(self, own: str) -> None:
        """Remove an id, if it is there."""
        if own in self:
            above, below = self._above.pop(own), self._below.pop(own)
            self._below[above], self._above[below] = below, above

    def __contains__(self, own: str) -> bool:
        return own in self._above

    def __iter__(self) -> Iterator[str]:
        own = self._below[None]
        while own is not None:
            yield own
            own = self._below[own]


def _put(db: sqlite3.Connection, id_: str, element: PageElement, after: str | None, *, moves: bool) -> None:
    """Insert, update or move an element."""
    before = db.execute(
        "SELECT position FROM elements WHERE draft = ? AND id = ?", (id_, element.id)
    ).fetchone()
    if (before and not moves) or (before and _previous_id(db, id_, before[0]) == after):
        position = before[0]
    else:
        if before:
            db.execute("DELETE FROM elements WHERE draft = ? AND id = ?", (id_, element.id))
        position = _free_position(db, id_, after, at_end=not moves)
    db.execute("INSERT OR REPLACE INTO elements VALUES (?, ?, ?, ?, ?, ?)", _as_row(id_, position, element))


def _previous_id(db: sqlite3.Connection, id_: str, position: int) -> str | None:
    row = db.execute(
        "SELECT id FROM elements WHERE draft = ? AND position < ? ORDER BY position DESC LIMIT 1",
        (id_, position),
    ).fetchone()
    return row[0] if row else None


def _free_position(db: sqlite3.Connection, id_: str, after: str | None, *, at_end: bool) -> int:
    """Return a free position after an element; if there is none, all are renumbered first."""
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
    raise AssertionError("renumbered elements have gaps between them")


def _as_row(draft: str, position: int, element: PageElement) -> tuple[Any, ...]:
    origin = as_json(element.origin.model_dump() if element.origin else None)
    return draft, element.id, position, element.kind, element.text, origin


def _check_ids_are_unique(ids: Iterable[str]) -> None:
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            raise UsageError(f"Two elements have the id “{each}”.", "Give each element its own id.")
        seen.add(each)


def as_json(value: object) -> str:
    """Return a value as compact JSON, for a column."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
