"""Echoes: a penalty that keeps a text from repeating itself more than the training text does.

Sampling from likely tokens repeats the same phrases over and over, and whole lines. So a token that would end
an echo, a repetition of recent text (`scriptforge.run.echoes`), is made less likely, the more so the more
echoes there are beyond the rate in the training text. The same holds for the end of a line that was said
before. For example:

    1 % of the training text's tokens end an echo of four words    3 of the last 90 did    × 0.28

The rates are no hard limits: a text that has hardly repeated anything may say “no, no, no”, and a poor model
can still end its lines. The other text tokens gain what is taken from a token, so that lines keep their
length.

Shape letters: B sequences of the batch, O lengths of echoes, P places (see `RecentText.place`), M lengths of
runs, N tokens that would end an echo, V vocabulary.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.overuse import MAX_PENALTY, POWER, PSEUDOCOUNT, Overuse, factors, lower
from scriptforge.inference.kernel import Kernel, kernel
from scriptforge.inference.scores import NOTHING, EchoMemory, EchoRule
from scriptforge.run.echoes import LENGTHS, EchoHabits, RecentText
from scriptforge.run.frequencies import TokenFrequencies
from scriptforge.vocabulary import Vocabulary

_TOKEN_DECAY, _LINE_DECAY = 0.999, 0.98
"""Factors by which the counts decay with each further token or line."""


class Echoes:
    """The penalty on echoes, and on overused tokens, for B sequences.

    Args:
        habits: rates of echoes in the training text.
        vocabulary: the model's vocabulary.
        batch_size: B.
        frequencies: frequencies of tokens in the training text; None for no penalty on overused ones.
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
        self._counts_2BO = np.zeros((2, batch_size, len(self._lengths)))  # observed and expected echoes
        self._memory = self._new_memory(kernel())
        self._counts_2B = np.zeros((2, batch_size))
        self._line_factors_B: NDArray[np.float64] = np.zeros(batch_size)
        self._has_line_factors = False
        self._owner_BV = np.zeros((batch_size, vocabulary.size), np.int64)
        self._overuse = Overuse(frequencies, vocabulary, batch_size) if frequencies else None

    def take(self, ids: Sequence[int]) -> None:
        """Take the next id of each sequence, drawn or given; below 0 for a sequence that waits."""
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
            self._counts_2BO *= np.where(own_B == NOTHING, 1.0, _TOKEN_DECAY)[:, None]
            self._counts_2BO[0] += recent.matches_B[:, None] >= self._lengths_O
            self._counts_2BO[1] += recent.are_text()[:, None] * self._habits_PO[place]
        if recent.has_ended:
            self._counts_2B[:, recent.has_ended_B] *= _LINE_DECAY
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
            EchoRule(self._lengths, _TOKEN_DECAY, PSEUDOCOUNT, POWER, MAX_PENALTY),
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

    def penalise(
        self, scores_BV: NDArray[np.floating[Any]], text_logsumexp_B1: NDArray[np.floating[Any]]
    ) -> None:
        """Lower the scores of tokens that would end an echo, and raise the text of their row to compensate.

        Args:
            scores_BV: scores, changed in place.
            text_logsumexp_B1: log-sum-exp of the scores of text tokens, which stays the same.
        """
        if self._memory is not None:
            self._memory.discourage(self._recent.stop, scores_BV, self._layout_size, text_logsumexp_B1)
        else:
            self._penalise_runs(scores_BV, text_logsumexp_B1)
        if self._overuse is not None:
            self._overuse.penalise(scores_BV, text_logsumexp_B1)
        if self._has_line_factors and any(would_echo := self._recent.would_echo()):
            factors_B = self._line_factors_B * would_echo
            scores_BV[:, : self._layout_size] += factors_B[:, None]

    def _penalise_runs(
        self, scores_BV: NDArray[np.floating[Any]], text_logsumexp_B1: NDArray[np.floating[Any]]
    ) -> None:
        """Lower the scores of tokens that would end an echo of a run of tokens."""
        factors_BO = factors(*self._counts_2BO)
        least = factors_BO.min(0).tolist()
        lowered = [length for length, factor in zip(self._lengths, least, strict=True) if factor]
        if lowered:
            rows_N, ids_N, lengths_N = self._recent.echoing(lowered[0])
            factors_N = (factors_BO @ self._reaches_OM)[rows_N, lengths_N]
            self._lower(scores_BV, text_logsumexp_B1, rows_N, ids_N, factors_N)

    def _lower(
        self,
        scores_BV: NDArray[np.floating[Any]],
        text_logsumexp_B1: NDArray[np.floating[Any]],
        rows_N: NDArray[np.intp],
        ids_N: NDArray[np.int32],
        factors_N: NDArray[np.floating[Any]],
    ) -> None:
        """Lower the scores of some text tokens, by the last factor of each, and raise all text of the row."""
        numbers_N = np.arange(len(rows_N))
        self._owner_BV[rows_N, ids_N] = numbers_N
        last = np.flatnonzero(self._owner_BV[rows_N, ids_N] == numbers_N)
        where = rows_N[last], ids_N[last]
        lower(
            scores_BV,
            text_logsumexp_B1,
            self._layout_size,
            where,
            factors_N[last],
            len(self._lengths) * MAX_PENALTY,
        )
