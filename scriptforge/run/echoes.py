"""Echoes: what is said again that was said a moment ago, and how often people do that.

Everybody repeats themselves, by habit and for effect. An echo is a run of tokens of a line that stands in the
latest part of the text, too, or a whole line that was said there:

    jerry: no, no, no.            an echo of two tokens: `, no`
    george: i don't know what …
    elaine: i don't know who …    an echo of four: ` i don 't know`
    jerry: no, no, no.            an echo of a line

How often there are echoes depends on how much was said before, so people's share is known by place. Names
and layout are no part of it.

Shape letters: B sequences of the batch, C capacity, L lines remembered, N candidates, O lengths of echoes,
P places, T tokens of a page, W tokens remembered.
"""

from bisect import bisect_right
from collections.abc import Sequence
from copy import deepcopy
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scriptforge.inference.drawing import NO_TEXT, NOTHING
from scriptforge.validation import ClosedModel, Share
from scriptforge.vocabulary import Level, Vocabulary

LENGTHS: dict[Level, tuple[int, ...]] = {"word": (2, 3, 4), "bpe": (2, 3, 5), "char": (8, 13, 20)}
"""Tokens of the runs that are counted: about two, three and four words."""

WINDOWS: dict[Level, int] = {"word": 2048, "bpe": 2048, "char": 4096}
"""Tokens over which is looked back, some hundred lines."""

_LINES = 256
_PLACES = 5
_FEWEST_PAGES, _MOST_PAGES = 4, 32
_APART = -1

_Shares = Annotated[list[Share], Field(min_length=_PLACES, max_length=_PLACES)]


class EchoHabits(ClosedModel):
    """How often people say again what was said before.

    Attributes:
        runs: by length, the shortest of `LENGTHS` first, the share of text tokens that end an echo, by place.
        lines: the share of lines that are echoes, by place; see `RecentText.place`.
    """

    runs: Annotated[list[_Shares], Field(min_length=3, max_length=3)]
    lines: _Shares


class RecentText:
    """The latest part of B texts, and what in it is as their ends are.

    Args:
        vocabulary: of the texts.
        batch_size: B.

    Attributes:
        ids_BC: the latest tokens, -1 where there is no text.
        matches_BC: how many tokens up to each are as those at the end.
        stop: how many of the columns are used.
        matches_B: how many tokens at the end stand in the text before; no more than the longest of `LENGTHS`.
        has_ended: whether the latest token of any has ended a line.
        has_ended_B: whether that of each has.
        is_echo_B: whether it has ended a line that was said before.
    """

    def __init__(self, vocabulary: Vocabulary, batch_size: int) -> None:
        self._most, self._window = LENGTHS[vocabulary.level][-1], WINDOWS[vocabulary.level]
        self._bounds = (self._window >> 6, self._window >> 4, self._window >> 2, self._window)
        self.ids_BC = np.full((batch_size, 2 * self._window), _APART, np.int32)
        self.matches_BC = np.zeros(self.ids_BC.shape, np.uint8)
        self._rows_N = self._places_N = np.zeros(0, np.int64)  # where the matches are, by their length
        self._lengths_N = np.zeros(0, np.uint8)
        self.stop = self._taken = 0
        self._lines = [_Lines(vocabulary) for _ in range(batch_size)]
        self._waited_B = np.zeros(batch_size, np.int64)
        self._own = [NO_TEXT] * batch_size
        self.has_ended_B, self.is_echo_B = np.zeros((2, batch_size), np.bool_)
        self.has_ended = False
        self.matches_B = np.zeros(batch_size, np.uint8)

    def are_text(self) -> NDArray[np.bool_]:
        """Return whether the latest token of each is text, and not of a name: `(B,)`."""
        return np.array(self._own) >= 0

    @property
    def place(self) -> int:
        """Return how far the texts are, in steps: 1/64, 1/16, 1/4 of the window, all of it, beyond."""
        return bisect_right(self._bounds, self._taken)

    def take(self, ids_B: NDArray[np.int64]) -> None:
        """Take one more token of each text; below 0 where none comes after the end of a line."""
        self.match(self.follow(ids_B.tolist()))

    def follow(self, ids: Sequence[int]) -> NDArray[np.int32]:
        """Follow the lines of each text, the first half of `take`.

        Returns:
            The ids, or `NO_TEXT` for what is no text or of a name, or `NOTHING` where no token comes.
        """
        self._own = [lines.take(id_) for lines, id_ in zip(self._lines, ids, strict=True)]
        own_B = np.array(self._own, np.int32)
        if self.has_ended or NO_TEXT in self._own:  # nothing else ends a line
            ended = [lines.has_ended for lines in self._lines]
            self.has_ended, self.has_ended_B = any(ended), np.array(ended)
            self.is_echo_B = np.array([lines.is_echo for lines in self._lines])
        if NOTHING in self._own:
            self._waited_B += own_B == NOTHING
        if self.stop == self.ids_BC.shape[1]:
            self._move_back()
        return own_B

    def match(self, own_B: NDArray[np.int32]) -> None:
        """Look for what `follow` has returned in what was said before, the second half of `take`."""
        start = max(0, self.stop - self._window)
        equal = np.flatnonzero(self.ids_BC[:, start : self.stop] == own_B[:, None])
        rows_N, places_N = np.divmod(equal, max(1, self.stop - start))
        places_N += start
        lengths_N = np.minimum(self.matches_BC[rows_N, places_N - 1] + np.uint8(1), np.uint8(self._most))
        self.matches_BC[self._rows_N, self._places_N] = 0
        self.matches_BC[rows_N, places_N] = lengths_N
        order_N = lengths_N.argsort(kind="stable")
        self._rows_N, self._places_N, self._lengths_N = rows_N[order_N], places_N[order_N], lengths_N[order_N]
        self.matches_B = np.zeros(len(own_B), np.uint8)
        self.matches_B[self._rows_N] = self._lengths_N
        self.ids_BC[:, self.stop] = np.maximum(own_B, _APART)
        self.advance()

    def advance(self) -> None:
        """Count the token that was matched, here or elsewhere."""
        self.stop += 1
        self._taken += 1

    def echoing(self, shortest: int) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.uint8]]:
        """Return what would echo now.

        Args:
            shortest: echoes of fewer tokens do not count, 2 or more.

        Returns:
            Rows, ids, and how long the echo would be, `(N,)` each, the longest last; an id may come often.
        """
        first = int(np.searchsorted(self._lengths_N, shortest - 1))
        rows_N, lengths_N = self._rows_N[first:], self._lengths_N[first:] + np.uint8(1)
        ids_N = self.ids_BC[rows_N, self._places_N[first:] + 1]
        kept = np.flatnonzero(ids_N != _APART)
        return rows_N[kept], ids_N[kept], lengths_N[kept]

    def _move_back(self) -> None:
        """Make room behind the window."""
        for kept_BC in (self.ids_BC, self.matches_BC):
            kept_BC[:, : self._window] = kept_BC[:, self._window :]
        self.matches_BC[:, self._window :] = 0
        self._places_N = self._places_N - self._window
        self.stop = self._window

    def copy(self, row: int) -> None:
        """Copy the state of one text to all, without the steps at which nothing came in it."""
        waited = int(self._waited_B[row])
        self.stop -= waited
        self._taken -= waited
        self._waited_B[:] = 0
        self._lines = [deepcopy(self._lines[row]) for _ in self._lines]
        self._own = [self._own[row]] * len(self._own)
        for values in (self.ids_BC, self.matches_BC, self.has_ended_B, self.is_echo_B, self.matches_B):
            values[:] = values[row].copy()
        self.ids_BC[:, self.stop :] = _APART
        self.matches_BC[:, self.stop :] = 0

    def would_echo(self) -> list[bool]:
        """Return whether each line would be an echo if it ended now; false of what is no line."""
        return [own >= 0 and lines.would_echo for own, lines in zip(self._own, self._lines, strict=True)]


