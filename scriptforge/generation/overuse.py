"""Overuse: no word comes more often than people use it in the training text.

What is drawn from the likely is drawn from the frequent: a model says “gonna” 50 times on a page where people
say it 9 times, and half as many different words. So a token that has come more often than people use it
(`scriptforge.run.frequencies`) is made less likely, the further beyond the more:

    people's share of “gonna” is 0.2 %    it came 9 times in the last 1,000 tokens    × 0.11

A word that belongs to what is talked about comes often, too, so that a few times are always free. What is
left out goes to the other words, so that lines are as long as without.

Shape letters: B sequences of the batch, N tokens that are lowered, V vocabulary.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.run.frequencies import TokenFrequencies
from scriptforge.vocabulary import Vocabulary

_POWER = 2.0
"""Tokens that come twice as often as people use them become a quarter as likely."""

_MOST = 3.0
"""The logarithm by which the odds of a token are lowered at most."""

_FREE = 1.5
"""How many times more than expected a token may come before that counts as too often."""

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
        self._counts_BV = np.zeros((batch_size, vocabulary.size))
        self._factors_BV = np.zeros((batch_size, vocabulary.size), np.float32)
        self._totals = [0.0] * batch_size
        self._steps = [0] * batch_size

    def take(self, ids: Sequence[int]) -> None:
        """Take a token of each sequence; below 0 where no text comes."""
        for row, id_ in enumerate(ids):
            if id_ < 0:
                continue
            self._counts_BV[row, id_] += 1
            self._totals[row] += 1
            self._steps[row] += 1
            if self._steps[row] % _STEPS == 0:
                self._fade(row)
            else:
                expected = self._totals[row] * float(self._shares_V[id_]) + _FREE
                came = float(self._counts_BV[row, id_]) + _FREE
                self._factors_BV[row, id_] = max(_POWER * math.log(min(expected / came, 1.0)), -_MOST)

    def _fade(self, row: int) -> None:
        """Let what has come in a sequence count less, and look up anew what is overused."""
        self._counts_BV[row] *= _KEPT
        self._totals[row] *= _KEPT
        came = np.flatnonzero(self._counts_BV[row])
        expected_N = self._totals[row] * self._shares_V[came] + _FREE
        ratios_N = np.minimum(expected_N / (self._counts_BV[row, came] + _FREE), 1)
        self._factors_BV[row, came] = np.maximum(_POWER * np.log(ratios_N), -_MOST)

    def copy(self, row: int) -> None:
        """Let all sequences be as one of them."""
        self._counts_BV[:] = self._counts_BV[row].copy()
        self._factors_BV[:] = self._factors_BV[row].copy()
        self._totals = [self._totals[row]] * len(self._totals)
        self._steps = [self._steps[row]] * len(self._steps)

    def weigh(self, scores_BV: NDArray[np.floating[Any]], text_B1: NDArray[np.floating[Any]]) -> None:
        """Lower the scores of what is overused, and raise the other words of their row as much.

        Args:
            scores_BV: are changed.
            text_B1: the logarithm of the sum of the exponentials of those of text, which stays as it is.
        """
        rows_N, ids_N = np.divmod(np.flatnonzero(self._factors_BV), self._factors_BV.shape[1])
        if not len(rows_N):
            return
        factors_N = self._factors_BV[rows_N, ids_N]
        own_N = scores_BV[rows_N, ids_N]
        lost_N = np.exp(own_N - text_B1[rows_N, 0]) * -np.expm1(factors_N)
        lost_B = np.bincount(rows_N, lost_N, minlength=len(scores_BV))
        scores_BV[rows_N, ids_N] = own_N + factors_N
        raised_B = -np.log1p(-np.minimum(lost_B, 1 - math.exp(-_MOST)))
        scores_BV[:, self._layout_size :] += raised_B[:, None].astype(scores_BV.dtype)
