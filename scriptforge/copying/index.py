"""An index of a text that finds any run of words by binary search.

It is a suffix array over words: all positions of the text, sorted by the words from there on. The positions
at which a run of words begins are adjacent in this order, so they form a range of ranks. A run is looked up
backwards, from its last word. Beside the array, this needs the rank of the position after each position:
among the positions that begin with the same word these ranks ascend, so each further word in front takes one
binary search for each end of the range. In `to be or not to be`, `be` occurs at two ranks; of the positions
of `to`, those whose next position has one of these ranks begin with `to be`.

A word is a run of letters and digits. Case, apostrophes (straight or typographic) and invisible characters
are ignored: `Don’t`, `don't` and `DONT` are one word. Any other character ends a word, so layout and
punctuation make no difference. Each character is folded by itself, so the parts of a text fold to the parts
of the folded text.

A line is an element of a script or a line of plain text. Only its text is compared, not the name of the
speaker, which every script repeats.

Source: Ferragina and Manzini 2000, "Opportunistic Data Structures with Applications", for searching
    backwards; Sadakane 2003, "New text indexing functionalities of the compressed suffix arrays", for doing
    so in ranks.

Shape letters: W words of the indexed text, N words of a text that is compared with it.
"""

import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from scriptforge.dataset import Dataset
from scriptforge.screenplay.script import Element
from scriptforge.script_rows import PLAIN, LineNumbering, Location, ScriptRow

BOUNDARY = " "
"""The character that separates words in a folded text."""

_APOSTROPHES = frozenset("'’‘‛ʼ＇`´′")
_WORD = re.compile("x(?:[x']*x)?")


def _folded(character: str) -> str:
    """Return the folded form of a character: its letters, `BOUNDARY`, or nothing if it is ignored."""
    category = unicodedata.category(character)[0]
    if character in _APOSTROPHES or (category == "C" and not character.isspace()):
        return ""
    if category not in "LMN":
        return BOUNDARY
    parts = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(part for part in parts if unicodedata.category(part)[0] in "LMN")


