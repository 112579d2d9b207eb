"""What counts as a word when texts are compared: a run of letters and digits.

Case does not count, nor do apostrophes, straight or typographic, nor what cannot be seen: `Don’t`, `don't`
and `DONT` are one word. Everything else ends a word, so layout and punctuation make no difference. Each
character is looked at by itself; a text that comes in parts folds to the same as the whole.

A text as lines: elements of scripts, or lines of plain text, each with its place in its document.

Copies are looked for in what the lines say; the speakers' names are left out, since a cast repeats by nature.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scriptforge.dataset import PLAIN, ScriptRow
from scriptforge.screenplay.script import Element

BOUNDARY = " "
"""What stands in a folded text between words."""

_APOSTROPHES = frozenset("'’‘‛ʼ＇`´′")
_WORD = re.compile("x(?:[x']*x)?")


def _folded(character: str) -> str:
    """The letters that a character counts as; empty where it is passed over."""
    category = unicodedata.category(character)[0]
    if character in _APOSTROPHES or (category == "C" and not character.isspace()):
        return ""
    if category not in "LMN":
        return BOUNDARY
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(part for part in parts if unicodedata.category(part)[0] in "LMN")


class _Folding(dict[int, str]):
    """The letters of each character by its number, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _folded(chr(code))
        return folded


class _Shape(dict[int, str]):
    """`x` for what belongs to a word, an apostrophe for what is passed over, a space for a boundary."""

    def __missing__(self, code: int) -> str:
        folded = _FOLDING[code]
        self[code] = shape = BOUNDARY if folded == BOUNDARY else "x" if folded else "'"
        return shape


_FOLDING = _Folding()
_SHAPE = _Shape()


def fold(text: str) -> str:
    """The letters of a text as they are compared, with a `BOUNDARY` for each character between words."""
    return text.translate(_FOLDING)


def words_in(text: str) -> list[str]:
    """The words of a text, folded, in order."""
    return fold(text).split()


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where each of the words of a text stands in it: its first character and the one after its last."""
    return [match.span() for match in _WORD.finditer(text.translate(_SHAPE))]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document.

    Attributes:
        document: the document's number.
        title: the document's title.
        number: the line's number within the document, from 1.
        kind: as of `ScriptRow`.
        speaker: who says it; empty unless it is dialogue.
        text: what it says.
    """

    document: int
    title: str
    number: int
    kind: str
    speaker: str
    text: str


def lines_of_rows(pieces: Iterable[ScriptRow]) -> Iterator[Line]:
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
