"""Sampling: filters over the scores, then one draw.

With a large vocabulary the filters are given only those tokens that they could keep. The module does not
depend on models, and of tokens it knows only which are text.

Temperature and filters apply to text tokens. Whether the line ends, and who speaks next, is drawn from the
model's own probabilities: a low temperature would make lines short, let the busiest speaker speak still more,
and leave out headings, which open one line in a hundred. Only min-p applies here, too. The end of a line must
reach min-p relative to the likeliest text token, so that no line ends after half a sentence; and a cue must
reach it relative to the likeliest layout token, so that a page is not full of people who speak once.

Shape letters: B sequences of the batch, L layout tokens, V vocabulary, N tokens considered, W tokens in the
history.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.filters import (
    Scores,
    apply_no_repeat_ngram,
    apply_repetition_penalty,
    filters_of,
)
from scriptforge.generation.grammar import Mask
from scriptforge.generation.repetition import AnyAdaptivePenalty
from scriptforge.generation.rng import BatchRNG
from scriptforge.kernel import kernel
from scriptforge.kernel.scores import KernelSampler
from scriptforge.options import REPETITION_WINDOW, GenerateOptions

_MIN_TEMPERATURE = 1e-3  # below this temperature the likeliest token is taken
_RELATIVE_SLACK, _ABSOLUTE_SLACK = 1.001, 1e-6  # see `_score_threshold`
_MAX_SCORE = 1e30  # in place of the infinite scores of a diverged model, so that draws go on
_SMALL_VOCABULARY = 1024  # size up to which filtering all tokens is faster than selecting some first
_BITS_OF_MINUS_INFINITY = np.float32(-np.inf).view(np.int32)
_GROUP = 64
_MAX_SELECTED = 1 / 32  # maximum share of tokens to select; selecting more is slower than filtering all


class Sampler:
    """A sampler that draws one token per step for B sequences, and keeps the history of each.

    Args:
        options: generation options, of which those for sampling are used.
        seeds: one for each sequence, whose draws do not depend on the batch size.
        is_text_V: which tokens are text; the others, the first ids, are layout.
        unspoken: layout tokens that open an element without a speaker.
        adaptive_penalties: penalties on repetition, each for the same number of sequences; empty for none.

    Attributes:
        rng: random number generators; all of the state except the history, which `remember` restores.
    """

    def __init__(
        self,
        options: GenerateOptions,
        seeds: Sequence[int],
        is_text_V: Mask,
        unspoken: Sequence[int] = (),
        adaptive_penalties: Sequence[AnyAdaptivePenalty] = (),
    ) -> None:
        self._options = options
        self.rng = BatchRNG(seeds)
        self._is_text_V = is_text_V
        self._layout_size = int(np.flatnonzero(self._is_text_V).min(initial=len(is_text_V)))
        self._is_spoken_L = ~np.isin(np.arange(self._layout_size), unspoken)
        self._filters = filters_of(options)
        self._kernel_sampler = self._new_kernel_sampler(len(seeds))
        self._is_only_min_p = options.top_k == 0 and options.top_p == options.typical == 1
        self._adaptive_penalties = adaptive_penalties
        self._rows_per_penalty = len(seeds) // max(len(adaptive_penalties), 1)
        self._keeps_history = options.repetition_penalty != 1 or options.no_repeat_ngram > 0
        self._history_BW = np.full((len(seeds), REPETITION_WINDOW), len(is_text_V))

    def draw(
        self,
        logits_BV: NDArray[np.float32],
        forbidden_BV: Mask,
        layout_BL: NDArray[np.float32] | None = None,
    ) -> NDArray[np.int64]:
        """Draw the next token of each sequence; to add it to the history, call `remember`.

        Args:
            logits_BV: the model's scores.
            forbidden_BV: forbidden tokens, true where forbidden; each sequence must have at least one left.
            layout_BL: in place of the scores of layout tokens; None for these.

        Returns:
            ids_B: int64, none of them forbidden.
        """
        scores_BV: Scores
        text_logsumexp_B1: Scores
        if self._kernel_sampler is not None:
            self._kernel_sampler.allow(logits_BV, forbidden_BV, layout_BL)
            scores_BV = self._kernel_sampler.scores_BV
            text_logsumexp_B1 = self._kernel_sampler.text_logsumexp_B1
        else:
            if layout_BL is not None:
                logits_BV = np.concatenate([layout_BL, logits_BV[:, self._layout_size :]], axis=1)
            scores_BV = _mask_forbidden(logits_BV, forbidden_BV)
            text_logsumexp_B1 = _logsumexp(scores_BV[:, self._layout_size :])
        if len(self._adaptive_penalties) == 1:
            self._adaptive_penalties[0].penalise(scores_BV, text_logsumexp_B1)
        else:
            for number, penalty in enumerate(self._adaptive_penalties):
                rows = self._rows_of(number)
                penalty.penalise(scores_BV[rows], text_logsumexp_B1[rows])
        if self._keeps_history:
            scores_BV = self._penalise_repetition(scores_BV)
            text_logsumexp_B1 = _logsumexp(scores_BV[:, self._layout_size :])
        if self._options.temperature < _MIN_TEMPERATURE:
            likeliest_B: NDArray[np.int64] = scores_BV.argmax(-1)
            return likeliest_B
        return self._draw_ids(scores_BV, text_logsumexp_B1)

    def rollback(self) -> None:
        """Undo the last draw, which must have been of layout tokens."""
        if self._options.temperature >= _MIN_TEMPERATURE:
            self.rng.rollback()

    def remember(self, ids: Sequence[int | None]) -> None:
        """Add the next id of each sequence, if there is one, to its history."""
        if self._adaptive_penalties:
            known = [-1 if id_ is None else id_ for id_ in ids]
            for number, penalty in enumerate(self._adaptive_penalties):
                penalty.take(known[self._rows_of(number)])
        if self._keeps_history:
            for row, id_ in enumerate(ids):
                if id_ is not None and self._is_text_V[id_]:
                    self._history_BW[row, :-1] = self._history_BW[row, 1:]
                    self._history_BW[row, -1] = id_

    def copy_sequences(self, copies: Mapping[int, int]) -> None:
        """Copy the history of some sequences to others; each still draws with its own random numbers.

        All sequences that share an adaptive penalty become copies of one.
        """
        for row, source in copies.items():
            self._history_BW[row] = self._history_BW[source]
        for number, row in {divmod(source, self._rows_per_penalty) for source in copies.values()}:
            if self._adaptive_penalties:
                self._adaptive_penalties[number].copy(row)

    def _rows_of(self, number: int) -> slice:
        """Return the sequences that share an adaptive penalty."""
        return slice(number * self._rows_per_penalty, (number + 1) * self._rows_per_penalty)

    def _new_kernel_sampler(self, rows: int) -> KernelSampler | None:
        loaded = kernel()
        if loaded is None:
            return None
        options, size = self._options, len(self._is_text_V)
        temperature = max(options.temperature, _MIN_TEMPERATURE)
        return KernelSampler(
            loaded, rows, size, self._is_spoken_L, temperature=temperature, min_p=options.min_p
        )

    def _draw_ids(self, scores_BV: Scores, text_logsumexp_B1: Scores) -> NDArray[np.int64]:
        """Draw a layout token or text in general, and then a text token where text was drawn."""
        uniform_2B = self.rng.uniform()
        if self._kernel_sampler is not None and self._is_only_min_p and not self._keeps_history:
            return self._kernel_sampler.draw(uniform_2B)
        uniform_B1, layout_uniform_B1 = uniform_2B[..., None]
        text_BV = scores_BV[:, self._layout_size :]
        best_B1 = text_BV.max(-1, keepdims=True, initial=-np.inf)
        ids_B = np.zeros(len(scores_BV), dtype=np.int64)
        if self._layout_size:
            ids_B = self._draw_layout(
                scores_BV[:, : self._layout_size], text_logsumexp_B1, best_B1, layout_uniform_B1
            )
        rows = np.flatnonzero(ids_B == self._layout_size)
        if len(rows) == len(ids_B):
            ids_B += self._draw_text(text_BV, best_B1, uniform_B1)
        elif len(rows):
            ids_B[rows] += self._draw_text(text_BV[rows], best_B1[rows], uniform_B1[rows])
        return ids_B

    def _draw_layout(
        self, scores_BL: Scores, text_logsumexp_B1: Scores, best_B1: Scores, uniform_B1: Scores
    ) -> NDArray[np.int64]:
        """Draw a layout token, or L in place of any text token: `ids_B`.

        Args:
            scores_BL: scores of the layout tokens.
            text_logsumexp_B1: log-sum-exp of the scores of text tokens.
            best_B1: score of the likeliest text token.
            uniform_B1: random numbers in 0 ≤ x < 1.
        """
        highest_B1 = np.maximum(scores_BL.max(-1, keepdims=True), best_B1)
        weights_BL = np.exp(scores_BL - highest_B1)
        is_rare_BL = weights_BL < self._options.min_p * weights_BL.max(-1, keepdims=True)
        cumulative_BL = np.where(is_rare_BL & self._is_spoken_L, 0, weights_BL).cumsum(-1, dtype=np.float64)
        sum_B1 = cumulative_BL[:, -1:] + np.exp(text_logsumexp_B1 - highest_B1)
        places_B = (cumulative_BL <= uniform_B1 * sum_B1).sum(-1)
        is_likely_B1 = cumulative_BL[:, -1:] >= self._options.min_p * np.exp(best_B1 - highest_B1)
        return np.where(is_likely_B1[:, 0], places_B, self._layout_size)

    def _draw_text(self, text_BV: Scores, best_B1: Scores, uniform_B1: Scores) -> NDArray[np.int64]:
        """Draw a text token in each sequence, where one must be allowed; return indices into text tokens."""
        threshold_B1 = _score_threshold(text_BV, best_B1, self._options)
        if threshold_B1 is None:
            return self._filter_and_draw(text_BV, uniform_B1)
        return self._draw_above(threshold_B1, text_BV, uniform_B1)

    def _draw_above(self, threshold_B1: Scores, scores_BV: Scores, uniform_B1: Scores) -> NDArray[np.int64]:
        """Draw among the tokens with at least a given score; the filters would keep no others."""
        kept_BV = scores_BV >= threshold_B1
        if len(scores_BV) == 1:
            ids_N = np.flatnonzero(kept_BV)
            return ids_N[self._filter_and_draw(scores_BV[:, ids_N], uniform_B1)]
        rows_N, ids_N = np.divmod(np.flatnonzero(kept_BV), scores_BV.shape[-1])
        if len(ids_N) > _MAX_SELECTED * scores_BV.size:
            return self._filter_and_draw(scores_BV, uniform_B1)
        counts_B = np.bincount(rows_N, minlength=len(scores_BV))
        places_N = np.arange(len(ids_N)) - np.repeat(counts_B.cumsum() - counts_B, counts_B)
        ids_BN = np.zeros((len(scores_BV), counts_B.max()), dtype=np.int64)
        ids_BN[rows_N, places_N] = ids_N
        scores_BN = np.full(ids_BN.shape, -np.inf, dtype=np.float32)
        scores_BN[rows_N, places_N] = scores_BV[rows_N, ids_N]
        return np.take_along_axis(ids_BN, self._filter_and_draw(scores_BN, uniform_B1)[:, None], -1)[:, 0]

    def _filter_and_draw(self, scores_BN: Scores, uniform_B1: Scores) -> NDArray[np.int64]:
        """Apply the filters, and draw."""
        for apply in self._filters:
            scores_BN = apply(scores_BN)
        return _draw_categorical(scores_BN, uniform_B1)

    def _penalise_repetition(self, scores_BV: Scores) -> Scores:
        penalty, n = self._options.repetition_penalty, self._options.no_repeat_ngram
        if penalty != 1:
            scores_BV = apply_repetition_penalty(scores_BV, self._history_BW, penalty)
        return apply_no_repeat_ngram(scores_BV, self._history_BW, n) if n else scores_BV


def _draw_categorical(scores_BN: Scores, uniform_B1: Scores) -> NDArray[np.int64]:
    """Draw by inverse transform sampling, with one uniform random number for each sequence."""
    cumulative_BN = np.exp(scores_BN).cumsum(-1, dtype=np.float64)
    places_B: NDArray[np.int64] = (cumulative_BN <= uniform_B1 * cumulative_BN[:, -1:]).sum(-1)
    return places_B


@np.errstate(invalid="ignore")  # infinities of both signs add up to NaN, which is handled below
def _mask_forbidden(logits_BV: NDArray[np.float32], forbidden_BV: Mask) -> Scores:
    """Return the scores, minus infinity where forbidden, and finite elsewhere even if the logits are not."""
    # For an irregular mask, such as that of whole words, adding is five times as fast as `np.where`.
    bits_BV = forbidden_BV.astype(np.int32)
    bits_BV *= _BITS_OF_MINUS_INFINITY
    scores_BV = bits_BV.view(np.float32)
    scores_BV += logits_BV
    if not np.isfinite(scores_BV.max(-1)).all():
        scores_BV = np.nan_to_num(logits_BV, nan=0.0, posinf=_MAX_SCORE, neginf=-_MAX_SCORE)
        np.copyto(scores_BV, -np.inf, where=forbidden_BV)
    return scores_BV


def _logsumexp(scores_BN: Scores) -> Scores:
    """Return the log-sum-exp of each row; very low, but finite, if nothing is allowed."""
    max_B1 = scores_BN.max(-1, keepdims=True, initial=-_MAX_SCORE)
    sums_B1 = np.exp(scores_BN - max_B1).sum(-1, keepdims=True, dtype=np.float64)
    logsumexp_B1: Scores = max_B1 + np.log(np.maximum(sums_B1, 1 / _MAX_SCORE))
    return logsumexp_B1


def _score_threshold(scores_BV: Scores, best_B1: Scores, options: GenerateOptions) -> Scores | None:
    """Return scores below which the filters keep nothing, `threshold_B1`; None to filter all tokens.

    `best_B1` are the greatest scores. A small vocabulary is filtered as a whole, which is as fast.

    Top-k: the maxima of groups of `_GROUP` tokens are scores of tokens themselves, so that the k-th greatest
    score of all is no less than the k-th greatest maximum.

    Min-p keeps tokens whose score, divided by the temperature t, is at least the best one's plus log p, that
    is s ≥ best + t · log p. In exact arithmetic this would be the threshold. What is left out must also be
    left out by `apply_min_p`, which computes in float32 with rounding errors of its own:

    - t and log p are rounded, and so are their product and (s − best) / t: each by a factor of at most
      1 ± 2⁻²⁴, so that t · log p is wrong by less than one part in a million. 1.001 allows a thousand.
    - the sum with `best` is rounded by at most 2⁻²⁴ of the greater of the two, of about 6e-8 · |best|;
      1e-6 · |best| allows sixteen times that.

    A threshold that is too low only leaves some more tokens to filter, and changes no draw. Tokens below it
    must not be dropped where top-p or typical sampling need the probabilities of all.
    """
    size, k = scores_BV.shape[-1], options.top_k
    if size <= _SMALL_VOCABULARY:
        return None
    if 0 < k <= size // _GROUP:
        groups_BGN = scores_BV[:, : size // _GROUP * _GROUP].reshape(len(scores_BV), _GROUP, -1)
        return np.partition(groups_BGN.max(1), -k)[:, -k, None]
    if options.min_p and options.top_p == options.typical == 1:
        distance = _RELATIVE_SLACK * options.temperature * math.log(options.min_p)
        threshold_B1: Scores = best_B1 + np.float32(distance) - np.float32(_ABSOLUTE_SLACK) * np.abs(best_B1)
        return threshold_B1
    return None
