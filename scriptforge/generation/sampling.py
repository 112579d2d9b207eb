"""Sampling: filters over the scores, then one draw.

Each filter is a small function from scores to scores, with the name and the paper of its method. It forbids a
token by setting its score to minus infinity, and never forbids the last one left. With a large vocabulary the
filters are given only those tokens that they could keep. The module does not depend on models, and of tokens
it knows only which are text.

Temperature and filters apply to text tokens. Whether the line ends, and who speaks next, is drawn from the
model's own probabilities: a low temperature would make lines short, let the busiest speaker speak still more,
and leave out headings, which open one line in a hundred. Only min-p applies here, too. The end of a line must
reach min-p relative to the likeliest text token, so that no line ends after half a sentence; and a cue must
reach it relative to the likeliest layout token, so that a page is not full of people who speak once.

Shape letters: B sequences of the batch, L layout tokens, V vocabulary, N tokens considered, K the best of
them, R n-grams in the history, W tokens in the history, n tokens in an n-gram.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.echoes import AnyEchoes
from scriptforge.generation.grammar import Mask
from scriptforge.generation.rng import BatchRNG
from scriptforge.kernel import kernel
from scriptforge.kernel.scores import KernelSampler
from scriptforge.options import REPETITION_WINDOW, GenerateOptions

Scores: TypeAlias = NDArray[np.floating[Any]]
"""Scores of tokens in each sequence, minus infinity where forbidden."""

Filter: TypeAlias = Callable[[Scores], Scores]

_FIRST_LOOK = 128
_MIN_LOGARITHM = -1e4  # in place of the logarithm of 0


def scale(scores_BN: Scores, temperature: float) -> Scores:
    """Divide scores by the temperature, shifted so that the likeliest token gets 0.

    Source: Ackley, Hinton and Sejnowski 1985, "A Learning Algorithm for Boltzmann Machines".
    """
    scaled_BN: Scores = (scores_BN - scores_BN.max(-1, keepdims=True)) / np.float32(temperature)
    return scaled_BN


def keep_top_k(scores_BN: Scores, k: int) -> Scores:
    """Keep the k likeliest tokens, and those that tie with the last of them.

    Source: Fan, Lewis and Dauphin 2018, arXiv:1805.04833.
    """
    place = max(scores_BN.shape[-1] - k, 0)
    least_B1 = np.partition(scores_BN, place)[:, place : place + 1]
    return np.where(scores_BN < least_B1, -np.inf, scores_BN)


def keep_top_p(scores_BN: Scores, mass: float) -> Scores:
    """Keep the smallest set of the likeliest tokens whose probabilities add up to `mass`.

    Nucleus sampling. Source: Holtzman et al. 2020,
    "The Curious Case of Neural Text Degeneration", arXiv:1904.09751.
    """
    return _keep_best(scores_BN, scores_BN, np.exp(log_softmax(scores_BN)), mass)


def keep_typical(scores_BN: Scores, mass: float) -> Scores:
    """Keep the tokens whose surprise is nearest to the expected one, up to a total probability of `mass`.

    Source: Meister et al. 2023, "Locally Typical Sampling", arXiv:2202.00666.
    """
    logarithms_BN = log_softmax(scores_BN)
    probabilities_BN = np.exp(logarithms_BN)
    surprises_BN = -np.maximum(logarithms_BN, _MIN_LOGARITHM)
    expected_B1 = (probabilities_BN * surprises_BN).sum(-1, keepdims=True)
    return _keep_best(scores_BN, -np.abs(logarithms_BN + expected_B1), probabilities_BN, mass)


def keep_min_p(scores_BN: Scores, share: float) -> Scores:
    """Keep the tokens at least `share` times as likely as the likeliest.

    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling", arXiv:2407.01082.
    """
    least_B1 = scores_BN.max(-1, keepdims=True) + np.float32(math.log(share))
    return np.where(scores_BN < least_B1, -np.inf, scores_BN)


def log_softmax(scores: Scores) -> Scores:
    """Return the log-probabilities of all tokens, over the last dimension (log-softmax)."""
    scaled = scores - scores.max(-1, keepdims=True)
    result: Scores = scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))
    return result


def _keep_best(scores_BN: Scores, values_BN: Scores, probabilities_BN: Scores, mass: float) -> Scores:
    """Keep tokens from the highest value down until their total probability reaches `mass`, one at least.

    Looks at the best few first, and at more only if these are not enough.
    """
    size, looked = scores_BN.shape[-1], _FIRST_LOOK
    while True:
        best_BK = _best(values_BN, min(looked, size))
        reached_BK = np.take_along_axis(probabilities_BN, best_BK, -1).cumsum(-1)
        if looked >= size or (reached_BK[:, -1] >= mass).all():
            break
        looked *= 8
    kept_BK = np.ones(reached_BK.shape, dtype=np.bool_)
    kept_BK[:, 1:] = reached_BK[:, :-1] < mass
    kept_BN = np.zeros(scores_BN.shape, dtype=np.bool_)
    np.put_along_axis(kept_BN, best_BK, kept_BK, -1)
    return np.where(kept_BN, scores_BN, -np.inf)


def _best(values_BN: Scores, count: int) -> NDArray[np.intp]:
    """Return the indices of the greatest values, the greatest first: `best_BK`."""
    falling_BN = -values_BN
    if count == values_BN.shape[-1]:
        return falling_BN.argsort(-1, kind="stable")
    best_BK = falling_BN.argpartition(count, -1)[:, :count]
    order_BK = np.take_along_axis(falling_BN, best_BK, -1).argsort(-1)
    return np.take_along_axis(best_BK, order_BK, -1)


def penalise_repetition(scores_BV: Scores, history_BW: NDArray[np.int64], penalty: float) -> Scores:
    """Make tokens in the history less likely: positive scores are divided, negative ones multiplied.

    Args:
        scores_BV: scores.
        history_BW: ids in 0 … V, where V stands for no token.
        penalty: 1 or more.

    Source: Keskar et al. 2019, "CTRL", arXiv:1909.05858, for positive scores.
    """
    occurring = _occurring(history_BW, scores_BV)
    scores_N = scores_BV[occurring]
    penalised_BV = scores_BV.copy()
    penalised_BV[occurring] = np.where(scores_N > 0, scores_N / penalty, scores_N * penalty)
    return penalised_BV


def forbid_repeated_ngram(scores_BV: Scores, history_BW: NDArray[np.int64], n: int) -> Scores:
    """Forbid each token that would complete an n-gram found in the history.

    A sequence that would have no token left stays as it is.

    Args:
        scores_BV: scores.
        history_BW: ids in 0 … V, where V stands for no token; the latest last.
        n: tokens in an n-gram, 1 or more.

    Source: Paulus, Xiong and Socher 2018, "A Deep Reinforced Model for Abstractive Summarization",
        arXiv:1705.04304.
    """
    ngrams_BRn = np.lib.stride_tricks.sliding_window_view(history_BW, n, axis=1)
    started_B1n = history_BW[:, None, history_BW.shape[1] - n + 1 :]
    matches_BR = (ngrams_BRn[:, :, :-1] == started_B1n).all(-1)
    completions_BR = np.where(matches_BR, ngrams_BRn[:, :, -1], scores_BV.shape[-1])
    filtered_BV = scores_BV.copy()
    filtered_BV[_occurring(completions_BR, scores_BV)] = -np.inf
    is_stuck_B1 = filtered_BV.max(-1, keepdims=True) == -np.inf
    return np.where(is_stuck_B1, scores_BV, filtered_BV) if is_stuck_B1.any() else filtered_BV


def _occurring(ids_BN: NDArray[np.int64], scores_BV: Scores) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the rows and ids of the tokens that occur, where an id of V stands for no token."""
    rows, places = np.nonzero(ids_BN < scores_BV.shape[-1])
    return rows, ids_BN[rows, places]


