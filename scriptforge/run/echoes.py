"""Echoes: repetitions of recent text, and how often they occur in text by people.

People repeat themselves, by habit and for effect. An echo is a run of tokens within a line, or a whole line,
that occurs in the recent text already:

    jerry: no, no, no.            an echo of two tokens: `, no`
    george: i don't know what …
    elaine: i don't know who …    an echo of four: ` i don 't know`
    jerry: no, no, no.            an echo of a line

The more text came before, the more echoes there are. So people's rates are measured separately for five
ranges of the amount of text before, called places (`RecentText.place`). Names and layout tokens do not count.

Shape letters: B sequences of the batch, C capacity, N matches, O lengths of echoes, P places, T tokens of a
page, V vocabulary.
"""

from bisect import bisect_right
from collections.abc import Sequence
from copy import deepcopy
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scriptforge.inference.scores import NO_TEXT, NOTHING
from scriptforge.validation import ClosedModel, Share
from scriptforge.vocabulary import Level, Vocabulary

LENGTHS: dict[Level, tuple[int, ...]] = {"word": (2, 3, 4), "bpe": (2, 3, 5), "char": (8, 13, 20)}
"""Lengths in tokens of the runs that count, by level: about two, three and four words."""

WINDOWS: dict[Level, int] = {"word": 2048, "bpe": 2048, "char": 4096}
"""Number of recent tokens that are searched, by level: some hundred lines."""

_LINES = 256  # number of recent lines that a line is compared with
_PLACES = 5
_MIN_PAGES, _MAX_PAGES = 4, 32
_APART = -1  # in place of an id: no text

_Shares = Annotated[list[Share], Field(min_length=_PLACES, max_length=_PLACES)]


class EchoHabits(ClosedModel):
    """How often people repeat what was said before.

    Attributes:
        runs: for each of `LENGTHS`, the share of text tokens that end an echo of that length, by place.
        lines: share of the lines that are echoes, by place; see `RecentText.place`.
    """

    runs: Annotated[list[_Shares], Field(min_length=3, max_length=3)]
    lines: _Shares


class RecentText:
    """The recent tokens of B texts, and where in them the end of each text occurs before.

    Args:
        vocabulary: the vocabulary of the texts.
        batch_size: B.

    Attributes:
        ids_BC: the recent tokens; -1 for names, for layout tokens and where no token came.
        matches_BC: number of tokens up to this position that are the same as those at the end of the text, no
            more than the longest of `LENGTHS`.
        stop: number of columns in use.
        matches_B: the largest of `matches_BC` in each row.
        has_ended: whether the latest token of any text has ended a line.
        has_ended_B: whether the latest token of each text has ended a line.
        is_echo_B: whether the line that it has ended is an echo.
    """

    def __init__(self, vocabulary: Vocabulary, batch_size: int) -> None:
        self._most, self._window = LENGTHS[vocabulary.level][-1], WINDOWS[vocabulary.level]
        self._bounds = (self._window >> 6, self._window >> 4, self._window >> 2, self._window)
        self.ids_BC = np.full((batch_size, 2 * self._window), _APART, np.int32)
        self.matches_BC = np.zeros(self.ids_BC.shape, np.uint8)
        self._rows_N = self._places_N = np.zeros(0, np.int64)  # positions of the matches, shortest first
        self._lengths_N = np.zeros(0, np.uint8)
        self.stop = self._taken = 0
        self._lines = [_Lines(vocabulary) for _ in range(batch_size)]
        self._waited_B = np.zeros(batch_size, np.int64)
        self._own = [NO_TEXT] * batch_size
        self.has_ended_B, self.is_echo_B = np.zeros((2, batch_size), np.bool_)
        self.has_ended = False
        self.matches_B = np.zeros(batch_size, np.uint8)

    def are_text(self) -> NDArray[np.bool_]:
        """Return whether the latest token of each text is text, not layout or part of a name: `(B,)`."""
        return np.array(self._own) >= 0

    @property
    def place(self) -> int:
        """Return how much text came, 0 to 4: less than 1/64, 1/16, 1/4 or all of the window, or more."""
        return bisect_right(self._bounds, self._taken)

    def take(self, ids_B: NDArray[np.int64]) -> None:
        """Append one token to each text; an id below 0 is no token, for a text that waits after a line."""
        self.match(self.follow(ids_B.tolist()))

    def follow(self, ids: Sequence[int]) -> NDArray[np.int32]:
        """Keep track of the lines of each text, the first half of `take`.

        Returns:
            The ids, with `NO_TEXT` for layout tokens and names, and `NOTHING` where no token comes: `(B,)`.
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
        """Look up the result of `follow` in the recent tokens and append it, the second half of `take`."""
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
        """Count the token that was matched, by `match` or by the kernel."""
        self.stop += 1
        self._taken += 1

    def echoing(self, shortest: int) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.uint8]]:
        """Return the tokens that would end an echo if they came next.

        Args:
            shortest: smallest number of tokens of an echo, 2 or more.

        Returns:
            Rows, ids and lengths of the echoes, `(N,)` each, the longest last; an id may occur repeatedly.
        """
        first = int(np.searchsorted(self._lengths_N, shortest - 1))
        rows_N, lengths_N = self._rows_N[first:], self._lengths_N[first:] + np.uint8(1)
        ids_N = self.ids_BC[rows_N, self._places_N[first:] + 1]
        kept = np.flatnonzero(ids_N != _APART)
        return rows_N[kept], ids_N[kept], lengths_N[kept]

    def _move_back(self) -> None:
        """Move the last window of tokens to the front, to make room behind it."""
        for kept_BC in (self.ids_BC, self.matches_BC):
            kept_BC[:, : self._window] = kept_BC[:, self._window :]
        self.matches_BC[:, self._window :] = 0
        self._places_N = self._places_N - self._window
        self.stop = self._window

    def copy(self, row: int) -> None:
        """Copy the state of one text to all, without the steps at which no token came."""
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
        """Return whether each line would be an echo if it ended now; false outside a line."""
        return [own >= 0 and lines.would_echo for own, lines in zip(self._own, self._lines, strict=True)]


class _Lines:
    """The recent lines of one text as hashes; for one token at a time, plain numbers are faster than arrays.

    Args:
        vocabulary: the vocabulary of the text.

    Attributes:
        has_ended: whether the latest token has ended a line.
        is_echo: whether the line that it has ended is an echo.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._layout_size = vocabulary.layout_size
        self._cue = None if vocabulary.plain else vocabulary.cue
        self._said: dict[int, int] = {}  # by hash of a line, the number of lines before it
        self._count = self._line = 0
        self._is_named = self.has_ended = self.is_echo = False

    @property
    def would_echo(self) -> bool:
        """Return whether the line would be an echo if it ended now."""
        before = self._said.get(self._line)
        return before is not None and before >= self._count - _LINES

    def take(self, id_: int) -> int:
        """Append a token, below 0 for none; return its id, or `NO_TEXT` or `NOTHING` as `follow` does."""
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
        self._said.pop(self._line, None)  # a dict keeps the order of insertion: the oldest line stays first
        self._said[self._line] = self._count
        if len(self._said) > _LINES:
            del self._said[next(iter(self._said))]
        self._count += 1
        self._line = 0


