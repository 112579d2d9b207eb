"""The lexicon: the words and the unusual characters of a text, to which generated text can be limited.

A word is a run of letters, with apostrophes between them, in any case: `It’s` and `IT'S` are one word,
`dog-eared` is two, and `R2` is the word `r` and a digit. Numbers are not words, and neither is text in a
writing system without spaces between words, such as Chinese or Thai: its characters are listed one by one.

`lexicon.txt` has one entry per line, in UTF-8, sorted and without duplicates:

    mcdonald    a word, in lower case
    McDonald    a spelling of a word in mixed case, other than with only its first letter a capital
    …           a character outside ASCII that is not a letter of a word

Words of more than `LONGEST_WORD` characters are left out, and the rarest words if there are too many.
"""

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Self

from scriptforge.errors import DatasetError

LONGEST_WORD = 64
MAX_WORDS = 200_000
MAX_CHARACTERS = 100_000
MAX_ENTRIES = 2 * MAX_WORDS + MAX_CHARACTERS
MAX_LEXICON = 16_000_000
"""Largest size of `lexicon.txt`, in bytes."""

APOSTROPHES = "'’"

_ASCII = 128
_UNSPACED = (
    "CJK",
    "IDEOGRAPHIC",
    "VERTICAL IDEOGRAPHIC",
    "HIRAGANA",
    "KATAKANA",
    "HALFWIDTH KATAKANA",
    "BOPOMOFO",
    "THAI",
    "LAO",
    "KHMER",
    "MYANMAR",
    "TIBETAN",
    "JAVANESE",
)
_ASCII_LETTERS = bytes(
    code if code < _ASCII and (chr(code).isalpha() or chr(code) == "'") else ord(" ") for code in range(256)
)
"""A table for `bytes.translate` that does what `_Letters` does."""
_PLAIN_WORDS = re.compile(r"(?:[A-Za-z]++(?:'[A-Za-z]++)*+(?:\n(?!\Z)|\Z))*+")
"""Words in ASCII, one per line."""


def is_unspaced(character: str) -> bool:
    """Return whether a character belongs to a writing system without spaces between words."""
    return unicodedata.name(character, "").startswith(_UNSPACED)


class _Letters(dict[int, str]):
    """Maps letters to themselves, apostrophes to `'`, anything else to a space; filled on demand."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        is_letter = unicodedata.category(character)[0] in "LM" and not is_unspaced(character)
        self[code] = kept = character if is_letter else "'" if character in APOSTROPHES else " "
        return kept


_LETTERS = _Letters()


def is_letter(character: str) -> bool:
    """Return whether a character counts as a letter of a word; an apostrophe does not."""
    return _LETTERS[ord(character)] == character != "'" and character != " "


def spellings_of(text: str) -> list[str]:
    """Return the words of a text in their original case, with straight apostrophes."""
    is_ascii = text.isascii()
    letters = text.encode().translate(_ASCII_LETTERS).decode() if is_ascii else text.translate(_LETTERS)
    # An apostrophe that is not between letters is no part of a word.
    return f" {letters} ".replace("''", " ").replace(" '", " ").replace("' ", " ").split()


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, with straight apostrophes; numbers are left out."""
    return [spelling.lower() for spelling in spellings_of(text)]


