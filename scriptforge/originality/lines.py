"""A text as lines: elements of scripts, or lines of plain text, each with its place in its document.

Copies are looked for in what the lines say; the speakers' names are left out, since a cast repeats by nature.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scriptforge.dataset import PLAIN, Piece
from scriptforge.screenplay.script import Element


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document.

    Attributes:
        document: the document's number.
        title: the document's title.
        number: the line's number within the document, from 1.
        kind: as of `Piece`.
        speaker: who says it; empty unless it is dialogue.
        text: what it says.
    """

    document: int
    title: str
    number: int
    kind: str
    speaker: str
    text: str


def lines_of_pieces(pieces: Iterable[Piece]) -> Iterator[Line]:
    """The lines of whole documents, of which each piece of a plain text holds several."""
    document, number = -1, 0
    for piece in pieces:
        if piece.document != document:
            document, number = piece.document, 0
        for text in piece.text.split("\n")[: piece.lines] if piece.kind == PLAIN else (piece.text,):
            number += 1
            yield Line(document, piece.title, number, piece.kind, piece.speaker, text)


def lines_of_script(elements: Iterable[Element]) -> Iterator[Line]:
    """The lines of one script."""
    for number, element in enumerate(elements, start=1):
        yield Line(0, "", number, element.kind, element.speaker, element.text)


def lines_of_text(text: str) -> Iterator[Line]:
    """The lines of one plain text."""
    for number, line in enumerate(text.split("\n"), start=1):
        yield Line(0, "", number, PLAIN, "", line)
