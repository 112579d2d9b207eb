"""Sampling: filters over the scores, then one draw.

Each filter is a small function from scores to scores, with the name and the paper of its method. It forbids a
token by setting its score to minus infinity, and never forbids the last one left. In a large vocabulary the
filters see only those tokens that they could keep. For so little work NumPy is faster than PyTorch. The
module knows nothing of models, and of tokens only which are text.

Temperature and filters decide which word comes. Whether the line ends then, and who speaks next, is drawn as
the model says: a cold draw would make lines short, let the busiest speak still more, and leave out headings,
which open one line in a hundred. Only min-p is heeded. A line's end must be as likely as it asks of a word,
so that none ends after half a sentence; and a speaker as likely as it asks, beside the likeliest one, so that
a page is not full of people who speak once.

Shape letters: B sequences of the batch, L layout tokens, V vocabulary, N tokens looked at, K the best of
them, R numbers drawn ahead, n-grams or rows looked at, W remembered tokens, n tokens in an n-gram, T steps.
"""

import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scriptforge.generation.echoes import Echoes
from scriptforge.options import REPETITION_WINDOW, GenerateOptions

_DRAWN_AHEAD = 256
_FRESH_SEEDS = 1_000_000


def fresh_seed() -> int:
    """Return a seed that nobody can foresee and everybody can type: 1 to 999,999.

    It comes from the operating system, so that the generators of the process stay as they are.
    """
    return 1 + secrets.randbelow(_FRESH_SEEDS - 1)


class BatchRNG:
    """A random number generator for each of B sequences, so that its numbers depend on its seed alone."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._draw_ahead()

    def uniform(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the next two numbers of each sequence, `(B, 1)` each, in 0 ≤ x < 1."""
        if self._next == _DRAWN_AHEAD:
            self._draw_ahead()
        self._next += 1
        first_B1, second_B1 = self._numbers_2BR[:, :, self._next - 1 : self._next]
        return first_B1, second_B1

    def rollback(self) -> None:
        """Let the last numbers come again; at most once after each `uniform`."""
        self._next -= 1

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs to continue with the same numbers."""
        return {"generators": self._before, "next": torch.tensor(self._next)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue where another generator of the same batch size stopped.

        Raises:
            RuntimeError: the state is not one of generators.
        """
        for generator, before in zip(self._generators, state["generators"], strict=True):
            generator.set_state(before.clone())  # which crashes on memory that is not aligned
        self._draw_ahead()
        self._next = min(max(int(state["next"]), 0), _DRAWN_AHEAD)

    def _draw_ahead(self) -> None:
        """Draw numbers ahead; those of one sequence never depend on the size of the batch."""
        self._before = torch.stack([generator.get_state() for generator in self._generators])
        numbers = [torch.rand(2, _DRAWN_AHEAD, generator=each) for each in self._generators]
        self._numbers_2BR = torch.stack(numbers, dim=1).double().numpy()
        self._next = 0


Scores: TypeAlias = NDArray[np.floating[Any]]
"""Scores of tokens in each sequence, minus infinity where forbidden."""

Filter: TypeAlias = Callable[[Scores], Scores]

_FIRST_LOOK = 128
_LEAST_LOGARITHM = -1e4  # of a probability that is none


def scale(scores_BN: Scores, temperature: float) -> Scores:
    """Divide by the temperature; the likeliest token gets 0.

    Source: Ackley, Hinton and Sejnowski 1985, "A Learning Algorithm for Boltzmann Machines".
    """
    scaled_BN: Scores = (scores_BN - scores_BN.max(-1, keepdims=True)) / np.float32(temperature)
    return scaled_BN


def keep_top_k(scores_BN: Scores, k: int) -> Scores:
    """Keep the k likeliest tokens, and those as likely as the last of them.

    Source: Fan, Lewis and Dauphin 2018, arXiv:1805.04833.
    """
    place = max(scores_BN.shape[-1] - k, 0)
    least_B1 = np.partition(scores_BN, place)[:, place : place + 1]
    return np.where(scores_BN < least_B1, -np.inf, scores_BN)


def keep_top_p(scores_BN: Scores, mass: float) -> Scores:
    """Keep the fewest, likeliest tokens whose probabilities add up to `mass`.

    Nucleus sampling. Source: Holtzman et al. 2020,
    "The Curious Case of Neural Text Degeneration", arXiv:1904.09751.
    """
    return _keep_best(scores_BN, scores_BN, np.exp(_logarithms(scores_BN)), mass)


