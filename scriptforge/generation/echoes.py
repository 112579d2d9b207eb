"""Echoes: what was said a moment ago is not said again more than people do in the training text.

A model that is drawn from what is likely says the same phrases over and over, and whole lines twice. So a
token that would end an echo (`scriptforge.run.echoes`) is made less likely, the further the text is beyond
people's habits the more, and so is the end of a line that was said before:

    people end an echo of four words with 1 % of the tokens    3 of the last 90 did    × 0.28

Habits are no rules: who has hardly repeated anything may say “no, no, no”, and a poor model may still end its
lines. What is left out goes to the other words, so that lines are as long as without.

Shape letters: B sequences of the batch, O lengths of echoes, M lengths of runs, N candidates, V vocabulary,
X any further dimensions.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.overuse import MOST, POWER, SETTLING, Overuse, factors, lower
from scriptforge.inference.drawing import NOTHING, EchoMemory, EchoRule
from scriptforge.inference.kernel import Kernel, kernel
from scriptforge.run.echoes import LENGTHS, EchoHabits, RecentText
from scriptforge.run.frequencies import TokenFrequencies
from scriptforge.vocabulary import Vocabulary

_KEPT_TOKENS, _KEPT_LINES = 0.999, 0.98
"""How much of what has come still counts after one more token or line."""


class Echoes:
    """What lowers the scores of echoes in B sequences.

    Args:
        habits: those of people.
        vocabulary: the model's.
        batch_size: B.
        frequencies: how often people use each token; None leaves overused ones as they are.
    """

    def __init__(
        self,
        habits: EchoHabits,
        vocabulary: Vocabulary,
        batch_size: int,
        frequencies: TokenFrequencies | None = None,
    ) -> None:
        self._recent = RecentText(vocabulary, batch_size)
        self._layout_size = vocabulary.layout_size
        self._lengths = LENGTHS[vocabulary.level]
        self._lengths_O = np.array(self._lengths)
        self._habits_PO = np.array(habits.runs).T.copy()
        self._habits_P = np.array(habits.lines)
        self._reaches_OM = np.arange(self._lengths[-1] + 2) >= self._lengths_O[:, None]
        self._counts_2BO = np.zeros((2, batch_size, len(self._lengths)))  # came, and would have from people
        self._memory = self._new_memory(kernel())
        self._counts_2B = np.zeros((2, batch_size))
        self._line_factors_B: NDArray[np.float64] = np.zeros(batch_size)
        self._has_line_factors = False
        self._owner_BV = np.zeros((batch_size, vocabulary.size), np.int64)
        self._overuse = Overuse(frequencies, vocabulary, batch_size) if frequencies else None

    def take(self, ids: Sequence[int]) -> None:
        """Take a token of each sequence, drawn or given; below 0 where none comes after the end of a line."""
        recent = self._recent
        place = recent.place
        own_B = recent.follow(ids)
        if self._overuse is not None:
            self._overuse.take(own_B)
        if self._memory is not None:
            self._memory.take(recent.stop, own_B, self._habits_PO[place])
            recent.advance()
        else:
            recent.match(own_B)
            self._counts_2BO *= np.where(own_B == NOTHING, 1.0, _KEPT_TOKENS)[:, None]
            self._counts_2BO[0] += recent.matches_B[:, None] >= self._lengths_O
            self._counts_2BO[1] += recent.are_text()[:, None] * self._habits_PO[place]
        if recent.has_ended:
            self._counts_2B[:, recent.has_ended_B] *= _KEPT_LINES
            self._counts_2B[0] += recent.is_echo_B
            self._counts_2B[1] += recent.has_ended_B * self._habits_P[place]
            self._line_factors_B = factors(*self._counts_2B)
            self._has_line_factors = bool(self._line_factors_B.any())

    def _new_memory(self, loaded: Kernel | None) -> EchoMemory | None:
        if loaded is None:
            return None
        return EchoMemory(
            loaded,
            self._recent.ids_BC,
            self._recent.matches_BC,
            self._counts_2BO,
            EchoRule(self._lengths, _KEPT_TOKENS, SETTLING, POWER, MOST),
        )

    def copy(self, row: int) -> None:
        """Copy the state of one sequence to all."""
        self._recent.copy(row)
        if self._overuse is not None:
            self._overuse.copy(row)
        self._line_factors_B[:] = self._line_factors_B[row]
        self._has_line_factors = bool(self._line_factors_B.any())
        for counts in (self._counts_2BO, self._counts_2B):
            counts[:] = counts[:, row : row + 1].copy()

    def weigh(self, scores_BV: NDArray[np.floating[Any]], text_B1: NDArray[np.floating[Any]]) -> None:
        """Lower the scores of echoes, and raise the other words of their row as much.

        Args:
            scores_BV: are changed.
            text_B1: the logarithm of the sum of the exponentials of those of text, which stays as it is.
        """
        if self._memory is not None:
            self._memory.discourage(self._recent.stop, scores_BV, self._layout_size, text_B1)
        else:
            self._weigh_runs(scores_BV, text_B1)
        if self._overuse is not None:
            self._overuse.weigh(scores_BV, text_B1)
        if self._has_line_factors and any(would_echo := self._recent.would_echo()):
            factors_B = self._line_factors_B * would_echo
            scores_BV[:, : self._layout_size] += factors_B[:, None]

    def _weigh_runs(self, scores_BV: NDArray[np.floating[Any]], text_B1: NDArray[np.floating[Any]]) -> None:
        """Lower the scores of what would end an echo."""
        factors_BO = factors(*self._counts_2BO)
        least = factors_BO.min(0).tolist()
        lowered = [length for length, factor in zip(self._lengths, least, strict=True) if factor]
        if lowered:
            rows_N, ids_N, lengths_N = self._recent.echoing(lowered[0])
            factors_N = (factors_BO @ self._reaches_OM)[rows_N, lengths_N]
            self._lower(scores_BV, text_B1, rows_N, ids_N, factors_N)

    def _lower(
        self,
        scores_BV: NDArray[np.floating[Any]],
        text_B1: NDArray[np.floating[Any]],
        rows_N: NDArray[np.intp],
        ids_N: NDArray[np.int32],
        factors_N: NDArray[np.floating[Any]],
    ) -> None:
        """Lower the scores of some text tokens, by the last factor of each, and raise the other ones."""
        numbers_N = np.arange(len(rows_N))
        self._owner_BV[rows_N, ids_N] = numbers_N
        last = np.flatnonzero(self._owner_BV[rows_N, ids_N] == numbers_N)
        where = rows_N[last], ids_N[last]
        lower(scores_BV, text_B1, self._layout_size, where, factors_N[last], len(self._lengths) * MOST)
