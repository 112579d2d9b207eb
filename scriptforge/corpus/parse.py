"""From files to numbered pieces of text, counting what they hold on the way."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import PurePath

from scriptforge.corpus.fetch import Fetched
from scriptforge.corpus.files import Row, TableFile, TextFile
from scriptforge.corpus.sources import Source
from scriptforge.pieces import PLAIN, Piece
from scriptforge.screenplay.formats.name_line import rendered_length, write
from scriptforge.screenplay.formats.table import documents, guess_columns
from scriptforge.screenplay.reading import read
from scriptforge.screenplay.script import Element

LONGEST_PIECE = 10_000
"""Characters. Longer paragraphs and lines are taken apart at a space, so that no piece fills the memory."""

_PIECE = re.compile(rf".{{1,{LONGEST_PIECE}}}(?:\s|$)|.{{{LONGEST_PIECE}}}", re.DOTALL)


@dataclass
class Parsing:
    """What was found while parsing; complete when all pieces have been taken.

    Attributes:
        sizes: characters of each document, in order.
        pieces: how many there are.
        characters: characters that a screenplay format was applied to.
        unparsed: those of them that it did not know and that became action.
        reasons: the formats met, each with the reason given for the first file in it.
    """

    sizes: list[int] = field(default_factory=list)
    pieces: int = 0
    characters: int = 0
    unparsed: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def text_format(self) -> str:
        """The names of the formats met."""
        return ", ".join(self.reasons)

    @property
    def unparsed_share(self) -> float:
        """The share of characters that no rule knew, 0 … 1."""
        return self.unparsed / self.characters if self.characters else 0.0

    @property
    def notes(self) -> list[str]:
        """A line for each format, saying why it was taken."""
        return [f"Read as {name}: {reason}" for name, reason in self.reasons.items() if reason]


def parse(source: Source, fetched: Fetched, plain: bool, parsing: Parsing) -> Iterator[Piece]:
    """The pieces of all files, in order.

    Args:
        source: what was asked for; its card may name format and columns.
        fetched: the files.
        plain: whether to take texts as they stand.
        parsing: filled on the way.
    """
    for file in fetched.files:
        for title, pieces in _documents(source, file, plain, parsing):
            number = len(parsing.sizes)
            parsing.sizes.append(0)
            for element in pieces:
                characters = len(element) if isinstance(element, str) else rendered_length(element)
                parsing.sizes[number] += characters
                parsing.pieces += 1
                yield _piece(number, title, element, characters)
            if not parsing.sizes[number]:
                parsing.sizes.pop()


def _piece(number: int, title: str, element: Element | str, characters: int) -> Piece:
    if isinstance(element, str):
        return Piece(number, title, PLAIN, "", element, characters)
    return Piece(number, title, element.kind, element.speaker, element.text, characters)


def _documents(
    source: Source, file: TextFile | TableFile, plain: bool, parsing: Parsing
) -> Iterator[tuple[str, Iterator[Element | str]]]:
    """The documents of one file: title and elements, or stretches of plain text."""
    if isinstance(file, TableFile):
        parsing.reasons.setdefault("table", f"Its columns are {', '.join(file.columns)}.")
        roles = source.card.columns if source.card else None
        columns = roles or guess_columns(file.columns)
        if plain and (column := columns.script or columns.text):
            yield from _plain_documents(file.rows(), column)
            return
        for title, elements in documents(file.rows(), columns):
            yield title, _stretches(_lines(elements)) if plain else _bounded(elements)
    elif plain:
        parsing.reasons.setdefault("plain", "")
        yield PurePath(file.name).stem, _stretches(file.lines())
    else:
        reading = read(file.lines(), source.card.format if source.card else None)
        parsing.reasons.setdefault(reading.format, reading.reason)
        yield reading.title or PurePath(file.name).stem, _bounded(reading)
        parsing.characters += reading.characters
        parsing.unparsed += reading.unparsed


def _plain_documents(rows: Iterable[Row], column: str) -> Iterator[tuple[str, Iterator[str]]]:
    """Cells as they stand: one of several lines is a document, and single lines in a row are one together."""
    cells = ("" if row[column] is None else str(row[column]) for row in rows)
    numbered = ((number if "\n" in cell.strip() else 0, cell) for number, cell in enumerate(cells, start=1))
    for title, (number, group) in enumerate(groupby(numbered, key=itemgetter(0)), start=1):
        texts = (cell if number or cell.endswith("\n") else f"{cell}\n" for _, cell in group)
        yield str(title), _stretches(line for text in texts for line in text.splitlines(keepends=True))


def _bounded(elements: Iterable[Element]) -> Iterator[Element]:
    for element in elements:
        if len(element.text) <= LONGEST_PIECE:
            yield element
        else:
            parts = (part.strip() for part in _PIECE.findall(element.text))
            yield from (replace(element, text=part) for part in parts if part)


def _lines(elements: Iterable[Element]) -> Iterator[str]:
    return (f"{line}\n" for line in write(elements))


def _stretches(lines: Iterable[str]) -> Iterator[str]:
    """Paragraphs with the blank lines after them, exactly as they stand; long ones in several stretches."""
    paragraph: list[str] = []
    size = 0
    ended = False
    for line in lines:
        size += len(line)
        if paragraph and (size > LONGEST_PIECE or (ended and line.strip("\n"))):
            yield from _parts("".join(paragraph))
            paragraph, size = [], len(line)
        paragraph.append(line)
        ended = not line.strip("\n")
    if paragraph:
        yield from _parts("".join(paragraph))


def _parts(text: str) -> list[str]:
    return _PIECE.findall(text) if len(text) > LONGEST_PIECE else [text]
