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

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.run.echoes import LENGTHS, EchoHabits, RecentText
from scriptforge.vocabulary import Vocabulary

_POWER = 2.0
"""Echoes twice as frequent as people's become a quarter as likely."""

_MOST = 3.0
"""The logarithm by which the odds of an echo of one length are lowered at most."""

_SETTLING = 1.5
"""Echoes that may come before they count as too many: of few tokens no share is known."""

_KEPT_TOKENS, _KEPT_LINES = 0.999, 0.98
"""How much of what has come still counts after one more token or line."""


class Echoes:
    """What lowers the scores of echoes in B sequences.

    Args:
        habits: those of people.
        vocabulary: the model's.
        batch_size: B.
    """

    def __init__(self, habits: EchoHabits, vocabulary: Vocabulary, batch_size: int) -> None:
        self._recent = RecentText(vocabulary, batch_size)
        self._layout_size = vocabulary.layout_size
        lengths = LENGTHS[vocabulary.level]
        self._shortest = lengths[0]
        self._lengths_O = np.array(lengths)
        self._habits_PO = np.array(habits.runs).T
        self._habits_P = np.array(habits.lines)
        self._reaches_OM = np.arange(lengths[-1] + 2) >= self._lengths_O[:, None]
        self._counts_2BO = np.zeros((2, batch_size, len(lengths)))  # what came, and would have from people
        self._counts_2B = np.zeros((2, batch_size))
        self._owner_BV = np.zeros((batch_size, vocabulary.size), np.int64)
        self._factors_BM: NDArray[np.float64] = np.zeros((batch_size, lengths[-1] + 2))
        self._line_factors_B: NDArray[np.float64] = np.zeros(batch_size)

    def take(self, ids_B: NDArray[np.int64]) -> None:
        """Take a token of each sequence, drawn or given; below 0 where none comes after the end of a line."""
        recent = self._recent
        place = recent.place
        recent.take(ids_B)
        self._counts_2BO *= np.where(ids_B < 0, 1.0, _KEPT_TOKENS)[:, None]
        self._counts_2BO[0] += recent.matches_B[:, None] >= self._lengths_O
        self._counts_2BO[1] += recent.is_text_B[:, None] * self._habits_PO[place]
        self._factors_BM = _factors(self._counts_2BO) @ self._reaches_OM
        if recent.has_ended_B.any():
            self._counts_2B[:, recent.has_ended_B] *= _KEPT_LINES
            self._counts_2B[0] += recent.has_ended_B & recent.is_echo_B
            self._counts_2B[1] += recent.has_ended_B * self._habits_P[place]
            self._line_factors_B = _factors(self._counts_2B)

    def copy(self, row: int) -> None:
        """Let all sequences be as one of them."""
        self._recent.copy(row)
        for values in (self._factors_BM, self._line_factors_B):
            values[:] = values[row].copy()
        for counts in (self._counts_2BO, self._counts_2B):
            counts[:] = counts[:, row : row + 1].copy()

    def weigh(self, scores_BV: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """Return scores in which echoes are lower, and in each row the other words higher."""
        rows_N, ids_N, lengths_N = self._recent.echoing(self._shortest)
        factors_N = self._factors_BM[rows_N, lengths_N]
        weighed_BV = scores_BV.copy()
        if factors_N.any():
            self._lower(weighed_BV, rows_N, ids_N, factors_N)
        would_echo_B = self._recent.is_echo_B & self._recent.is_text_B
        if would_echo_B.any():
            weighed_BV[:, : self._layout_size] += (would_echo_B * self._line_factors_B)[:, None]
        return weighed_BV

    def _lower(
        self,
        scores_BV: NDArray[np.floating[Any]],
        rows_N: NDArray[np.intp],
        ids_N: NDArray[np.int32],
        factors_N: NDArray[np.floating[Any]],
    ) -> None:
        """Lower the scores of some text tokens, by the last factor of each, and raise the other ones."""
        numbers_N = np.arange(len(rows_N))
        self._owner_BV[rows_N, ids_N] = numbers_N
        is_last_N = self._owner_BV[rows_N, ids_N] == numbers_N
        rows_N, ids_N, factors_N = rows_N[is_last_N], ids_N[is_last_N], factors_N[is_last_N]
        text_BV = scores_BV[:, self._layout_size :]
        best_B1 = np.maximum(text_BV.max(-1, keepdims=True), -1e30)
        total_B = np.exp(text_BV - best_B1).sum(-1, dtype=np.float64)
        own_N = scores_BV[rows_N, ids_N]
        lost_N = np.exp(own_N - best_B1[rows_N, 0], dtype=np.float64) * -np.expm1(factors_N)
        lost_B = np.bincount(rows_N, lost_N, minlength=len(scores_BV))
        share_B = np.minimum(lost_B / np.maximum(total_B, 1e-30), 1 - np.exp(-3 * _MOST))
        scores_BV[rows_N, ids_N] = own_N + factors_N
        text_BV -= np.log1p(-share_B)[:, None].astype(scores_BV.dtype)


def _factors(counts_2X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what is added to the scores of echoes, given how many came and how many would from people."""
    present_X, expected_X = counts_2X + _SETTLING
    factors_X: NDArray[np.float64] = (_POWER * np.log(expected_X / present_X)).clip(-_MOST, 0)
    return factors_X