_COLDEST = 1e-3  # below this temperature the likeliest token is taken
_RELATIVE_SLACK, _ABSOLUTE_SLACK = 1.001, 1e-6  # see `_least`
_LARGEST = 1e30  # in place of the infinite scores of a diverged model, so that draws go on
_SMALL = 1024  # vocabulary size up to which filtering all tokens is faster than selecting some first
_BITS_OF_MINUS_INFINITY = np.float32(-np.inf).view(np.int32)
_GROUP = 64
_MAX_KEPT = 1 / 32  # maximum share of tokens to select; selecting more is slower than filtering all


class Sampler:
    """A sampler that draws one token per step for B sequences, and keeps the history of each.

    Args:
        options: generation options, of which those for sampling are used.
        seeds: one for each sequence, whose draws do not depend on the batch size.
        is_text_V: which tokens are text; the others, the first ids, are layout.
        unspoken: layout tokens that open an element without a speaker.
        echoes: penalties on echoes, each for the same number of sequences; empty for none.

    Attributes:
        rng: random number generators; all of the state except the history, which `remember` restores.
    """

    def __init__(
        self,
        options: GenerateOptions,
        seeds: Sequence[int],
        is_text_V: Mask,
        unspoken: Sequence[int] = (),
        echoes: Sequence[AnyEchoes] = (),
    ) -> None:
        self._options = options
        self.rng = BatchRNG(seeds)
        self._is_text_V = is_text_V
        self._layout_size = int(np.flatnonzero(self._is_text_V).min(initial=len(is_text_V)))
        self._is_spoken_L = ~np.isin(np.arange(self._layout_size), unspoken)
        self._filters = _filters(options)
        self._kernel_sampler = self._new_kernel_sampler(len(seeds))
        self._is_simple = options.top_k == 0 and options.top_p == options.typical == 1
        self._echoes = echoes
        self._together = len(seeds) // max(len(echoes), 1)
        self._remembers = options.repetition_penalty != 1 or options.no_repeat_ngram > 0
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
            scores_BV = _allowed(logits_BV, forbidden_BV)
            text_logsumexp_B1 = _logarithms_of_sums(scores_BV[:, self._layout_size :])
        if len(self._echoes) == 1:
            self._echoes[0].penalise(scores_BV, text_logsumexp_B1)
        else:
            for number, echoes in enumerate(self._echoes):
                rows = self._rows_of(number)
                echoes.penalise(scores_BV[rows], text_logsumexp_B1[rows])
        if self._remembers:
            scores_BV = self._discourage_repetition(scores_BV)
            text_logsumexp_B1 = _logarithms_of_sums(scores_BV[:, self._layout_size :])
        if self._options.temperature < _COLDEST:
            likeliest_B: NDArray[np.int64] = scores_BV.argmax(-1)
            return likeliest_B
        return self._pick(scores_BV, text_logsumexp_B1)

    def rollback(self) -> None:
        """Undo the last draw, which must have been of layout tokens."""
        if self._options.temperature >= _COLDEST:
            self.rng.rollback()

    def remember(self, ids: Sequence[int | None]) -> None:
        """Add the next id of each sequence, if there is one, to its history."""
        if self._echoes:
            known = [-1 if id_ is None else id_ for id_ in ids]
            for number, echoes in enumerate(self._echoes):
                echoes.take(known[self._rows_of(number)])
        if self._remembers:
            for row, id_ in enumerate(ids):
                if id_ is not None and self._is_text_V[id_]:
                    self._history_BW[row, :-1] = self._history_BW[row, 1:]
                    self._history_BW[row, -1] = id_

    def copy_sequences(self, copies: Mapping[int, int]) -> None:
        """Copy the history of some sequences to others; each still draws with its own random numbers.

        All sequences that share a penalty on echoes become copies of one.
        """
        for row, source in copies.items():
            self._history_BW[row] = self._history_BW[source]
        for number, row in {divmod(source, self._together) for source in copies.values()}:
            if self._echoes:
                self._echoes[number].copy(row)

    def _rows_of(self, number: int) -> slice:
        """Return the sequences that share a penalty on echoes."""
        return slice(number * self._together, (number + 1) * self._together)

    def _new_kernel_sampler(self, rows: int) -> KernelSampler | None:
        loaded = kernel()
        if loaded is None:
            return None
        options, size = self._options, len(self._is_text_V)
        temperature = max(options.temperature, _COLDEST)
        return KernelSampler(
            loaded, rows, size, self._is_spoken_L, temperature=temperature, min_p=options.min_p
        )

    def _pick(self, scores_BV: Scores, text_logsumexp_B1: Scores) -> NDArray[np.int64]:
        """Draw a layout token or text in general, and then a text token where text was drawn."""
        rolls_2B = self.rng.uniform()
        if self._kernel_sampler is not None and self._is_simple and not self._remembers:
            return self._kernel_sampler.draw(rolls_2B)
        roll_B1, layout_roll_B1 = rolls_2B[..., None]
        text_BV = scores_BV[:, self._layout_size :]
        best_B1 = text_BV.max(-1, keepdims=True, initial=-np.inf)
        ids_B = np.zeros(len(scores_BV), dtype=np.int64)
        if self._layout_size:
            ids_B = self._pick_layout(
                scores_BV[:, : self._layout_size], text_logsumexp_B1, best_B1, layout_roll_B1
            )
        rows = np.flatnonzero(ids_B == self._layout_size)
        if len(rows) == len(ids_B):
            ids_B += self._pick_text(text_BV, best_B1, roll_B1)
        elif len(rows):
            ids_B[rows] += self._pick_text(text_BV[rows], best_B1[rows], roll_B1[rows])
        return ids_B

    def _pick_layout(
        self, scores_BL: Scores, text_logsumexp_B1: Scores, best_B1: Scores, roll_B1: Scores
    ) -> NDArray[np.int64]:
        """Draw a layout token, or L in place of any text token: `ids_B`.

        Args:
            scores_BL: scores of the layout tokens.
            text_logsumexp_B1: log-sum-exp of the scores of text tokens.
            best_B1: score of the likeliest text token.
            roll_B1: random numbers in 0 ≤ x < 1.
        """
        highest_B1 = np.maximum(scores_BL.max(-1, keepdims=True), best_B1)
        weights_BL = np.exp(scores_BL - highest_B1)
        is_rare_BL = weights_BL < self._options.min_p * weights_BL.max(-1, keepdims=True)
        reached_BL = np.where(is_rare_BL & self._is_spoken_L, 0, weights_BL).cumsum(-1, dtype=np.float64)
        sum_B1 = reached_BL[:, -1:] + np.exp(text_logsumexp_B1 - highest_B1)
        places_B = (reached_BL <= roll_B1 * sum_B1).sum(-1)
        is_likely_B1 = reached_BL[:, -1:] >= self._options.min_p * np.exp(best_B1 - highest_B1)
        return np.where(is_likely_B1[:, 0], places_B, self._layout_size)

    def _pick_text(self, text_BV: Scores, best_B1: Scores, roll_B1: Scores) -> NDArray[np.int64]:
        """Draw a text token in each sequence, where one must be allowed; return indices into text tokens."""
        least_B1 = _least(text_BV, best_B1, self._options)
        if least_B1 is None:
            return self._filter_and_pick(text_BV, roll_B1)
        return self._pick_above(least_B1, text_BV, roll_B1)

    def _pick_above(self, least_B1: Scores, scores_BV: Scores, roll_B1: Scores) -> NDArray[np.int64]:
        """Draw among the tokens with at least a given score; the filters would keep no others."""
        kept_BV = scores_BV >= least_B1
        if len(scores_BV) == 1:
            ids_N = np.flatnonzero(kept_BV)
            return ids_N[self._filter_and_pick(scores_BV[:, ids_N], roll_B1)]
        rows_N, ids_N = np.divmod(np.flatnonzero(kept_BV), scores_BV.shape[-1])
        if len(ids_N) > _MAX_KEPT * scores_BV.size:
            return self._filter_and_pick(scores_BV, roll_B1)
        counts_B = np.bincount(rows_N, minlength=len(scores_BV))
        places_N = np.arange(len(ids_N)) - np.repeat(counts_B.cumsum() - counts_B, counts_B)
        ids_BN = np.zeros((len(scores_BV), counts_B.max()), dtype=np.int64)
        ids_BN[rows_N, places_N] = ids_N
        scores_BN = np.full(ids_BN.shape, -np.inf, dtype=np.float32)
        scores_BN[rows_N, places_N] = scores_BV[rows_N, ids_N]
        return np.take_along_axis(ids_BN, self._filter_and_pick(scores_BN, roll_B1)[:, None], -1)[:, 0]

    def _filter_and_pick(self, scores_BN: Scores, roll_B1: Scores) -> NDArray[np.int64]:
        """Apply the filters, and draw."""
        for apply in self._filters:
            scores_BN = apply(scores_BN)
        return _inverted(scores_BN, roll_B1)

    def _discourage_repetition(self, scores_BV: Scores) -> Scores:
        if self._options.repetition_penalty != 1:
            scores_BV = penalise_repetition(scores_BV, self._history_BW, self._options.repetition_penalty)
        if self._options.no_repeat_ngram:
            scores_BV = forbid_repeated_ngram(scores_BV, self._history_BW, self._options.no_repeat_ngram)
        return scores_BV


