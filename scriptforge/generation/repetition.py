"""Repetition: a penalty that keeps a text from repeating itself more than the training text does.

Sampling from likely tokens repeats the same phrases over and over, and whole lines. So a token that would
complete an n-gram of the recent text (an echo in `text_statistics.repetition`) is made less likely, the more
so the more repeated n-grams there are beyond the rate in the training text. The same holds for the end of a
line that was said before. For example:

    1 % of the training text's tokens end a repeated 4-gram    3 of the last 90 did    × 0.28

The rates are no hard limits: a text that has hardly repeated anything may say “no, no, no”, and a poor model
can still end its lines. The other text tokens gain what is taken from a token, so that lines keep their
length.

Shape letters: B sequences of the batch, C capacity, T tokens of the window, O lengths of n-grams, P places
(see `text_statistics.repetition`), M lengths of matches, N tokens that would complete one, V vocabulary.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.overuse import MAX_PENALTY, PENALTY, USAGE, Overuse, factors, lower_scores
from scriptforge.generation.recent_text import APART, NOTHING, RecentText
from scriptforge.kernel import kernel
from scriptforge.kernel.repetition import KernelAdaptivePenalty, RepetitionRule, Shares, TokenKinds
from scriptforge.text_statistics.repetition import (
    LENGTHS,
    RECENT_LINES,
    WINDOWS,
    RepetitionStatistics,
    place_bounds,
)
from scriptforge.text_statistics.token_frequencies import TokenFrequencies
from scriptforge.vocabulary import Level, Vocabulary


def repetition_rule(level: Level) -> RepetitionRule:
    """Return what is a repetition at a level, and how it is penalised."""
    return RepetitionRule(
        LENGTHS[level],
        WINDOWS[level],
        RECENT_LINES,
        place_bounds(level),
        token_decay=0.999,
        line_decay=0.98,
        penalty=PENALTY,
        usage=USAGE,
    )


def new_adaptive_penalty(
    statistics: RepetitionStatistics,
    vocabulary: Vocabulary,
    batch_size: int,
    frequencies: TokenFrequencies | None = None,
) -> "AnyAdaptivePenalty":
    """Return the penalty on repetition and on overused tokens, computed by the kernel if there is one.

    Args:
        statistics: rates of repetition in the training text.
        vocabulary: the model's vocabulary.
        batch_size: B.
        frequencies: frequencies of tokens in the training text; None for no penalty on overused ones.
    """
    rule = repetition_rule(vocabulary.level)
    tokens_V = frequencies.shares_of(vocabulary) if frequencies else None
    shares = Shares(np.array(statistics.runs).T.copy(), np.array(statistics.lines), tokens_V)
    loaded = kernel()
    if loaded is None:
        return AdaptivePenalty(rule, shares, vocabulary, batch_size)
    cue = -1 if vocabulary.plain else vocabulary.cue
    kinds = TokenKinds(vocabulary.size, vocabulary.layout_size, cue)
    return KernelAdaptivePenalty(loaded, rule, shares, kinds, batch_size)


class AdaptivePenalty:
    """The same as `KernelAdaptivePenalty`, in NumPy.

    Args:
        rule: what is a repetition.
        shares: rates in the training text.
        vocabulary: the model's vocabulary.
        batch_size: B.
    """

    def __init__(self, rule: RepetitionRule, shares: Shares, vocabulary: Vocabulary, batch_size: int) -> None:
        self._layout_size = vocabulary.layout_size
        self._recent = RecentText(vocabulary, batch_size)
        self._ngrams = RepeatedNgrams(self._recent, rule, vocabulary.size)
        self._runs_PO = shares.runs_PO
        self._lines = _LinePenalty(shares.lines_P, rule.line_decay, batch_size)
        self._overuse = (
            Overuse(shares.tokens_V, vocabulary.layout_size, batch_size)
            if shares.tokens_V is not None
            else None
        )

    def take(self, ids: Sequence[int]) -> None:
        """See `KernelAdaptivePenalty.take`."""
        recent = self._recent
        place = recent.place
        own_B = recent.take(ids)
        if self._overuse is not None:
            self._overuse.take(own_B)
        self._ngrams.take(own_B, self._runs_PO[place])
        if recent.has_ended:
            self._lines.take(recent, place)

    def copy(self, row: int) -> None:
        """See `KernelAdaptivePenalty.copy`."""
        self._recent.copy(row)
        self._ngrams.copy(row)
        self._lines.copy(row)
        if self._overuse is not None:
            self._overuse.copy(row)

    def penalise(
        self, scores_BV: NDArray[np.floating[Any]], text_logsumexp_B1: NDArray[np.floating[Any]]
    ) -> None:
        """See `KernelAdaptivePenalty.penalise`."""
        self._ngrams.penalise(scores_BV, self._layout_size, text_logsumexp_B1)
        if self._overuse is not None:
            self._overuse.penalise(scores_BV, text_logsumexp_B1)
        if self._lines.is_active and any(would_repeat := self._recent.would_repeat()):
            factors_B = self._lines.factors_B * would_repeat
            scores_BV[:, : self._layout_size] += factors_B[:, None]


AnyAdaptivePenalty: TypeAlias = AdaptivePenalty | KernelAdaptivePenalty
"""The penalty, computed in either way."""


class RepeatedNgrams:
    """The repeated n-grams in the recent text of B sequences.

    Args:
        recent: the recent text, whose arrays are changed in place.
        rule: what is a repetition.
        vocabulary_size: V.

    Attributes:
        matches_B: how many tokens at the end of each text occur before, no more than the longest n-gram has.
    """

    def __init__(self, recent: RecentText, rule: RepetitionRule, vocabulary_size: int) -> None:
        self._recent = recent
        self._rule = rule
        rows = len(recent.ids_BC)
        self._observed_BO, self._expected_BO = np.zeros((2, rows, len(rule.lengths)))
        self._lengths_O = np.array(rule.lengths)
        self._is_reached_OM = np.arange(rule.lengths[-1] + 2) >= self._lengths_O[:, None]
        self._owners_BV = np.zeros((rows, vocabulary_size), np.int64)
        self.matches_B = np.zeros(rows, np.uint8)

    def take(self, own_B: NDArray[np.int32], shares_O: NDArray[np.float64]) -> None:
        """Take the token of each sequence that the recent text has just taken.

        Args:
            own_B: what `RecentText.take` has returned.
            shares_O: share of people's tokens that end a repeated n-gram of each length, at this place.
        """
        self._match(self._recent.stop - 1, own_B)
        for counts_BO in (self._observed_BO, self._expected_BO):
            counts_BO *= np.where(own_B == NOTHING, 1.0, self._rule.token_decay)[:, None]
        self._observed_BO += self.matches_B[:, None] >= self._lengths_O
        self._expected_BO += (own_B >= 0)[:, None] * shares_O

    def copy(self, row: int) -> None:
        """Copy the counts of one sequence to all."""
        for counts_BO in (self._observed_BO, self._expected_BO):
            counts_BO[:] = counts_BO[row].copy()

    def penalise(
        self,
        scores_BV: NDArray[np.floating[Any]],
        layout_size: int,
        text_logsumexp_B1: NDArray[np.floating[Any]],
    ) -> None:
        """Lower the scores of tokens that would complete an n-gram; all text together stays as likely.

        Args:
            scores_BV: changed in place.
            layout_size: number of layout tokens.
            text_logsumexp_B1: log-sum-exp of the scores of text tokens.
        """
        factors_BO = factors(self._observed_BO, self._expected_BO)
        least = factors_BO.min(0).tolist()
        lowered = [length for length, factor in zip(self._rule.lengths, least, strict=True) if factor]
        if not lowered:
            return
        rows_N, ids_N, lengths_N = self.completions(lowered[0])
        last = self._last_of_each(rows_N, ids_N)  # of several n-grams that a token completes, the longest
        factors_N = (factors_BO @ self._is_reached_OM)[rows_N, lengths_N]
        most = len(self._rule.lengths) * MAX_PENALTY
        where = rows_N[last], ids_N[last]
        lower_scores(scores_BV, text_logsumexp_B1, layout_size, where, factors_N[last], most)

    def completions(self, shortest: int) -> tuple[NDArray[np.intp], NDArray[np.int32], NDArray[np.uint8]]:
        """Return the tokens that would complete a repeated n-gram if they came next.

        Args:
            shortest: smallest number of tokens in an n-gram, 2 or more.

        Returns:
            Rows, ids and lengths of the n-grams, `(N,)` each, the longest last; an id may occur repeatedly.
        """
        stop = self._recent.stop
        start = max(0, stop - 1 - self._rule.window)
        next_BT = self._recent.ids_BC[:, start + 1 : stop]
        matches_BT = self._recent.matches_BC[:, start : start + next_BT.shape[1]]
        completes_BT = (matches_BT >= shortest - 1) & (next_BT != APART)
        rows_N, places_N = np.divmod(np.flatnonzero(completes_BT), max(1, completes_BT.shape[1]))
        lengths_N = matches_BT[rows_N, places_N] + np.uint8(1)
        order_N = lengths_N.argsort(kind="stable")
        rows_N, places_N = rows_N[order_N], places_N[order_N]
        return rows_N, next_BT[rows_N, places_N], lengths_N[order_N]

    def _match(self, stop: int, own_B: NDArray[np.int32]) -> None:
        """Append a token to each text, and look up where the end of the text occurs before."""
        ids_BC, matches_BC = self._recent.ids_BC, self._recent.matches_BC
        start = max(0, stop - self._rule.window)
        before_BT = _matches_before(matches_BC, start, stop)
        longer_BT = np.minimum(before_BT + np.uint8(1), np.uint8(self._rule.lengths[-1]))
        found_BT = longer_BT * (ids_BC[:, start:stop] == own_B[:, None])
        matches_BC[:, :start] = 0
        matches_BC[:, start:stop] = found_BT
        ids_BC[:, stop] = np.maximum(own_B, APART)
        self.matches_B = found_BT.max(1, initial=0)

    def _last_of_each(self, rows_N: NDArray[np.intp], ids_N: NDArray[np.int32]) -> NDArray[np.intp]:
        """Return the indices, rising, at which each token of each row occurs for the last time."""
        numbers_N = np.arange(len(rows_N))
        self._owners_BV[rows_N, ids_N] = numbers_N  # of several numbers for one place, the last one stays
        return np.flatnonzero(self._owners_BV[rows_N, ids_N] == numbers_N)


def _matches_before(matches_BC: NDArray[np.uint8], start: int, stop: int) -> NDArray[np.uint8]:
    """Return, for some columns, what the columns before them have; 0 before the first."""
    if start:
        return matches_BC[:, start - 1 : stop - 1]
    return np.concatenate([np.zeros_like(matches_BC[:, :1]), matches_BC], axis=1)[:, :stop]


class _LinePenalty:
    """The penalty on ends of lines that were said before.

    Args:
        shares_P: share of people's lines that are repeated, by place.
        decay: factor by which the counts decay with each further line.
        batch_size: B.

    Attributes:
        factors_B: terms to add to the scores of layout tokens where a line would be repeated, 0 or less.
        is_active: whether any of them is below 0.
    """

    def __init__(self, shares_P: NDArray[np.float64], decay: float, batch_size: int) -> None:
        self._shares_P = shares_P
        self._decay = decay
        self._observed_B, self._expected_B = np.zeros((2, batch_size))
        self.factors_B: NDArray[np.float64] = np.zeros(batch_size)
        self.is_active = False

    def take(self, recent: RecentText, place: int) -> None:
        """Count the lines that have ended, and the repeated ones among them."""
        for counts_B in (self._observed_B, self._expected_B):
            counts_B[recent.has_ended_B] *= self._decay
        self._observed_B += recent.is_repeated_B
        self._expected_B += recent.has_ended_B * self._shares_P[place]
        self.factors_B = factors(self._observed_B, self._expected_B)
        self.is_active = bool(self.factors_B.any())

    def copy(self, row: int) -> None:
        """Copy the state of one sequence to all."""
        for values_B in (self._observed_B, self._expected_B, self.factors_B):
            values_B[:] = values_B[row]
        self.is_active = bool(self.factors_B.any())
