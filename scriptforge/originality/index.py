"""An index of a text, in which any run of words is found in logarithmic time.

It is a suffix array over words: the places of the text, sorted by the words that follow there. All places
where a run of words occurs are neighbours in that order, so a set of them is two ranks. A run is looked up
from its last word backwards. That takes, beside the array, the rank of the place after each place: among the
places that begin with a word, these ranks ascend, so one more word in front is one bisection.

Source: Ferragina and Manzini 2000, "Opportunistic Data Structures with Applications", for searching
    backwards; Sadakane 2003, "New text indexing functionalities of the compressed suffix arrays", for doing
    so in ranks.

The two sides of a dataset: the training text, which could have been copied, and the text held out.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, groupby

import numpy as np
from numpy.typing import NDArray
from pydivsufsort import divsufsort

from scriptforge.dataset import Dataset
from scriptforge.originality.words import Line, lines_of_rows, words_in

_DOCUMENT_END = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands.

    Attributes:
        document: the document's title.
        line: the line's number within the document, from 1.
    """

    document: str
    line: int


@dataclass(frozen=True, slots=True)
class Matches:
    """For each word of a text, the longest run of words from there on that occurs in the indexed text.

    Attributes:
        lengths_N: words in the run; 0 where the word itself does not occur.
        positions_N: the number, in the indexed text, of the word that such a run begins with.
    """

    lengths_N: NDArray[np.int64]
    positions_N: NDArray[np.int64]


class Index:
    """The words of a text, and where each run of them occurs.

    A word is known by its number, from 1; `unknown` is the number of every word that does not occur.

    Args:
        lines: of whole documents, in order. No run of words goes from one document to the next.
    """

    def __init__(self, lines: Iterable[Line]) -> None:
        numbering: defaultdict[str, int] = defaultdict(count(_DOCUMENT_END + 1).__next__)
        words = array("i")
        line_starts = array("i")
        self._titles: list[str] = []
        self._first_lines: list[int] = []
        for (_, title), group in groupby(lines, key=lambda line: (line.document, line.title)):
            self._titles.append(title)
            self._first_lines.append(len(line_starts))
            for line in group:
                line_starts.append(len(words))
                words.extend(map(numbering.__getitem__, words_in(line.text)))
            words.append(_DOCUMENT_END)
        self._numbers = dict(numbering)
        self._spellings = ["", *self._numbers]
        self.unknown = len(self._spellings)
        self._line_starts = np.frombuffer(line_starts, np.int32) if line_starts else np.zeros(0, np.int32)
        self._sort(np.array(words or [_DOCUMENT_END], np.min_scalar_type(self.unknown)))

    def _sort(self, words_W: NDArray[np.unsignedinteger]) -> None:
        size = len(words_W)
        order_W = divsufsort(words_W).astype(np.int32, copy=False)
        ranks_W = np.empty(size + 1, np.int32)
        ranks_W[order_W] = np.arange(size, dtype=np.int32)
        ranks_W[size] = -1  # nothing follows the last word, and nothing comes before all else
        counts = np.bincount(words_W, minlength=self.unknown + 1)
        # Single numbers are read all the time, and a memoryview gives them several times as fast.
        self._words = words_W.data
        self._order = np.append(order_W, np.int32(size - 1)).data
        self._ranks_after = ranks_W[order_W + 1].data
        self._first_ranks = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32).data

    def __len__(self) -> int:
        """How many words the text has, the ends of documents counted as one each."""
        return len(self._words)

    @property
    def nbytes(self) -> int:
        """The size of the arrays in bytes; the spellings of words and the titles come on top."""
        views = (self._words, self._order, self._ranks_after, self._first_ranks)
        return sum(view.nbytes for view in views) + self._line_starts.nbytes

    def number(self, word: str) -> int:
        """The number of a folded word, `unknown` where it does not occur."""
        return self._numbers.get(word, self.unknown)

    def place(self, position: int) -> Place:
        """Where the word of a number in the text stands."""
        line = int(np.searchsorted(self._line_starts, position, side="right")) - 1
        document = bisect_right(self._first_lines, line) - 1
        return Place(self._titles[document], line - self._first_lines[document] + 1)

    def longest_ending(self, words: Sequence[int]) -> int:
        """How many of the last words, in a row, occur as they stand."""
        return self._find(words)[0]

    def words_after(self, words: Sequence[int]) -> frozenset[str]:
        """The words that follow where some words occur as they stand; none where they do not."""
        length, first, last = self._find(words)
        if length < len(words):
            return frozenset()
        numbers = {self._words[position + length] for position in self._order[first:last]}
        return frozenset(self._spellings[number] for number in numbers - {_DOCUMENT_END})

    def match(self, words: Sequence[int]) -> Matches:
        """Compares a document with the text.

        Args:
            words: the document's, by their numbers.
        """
        ranks_N = np.zeros(len(words), np.int64)
        rank = 0
        for number in reversed(range(len(words))):
            ranks_N[number] = rank = self._with_before(words[number], rank)
        # The best match of a place is one of the two that it would stand between in the order.
        order = np.asarray(self._order)
        before_N, after_N = order[ranks_N - 1], order[ranks_N]
        shared_before_N, shared_after_N = self._shared(words, before_N), self._shared(words, after_N)
        return Matches(
            np.maximum(shared_before_N, shared_after_N),
            np.where(shared_before_N >= shared_after_N, before_N, after_N).astype(np.int64),
        )

    def _find(self, words: Sequence[int]) -> tuple[int, int, int]:
        """The longest end of the words that occurs: its length, and the ranks from first up to last."""
        found = (0, 0, len(self))
        for length, word in enumerate(reversed(words), start=1):
            first, last = self._with_before(word, found[1]), self._with_before(word, found[2])
            if first == last:
                break
            found = (length, first, last)
        return found

    def _with_before(self, word: int, rank: int) -> int:
        """How many places come before a text, given how many come before the same without its first word."""
        return bisect_left(self._ranks_after, rank, self._first_ranks[word], self._first_ranks[word + 1])

    def _shared(self, words: Sequence[int], positions_N: NDArray[np.int32]) -> NDArray[np.int64]:
        """How many words each place shares with the position of the text that is beside it in the order.

        Each is at most one less than the one before, so that all together are counted in linear time.

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
    """The index of what models of this dataset were trained on.

    Raises:
        DatasetError: the text is missing or damaged.
    """
    return Index(lines_of_rows(dataset.rows("train")))


def held_out(dataset: Dataset) -> Iterator[Line]:
    """What people wrote and no model was trained on: the validation and the test split.

    Raises:
        DatasetError: the text is missing or damaged.
    """
    for split in ("validation", "test"):
        yield from lines_of_rows(dataset.rows(split))