class _Lines:
    """The lines of one text, and which of the last ones are echoes: plain numbers, faster than arrays.

    Args:
        vocabulary: of the text.

    Attributes:
        has_ended: whether the latest token has ended a line.
        is_echo: whether it has ended a line that was said before.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._layout_size = vocabulary.layout_size
        self._cue = None if vocabulary.plain else vocabulary.cue
        self._said: dict[int, int] = {}  # by a number that hardly two lines share, how many came before
        self._count = self._line = 0
        self._is_named = self.has_ended = self.is_echo = False

    @property
    def would_echo(self) -> bool:
        """Return whether the line would be an echo if it ended now."""
        before = self._said.get(self._line)
        return before is not None and before >= self._count - _LINES

    def take(self, id_: int) -> int:
        """Take one more token, below 0 for none; return it, or `NO_TEXT` or `NOTHING`."""
        self.has_ended = self.is_echo = False
        if id_ < 0:
            return NOTHING
        if id_ >= self._layout_size:
            if self._is_named:
                return NO_TEXT
            self._line = hash((self._line, id_))
            return id_
        self._is_named = id_ == self._cue
        if self._line:
            self._end_line()
        return NO_TEXT

    def _end_line(self) -> None:
        self.has_ended, self.is_echo = True, self.would_echo
        self._said.pop(self._line, None)  # so that the first one is the one that was said longest ago
        self._said[self._line] = self._count
        if len(self._said) > _LINES:
            del self._said[next(iter(self._said))]
        self._count += 1
        self._line = 0


def measure_echoes(ids: NDArray[np.unsignedinteger], vocabulary: Vocabulary) -> EchoHabits | None:
    """Measure how often the people of a text say again what they said; None where the text is too short.

    Args:
        ids: every token of the training split, in order; may be memory-mapped.
        vocabulary: the one that it was encoded with.
    """
    size = 2 * WINDOWS[vocabulary.level]
    count = len(ids) // size
    if count < _FEWEST_PAGES:
        return None
    kept = range(count) if count <= _MOST_PAGES else [n * count // _MOST_PAGES for n in range(_MOST_PAGES)]
    pages_BT = np.stack([ids[page * size : (page + 1) * size] for page in kept]).astype(np.int64)
    bounds = np.array([WINDOWS[vocabulary.level] >> shift for shift in (6, 4, 2, 0)])
    pages = _Pages(pages_BT, vocabulary, (np.arange(size)[:, None] >= bounds).sum(1))
    tokens_P = np.maximum(pages.count(pages.is_text_BT), 1)
    runs_OP = [pages.echoes(length) / tokens_P for length in LENGTHS[vocabulary.level]]
    lines_P, line_echoes_P = pages.lines()
    return EchoHabits(
        runs=[each_P.tolist() for each_P in runs_OP], lines=(line_echoes_P / np.maximum(lines_P, 1)).tolist()
    )


class _Pages:
    """Pages of text, in which echoes are found as `RecentText` finds them, but all at once.

    A run of tokens becomes a number of 64 bits that hardly two runs share; an echo is a number that was there
    before.

    Args:
        pages_BT: the tokens.
        vocabulary: the one that they were encoded with.
        place_T: of each step, as `RecentText.place` says.

    Attributes:
        is_text_BT: whether each token is text, and not of a name.
    """

    def __init__(
        self, pages_BT: NDArray[np.int64], vocabulary: Vocabulary, place_T: NDArray[np.intp]
    ) -> None:
        (count, size), self._window = pages_BT.shape, WINDOWS[vocabulary.level]
        self._place_BT = np.broadcast_to(place_T, pages_BT.shape)
        self._is_layout_BT = pages_BT < vocabulary.layout_size
        latest_BT = np.maximum.accumulate(np.where(self._is_layout_BT, np.arange(1, size + 1), 0), axis=1)
        before_BT = np.concatenate([np.full((count, 1), _APART), pages_BT], axis=1)
        cue = _APART if vocabulary.plain else vocabulary.cue
        is_named_BT = (latest_BT > 0) & (np.take_along_axis(before_BT, latest_BT, axis=1) == cue)
        self.is_text_BT = ~(self._is_layout_BT | is_named_BT)
        apart_BT = np.where(self.is_text_BT, 0, np.arange(1, size + 1))
        self._run_BT = np.arange(1, size + 1) - np.maximum.accumulate(apart_BT, axis=1)
        rng = np.random.default_rng(0)
        self._page_B1 = rng.integers(2**64, size=(count, 1), dtype=np.uint64)
        of_token_V = rng.integers(2**64, size=vocabulary.size, dtype=np.uint64)
        self._number_BT = of_token_V[pages_BT]
        odd = rng.integers(2**64, size=1, dtype=np.uint64) | np.uint64(1)
        self._factor_T = odd ** np.arange(size, dtype=np.uint64)

    def count(self, is_there_BT: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return how many steps are so, by place."""
        return np.bincount(self._place_BT[is_there_BT], minlength=_PLACES)

    def echoes(self, length: int) -> NDArray[np.intp]:
        """Return how many tokens end an echo of so many, by place."""
        size = self._number_BT.shape[1]
        runs_BT = np.repeat(self._page_B1, size, axis=1)
        for back in range(length):
            runs_BT[:, back:] += self._number_BT[:, : size - back] * self._factor_T[back]
        is_run_BT = self._run_BT >= length
        places_N = np.flatnonzero(is_run_BT)
        is_echo_N = _since_the_last(runs_BT[is_run_BT], places_N) <= self._window
        return np.bincount(self._place_BT[is_run_BT][is_echo_N], minlength=_PLACES)

    def lines(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return how many lines end, and how many of them are echoes, by place."""
        powers_BT = self._factor_T[np.maximum(self._run_BT - 1, 0)]
        summed_BT = (self._number_BT * powers_BT * self.is_text_BT).cumsum(axis=1)
        ends_BT = self._is_layout_BT[:, 1:] & self.is_text_BT[:, :-1]
        rows_N, stops_N = np.nonzero(ends_BT)  # stops are the last tokens of lines
        starts_N = stops_N + 1 - self._run_BT[rows_N, stops_N]
        lines_N = summed_BT[rows_N, stops_N] + self._page_B1[rows_N, 0]
        lines_N -= np.where(starts_N > 0, summed_BT[rows_N, starts_N - 1], np.uint64(0))
        place_N = self._place_BT[rows_N, stops_N + 1]
        is_echo_N = _since_the_last(lines_N, np.arange(len(lines_N))) <= _LINES
        return np.bincount(place_N, minlength=_PLACES), np.bincount(place_N[is_echo_N], minlength=_PLACES)


def _since_the_last(numbers_N: NDArray[np.uint64], places_N: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how far back each number was there before, in places; very far if it was not."""
    order_N = numbers_N.argsort(kind="stable")
    was_there_N = np.flatnonzero(np.diff(numbers_N[order_N]) == 0)
    since_N = np.full(len(numbers_N), np.iinfo(np.intp).max)
    now_N, before_N = order_N[was_there_N + 1], order_N[was_there_N]
    since_N[now_N] = places_N[now_N] - places_N[before_N]
    return since_N