class Lexicon:
    """The words and unusual characters of a text.

    Args:
        entries: the lines of `lexicon.txt`, in any order.

    Attributes:
        entries: the lines, sorted and without duplicates.
        words: the words, in lower case.
        characters: the characters outside ASCII that are not letters of a word.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        # Sorting is fast if much is in order already, so the sets, which have no order, are made afterwards.
        self.entries = sorted(dict.fromkeys(entries))
        # All entries in ASCII sort first, so the characters are among the entries from U+0080 on.
        beyond = self.entries[bisect_left(self.entries, chr(_ASCII)) :]
        self.characters = frozenset(entry for entry in beyond if not is_letter(entry[0]))
        self._spellings = [entry for entry in self.entries if entry not in self.characters]
        self._in_order = sorted(dict.fromkeys("\n".join(self._spellings).lower().split()))
        self.words = frozenset(self._in_order)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a `lexicon.txt`, which may come from a stranger.

        Raises:
            DatasetError: the file is missing, damaged, too large or not written by scriptforge.
        """
        try:
            with path.open("rb") as file:
                content = file.read(MAX_LEXICON + 1)
            if len(content) > MAX_LEXICON or content.count(b"\n") > MAX_ENTRIES:
                raise ValueError("too large")
            return cls(_checked(content.decode()))
        except (OSError, ValueError) as error:
            raise DatasetError(
                f"{path.parent.name}/{path.name} is damaged, or not a lexicon that scriptforge wrote.",
                "Prepare the dataset again, or fetch the run again.",
            ) from error

    @property
    def document(self) -> str:
        """Return the content of `lexicon.txt`."""
        return "".join(f"{entry}\n" for entry in self.entries)

    @cached_property
    def spellings(self) -> list[bytes]:
        """Return all spellings of all words, with either apostrophe, in UTF-8 and sorted."""
        plain = [word for word in self._in_order if word.isascii()]  # ASCII: `cases` need not check
        others = (case for word in self._in_order if not word.isascii() for case in cases(word))
        capitals = [word[0].upper() + word[1:] for word in plain]
        straight = dict.fromkeys([*map(str.upper, plain), *capitals, *plain, *self._spellings, *others])
        curved = [each.replace(*APOSTROPHES) for each in straight if "'" in each]
        together = "\n".join([*straight, *curved]).encode()
        return sorted(together.split(b"\n")) if together else []


class WordCount:
    """Counts the words of a text that comes in pieces; no piece may end within a word."""

    def __init__(self) -> None:
        self._spellings: Counter[str] = Counter()
        self._characters: set[str] = set()

    def add(self, *pieces: str) -> None:
        """Count the words of more pieces; many at once take less time than one by one."""
        for is_ascii, run in groupby(pieces, str.isascii):
            text = "\n".join(run)
            self._spellings.update(spellings_of(text))
            if not is_ascii:
                self._characters.update(text)

    def merge(self, other: "WordCount") -> None:
        """Add what another one has counted in later pieces."""
        self._spellings.update(other._spellings)
        self._characters |= other._characters

    def lexicon(self) -> Lexicon:
        """Return the lexicon of all pieces."""
        counts: Counter[str] = Counter()
        for spelling, count in self._spellings.items():
            counts[spelling.lower()] += count
        words = [word for word, _ in counts.most_common(MAX_WORDS) if len(word) <= LONGEST_WORD]
        usual = {case for word in words for case in cases(word)}
        known = frozenset(words)
        unusual = [each for each in self._spellings if each not in usual and each.lower() in known]
        characters = [each for each in self._characters if ord(each) >= _ASCII and not is_letter(each)]
        return Lexicon([*words, *unusual[:MAX_WORDS], *characters[:MAX_CHARACTERS]])


def cases(word: str) -> Iterator[str]:
    """Yield a lower-case word as it is, then capitalised and in capitals, if lowering these restores it."""
    yield word
    for case in (word[0].upper() + word[1:], word.upper()):
        if case.lower() == word:
            yield case


def _checked(text: str) -> list[str]:
    """Return the lines of a lexicon, after checking them.

    Raises:
        ValueError: they are not entries such as `WordCount.lexicon` makes.
    """
    entries = text.split("\n")
    if entries.pop() or entries != sorted(dict.fromkeys(entries)):
        raise ValueError("not sorted lines")
    plain = [entry for entry in entries if entry.isascii()]
    others = [entry for entry in entries if not entry.isascii()]
    words = [entry for entry in others if is_letter(entry[0])]
    characters = set(others) - set(words)
    if len(plain) + len(words) > 2 * MAX_WORDS or len(characters) > MAX_CHARACTERS:
        raise ValueError("too many entries")
    if any(len(each) != 1 for each in characters):
        raise ValueError("an entry that is neither a word nor a character")
    if not _PLAIN_WORDS.fullmatch("\n".join(plain)) or spellings_of("\n".join(words)) != words:
        raise ValueError("an entry that is not a word")
    if max(map(len, entries), default=0) > LONGEST_WORD:
        raise ValueError("an entry that is too long")
    return entries
