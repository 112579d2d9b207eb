"""Recent text: the latest tokens and lines of the texts that are written, in which repetition is found.

Here the tokens are classified and the lines are compared; n-grams are looked up by `RepeatedNgrams`
(`repetition.py`), which also writes the tokens into the arrays. Where there is a kernel, it does all of this
(`scriptforge.kernel.repetition`). The module does not depend on models.

Shape letters: B sequences of the batch, C capacity.
"""

from bisect import bisect_right
from collections.abc import Sequence
from copy import deepcopy

import numpy as np
from numpy.typing import NDArray

from scriptforge.text_statistics.repetition import RECENT_LINES, WINDOWS, place_bounds
from scriptforge.vocabulary import Vocabulary

APART, NO_TEXT, NOTHING = -1, -2, -3
"""In place of a token's id: no text, in the arrays; a token that is not text, or none, in what is taken."""


class RecentText:
    """The recent tokens and lines of B texts.

    Args:
        vocabulary: the vocabulary of the texts.
        batch_size: B.

    Attributes:
        ids_BC: the recent tokens, and `APART` for names, for layout tokens and where no token came.
        matches_BC: for each of them, how many tokens up to it match the end of the text.
        stop: number of columns in use; the last one is for the latest token.
        has_ended: whether the latest token of any text has ended a line.
        has_ended_B: whether the latest token of each text has ended a line.
        is_repeated_B: whether the line that it has ended was said before.
    """

    def __init__(self, vocabulary: Vocabulary, batch_size: int) -> None:
        self._window = WINDOWS[vocabulary.level]
        self._place_bounds = place_bounds(vocabulary.level)
        self.ids_BC = np.full((batch_size, 2 * self._window), APART, np.int32)
        self.matches_BC = np.zeros(self.ids_BC.shape, np.uint8)
        self.stop = self._taken = 0
        self._lines = [_Lines(vocabulary) for _ in range(batch_size)]
        self._waited_B = np.zeros(batch_size, np.int64)
        self._own = [NO_TEXT] * batch_size
        self.has_ended_B, self.is_repeated_B = np.zeros((2, batch_size), np.bool_)
        self.has_ended = False

    @property
    def place(self) -> int:
        """Return how much text came, as a place; see `text_statistics.repetition.place_bounds`."""
        return bisect_right(self._place_bounds, self._taken)

    def take(self, ids: Sequence[int]) -> NDArray[np.int32]:
        """Take one token of each text, below 0 for none, and make room for it in the arrays.

        Returns:
            The ids, with `NO_TEXT` for layout tokens and names, and `NOTHING` where no token comes: `(B,)`.
        """
        self._own = [lines.take(id_) for lines, id_ in zip(self._lines, ids, strict=True)]
        own_B = np.array(self._own, np.int32)
        if self.has_ended or NO_TEXT in self._own:  # nothing else ends a line
            ended = [lines.has_ended for lines in self._lines]
            self.has_ended, self.has_ended_B = any(ended), np.array(ended)
            self.is_repeated_B = np.array([lines.is_repeated for lines in self._lines])
        if NOTHING in self._own:
            self._waited_B += own_B == NOTHING
        if self.stop == self.ids_BC.shape[1]:
            self._move_back()
        self.stop += 1
        self._taken += 1
        return own_B

    def _move_back(self) -> None:
        """Move the last window of tokens of each text to the front, to make room behind it.

        As many more are kept as any has waited, since these are left out when it is copied; no line is longer
        than half a window.
        """
        kept = self._window + min(int(self._waited_B.max()), self._window // 2)
        for array_BC in (self.ids_BC, self.matches_BC):
            array_BC[:, :kept] = array_BC[:, self.stop - kept :].copy()
        self.matches_BC[:, kept:] = 0
        self.stop = kept

    def copy(self, row: int) -> None:
        """Copy the state of one text to all, without the steps at which no token came."""
        waited = int(self._waited_B[row])
        self.stop -= waited
        self._taken -= waited
        self._waited_B[:] = 0
        self._lines = [deepcopy(self._lines[row]) for _ in self._lines]
        self._own = [self._own[row]] * len(self._own)
        for values in (self.ids_BC, self.matches_BC, self.has_ended_B, self.is_repeated_B):
            values[:] = values[row].copy()
        self.ids_BC[:, self.stop :] = APART
        self.matches_BC[:, self.stop :] = 0

    def would_repeat(self) -> list[bool]:
        """Return whether each line would be a repetition if it ended now; false outside a line."""
        return [own >= 0 and lines.would_repeat for own, lines in zip(self._own, self._lines, strict=True)]


class _Lines:
    """The recent lines of one text as hashes; for one token at a time, plain numbers are faster than arrays.

    Args:
        vocabulary: the vocabulary of the text.

    Attributes:
        has_ended: whether the latest token has ended a line.
        is_repeated: whether the line that it has ended was said before.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._layout_size = vocabulary.layout_size
        self._cue = None if vocabulary.plain else vocabulary.cue
        self._said: dict[int, int] = {}  # by hash of a line, the number of lines before it
        self._count = self._line = 0
        self._is_named = self.has_ended = self.is_repeated = False

    @property
    def would_repeat(self) -> bool:
        """Return whether the line would be a repetition if it ended now."""
        before = self._said.get(self._line)
        return before is not None and before >= self._count - RECENT_LINES

    def take(self, id_: int) -> int:
        """Append a token, below 0 for none; return its id, `NO_TEXT` or `NOTHING`."""
        self.has_ended = self.is_repeated = False
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
        self.has_ended, self.is_repeated = True, self.would_repeat
        self._said.pop(self._line, None)  # a dict keeps the order of insertion: the oldest line stays first
        self._said[self._line] = self._count
        if len(self._said) > RECENT_LINES:
            del self._said[next(iter(self._said))]
        self._count += 1
        self._line = 0