def measure_echoes(ids: NDArray[np.unsignedinteger], vocabulary: Vocabulary) -> EchoHabits | None:
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
    """Pages of text in which echoes are found as by `RecentText`, but for all tokens at once.

    Runs of tokens are hashed to 64 bits; an echo is a hash that occurred before.

    Args:
        pages_BT: the tokens.
        vocabulary: the vocabulary that they were encoded with.
        place_T: the place of each step; see `RecentText.place`.

    Attributes:
        is_text_BT: whether each token is text, not layout or part of a name.
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
        """Return the number of true entries, by place."""
        return np.bincount(self._place_BT[is_there_BT], minlength=_PLACES)

    def echoes(self, length: int) -> NDArray[np.intp]:
        """Return the number of tokens that end an echo of `length` tokens, by place."""
        size = self._number_BT.shape[1]
        runs_BT = np.repeat(self._page_B1, size, axis=1)
        for back in range(length):
            runs_BT[:, back:] += self._number_BT[:, : size - back] * self._factor_T[back]
        is_run_BT = self._run_BT >= length
        places_N = np.flatnonzero(is_run_BT)
        is_echo_N = _since_the_last(runs_BT[is_run_BT], places_N) <= self._window
        return np.bincount(self._place_BT[is_run_BT][is_echo_N], minlength=_PLACES)

    def lines(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the number of lines, and of those that are echoes, by place."""
        powers_BT = self._factor_T[np.maximum(self._run_BT - 1, 0)]
        summed_BT = (self._number_BT * powers_BT * self.is_text_BT).cumsum(axis=1)
        ends_BT = self._is_layout_BT[:, 1:] & self.is_text_BT[:, :-1]
        rows_N, stops_N = np.nonzero(ends_BT)  # the last token of each line
        starts_N = stops_N + 1 - self._run_BT[rows_N, stops_N]
        lines_N = summed_BT[rows_N, stops_N] + self._page_B1[rows_N, 0]
        lines_N -= np.where(starts_N > 0, summed_BT[rows_N, starts_N - 1], np.uint64(0))
        place_N = self._place_BT[rows_N, stops_N + 1]
        is_echo_N = _since_the_last(lines_N, np.arange(len(lines_N))) <= _LINES
        return np.bincount(place_N, minlength=_PLACES), np.bincount(place_N[is_echo_N], minlength=_PLACES)


def _since_the_last(numbers_N: NDArray[np.uint64], places_N: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return how far before each number it last occurred, measured in `places_N`; huge if it never did."""
    order_N = numbers_N.argsort(kind="stable")
    was_there_N = np.flatnonzero(np.diff(numbers_N[order_N]) == 0)
    since_N = np.full(len(numbers_N), np.iinfo(np.intp).max)
    now_N, before_N = order_N[was_there_N + 1], order_N[was_there_N]
    since_N[now_N] = places_N[now_N] - places_N[before_N]
    return since_N
