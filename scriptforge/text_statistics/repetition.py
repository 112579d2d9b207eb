"""Echoes: repetitions of recent text, and how often they occur in text by people.

People repeat themselves, by habit and for effect. An echo is a run of tokens within a line, or a whole line,
that occurs in the recent text already:

    jerry: no, no, no.            an echo of two tokens: `, no`
    george: i don't know what …
    elaine: i don't know who …    an echo of four: ` i don 't know`
    jerry: no, no, no.            an echo of a line

The more text came before, the more echoes there are. So people's rates are measured separately for five
ranges of the amount of text before, called places. Names and layout tokens do not count.

`scriptforge.generation.repetition` finds echoes token by token, while a text is written. Here they are
counted for all tokens of a text at once.

Shape letters: B pages, T tokens of a page, N runs or lines, O lengths of echoes, P places, V vocabulary.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scriptforge.validation import ClosedModel, Share
from scriptforge.vocabulary import Level, Vocabulary

LENGTHS: dict[Level, tuple[int, ...]] = {"word": (2, 3, 4), "bpe": (2, 3, 5), "char": (8, 13, 20)}
"""Lengths in tokens of the runs that count, by level: about two, three and four words."""

WINDOWS: dict[Level, int] = {"word": 2048, "bpe": 2048, "char": 4096}
"""Number of recent tokens that are searched, by level: some hundred lines."""

RECENT_LINES = 256
"""Number of recent lines that a line is compared with."""

_PLACES = 5
_MIN_PAGES, _MAX_PAGES = 4, 32
"""Number of pages that a text must have, and of those that are read. A page is two windows long."""

_Shares = Annotated[list[Share], Field(min_length=_PLACES, max_length=_PLACES)]


class RepetitionStatistics(ClosedModel):
    """How often people repeat what was said before.

    Attributes:
        runs: for each of `LENGTHS`, the share of text tokens that end an echo of that length, by place.
        lines: share of the lines that are echoes, by place.
    """

    runs: Annotated[list[_Shares], Field(min_length=3, max_length=3)]
    lines: _Shares


def place_bounds(level: Level) -> tuple[int, ...]:
    """Return after how many tokens each place but the first begins: parts of a window, and a whole one."""
    return tuple(WINDOWS[level] >> shift for shift in (6, 4, 2, 0))


def measure_repetition(
    ids: NDArray[np.unsignedinteger], vocabulary: Vocabulary
) -> RepetitionStatistics | None:
    """Measure how often echoes occur in a text; None if the text is too short.

    Args:
        ids: the ids of the training split, in order; may be memory-mapped.
        vocabulary: the vocabulary that it was encoded with.
    """
    size = 2 * WINDOWS[vocabulary.level]
    count = len(ids) // size
    if count < _MIN_PAGES:
        return None
    kept = range(count) if count <= _MAX_PAGES else [n * count // _MAX_PAGES for n in range(_MAX_PAGES)]
    pages = _Pages(np.stack([ids[page * size : (page + 1) * size] for page in kept]), vocabulary)
    tokens_P = np.maximum(pages.count(pages.is_text_BT), 1)
    runs_OP = [pages.echoes(length) / tokens_P for length in LENGTHS[vocabulary.level]]
    lines_P, line_echoes_P = pages.lines()
    return RepetitionStatistics(
        runs=[each_P.tolist() for each_P in runs_OP], lines=(line_echoes_P / np.maximum(lines_P, 1)).tolist()
    )


class _Pages:
    """Pages of text in which all echoes are found at once.

    Runs of tokens are hashed to 64 bits, and an echo is a hash that occurred before. A hash is a polynomial:
    the sum of random numbers, one for each token, times powers of a factor. Each page adds its own number.

    Args:
        pages_BT: the tokens.
        vocabulary: the vocabulary that they were encoded with.

    Attributes:
        is_text_BT: whether each token is text, not layout or part of a name.
    """

    def __init__(self, pages_BT: NDArray[np.unsignedinteger], vocabulary: Vocabulary) -> None:
        count, size = pages_BT.shape
        self._window = WINDOWS[vocabulary.level]
        place_T = np.searchsorted(place_bounds(vocabulary.level), np.arange(size), side="right")
        self._place_BT = np.broadcast_to(place_T, pages_BT.shape)
        self._is_layout_BT = pages_BT < vocabulary.layout_size
        self.is_text_BT = ~(self._is_layout_BT | _are_named(pages_BT, self._is_layout_BT, vocabulary))
        self._run_BT = np.arange(1, size + 1) - _latest(~self.is_text_BT)  # text tokens in a row up to each
        rng = np.random.default_rng(0)
        self._page_B1 = rng.integers(2**64, size=(count, 1), dtype=np.uint64)
        number_V = rng.integers(2**64, size=vocabulary.size, dtype=np.uint64)
        self._number_BT = number_V[pages_BT]
        factor = rng.integers(2**64, size=1, dtype=np.uint64) | np.uint64(1)
        self._power_T = factor ** np.arange(size, dtype=np.uint64)

    def count(self, is_there_BT: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the number of true entries, by place."""
        return np.bincount(self._place_BT[is_there_BT], minlength=_PLACES)

    def echoes(self, length: int) -> NDArray[np.intp]:
        """Return the number of tokens that end an echo of `length` tokens, by place."""
        size = self._number_BT.shape[1]
        runs_BT = np.repeat(self._page_B1, size, axis=1)
        for back in range(length):
            runs_BT[:, back:] += self._number_BT[:, : size - back] * self._power_T[back]
        is_run_BT = self._run_BT >= length
        places_N = np.flatnonzero(is_run_BT)
        is_echo_N = since_the_last(runs_BT[is_run_BT], places_N) <= self._window
        return np.bincount(self._place_BT[is_run_BT][is_echo_N], minlength=_PLACES)

    def lines(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the number of lines, and of those that are echoes, by place."""
        # The power of a token is its place in the line, so that the hash of a line is the difference of two
        # sums from the start of the page.
        powers_BT = self._power_T[np.maximum(self._run_BT - 1, 0)]
        summed_BT = (self._number_BT * powers_BT * self.is_text_BT).cumsum(axis=1)
        ends_BT = self._is_layout_BT[:, 1:] & self.is_text_BT[:, :-1]
        rows_N, stops_N = np.nonzero(ends_BT)  # the last token of each line
        starts_N = stops_N + 1 - self._run_BT[rows_N, stops_N]
        lines_N = summed_BT[rows_N, stops_N] + self._page_B1[rows_N, 0]
        lines_N -= np.where(starts_N > 0, summed_BT[rows_N, starts_N - 1], np.uint64(0))
        place_N = self._place_BT[rows_N, stops_N + 1]
        is_echo_N = since_the_last(lines_N, np.arange(len(lines_N))) <= RECENT_LINES
        return np.bincount(place_N, minlength=_PLACES), np.bincount(place_N[is_echo_N], minlength=_PLACES)


def _latest(is_there_BT: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the number of tokens up to the latest true entry, itself included; 0 before the first one."""
    numbers_T = np.arange(1, is_there_BT.shape[1] + 1)
    return np.maximum.accumulate(np.where(is_there_BT, numbers_T, 0), axis=1)


def _are_named(
    pages_BT: NDArray[np.unsignedinteger], is_layout_BT: NDArray[np.bool_], vocabulary: Vocabulary
) -> NDArray[np.bool_]:
    """Return which tokens are in a spelled name: those with `<cue>` as their latest layout token."""
    if vocabulary.plain:
        return np.zeros_like(is_layout_BT)
    is_cue_BT = np.pad(pages_BT == vocabulary.cue, ((0, 0), (1, 0)))  # false before the first layout token
    return np.take_along_axis(is_cue_BT, _latest(is_layout_BT), axis=1)


def since_the_last(numbers_N: NDArray[np.uint64], places_N: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how far before each number it last occurred, measured in `places_N`; huge if it never did."""
    order_N = numbers_N.argsort(kind="stable")
    was_there_N = np.flatnonzero(np.diff(numbers_N[order_N]) == 0)
    since_N = np.full(len(numbers_N), np.iinfo(np.intp).max)
    now_N, before_N = order_N[was_there_N + 1], order_N[was_there_N]
    since_N[now_N] = places_N[now_N] - places_N[before_N]
    return since_N