def keep_typical(scores_BN: Scores, mass: float) -> Scores:
    """Keep the most typical tokens, nearest to the expected surprise, up to a probability of `mass`.

    Source: Meister et al. 2023, "Locally Typical Sampling", arXiv:2202.00666.
    """
    logarithms_BN = _logarithms(scores_BN)
    probabilities_BN = np.exp(logarithms_BN)
    surprises_BN = -np.maximum(logarithms_BN, _LEAST_LOGARITHM)
    expected_B1 = (probabilities_BN * surprises_BN).sum(-1, keepdims=True)
    return _keep_best(scores_BN, -np.abs(logarithms_BN + expected_B1), probabilities_BN, mass)


def keep_min_p(scores_BN: Scores, share: float) -> Scores:
    """Keep the tokens at least `share` times as likely as the likeliest.

    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling", arXiv:2407.01082.
    """
    least_B1 = scores_BN.max(-1, keepdims=True) + np.float32(math.log(share))
    return np.where(scores_BN < least_B1, -np.inf, scores_BN)


def _logarithms(scores_BN: Scores) -> Scores:
    scaled_BN = scores_BN - scores_BN.max(-1, keepdims=True)
    logarithms_BN: Scores = scaled_BN - np.log(np.exp(scaled_BN).sum(-1, keepdims=True))
    return logarithms_BN


def _keep_best(scores_BN: Scores, values_BN: Scores, probabilities_BN: Scores, mass: float) -> Scores:
    """Keep tokens from the highest value down until their probability reaches `mass`, one at least.

    Looks at the best few first, and at more only where these do not suffice.
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
    """Return where the greatest values are, the greatest first: `best_BK`."""
    falling_BN = -values_BN
    if count == values_BN.shape[-1]:
        return falling_BN.argsort(-1, kind="stable")
    best_BK = falling_BN.argpartition(count, -1)[:, :count]
    order_BK = np.take_along_axis(falling_BN, best_BK, -1).argsort(-1)
    return np.take_along_axis(best_BK, order_BK, -1)


def penalise_repetition(scores_BV: Scores, history_BW: NDArray[np.int64], penalty: float) -> Scores:
    """Make tokens that occur in the history less likely: positive scores divided, negative multiplied.

    Args:
        scores_BV: scores.
        history_BW: ids in 0 … V, of which V stands for nothing.
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

    A sequence that this would leave nothing stays as it was.

    Args:
        scores_BV: scores.
        history_BW: ids in 0 … V, of which V stands for nothing; the latest last.
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
    """Return sequences and ids of what occurs in each sequence, where an id of V stands for nothing."""
    rows, places = np.nonzero(ids_BN < scores_BV.shape[-1])
    return rows, ids_BN[rows, places]


_COLDEST = 1e-3  # below this temperature the likeliest token is taken
_RELATIVE_SLACK, _ABSOLUTE_SLACK = 1.001, 1e-6  # see `_least`
_LARGEST = 1e30  # a model gone wrong scores with infinities and what is no number; draws go on all the same
_SMALL = 1024  # tokens among which looking for the few that matter takes longer than looking at all
_BITS_OF_MINUS_INFINITY = np.float32(-np.inf).view(np.int32)
_GROUP = 64
_MOST_KEPT = 1 / 32  # of all tokens; to gather more takes longer than to look at all


