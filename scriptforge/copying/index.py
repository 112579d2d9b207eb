"""An index of a text, in which any run of words is found in logarithmic time.

It is a suffix array over words: the positions of the text, sorted by the words that follow there. All
positions at which a run of words occurs are neighbours in that order, so the set of them is a range of ranks.
A run is looked up from its last word backwards. That needs, beside the array, the rank of the position after
each position: among the positions that begin with one word these ranks ascend, so one more word in front is
one bisection. In `to be or not to be`, `be` occurs at two ranks; of the positions of `to`, those whose next
position has one of these ranks begin with `to be`.

A word is a run of letters and digits. Case does not count, nor do apostrophes, straight or typographic, nor
invisible characters: `Don’t`, `don't` and `DONT` are one word. Everything else ends a word, so layout and
punctuation make no difference. Each character is folded by itself, so a text in parts folds to the same as
the whole.

A line is an element of a script or a line of plain text. Only what it says is compared: names of speakers are
left out, since every script repeats them.

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

    What has the name of an attribute of `scriptforge.dataset.ScriptRow` means the same; `number` is the
    line's number within the document, from 1.
    """

    document: int
    title: str
    number: int
    kind: str
    speaker: str
    text: str

    @property
    def element(self) -> Element:
        """Return the line as an element; not of plain text."""
        return Element(self.kind, self.text, self.speaker)  # type: ignore[arg-type]


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


@dataclass(frozen=True, slots=True)
class SceneLocation(Location):
    """A line in a document, and the scene that it is in.

    Attributes:
        scene: the heading of the scene; empty before the first one, and in a text without scenes.
    """

    scene: str = ""


_DOCUMENT_END = 0


@dataclass(frozen=True, slots=True)
class Matches:
    """Holds, for each word of a text, the longest run of words from there on that the indexed text has too.

    Attributes:
        lengths_N: words in the run; 0 where the word itself does not occur.
        positions_N: the position in the indexed text at which such a run begins.
    """

    lengths_N: NDArray[np.int64]
    positions_N: NDArray[np.int64]


class Index:
    """Finds runs of words in a text.

    A word is known by its number, from 1; `unknown` is the number of every word that does not occur.

    Args:
        lines: the lines of whole documents, in order. No run of words goes from one document to the next.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        numbering: defaultdict[str, int] = defaultdict(count(_DOCUMENT_END + 1).__next__)
        words = array("i")
        line_starts = array("i")
        self._line_numbering = LineNumbering()
        self._scenes: list[tuple[int, str]] = []  # the number of its first line, and its heading
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
        # Imported here: whoever trains or generates imports this module, and few of them make an index.
        from pydivsufsort import divsufsort

        size = len(words_W)
        order_W = divsufsort(words_W).astype(np.int32, copy=False)
        ranks_W = np.empty(size + 1, np.int32)
        ranks_W[order_W] = np.arange(size, dtype=np.int32)
        ranks_W[size] = -1  # nothing follows the last word, and an empty text is sorted before all others
        counts = np.bincount(words_W, minlength=self.unknown + 1)
        # Single numbers are read all the time, and a memoryview returns them several times as fast.
        self._words = words_W.data
        self._order = np.append(order_W, np.int32(size - 1)).data
        self._ranks_after = ranks_W[order_W + 1].data
        self._first_ranks = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32).data

    def __len__(self) -> int:
        """Return how many words the text has; each end of a document counts as one."""
        return len(self._words)

    @property
    def nbytes(self) -> int:
        """Return the size of the arrays in bytes, without the spellings of words and the titles."""
        views = (self._words, self._order, self._ranks_after, self._first_ranks)
        return sum(view.nbytes for view in views) + self._line_starts.nbytes

    def number(self, word: str) -> int:
        """Return the number of a folded word, `unknown` where it does not occur."""
        return self._numbers.get(word, self.unknown)

    def line_at(self, position: int) -> int:
        """Return which line has the word at a position of the text, from 0 through all documents."""
        return int(np.searchsorted(self._line_starts, position, side="right")) - 1

    def locate(self, position: int) -> SceneLocation:
        """Return the line that has the word at a position of the text."""
        number = self.line_at(position)
        scene = bisect_right(self._scenes, number, key=itemgetter(0)) - 1
        location = self._line_numbering.locate(number)
        heading = self._scenes[scene][1] if scene >= 0 else ""
        return SceneLocation(location.document, location.line, heading)

    def longest_ending(self, words: Sequence[int]) -> int:
        """Return the length of the longest end of the words that occurs in the text."""
        return self._find(words)[0]

    def words_after(self, words: Sequence[int]) -> frozenset[str]:
        """Return the words that follow wherever the words occur; none where they do not."""
        length, first, last = self._find(words)
        if length < len(words):
            return frozenset()
        numbers = {self._words[position + length] for position in self._order[first:last]}
        return frozenset(self._spellings[number] for number in numbers - {_DOCUMENT_END})

    def match(self, words: Sequence[int]) -> Matches:
        """Compare a document, given by the numbers of its words, with the text."""
        ranks_N = np.zeros(len(words), np.int64)
        rank = 0
        for number in reversed(range(len(words))):
            ranks_N[number] = rank = self._with_before(words[number], rank)
        # The longest match of a word is with one of the two positions that it would be sorted between.
        order = np.asarray(self._order)
        before_N, after_N = order[ranks_N - 1], order[ranks_N]
        shared_before_N, shared_after_N = self._shared(words, before_N), self._shared(words, after_N)
        return Matches(
            np.maximum(shared_before_N, shared_after_N),
            np.where(shared_before_N >= shared_after_N, before_N, after_N).astype(np.int64),
        )

    def _find(self, words: Sequence[int]) -> tuple[int, int, int]:
        """Return the longest end of the words that occurs: its length, first rank, and last rank plus one."""
        found = (0, 0, len(self))
        for length, word in enumerate(reversed(words), start=1):
            first, last = self._with_before(word, found[1]), self._with_before(word, found[2])
            if first == last:
                break
            found = (length, first, last)
        return found

    def _with_before(self, word: int, rank: int) -> int:
        """Return how many positions are sorted before a word and a text of which `rank` says the same."""
        return bisect_left(self._ranks_after, rank, self._first_ranks[word], self._first_ranks[word + 1])

    def _shared(self, words: Sequence[int], positions_N: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return how many words each word's suffix shares with the suffix of the text at a position.

        Each number is at least the one before less one, so all of them are counted in linear time.

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
    """Return the index of the text that models of this dataset were trained on.

    Raises:
        DatasetError: the text is missing or damaged.
    """
    return Index(lines_of_rows(dataset.rows("train")))


def held_out(dataset: Dataset) -> Iterator[Line]:
    """Yield the lines that people wrote and no model was trained on: the validation and the test split.

    Raises:
        DatasetError: the text is missing or damaged.
    """
    for split in ("validation", "test"):
        yield from lines_of_rows(dataset.rows(split))
