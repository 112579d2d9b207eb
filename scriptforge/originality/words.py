"""What counts as a word when texts are compared: a run of letters and digits.

Case does not count, nor do apostrophes, straight or typographic, nor what cannot be seen: `Don’t`, `don't`
and `DONT` are one word. Everything else ends a word, so layout and punctuation make no difference. Each
character is looked at by itself; a text that comes in parts folds to the same as the whole.
"""

import re
import unicodedata

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