class Sampler:
    """Draws one token a step for each of B sequences, and remembers what repetition is measured against.

    Args:
        options: of which those of sampling are read.
        seeds: one for each sequence; its draws do not depend on the size of the batch.
        is_text_V: which tokens are text; the others, the first ones, are layout.
        unspoken: layout tokens that open what nobody says.
        echoes: what makes echoes less likely, of as many sequences each; empty lets them come.

    Attributes:
        rng: what it draws with; all of its state but the ids before, which are to be remembered again.
    """

    def __init__(
        self,
        options: GenerateOptions,
        seeds: Sequence[int],
        is_text_V: Tensor,
        unspoken: Sequence[int] = (),
        echoes: Sequence[Echoes] = (),
    ) -> None:
        self._options = options
        self.rng = BatchRNG(seeds)
        self._is_text_V = is_text_V.numpy()
        self._layout_size = int(np.flatnonzero(self._is_text_V).min(initial=len(is_text_V)))
        self._is_unspoken_L = np.isin(np.arange(self._layout_size), unspoken)
        self._filters = _filters(options)
        self._echoes = echoes
        self._remembers = options.repetition_penalty != 1 or options.no_repeat_ngram > 0
        self._history_BW = np.full((len(seeds), REPETITION_WINDOW), len(is_text_V))

    def draw(self, logits_BV: Tensor, forbidden_BV: Tensor) -> Tensor:
        """Draw the next token of each sequence; `remember` is told whether it is taken.

        Args:
            logits_BV: the model's scores, on the CPU.
            forbidden_BV: tokens that must not come, true where forbidden; something is left in each sequence.

        Returns:
            ids_B: int64, of which none is forbidden.
        """
        scores_BV = _allowed(logits_BV.float().numpy(), forbidden_BV.numpy())
        if self._echoes:
            parts = zip(self._echoes, np.split(scores_BV, len(self._echoes)), strict=True)
            weighed = [echoes.weigh(part_BV) for echoes, part_BV in parts]
            scores_BV = weighed[0] if len(weighed) == 1 else np.concatenate(weighed)
        if self._remembers:
            scores_BV = self._discourage_repetition(scores_BV)
        if self._options.temperature < _COLDEST:
            ids_B = scores_BV.argmax(-1)
        else:
            roll_B1, layout_roll_B1 = self.rng.uniform()
            ids_B = self._pick_text(scores_BV, roll_B1)
            if self._layout_size:
                self._put_layout(ids_B, scores_BV, layout_roll_B1)
        return torch.from_numpy(ids_B)

    def rollback(self) -> None:
        """Let the last draw, which must have been of layout tokens, be made again."""
        if self._options.temperature >= _COLDEST:
            self.rng.rollback()

    def remember(self, ids: Sequence[int | None]) -> None:
        """Remember the id that came in each sequence, if any did, as what is not to be repeated."""
        if self._echoes:
            ids_B = np.array([-1 if id_ is None else id_ for id_ in ids])
            for echoes, part_B in zip(self._echoes, np.split(ids_B, len(self._echoes)), strict=True):
                echoes.take(part_B)
        if self._remembers:
            for row, id_ in enumerate(ids):
                if id_ is not None and self._is_text_V[id_]:
                    self._history_BW[row, :-1] = self._history_BW[row, 1:]
                    self._history_BW[row, -1] = id_

    def copy_sequences(self, copies: Mapping[int, int]) -> None:
        """Let sequences remember what others do; each draws with its own numbers all the same.

        All sequences that have their echoes together become copies of one.
        """
        for row, source in copies.items():
            self._history_BW[row] = self._history_BW[source]
        together = len(self._history_BW) // max(len(self._echoes), 1)
        for number, row in {source // together: source % together for source in copies.values()}.items():
            if self._echoes:
                self._echoes[number].copy(row)

    def _put_layout(self, ids_B: NDArray[np.int64], scores_BV: Scores, roll_B1: Scores) -> None:
        """Draw whether layout comes and not text, and which, and put it in the place of the text drawn."""
        weights_BV = np.exp(scores_BV - scores_BV.max(-1, keepdims=True))
        layout_BL = weights_BV[:, : self._layout_size]
        is_rare_BL = layout_BL < self._options.min_p * layout_BL.max(-1, keepdims=True)
        reached_BL = np.where(is_rare_BL & ~self._is_unspoken_L, 0, layout_BL).cumsum(-1, dtype=np.float64)
        text_BV = weights_BV[:, self._layout_size :]
        sum_B1 = reached_BL[:, -1:] + text_BV.sum(-1, keepdims=True, dtype=np.float64)
        places_B = (reached_BL <= roll_B1 * sum_B1).sum(-1)
        is_likely_B = reached_BL[:, -1] >= self._options.min_p * text_BV.max(-1, initial=0)
        np.copyto(ids_B, places_B, where=(places_B < self._layout_size) & is_likely_B)

    def _pick_text(self, scores_BV: Scores, roll_B1: Scores) -> NDArray[np.int64]:
        """Draw among text; where none may come, an id that does not matter."""
        text_BV = scores_BV.copy()
        text_BV[:, : self._layout_size] = -np.inf
        text_BV[np.isneginf(text_BV.max(-1)), -1] = 0
        least_B1 = _least(text_BV, self._options)
        if least_B1 is None:
            return self._pick(text_BV, roll_B1)
        return self._pick_above(least_B1, text_BV, roll_B1)

    def _pick_above(self, least_B1: Scores, scores_BV: Scores, roll_B1: Scores) -> NDArray[np.int64]:
        """Draw among the tokens whose scores are not below a least one; no filter would keep the others."""
        kept_BV = scores_BV >= least_B1
        if len(scores_BV) == 1:
            ids_N = np.flatnonzero(kept_BV)
            return ids_N[self._pick(scores_BV[:, ids_N], roll_B1)]
        rows_N, ids_N = np.divmod(np.flatnonzero(kept_BV), scores_BV.shape[-1])
        if len(ids_N) > _MOST_KEPT * scores_BV.size:
            return self._pick(scores_BV, roll_B1)
        counts_B = np.bincount(rows_N, minlength=len(scores_BV))
        places_N = np.arange(len(ids_N)) - np.repeat(counts_B.cumsum() - counts_B, counts_B)
        ids_BN = np.zeros((len(scores_BV), counts_B.max()), dtype=np.int64)
        ids_BN[rows_N, places_N] = ids_N
        scores_BN = np.full(ids_BN.shape, -np.inf, dtype=np.float32)
        scores_BN[rows_N, places_N] = scores_BV[rows_N, ids_N]
        return np.take_along_axis(ids_BN, self._pick(scores_BN, roll_B1)[:, None], -1)[:, 0]

    def _pick(self, scores_BN: Scores, roll_B1: Scores) -> NDArray[np.int64]:
        """Filter, and draw."""
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
    """Draw by inverting the cumulative distribution at one uniform number a sequence."""
    cumulative_BN = np.exp(scores_BN).cumsum(-1, dtype=np.float64)
    places_B: NDArray[np.int64] = (cumulative_BN <= roll_B1 * cumulative_BN[:, -1:]).sum(-1)
    return places_B


@np.errstate(invalid="ignore")  # infinities of both signs: looked for below
def _allowed(logits_BV: NDArray[np.float32], forbidden_BV: NDArray[np.bool_]) -> Scores:
    """Return the scores of what may come, as numbers even if a model scores with infinities or NaN."""
    # Of a mask that looks like chance, as that of whole words does, adding is five times as fast as choosing.
    bits_BV = forbidden_BV.astype(np.int32)
    bits_BV *= _BITS_OF_MINUS_INFINITY
    scores_BV = bits_BV.view(np.float32)
    scores_BV += logits_BV
    if not np.isfinite(scores_BV.max(-1)).all():
        scores_BV = np.nan_to_num(logits_BV, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
        np.copyto(scores_BV, -np.inf, where=forbidden_BV)
    return scores_BV


def _least(scores_BV: Scores, options: GenerateOptions) -> Scores | None:
    """Return a score below which the filters keep nothing, `least_B1`; None if looking at all is as fast.

    Top-k: the maxima of groups of `_GROUP` tokens are tokens themselves, so that the k-th greatest of all
    tokens is no less than the k-th greatest maximum.

    Min-p keeps tokens whose score, divided by the temperature t, is at least the best one's plus log p, that
    is s ≥ best + t · log p. In exact arithmetic this would be the least score. What is left out must also be
    left out by `keep_min_p`, which computes in float32 with rounding errors of its own:

    - t and log p are rounded, and so are their product and (s − best) / t: each by a factor of at most
      1 ± 2⁻²⁴, so that t · log p is wrong by less than one part in a million. 1.001 allows a thousand.
    - the sum with `best` is rounded by at most 2⁻²⁴ of the greater of the two, of about 6e-8 · |best|;
      1e-6 · |best| allows sixteen times that.

    A least score that is too low costs some more tokens to look at and changes no draw: the filters come
    after. Tokens below it must not be dropped where top-p or typical sampling need the probabilities of all.
    """
    size, k = scores_BV.shape[-1], options.top_k
    if size <= _SMALL:
        return None
    if 0 < k <= size // _GROUP:
        groups_BGN = scores_BV[:, : size // _GROUP * _GROUP].reshape(len(scores_BV), _GROUP, -1)
        return np.partition(groups_BGN.max(1), -k)[:, -k, None]
    if options.min_p and options.top_p == options.typical == 1:
        best_B1 = scores_BV.max(-1, keepdims=True)
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
