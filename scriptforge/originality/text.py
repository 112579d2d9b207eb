"""A text compared with an index: its words in order, where each stands, and how much of it was there before.

Shape letters: N words of the text, in order.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from scriptforge.originality.index import Index, Place
from scriptforge.originality.lines import Line
from scriptforge.originality.words import word_spans, words_in


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of one line.

    Attributes:
        line: the line, counted from 0 over the whole text.
        start: its first character in what the line says.
        stop: the character after its last.
    """

    line: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Copy:
    """Words in a row that stand in the training text as well.

    Attributes:
        words: how many.
        text: as they stand in the text examined, from line to line.
        source: where they stand in the training text, or where one of several such places begins.
        marks: where they are in the text examined, line by line.
    """

    words: int
    text: str
    source: Place
    marks: tuple[Mark, ...]


class Text:
    """The lines of one or more documents, each compared with what is indexed.

    Args:
        lines: of whole documents, in order.
        index: what they are compared with.

    Attributes:
        lines: the lines.
        lengths_N: how many words, from each on, also stand in the index in a row.
        ends_N: the first word after the document of each.
    """

    def __init__(self, lines: Iterable[Line], index: Index) -> None:
        self.lines = tuple(lines)
        self._index = index
        numbers, line_numbers = array("i"), array("i")
        spans: list[tuple[int, int]] = []
        document_stops = [0]
        for _, group in groupby(enumerate(self.lines), key=lambda entry: entry[1].document):
            for number, line in group:
                found = word_spans(line.text)
                spans.extend(found)
                line_numbers.extend([number] * len(found))
                numbers.extend(map(index.number, words_in(line.text)))
            document_stops.append(len(numbers))
        self._line_numbers_N = np.array(line_numbers, np.int64)
        self._spans_N2 = np.array(spans, np.int64).reshape(-1, 2)
        self.ends_N = np.repeat(document_stops[1:], np.diff(document_stops)).astype(np.int64)
        self.lengths_N = np.zeros(len(numbers), np.int64)
        self._positions_N = np.zeros(len(numbers), np.int64)
        for start, stop in pairwise(document_stops):
            matches = index.match(numbers[start:stop])
            self.lengths_N[start:stop] = matches.lengths_N
            self._positions_N[start:stop] = matches.positions_N

    def __len__(self) -> int:
        """How many words there are."""
        return len(self.lengths_N)

    def rooms(self, first: int, stop: int) -> NDArray[np.int64]:
        """How many words, from each of a window on, come before its document and the window end."""
        return np.minimum(self.ends_N[first:stop], stop) - np.arange(first, stop)

    def lengths(self, first: int, stop: int) -> NDArray[np.int64]:
        """The `lengths_N` of a window, as if the text ended with it."""
        return np.minimum(self.lengths_N[first:stop], self.rooms(first, stop))

    def copy(self, word: int, words: int, skipped: int = 0) -> Copy:
        """The copy that runs from a word on.

        Args:
            word: where it begins; it is part of the run there.
            words: how many words it has.
            skipped: how many words before it belong to the same run in the index.
        """
        marks = tuple(self._marks(word, word + words))
        said = "\n".join(self.lines[mark.line].text[mark.start : mark.stop] for mark in marks)
        source = self._index.place(int(self._positions_N[word - skipped]) + skipped)
        return Copy(words, said, source, marks)

    def _marks(self, first: int, stop: int) -> Iterable[Mark]:
        numbers_N, spans_N2 = self._line_numbers_N[first:stop], self._spans_N2[first:stop]
        breaks = [0, *(np.flatnonzero(np.diff(numbers_N)) + 1).tolist(), len(numbers_N)]
        for start, end in pairwise(breaks):
            yield Mark(int(numbers_N[start]), int(spans_N2[start, 0]), int(spans_N2[end - 1, 1]))
