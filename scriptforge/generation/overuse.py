"""Overuse: no word comes more often than people use it in the training text.

What is drawn from the likely is drawn from the frequent: a model says “gonna” 50 times on a page where people
say it 9 times, and half as many different words. So a token that has come more often than people use it
(`scriptforge.run.frequencies`) is made less likely, the further beyond the more:

    people's share of “gonna” is 0.2 %    it came 9 times in the last 1,000 tokens    × 0.11

What is left out goes to the other words, so that lines are as long as without.

Shape letters: B sequences of the batch, N tokens that are lowered, V vocabulary, X any dimensions.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.inference.drawing import TokenUsage, UsageCounts, UsageRule
from scriptforge.inference.kernel import Kernel, kernel
from scriptforge.run.frequencies import TokenFrequencies
from scriptforge.vocabulary import Vocabulary

POWER = 2.0
"""What is twice as frequent as people's becomes a quarter as likely."""

MOST = 3.0
"""The logarithm by which the odds of anything are lowered at most."""

SETTLING = 1.5
"""Added to what came and to what was expected: of few tokens no share is known."""

_STEPS, _KEPT = 16, 0.984
"""After how many tokens what has come counts less, and how much: that of 1,000 tokens ago a third."""


class Overuse:
    """What lowers the scores of overused tokens in B sequences.

    Args:
        frequencies: how often people use tokens.
        vocabulary: the model's.
        batch_size: B.
    """

    def __init__(self, frequencies: TokenFrequencies, vocabulary: Vocabulary, batch_size: int) -> None:
        self._layout_size = vocabulary.layout_size
        self._shares_V = frequencies.shares_of(vocabulary)
        shape = batch_size, vocabulary.size
        self._counts = UsageCounts(
            np.zeros(shape), np.zeros(shape, np.float32), np.zeros(batch_size), np.zeros(batch_size, np.int64)
        )
        self._usage = self._new_usage(kernel())

    def take(self, ids_B: NDArray[np.int32]) -> None:
        """Take a token of each sequence; below 0 where no text comes."""
        if self._usage is not None:
            self._usage.take(ids_B)
            return
        counts_BV, _, totals_B, steps_B = self._counts
        rows = np.flatnonzero(ids_B >= 0)
        counts_BV[rows, ids_B[rows]] += 1
        totals_B[rows] += 1
        steps_B[rows] += 1
        for row in rows.tolist():
            if steps_B[row] % _STEPS:
                self._note(row, ids_B[row : row + 1])
            else:
                counts_BV[row] *= _KEPT
                totals_B[row] *= _KEPT
                self._note(row, np.flatnonzero(counts_BV[row]))

    def _note(self, row: int, ids_N: NDArray[np.integer[Any]]) -> None:
        """Look up how overused some tokens are in a sequence."""
        counts_BV, factors_BV, totals_B, _ = self._counts
        factors_BV[row, ids_N] = factors(counts_BV[row, ids_N], totals_B[row] * self._shares_V[ids_N])

    def _new_usage(self, loaded: Kernel | None) -> TokenUsage | None:
        if loaded is None:
            return None
        rule = UsageRule(_STEPS, _KEPT, SETTLING, POWER, MOST)
        return TokenUsage(loaded, self._counts, self._shares_V, self._layout_size, rule)

    def copy(self, row: int) -> None:
        """Copy the state of one sequence to all."""
        for values in self._counts:
            values[:] = values[row].copy()

    def weigh(self, scores_BV: NDArray[np.floating[Any]], text_B1: NDArray[np.floating[Any]]) -> None:
        """Lower the scores of what is overused, and raise the other words of their row as much.

        Args:
            scores_BV: are changed.
            text_B1: the logarithm of the sum of the exponentials of those of text, which stays as it is.
        """
        if self._usage is not None:
            self._usage.lower(scores_BV, text_B1)
            return
        rows_N, ids_N = np.nonzero(self._counts.factors_BV)
        factors_N = self._counts.factors_BV[rows_N, ids_N]
        lower(scores_BV, text_B1, self._layout_size, (rows_N, ids_N), factors_N, MOST)


def factors(came_X: NDArray[np.float64], expected_X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what is added to the scores, 0 or less, given how many came and how many would from people."""
    ratios_X = np.minimum((expected_X + SETTLING) / (came_X + SETTLING), 1)
    factors_X: NDArray[np.float64] = np.maximum(POWER * np.log(ratios_X), -MOST)
    return factors_X


def lower(
    scores_BV: NDArray[np.floating[Any]],
    text_B1: NDArray[np.floating[Any]],
    layout_size: int,
    where: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]],
    factors_N: NDArray[np.floating[Any]],
    most: float,
) -> None:
    """Lower the scores of some text tokens, and raise all text of their rows as much as they lose together.

    Args:
        scores_BV: are changed.
        text_B1: the logarithm of the sum of the exponentials of those of text, which stays as it is.
        layout_size: how many tokens, the first ones, are no text.
        where: rows and ids of the tokens, `(N,)` each; none twice.
        factors_N: what is added to each.
        most: the logarithm by which one is lowered at most, so that something is left to raise.
    """
    own_N = scores_BV[where]
    lost_N = np.exp(own_N - text_B1[where[0], 0]) * -np.expm1(factors_N)
    lost_B = np.bincount(where[0], lost_N, minlength=len(scores_BV))
    scores_BV[where] = own_N + factors_N
    raised_B = -np.log1p(-np.minimum(lost_B, 1 - np.exp(-most)))
    scores_BV[:, layout_size:] += raised_B[:, None].astype(scores_BV.dtype)
