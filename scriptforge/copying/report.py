"""A report on copied text: the longest copy, all long copies, and the share of new word sequences.

These figures say little by themselves, since people repeat themselves and each other. So the same figures are
measured, with the same index, on windows of held-out human text that have as many words as the text.

Shape letters: N words of the text, in order.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from statistics import fmean, median_low
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.copying.index import (
    Index,
    Line,
    SceneLocation,
    held_out,
    index_training,
    word_spans,
    words_in,
)
from scriptforge.dataset import Dataset

SEQUENCES = (4, 6, 8)
"""Lengths, in words, of the word sequences (n-grams) of which the new ones are counted."""

SHORTEST_COPY = 5
"""Minimum length of a copy, in words. Shorter runs are what everybody says: “what are you doing”."""

MAX_WINDOWS = 100
"""Maximum number of windows of held-out text that are measured."""

Novelty = Mapping[int, float | None]
"""By length in words: the share of word sequences of that length that are not in the training text, 0 to 1.

A sequence counts as often as it occurs in the examined text; None if that is too short to have any."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A span of one line.

    Attributes:
        line: number of the line, from 0 over the whole text.
        start: index of its first character in the text of the line.
        stop: index after its last character.
    """

    line: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Copy:
    """A run of words that also occurs in the training text.

    Attributes:
        words: number of words.
        text: the words as in the examined text, with its line breaks.
        source: line of the training text in which they begin; one such line if they occur several times.
        position: position of their first word in the index.
        marks: their spans in the examined text, one for each line.
    """

    words: int
    text: str
    source: SceneLocation
    position: int
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class HumanBaseline:
    """The same figures for held-out human text.

    Attributes:
        windows: number of windows that were measured, evenly spread over the held-out text.
        words: number of words in each: as many as in the examined text, or all if there are fewer.
        novelty: mean over the windows.
        typical_copy: median, over the windows, of the number of words in the longest copy.
        longest_copy: longest copy in any window; None if no word occurs in the training text.
    """

    windows: int
    words: int
    novelty: Novelty
    typical_copy: int
    longest_copy: Copy | None


@dataclass(frozen=True)
class OriginalityReport:
    """How much of a text is copied.

    Attributes:
        lines: the lines of the text.
        words: number of words in the text.
        longest_copy: longest run of words that is also in the training text; None if no word is.
        novelty: shares of new word sequences.
        human: the same figures for human text; None if there is no held-out text.
        copies: all copies of `SHORTEST_COPY` words or more, in order. Where two overlap, the longer one has
            the words that they share, and the other one is what remains of it, if that is long enough.
    """

    lines: tuple[Line, ...]
    words: int
    longest_copy: Copy | None
    novelty: Novelty
    human: HumanBaseline | None
    copies: tuple[Copy, ...]

    @property
    def copied_share(self) -> float:
        """Return the share of words that belong to one of the copies, 0 to 1."""
        return sum(copy.words for copy in self.copies) / max(self.words, 1)

    def document(self) -> dict[str, Any]:
        """Return the report as a JSON document."""
        return {
            "words": self.words,
            "longest_copy": _copy_document(self.longest_copy),
            "novelty": _novelty_document(self.novelty),
            "human": _human_document(self.human),
            "copied_share": self.copied_share,
            "copies": [{**_copy_document(copy), **_extent_document(copy)} for copy in self.copies],
        }


class ComparedText:
    """The lines of one or more documents, compared word by word with an index.

    Attributes:
        lines: the lines of whole documents, in order.
        lengths_N: for each word, length of the longest run of words from there on that the index has.
        ends_N: for each word, number of the first word after its document.
    """

    def __init__(self, lines: Iterable[Line], index: Index) -> None:
        self.lines = tuple(lines)
        self._index = index
        numbers, line_numbers = array("i"), array("i")
        spans: list[tuple[int, int]] = []
        document_stops = [0]
        for _, group in groupby(enumerate(self.lines), key=lambda entry: entry[1].document):
            for number, line in group:
                spans_of_line = word_spans(line.text)
                spans.extend(spans_of_line)
                line_numbers.extend([number] * len(spans_of_line))
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
        """Return the number of words."""
        return len(self.lengths_N)

    def words_left(self, first: int, stop: int) -> NDArray[np.int64]:
        """Return, for each word of a window, how many words are left in the window and in its document."""
        return np.minimum(self.ends_N[first:stop], stop) - np.arange(first, stop)

    def lengths(self, first: int, stop: int) -> NDArray[np.int64]:
        """Return the `lengths_N` of a window, as if the text ended there."""
        return np.minimum(self.lengths_N[first:stop], self.words_left(first, stop))

    def copy(self, word: int, words: int, skipped: int = 0) -> Copy:
        """Return the copy that begins at a word.

        Args:
            word: number of its first word.
            words: number of words in it.
            skipped: number of words before it that belong to the same match.
        """
        marks = tuple(self._marks(word, word + words))
        said = "\n".join(self.lines[mark.line].text[mark.start : mark.stop] for mark in marks)
        position = int(self._positions_N[word - skipped]) + skipped
        return Copy(words, said, self._index.locate(position), position, marks)

    def _marks(self, first: int, stop: int) -> Iterable[Mark]:
        numbers_N, spans_N2 = self._line_numbers_N[first:stop], self._spans_N2[first:stop]
        breaks = [0, *(np.flatnonzero(np.diff(numbers_N)) + 1).tolist(), len(numbers_N)]
        for start, end in pairwise(breaks):
            yield Mark(int(numbers_N[start]), int(spans_N2[start, 0]), int(spans_N2[end - 1, 1]))


def examine_texts(
    texts: Iterable[Iterable[Line]], dataset: Dataset, index: Index | None = None
) -> list[OriginalityReport]:
    """Compare each text with the training text of a dataset; its held-out text is the baseline.

    Args:
        texts: the lines of each text.
        dataset: the dataset that the model was trained on.
        index: result of `index_training` for the dataset; None builds it.

    Raises:
        DatasetError: the text of the dataset is missing or damaged.
    """
    index = index if index is not None else index_training(dataset)
    human = ComparedText(held_out(dataset), index)
    return [examine(lines, index, human) for lines in texts]


def examine(lines: Iterable[Line], index: Index, human: ComparedText | None = None) -> OriginalityReport:
    """Compare a text with the training text.

    Args:
        lines: the lines of the text.
        index: index of the training text.
        human: held-out text, compared with the same index; None leaves the baseline out.
    """
    text = ComparedText(lines, index)
    return OriginalityReport(
        lines=text.lines,
        words=len(text),
        longest_copy=_longest_copy(text, 0, len(text)),
        novelty=_novelty(text, 0, len(text)),
        human=_human_baseline(human, len(text)) if human else None,
        copies=tuple(find_copies(text)),
    )


def _longest_copy(text: ComparedText, first: int, stop: int) -> Copy | None:
    lengths_N = text.lengths(first, stop)
    if not lengths_N.any():
        return None
    word = int(lengths_N.argmax())
    return text.copy(first + word, int(lengths_N[word]))


def _novelty(text: ComparedText, first: int, stop: int) -> Novelty:
    lengths_N, rooms_N = text.lengths(first, stop), text.words_left(first, stop)
    fitting = {words: lengths_N[rooms_N >= words] for words in SEQUENCES}
    return {
        words: float((lengths < words).mean()) if len(lengths) else None for words, lengths in fitting.items()
    }


def _human_baseline(text: ComparedText, words: int) -> HumanBaseline:
    """Measure windows of held-out text, which must have at least one word."""
    words = min(max(words, 1), len(text))
    windows = min(len(text) // words, MAX_WINDOWS)
    firsts = np.linspace(0, len(text) - words, windows).astype(int).tolist()
    novelties = [_novelty(text, first, first + words) for first in firsts]
    longest = [int(text.lengths(first, first + words).max()) for first in firsts]
    furthest = firsts[int(np.argmax(longest))]
    return HumanBaseline(
        windows=windows,
        words=words,
        novelty={length: _mean(novelty[length] for novelty in novelties) for length in SEQUENCES},
        typical_copy=median_low(longest),
        longest_copy=_longest_copy(text, furthest, furthest + words),
    )


def _mean(shares: Iterable[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return fmean(known) if known else None


def find_copies(text: ComparedText) -> Iterator[Copy]:
    """Return all copies of `SHORTEST_COPY` words or more, in order and without overlaps.

    The second word of a match begins a match, too, which is one word shorter: only matches that end later
    than that of the word before are maximal. Where two of these overlap, the longer one has the shared words.
    """
    stops_N = np.arange(len(text)) + text.lengths_N
    is_maximal_N = stops_N > np.concatenate([[0], stops_N[:-1]])
    (maximal,) = np.nonzero(is_maximal_N & (text.lengths_N >= SHORTEST_COPY))
    is_free_N = np.ones(len(text), np.bool_)
    found: list[tuple[int, int, int]] = []
    for word in maximal[np.argsort(-text.lengths_N[maximal], kind="stable")].tolist():
        # No maximal match lies within another, so what longer ones leave of this one is contiguous.
        free = np.flatnonzero(is_free_N[word : stops_N[word]])
        if len(free) >= SHORTEST_COPY:
            skipped = int(free[0])
            found.append((word + skipped, len(free), skipped))
            is_free_N[word : stops_N[word]] = False
    return (text.copy(*copy) for copy in sorted(found))


def _novelty_document(novelty: Novelty) -> dict[str, float | None]:
    return {str(words): share for words, share in novelty.items()}


def _copy_document(copy: Copy | None) -> dict[str, Any]:
    if copy is None:
        return {"words": 0, "text": "", "source": None}
    return {"words": copy.words, "text": copy.text, "source": asdict(copy.source)}


def _extent_document(copy: Copy) -> dict[str, Any]:
    first, last = copy.marks[0], copy.marks[-1]
    return {
        "start": {"line": first.line + 1, "character": first.start},
        "end": {"line": last.line + 1, "character": last.stop},
    }


def _human_document(human: HumanBaseline | None) -> dict[str, Any] | None:
    if human is None:
        return None
    return {
        "novelty": _novelty_document(human.novelty),
        "longest_copy": {"words": human.typical_copy, "most": _copy_document(human.longest_copy)},
        "windows": human.windows,
        "words": human.words,
    }
