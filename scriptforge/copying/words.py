"""The words and lines by which texts are compared.

A word is a run of letters and digits. Case does not count, nor do apostrophes, straight or typographic, nor
invisible characters: `Don’t`, `don't` and `DONT` are one word. Everything else ends a word, so layout and
punctuation make no difference. Each character is folded by itself, so a text in parts folds to the same as
the whole.

A line is an element of a script or a line of plain text. Only what it says is compared: names of speakers are
left out, since every script repeats them.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scriptforge.dataset import PLAIN, ScriptRow
from scriptforge.screenplay.script import Element

BOUNDARY = " "
"""The character between the words of a folded text."""

_APOSTROPHES = frozenset("'’‘‛ʼ＇`´′")
_WORD = re.compile("x(?:[x']*x)?")


def _folded(character: str) -> str:
    """Return the letters that a character counts as; empty where it is passed over."""
    category = unicodedata.category(character)[0]
    if character in _APOSTROPHES or (category == "C" and not character.isspace()):
        return ""
    if category not in "LMN":
        return BOUNDARY
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(part for part in parts if unicodedata.category(part)[0] in "LMN")


class _Folding(dict[int, str]):
    """Maps the number of each character to its letters, filled as characters are met."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _folded(chr(code))
        return folded


class _Shape(dict[int, str]):
    """Maps each character to `x` in a word, an apostrophe where it is passed over, a space at a boundary."""

    def __missing__(self, code: int) -> str:
        folded = _FOLDING[code]
        self[code] = shape = BOUNDARY if folded == BOUNDARY else "x" if folded else "'"
        return shape


_FOLDING = _Folding()
_SHAPE = _Shape()


def fold(text: str) -> str:
    """Return the letters of a text as they are compared, a `BOUNDARY` for each character between words."""
    return text.translate(_FOLDING)


def words_in(text: str) -> list[str]:
    """Return the words of a text, folded, in order."""
    return fold(text).split()


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the span of each word of a text: its first character and the one after its last."""
    return [match.span() for match in _WORD.finditer(text.translate(_SHAPE))]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document.

    Attributes:
        document: the document's number.
        title: the document's title.
        number: the line's number within the document, from 1.
        kind: the kind of its element, or `scriptforge.dataset.PLAIN`.
        speaker: who says it; empty unless it is dialogue.
        text: what it says.
    """

    document: int
    title: str
    number: int
    kind: str
    speaker: str
    text: str


def lines_of_rows(rows: Iterable[ScriptRow]) -> Iterator[Line]:
    """Yield the lines of whole documents; each row of a plain text holds several."""
    document, number = -1, 0
    for row in rows:
        if row.document != document:
            document, number = row.document, 0
        for text in row.text.split("\n")[: row.lines] if row.kind == PLAIN else (row.text,):
            number += 1
            yield Line(document, row.title, number, row.kind, row.speaker, text)


def lines_of_script(elements: Iterable[Element]) -> Iterator[Line]:
    """Yield the lines of one script."""
    for number, element in enumerate(elements, start=1):
        yield Line(0, "", number, element.kind, element.speaker, element.text)


def lines_of_text(text: str) -> Iterator[Line]:
    """Yield the lines of one plain text."""
    for number, line in enumerate(text.split("\n"), start=1):
        yield Line(0, "", number, PLAIN, "", line)
