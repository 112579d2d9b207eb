"""Overuse: a penalty that keeps words from coming more often than in the training text.

Sampling from likely tokens favours frequent ones: a model says “gonna” 50 times on a page where people say it
9 times, and has half as many different words. So a token that has come more often than in the training text
(`text_statistics.token_frequencies`) is made less likely, the more so the more often it came:

    0.2 % of the training text is “gonna”    it came 9 times in the last 1,000 tokens    × 0.11

The more often a token is expected, the more its count means, and the steeper is the penalty: “the”, 40 times
expected and 50 times there, is made less likely by × 0.27, and by × 0.65 without this.

The other text tokens gain what is taken from a token, so that lines keep their length.

Shape letters: B sequences of the batch, N tokens that are lowered, V vocabulary, X any dimensions.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.kernel.repetition import Penalty, UsageRule

POWER = 2.0
"""Exponent of the penalty: a token twice as frequent as expected becomes a quarter as likely."""

MAX_PENALTY = 3.0
"""Upper limit of the penalty, in nats."""

POWER_GROWTH = 0.05
"""Growth of the exponent, relative to `POWER`, per expected occurrence: it doubles at 20."""

PSEUDOCOUNT = 1.5
"""Pseudo-count added to observed and expected counts, since small counts say little about frequencies."""

PENALTY = Penalty(PSEUDOCOUNT, POWER, MAX_PENALTY)

USAGE = UsageRule(decay_interval=16, decay=0.984, penalty=PENALTY, power_growth=POWER_GROWTH)
"""How counts decay: 1,000 tokens ago counts about a third."""


class Overuse:
    """The penalty on overused tokens for B sequences, in NumPy.

    Args:
        shares_V: share of each token in the training text; 0 for layout.
        layout_size: number of layout tokens.
        batch_size: B.
    """

    def __init__(self, shares_V: NDArray[np.float64], layout_size: int, batch_size: int) -> None:
        self._shares_V = shares_V
        self._layout_size = layout_size
        self._counts_BV = np.zeros((batch_size, len(shares_V)))
        self._factors_BV = np.zeros((batch_size, len(shares_V)))
        self._totals_B, self._steps_B = np.zeros(batch_size), np.zeros(batch_size, np.int64)

    def take(self, own_B: NDArray[np.int32]) -> None:
        """Take the next id of each sequence; below 0 where it is not a text token."""
        rows = np.flatnonzero(own_B >= 0)
        self._counts_BV[rows, own_B[rows]] += 1
        self._totals_B[rows] += 1
        self._steps_B[rows] += 1
        for row in rows.tolist():
            if self._steps_B[row] % USAGE.decay_interval:
                self._update_factors(row, own_B[row : row + 1])
            else:
                self._counts_BV[row] *= USAGE.decay
                self._totals_B[row] *= USAGE.decay
                self._update_factors(row, np.flatnonzero(self._counts_BV[row]))

    def copy(self, row: int) -> None:
        """Copy the state of one sequence to all."""
        for values in (self._counts_BV, self._factors_BV, self._totals_B, self._steps_B):
            values[:] = values[row].copy()

    def penalise(
        self, scores_BV: NDArray[np.floating[Any]], text_logsumexp_B1: NDArray[np.floating[Any]]
    ) -> None:
        """Lower the scores of overused tokens, and raise the text of their row to compensate.

        Args:
            scores_BV: scores, changed in place.
            text_logsumexp_B1: log-sum-exp of the scores of text tokens, which stays the same.
        """
        rows_N, ids_N = np.nonzero(self._factors_BV)
        factors_N = self._factors_BV[rows_N, ids_N]
        lower_scores(scores_BV, text_logsumexp_B1, self._layout_size, (rows_N, ids_N), factors_N, MAX_PENALTY)

    def _update_factors(self, row: int, ids_N: NDArray[np.integer[Any]]) -> None:
        """Update the penalties of some tokens in a sequence."""
        expected_N = self._totals_B[row] * self._shares_V[ids_N]
        powers_N = POWER * (1 + POWER_GROWTH * expected_N)
        self._factors_BV[row, ids_N] = factors(self._counts_BV[row, ids_N], expected_N, powers_N)


def factors(
    observed_X: NDArray[np.float64],
    expected_X: NDArray[np.float64],
    power_X: NDArray[np.float64] | float = POWER,
) -> NDArray[np.float64]:
    """Return the terms to add to scores, 0 or less, given observed and expected counts."""
    ratios_X = np.minimum((expected_X + PSEUDOCOUNT) / (observed_X + PSEUDOCOUNT), 1)
    factors_X: NDArray[np.float64] = np.maximum(power_X * np.log(ratios_X), -MAX_PENALTY)
    return factors_X


def lower_scores(
    scores_BV: NDArray[np.floating[Any]],
    text_logsumexp_B1: NDArray[np.floating[Any]],
    layout_size: int,
    where: tuple[NDArray[np.integer[Any]], NDArray[np.integer[Any]]],
    factors_N: NDArray[np.floating[Any]],
    most: float,
) -> None:
    """Lower the scores of some text tokens, and raise all text of their rows to compensate.

    Args:
        scores_BV: scores, changed in place.
        text_logsumexp_B1: log-sum-exp of the scores of text tokens, which stays the same.
        layout_size: number of layout tokens, which are the first ids.
        where: rows and ids of the tokens, `(N,)` each, without duplicates.
        factors_N: terms added to their scores, 0 or less.
        most: upper limit, in nats, of how much one is lowered, so that something is left to raise.
    """
    own_N = scores_BV[where]
    lost_N = np.exp(own_N - text_logsumexp_B1[where[0], 0]) * -np.expm1(factors_N)
    lost_B = np.bincount(where[0], lost_N, minlength=len(scores_BV))
    scores_BV[where] = own_N + factors_N
    raised_B = -np.log1p(-np.minimum(lost_B, 1 - np.exp(-most)))
    scores_BV[:, layout_size:] += raised_B[:, None].astype(scores_BV.dtype)
