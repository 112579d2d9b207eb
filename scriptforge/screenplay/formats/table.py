"""Scripts kept in rows: CSV, JSON, parquet, data sets on the Hub.

Rows come in four shapes: a line of dialogue in each, with its speaker; a whole script in each; a list of
turns in each; or a piece of one long text in each. `Columns` says which, by the roles it gives to columns.

This module knows nothing of files; a row is a mapping from column names to cells.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby

from scriptforge.errors import CorpusError
from scriptforge.screenplay.reading import read
from scriptforge.screenplay.script import Element, normalise

Row = Mapping[str, object]

# The names people give to columns, the likeliest first, in lower case and without punctuation.
_SPEAKER = (
    "speaker", "character", "charactername", "speakername", "player", "name", "role", "person", "from",
)  # fmt: skip
_LINE = (
    "line", "linetext", "dialogue", "dialog", "dialouge", "playerline", "text", "content", "utterance",
    "spokenwords", "rawtext", "quote", "value",
)  # fmt: skip
_DOCUMENT = (
    "show", "series", "play", "movie", "movieid", "film", "season", "seasonno", "seasonnumber", "episode",
    "episodeno", "episodenumber", "episodeid", "title",
)  # fmt: skip
_TITLE = ("title", "episodetitle", "episodename", "movie", "film", "play", "name")
_SCRIPT = ("script", "screenplay", "transcript", "teleplay")
_TURNS = ("conversations", "conversation", "turns", "messages")
_TEXT = ("text", "content")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column plays which role; an empty name means that none does.

    The first of `turns`, `script` and `text` that is given decides the shape of the rows; without any of them
    a row is a line.

    Attributes:
        speaker: who says a row's line; a row without speaker is action.
        line: what is said.
        document: the columns that together name the document a row belongs to.
        title: the title of a row's script or turns.
        script: a whole script, laid out in any format.
        turns: a list of mappings, each a speaker and a line.
        text: a piece of text: a document where it has several lines, else one line of a document.
    """

    speaker: str = ""
    line: str = ""
    document: tuple[str, ...] = ()
    title: str = ""
    script: str = ""
    turns: str = ""
    text: str = ""


def guess_columns(names: Iterable[str]) -> Columns:
    """Recognises the roles of columns by the names that people usually give them.

    Args:
        names: the columns there are; case and punctuation do not count.

    Raises:
        CorpusError: no name says where the lines are.
    """
    names = list(names)
    by_key = {_key(name): name for name in names}
    title, speaker, line = _first(by_key, _TITLE), _first(by_key, _SPEAKER), _first(by_key, _LINE)
    if turns := _first(by_key, _TURNS):
        return Columns(turns=turns, title=title)
    if speaker and line:
        return Columns(speaker, line, tuple(by_key[key] for key in _DOCUMENT if key in by_key))
    if script := _first(by_key, _SCRIPT):
        return Columns(script=script, title=title)
    if text := _first(by_key, _TEXT):
        return Columns(text=text)
    raise CorpusError(
        f"None of the columns is known to hold lines: {', '.join(names) or 'there is no column'}.",
        "Say which column is the speaker and which the line, or which holds whole scripts.",
    )


def documents(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[str, Iterator[Element]]]:
    """Parts rows into documents, in the order of the rows.

    Args:
        rows: the rows; those of one document follow each other.
        columns: the roles of their columns.

    Yields:
        The name of a document, its number where nothing names it, and its elements in normal form. These
        come from the rows themselves: go through them before the next document.

    Raises:
        CorpusError: the rows lack one of the columns.
    """
    rows = _with_columns(rows, columns)
    if columns.turns:
        yield from _documents_of_turns(rows, columns)
    elif columns.script:
        yield from _documents_of_scripts(rows, columns)
    elif columns.text:
        yield from _documents_of_text(rows, columns)
    else:
        yield from _documents_of_lines(rows, columns)


def _with_columns(rows: Iterable[Row], columns: Columns) -> Iterator[Row]:
    """The rows, once the first of them has been seen to have the columns."""
    single = (columns.speaker, columns.line, columns.title, columns.script, columns.turns, columns.text)
    rows = iter(rows)
    for first in rows:
        missing = [name for name in (*single, *columns.document) if name and name not in first]
        if missing:
            raise CorpusError(f"The rows have no column “{missing[0]}”.", f"They have {', '.join(first)}.")
        yield first
        yield from rows


def _documents_of_turns(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[str, Iterator[Element]]]:
    for number, row in enumerate(rows, start=1):
        yield _cell(row, columns.title) or str(number), _turns(row[columns.turns])


def _turns(cell: object) -> Iterator[Element]:
    turns = cell if isinstance(cell, Iterable) and not isinstance(cell, str | Mapping) else ()
    for turn in turns:
        if isinstance(turn, Mapping):
            by_key = {_key(name): name for name in turn}
            yield from _line(turn, _first(by_key, _SPEAKER), _first(by_key, _LINE))


def _documents_of_scripts(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[str, Iterator[Element]]]:
    for number, row in enumerate(rows, start=1):
        reading = read([_cell(row, columns.script)])
        yield _cell(row, columns.title) or reading.title or str(number), iter(reading)


def _documents_of_text(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[str, Iterator[Element]]]:
    pieces = (_cell(row, columns.text) for row in rows)
    numbered = (
        (number if "\n" in piece.strip() else 0, piece) for number, piece in enumerate(pieces, start=1)
    )
    for number, (_, group) in enumerate(groupby(numbered, key=lambda pair: pair[0]), start=1):
        reading = read(piece for _, piece in group)
        yield reading.title or str(number), iter(reading)


def _documents_of_lines(rows: Iterable[Row], columns: Columns) -> Iterator[tuple[str, Iterator[Element]]]:
    def name(row: Row) -> str:
        return ", ".join(f"{column} {_cell(row, column)}" for column in columns.document)

    for number, (document, group) in enumerate(groupby(rows, key=name), start=1):
        lines = (_line(row, columns.speaker, columns.line) for row in group)
        yield document or str(number), chain.from_iterable(lines)


def _line(row: Row, speaker: str, line: str) -> Iterator[Element]:
    """The element in a row; none where the row says nothing."""
    element = normalise(Element("dialogue", _cell(row, line), _cell(row, speaker)))
    if element:
        yield element


def _cell(row: Row, column: str) -> str:
    """A cell as text; empty where the column plays no role or the cell holds nothing."""
    value = row.get(column)
    is_missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if is_missing else str(value)


def _key(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()


def _first(by_key: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((by_key[key] for key in keys if key in by_key), "")