def _inverted(scores_BN: Scores, roll_B1: Scores) -> NDArray[np.int64]:
    """Draw by inverse transform sampling, with one uniform random number for each sequence."""
    cumulative_BN = np.exp(scores_BN).cumsum(-1, dtype=np.float64)
    places_B: NDArray[np.int64] = (cumulative_BN <= roll_B1 * cumulative_BN[:, -1:]).sum(-1)
    return places_B


@np.errstate(invalid="ignore")  # infinities of both signs add up to NaN, which is handled below
def _allowed(logits_BV: NDArray[np.float32], forbidden_BV: Mask) -> Scores:
    """Return the scores, minus infinity where forbidden, and finite elsewhere even if the logits are not."""
    # For an irregular mask, such as that of whole words, adding is five times as fast as `np.where`.
    bits_BV = forbidden_BV.astype(np.int32)
    bits_BV *= _BITS_OF_MINUS_INFINITY
    scores_BV = bits_BV.view(np.float32)
    scores_BV += logits_BV
    if not np.isfinite(scores_BV.max(-1)).all():
        scores_BV = np.nan_to_num(logits_BV, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
        np.copyto(scores_BV, -np.inf, where=forbidden_BV)
    return scores_BV


def _logarithms_of_sums(scores_BN: Scores) -> Scores:
    """Return the log-sum-exp of each row; very low if nothing is allowed."""
    best_B1 = scores_BN.max(-1, keepdims=True, initial=-_LARGEST)
    sums_B1 = np.exp(scores_BN - best_B1).sum(-1, keepdims=True, dtype=np.float64)
    logarithms_B1: Scores = best_B1 + np.log(np.maximum(sums_B1, 1 / _LARGEST))
    return logarithms_B1


def _least(scores_BV: Scores, best_B1: Scores, options: GenerateOptions) -> Scores | None:
    """Return a score below which the filters keep nothing, `least_B1`; None if all tokens must be filtered.

    `best_B1` are the greatest scores. A small vocabulary is filtered as a whole, which is as fast.

    Top-k: the maxima of groups of `_GROUP` tokens are scores of tokens themselves, so that the k-th greatest
    score of all is no less than the k-th greatest maximum.

    Min-p keeps tokens whose score, divided by the temperature t, is at least the best one's plus log p, that
    is s ≥ best + t · log p. In exact arithmetic this would be the least score. What is left out must also be
    left out by `keep_min_p`, which computes in float32 with rounding errors of its own:

    - t and log p are rounded, and so are their product and (s − best) / t: each by a factor of at most
      1 ± 2⁻²⁴, so that t · log p is wrong by less than one part in a million. 1.001 allows a thousand.
    - the sum with `best` is rounded by at most 2⁻²⁴ of the greater of the two, of about 6e-8 · |best|;
      1e-6 · |best| allows sixteen times that.

    A least score that is too low only leaves some more tokens to filter, and changes no draw. Tokens below it
    must not be dropped where top-p or typical sampling need the probabilities of all.
    """
    size, k = scores_BV.shape[-1], options.top_k
    if size <= _SMALL:
        return None
    if 0 < k <= size // _GROUP:
        groups_BGN = scores_BV[:, : size // _GROUP * _GROUP].reshape(len(scores_BV), _GROUP, -1)
        return np.partition(groups_BGN.max(1), -k)[:, -k, None]
    if options.min_p and options.top_p == options.typical == 1:
        distance = _RELATIVE_SLACK * options.temperature * math.log(options.min_p)
        least_B1: Scores = best_B1 + np.float32(distance) - np.float32(_ABSOLUTE_SLACK) * np.abs(best_B1)
        return least_B1
    return None


def _filters(options: GenerateOptions) -> list[Filter]:
    filters: list[Filter] = [partial(scale, temperature=options.temperature)]
    if options.top_k:
        filters.append(partial(keep_top_k, k=options.top_k))
    if options.top_p < 1:
        filters.append(partial(keep_top_p, mass=options.top_p))
    if options.typical < 1:
        filters.append(partial(keep_typical, mass=options.typical))
    if options.min_p:
        filters.append(partial(keep_min_p, share=options.min_p))
    return filters
