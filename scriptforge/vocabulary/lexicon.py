"""The lexicon: the words and the unusual characters of a text, beyond which a model of it need not go.

A word is a run of letters with apostrophes inside it, in any case: `It’s` and `IT'S` are one word,
`dog-eared` is two, and `R2` is the word `r` and a digit. Numbers are no words, and neither is what is written
in a script that does not part words by spaces, such as Chinese or Thai: its characters count one by one.

`lexicon.txt` has an entry a line, in UTF-8, sorted, each once:

    mcdonald    a word, in lower case
    McDonald    a spelling of a word that is neither in one case nor only capitalised
    …           a character beyond ASCII that is in no word

Words of more than `LONGEST_WORD` characters and, where there are too many, the rarest words are left out.
"""

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Self

from scriptforge.errors import DatasetError

LONGEST_WORD = 64
MOST_WORDS = 200_000
MOST_CHARACTERS = 100_000
MOST_ENTRIES = 2 * MOST_WORDS + MOST_CHARACTERS
LARGEST_LEXICON = 16_000_000
"""The most bytes that `lexicon.txt` may have."""

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
_WORD = re.compile(r"[^ ']+(?:'[^ ']+)*")
_PLAIN_WORDS = re.compile(r"(?:[A-Za-z]++(?:'[A-Za-z]++)*+(?:\n(?!\Z)|\Z))*+")
"""Words of ASCII alone, a line each."""


def is_unspaced(character: str) -> bool:
    """Return whether a character is of a writing that does not part words with spaces."""
    return unicodedata.name(character, "").startswith(_UNSPACED)


class _Letters(dict[int, str]):
    """Maps letters to themselves, apostrophes to straight ones and all else to a space, as it is met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        is_letter = unicodedata.category(character)[0] in "LM" and not is_unspaced(character)
        self[code] = kept = character if is_letter else "'" if character in APOSTROPHES else " "
        return kept


_LETTERS = _Letters()


def is_letter(character: str) -> bool:
    """Return whether a character can be in a word; an apostrophe is no letter."""
    return _LETTERS[ord(character)] == character != "'" and character != " "


def spellings_of(text: str) -> list[str]:
    """Return the words of a text in the case that they have there, with straight apostrophes."""
    return _WORD.findall(text.translate(_LETTERS))


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, with straight apostrophes; numbers are none."""
    return [spelling.lower() for spelling in spellings_of(text)]


class Lexicon:
    """Words and characters, to write with.

    Args:
        entries: what `lexicon.txt` has, a line each.

    Attributes:
        entries: the same, sorted.
        words: the words, in lower case.
        characters: those beyond ASCII that are in no word.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        # Sorting is fast where much is in order, so sets, which have none, are made behind it.
        self.entries = sorted(dict.fromkeys(entries))
        # Characters are beyond ASCII, and so is what is sorted behind all that begins with a letter of ASCII.
        beyond = self.entries[bisect_left(self.entries, chr(_ASCII)) :]
        self.characters = frozenset(entry for entry in beyond if not is_letter(entry[0]))
        self._spellings = [entry for entry in self.entries if entry not in self.characters]
        self._in_order = sorted(dict.fromkeys("\n".join(self._spellings).lower().split()))
        self.words = frozenset(self._in_order)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a lexicon that `save` wrote; a stranger may have made it.

        Raises:
            DatasetError: the file is damaged, enormous or foreign.
        """
        try:
            with path.open("rb") as file:
                content = file.read(LARGEST_LEXICON + 1)
            if len(content) > LARGEST_LEXICON or content.count(b"\n") > MOST_ENTRIES:
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
        """Return all spellings of all words, with either apostrophe, in UTF-8, sorted."""
        plain = [word for word in self._in_order if word.isascii()]  # whose cases need no second look
        others = (case for word in self._in_order if not word.isascii() for case in cases(word))
        capitals = [word[0].upper() + word[1:] for word in plain]
        straight = dict.fromkeys([*map(str.upper, plain), *capitals, *plain, *self._spellings, *others])
        curved = [each.replace(*APOSTROPHES) for each in straight if "'" in each]
        together = "\n".join([*straight, *curved]).encode()
        return sorted(together.split(b"\n")) if together else []


class WordCount:
    """Counts the words of a text that comes in pieces, none of which ends within a word."""

    def __init__(self) -> None:
        self._spellings: Counter[str] = Counter()
        self._characters: set[str] = set()

    def add(self, text: str) -> None:
        """Count the words of one more piece."""
        self._spellings.update(spellings_of(text))
        if not text.isascii():
            self._characters.update(text)

    def lexicon(self) -> Lexicon:
        """Return the lexicon of all pieces."""
        counts: Counter[str] = Counter()
        for spelling, count in self._spellings.items():
            counts[spelling.lower()] += count
        words = [word for word, _ in counts.most_common(MOST_WORDS) if len(word) <= LONGEST_WORD]
        usual = {case for word in words for case in cases(word)}
        known = frozenset(words)
        unusual = [each for each in self._spellings if each not in usual and each.lower() in known]
        characters = [each for each in self._characters if ord(each) >= _ASCII and not is_letter(each)]
        return Lexicon([*words, *unusual[:MOST_WORDS], *characters[:MOST_CHARACTERS]])


def cases(word: str) -> Iterator[str]:
    """Yield a word in lower case, with a capital, and in capitals, where these are the same word."""
    yield word
    for case in (word[0].upper() + word[1:], word.upper()):
        if case.lower() == word:
            yield case


def _checked(text: str) -> list[str]:
    """Return the lines of a lexicon.

    Raises:
        ValueError: they are not as `WordCount.lexicon` has them.
    """
    entries = text.split("\n")
    if entries.pop() or entries != sorted(dict.fromkeys(entries)):
        raise ValueError("not sorted lines")
    plain = [entry for entry in entries if entry.isascii()]
    others = [entry for entry in entries if not entry.isascii()]
    words = [entry for entry in others if is_letter(entry[0])]
    characters = set(others) - set(words)
    if len(plain) + len(words) > 2 * MOST_WORDS or len(characters) > MOST_CHARACTERS:
        raise ValueError("too many entries")
    if any(len(each) != 1 for each in characters):
        raise ValueError("an entry that is neither a word nor a character")
    if not _PLAIN_WORDS.fullmatch("\n".join(plain)) or spellings_of("\n".join(words)) != words:
        raise ValueError("an entry that is no word")
    if max(map(len, entries), default=0) > LONGEST_WORD:
        raise ValueError("an entry that is too long")
    return entries