class _Folding(dict[int, str]):
    """The folded form of each code point, computed on first use."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _folded(chr(code))
        return folded


class _Shape(dict[int, str]):
    """The role of each code point: `x` within a word, `'` if it is ignored, `BOUNDARY` between words."""

    def __missing__(self, code: int) -> str:
        folded = _FOLDING[code]
        self[code] = shape = BOUNDARY if folded == BOUNDARY else "x" if folded else "'"
        return shape


_FOLDING = _Folding()
_SHAPE = _Shape()


def fold(text: str) -> str:
    """Return a text folded for comparison, with a `BOUNDARY` for each character between words."""
    return text.translate(_FOLDING)


def words_in(text: str) -> list[str]:
    """Return the folded words of a text, in order."""
    return fold(text).split()


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the start and stop of each word of a text, in characters."""
    return [match.span() for match in _WORD.finditer(text.translate(_SHAPE))]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document.

    Attributes mean the same as in `scriptforge.dataset.ScriptRow`; `number` is the number of the line within
    the document, from 1.
    """

    document: int
    title: str
    number: int
    kind: str
    speaker: str
    text: str

    @property
    def element(self) -> Element:
        """Return the line as an element; only for lines of a script."""
        return Element(self.kind, self.text, self.speaker)  # type: ignore[arg-type]


def lines_of_rows(rows: Iterable[ScriptRow]) -> Iterator[Line]:
    """Yield the lines of whole documents; a row of plain text may hold several."""
    document, number = -1, 0
    for row in rows:
        if row.document != document:
            document, number = row.document, 0
        for text in row.text.split("\n")[: row.lines] if row.kind == PLAIN else (row.text,):
            number += 1
            yield Line(document, row.title, number, row.kind, row.speaker, text)


def lines_of_script(elements: Iterable[Element]) -> Iterator[Line]:
    """Yield the lines of one script, one for each element."""
    for number, element in enumerate(elements, start=1):
        yield Line(0, "", number, element.kind, element.speaker, element.text)


def lines_of_text(text: str) -> Iterator[Line]:
    """Yield the lines of one plain text."""
    for number, line in enumerate(text.split("\n"), start=1):
        yield Line(0, "", number, PLAIN, "", line)


@dataclass(frozen=True, slots=True)
class SceneLocation(Location):
    """A line in a document, and its scene.

    Attributes:
        scene: heading of the scene; empty before the first one, and in a text without scenes.
    """

    scene: str = ""


_DOCUMENT_END = 0


@dataclass(frozen=True, slots=True)
class Matches:
    """For each word of a text, the longest run of words from there on that is also in the indexed text.

    Attributes:
        lengths_N: length of the run in words; 0 where the word itself does not occur.
        positions_N: a position in the indexed text at which the run begins.
    """

    lengths_N: NDArray[np.int64]
    positions_N: NDArray[np.int64]


class Index:
    """An index of the runs of words in a text.

    Words are represented by numbers from 1; all words that do not occur share the number `unknown`.

    Args:
        lines: the lines of whole documents, in order. No run of words spans two documents.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        numbering: defaultdict[str, int] = defaultdict(count(_DOCUMENT_END + 1).__next__)
        words = array("i")
        line_starts = array("i")
        self._line_numbering = LineNumbering()
        self._scenes: list[tuple[int, str]] = []  # first line and heading of each
        for (_, title), group in groupby(lines, key=lambda line: (line.document, line.title)):
            self._line_numbering.begin_document(title, len(line_starts))
            if self._scenes:
                self._scenes.append((len(line_starts), ""))
            for line in group:
                if line.kind == "heading":
                    self._scenes.append((len(line_starts), line.text))
                line_starts.append(len(words))
                words.extend(map(numbering.__getitem__, words_in(line.text)))
            words.append(_DOCUMENT_END)
        self._numbers = dict(numbering)
        self._spellings = ["", *self._numbers]
        self.unknown = len(self._spellings)
        self._line_starts = np.frombuffer(line_starts, np.int32) if line_starts else np.zeros(0, np.int32)
        self._sort(np.array(words or [_DOCUMENT_END], np.min_scalar_type(self.unknown)))

    def _sort(self, words_W: NDArray[np.unsignedinteger]) -> None:
        # Imported here because training and generation import this module, but rarely build an index.
        from pydivsufsort import divsufsort

        size = len(words_W)
        order_W = divsufsort(words_W).astype(np.int32, copy=False)
        ranks_W = np.empty(size + 1, np.int32)
        ranks_W[order_W] = np.arange(size, dtype=np.int32)
        ranks_W[size] = -1  # no word follows the last one, and an empty suffix sorts first
        counts = np.bincount(words_W, minlength=self.unknown + 1)
        # Elements are read one by one, which is several times as fast from a memoryview as from an array.
        self._words = words_W.data
        self._order = np.append(order_W, np.int32(size - 1)).data
        self._ranks_after = ranks_W[order_W + 1].data
        self._first_ranks = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32).data

    def __len__(self) -> int:
        """Return the number of words in the text, where each end of a document counts as one."""
        return len(self._words)

    @property
    def nbytes(self) -> int:
        """Return the size of the arrays in bytes, without the words' spellings and the titles."""
        views = (self._words, self._order, self._ranks_after, self._first_ranks)
        return sum(view.nbytes for view in views) + self._line_starts.nbytes

    def number(self, word: str) -> int:
        """Return the number of a folded word, or `unknown` if it does not occur."""
        return self._numbers.get(word, self.unknown)

    def line_at(self, position: int) -> int:
        """Return the number of the line at a position of the text, from 0 across all documents."""
        return int(np.searchsorted(self._line_starts, position, side="right")) - 1

    def locate(self, position: int) -> SceneLocation:
        """Return the location of the line at a position of the text."""
        number = self.line_at(position)
        scene = bisect_right(self._scenes, number, key=itemgetter(0)) - 1
        location = self._line_numbering.locate(number)
        heading = self._scenes[scene][1] if scene >= 0 else ""
        return SceneLocation(location.document, location.line, heading)

    def longest_ending(self, words: Sequence[int]) -> int:
        """Return the length of the longest suffix of `words` that occurs in the text."""
        return self._find(words)[0]

    def words_after(self, words: Sequence[int]) -> frozenset[str]:
        """Return every word that follows an occurrence of `words` in the text."""
        length, first, last = self._find(words)
        if length < len(words):
            return frozenset()
        numbers = {self._words[position + length] for position in self._order[first:last]}
        return frozenset(self._spellings[number] for number in numbers - {_DOCUMENT_END})

    def match(self, words: Sequence[int]) -> Matches:
        """Find the longest match from each word of a document on, given the numbers of its words."""
        ranks_N = np.zeros(len(words), np.int64)
        rank = 0
        for number in reversed(range(len(words))):
            ranks_N[number] = rank = self._with_before(words[number], rank)
        # The longest match is at one of the two positions between which the word's suffix would be sorted.
        order = np.asarray(self._order)
        before_N, after_N = order[ranks_N - 1], order[ranks_N]
        shared_before_N, shared_after_N = self._shared(words, before_N), self._shared(words, after_N)
        return Matches(
            np.maximum(shared_before_N, shared_after_N),
            np.where(shared_before_N >= shared_after_N, before_N, after_N).astype(np.int64),
        )

    def _find(self, words: Sequence[int]) -> tuple[int, int, int]:
        """Return the longest suffix of `words` that occurs: its length, first rank, last rank plus one."""
        found = (0, 0, len(self))
        for length, word in enumerate(reversed(words), start=1):
            first, last = self._with_before(word, found[1]), self._with_before(word, found[2])
            if first == last:
                break
            found = (length, first, last)
        return found

    def _with_before(self, word: int, rank: int) -> int:
        """Return how many suffixes sort before `word` followed by s, where `rank` suffixes sort before s."""
        return bisect_left(self._ranks_after, rank, self._first_ranks[word], self._first_ranks[word + 1])

    def _shared(self, words: Sequence[int], positions_N: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return how many first words each word's suffix has in common with the text from a position on.

        Each length is at least the previous one minus one, so that computing all takes linear time.

        Source: Kasai et al. 2001, "Linear-Time Longest-Common-Prefix Computation in Suffix Arrays".
        """
        known, size = self._words, len(words)
        shared = array("q", bytes(8 * size))
        length = 0
        for start, position in enumerate(positions_N.tolist()):
            while start + length < size and words[start + length] == known[position + length]:
                length += 1
            shared[start] = length
            length = max(length - 1, 0)
        return np.frombuffer(shared, np.int64) if size else np.zeros(0, np.int64)


def index_training(dataset: Dataset) -> Index:
    """Return an index of the training split of a dataset.

    Raises:
        DatasetError: the text is missing or damaged.
    """
    return Index(lines_of_rows(dataset.rows("train")))


def held_out(dataset: Dataset) -> Iterator[Line]:
    """Yield the lines of the validation and the test split, which no model was trained on.

    Raises:
        DatasetError: the text is missing or damaged.
    """
    for split in ("validation", "test"):
        yield from lines_of_rows(dataset.rows(split))
