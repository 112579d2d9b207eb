"""Dice: the uniform numbers that draws are made with, which can be put aside and taken up again.

Shape letters: B lanes, R rolls.

What the options of sampling do: each is one small function from scores to scores.

A filter forbids a token by setting its score to minus infinity, and none ever forbids the last one left.

Shape letters: B lanes, V vocabulary, N tokens looked at, K the best of them, W remembered tokens, R runs of
tokens, n tokens in a run.

Choosing the next token: filters, then one draw.

Of a large vocabulary the filters see those tokens alone that they could leave. For so little work NumPy is
faster than PyTorch. Knows nothing of models, and of tokens only which are text.

Shape letters: B lanes, V vocabulary, N tokens looked at, W remembered tokens, T steps.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scriptforge.options import REPETITION_WINDOW, GenerateOptions

_ROLLS = 256


class Dice:
    """A stream of uniform numbers for each lane, which its seed alone decides.

    Args:
        seeds: one for each of the B lanes.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._throw()
        self._next = 0

    def roll(self) -> NDArray[np.float64]:
        """The next number of each lane, `(B, 1)` in 0 ≤ x < 1."""
        if self._next == _ROLLS:
            self._throw()
            self._next = 0
        self._next += 1
        return self._rolls_BR[:, self._next - 1 : self._next]

    def take_back(self) -> None:
        """Lets the last number come again; once after each roll."""
        self._next -= 1

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs to go on with the same numbers."""
        return {"generators": self._before, "next": torch.tensor(self._next)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on where other dice of as many lanes stood.

        Raises:
            RuntimeError: the state is not one of dice.
        """
        for generator, before in zip(self._generators, state["generators"], strict=True):
            generator.set_state(before)
        self._throw()
        self._next = min(max(int(state["next"]), 0), _ROLLS)

    def _throw(self) -> None:
        """Makes numbers for a while; one lane's never depend on how many lanes there are."""
        self._before = torch.stack([generator.get_state() for generator in self._generators])
        rolls = [torch.rand(_ROLLS, generator=each) for each in self._generators]
        self._rolls_BR = torch.stack(rolls).double().numpy()


Scores: TypeAlias = NDArray[np.floating[Any]]
"""Scores of tokens on each lane, minus infinity where forbidden."""

Filter: TypeAlias = Callable[[Scores], Scores]

_FIRST_LOOK = 128
_LEAST_LOGARITHM = -1e4  # of a probability that is none


def scale(scores_BN: Scores, temperature: float) -> Scores:
    """Divides by the temperature; the likeliest token gets 0.

    Source: Ackley, Hinton and Sejnowski 1985, "A Learning Algorithm for Boltzmann Machines".
    """
    scaled_BN: Scores = (scores_BN - scores_BN.max(-1, keepdims=True)) / np.float32(temperature)
    return scaled_BN


def keep_top_k(scores_BN: Scores, k: int) -> Scores:
    """Keeps the k likeliest tokens, and those as likely as the last of them.

    Source: Fan, Lewis and Dauphin 2018, arXiv:1805.04833.
    """
    place = max(scores_BN.shape[-1] - k, 0)
    least_B1 = np.partition(scores_BN, place)[:, place : place + 1]
    return np.where(scores_BN < least_B1, -np.inf, scores_BN)


def keep_top_p(scores_BN: Scores, mass: float) -> Scores:
    """Keeps the fewest, likeliest tokens whose probabilities add up to `mass`.

    Source: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", arXiv:1904.09751.
    """
    return _keep_best(scores_BN, scores_BN, np.exp(_logarithms(scores_BN)), mass)


def keep_typical(scores_BN: Scores, mass: float) -> Scores:
    """Keeps the tokens whose surprise is nearest to the expected one, up to a probability of `mass`.

    Source: Meister et al. 2023, "Locally Typical Sampling", arXiv:2202.00666.
    """
    logarithms_BN = _logarithms(scores_BN)
    probabilities_BN = np.exp(logarithms_BN)
    surprises_BN = -np.maximum(logarithms_BN, _LEAST_LOGARITHM)
    expected_B1 = (probabilities_BN * surprises_BN).sum(-1, keepdims=True)
    return _keep_best(scores_BN, -np.abs(logarithms_BN + expected_B1), probabilities_BN, mass)


def keep_min_p(scores_BN: Scores, share: float) -> Scores:
    """Keeps the tokens at least `share` times as likely as the likeliest.

    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling", arXiv:2407.01082.
    """
    least_B1 = scores_BN.max(-1, keepdims=True) + np.float32(math.log(share))
    return np.where(scores_BN < least_B1, -np.inf, scores_BN)


def _logarithms(scores_BN: Scores) -> Scores:
    """The logarithms of the probabilities."""
    scaled_BN = scores_BN - scores_BN.max(-1, keepdims=True)
    logarithms_BN: Scores = scaled_BN - np.log(np.exp(scaled_BN).sum(-1, keepdims=True))
    return logarithms_BN


def _keep_best(scores_BN: Scores, values_BN: Scores, probabilities_BN: Scores, mass: float) -> Scores:
    """Keeps tokens from the highest value down until their probability reaches `mass`, one at least.

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
    """Where the greatest values are, the greatest first: `best_BK`."""
    falling_BN = -values_BN
    if count == values_BN.shape[-1]:
        return falling_BN.argsort(-1, kind="stable")
    best_BK = falling_BN.argpartition(count, -1)[:, :count]
    order_BK = np.take_along_axis(falling_BN, best_BK, -1).argsort(-1)
    return np.take_along_axis(best_BK, order_BK, -1)


def penalise_repetition(scores_BV: Scores, history_BW: NDArray[np.int64], penalty: float) -> Scores:
    """Makes tokens that occur in the history less likely: positive scores divided, negative multiplied.

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
    """Forbids each token that would complete a run of n tokens found in the history.

    Where that leaves a lane nothing, the lane is left as it was.

    Args:
        scores_BV: scores.
        history_BW: ids in 0 … V, of which V stands for nothing; the latest last.
        n: tokens in a run, 1 or more.

    Source: Paulus, Xiong and Socher 2018, "A Deep Reinforced Model for Abstractive Summarization",
        arXiv:1705.04304.
    """
    runs_BRn = np.lib.stride_tricks.sliding_window_view(history_BW, n, axis=1)
    begun_B1n = history_BW[:, None, history_BW.shape[1] - n + 1 :]
    matches_BR = (runs_BRn[:, :, :-1] == begun_B1n).all(-1)
    completions_BR = np.where(matches_BR, runs_BRn[:, :, -1], scores_BV.shape[-1])
    filtered_BV = scores_BV.copy()
    filtered_BV[_occurring(completions_BR, scores_BV)] = -np.inf
    is_stuck_B1 = filtered_BV.max(-1, keepdims=True) == -np.inf
    return np.where(is_stuck_B1, scores_BV, filtered_BV) if is_stuck_B1.any() else filtered_BV


def _occurring(ids_BN: NDArray[np.int64], scores_BV: Scores) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Lanes and ids of what occurs on each lane, where an id of V stands for nothing."""
    lanes, places = np.nonzero(ids_BN < scores_BV.shape[-1])
    return lanes, ids_BN[lanes, places]


_COLDEST = 1e-3
_LARGEST = 1e30  # a model gone wrong scores with infinities and what is no number; draws go on all the same
_SMALL = 1024  # tokens among which looking for the few that matter takes longer than looking at all
_GROUP = 64
_MOST_KEPT = 1 / 32  # of all tokens; to gather more takes longer than to look at all


class Sampler:
    """Draws one token a step for each of B lanes, and remembers what repetition is measured against.

    Args:
        options: how bold to be.
        seeds: one for each lane; a lane draws the same numbers however many lanes there are.
        is_text_V: which tokens are text; the others may repeat freely.
    """

    def __init__(self, options: GenerateOptions, seeds: Sequence[int], is_text_V: Tensor) -> None:
        self._options = options
        self._dice = Dice(seeds)
        self._is_text_V = is_text_V.numpy()
        self._filters = _filters(options)
        self._remembers = options.repetition_penalty != 1 or options.no_repeat_ngram > 0
        self._history_BW = np.full((len(seeds), REPETITION_WINDOW), len(is_text_V))

    def draw(self, logits_BV: Tensor, forbidden_BV: Tensor) -> Tensor:
        """The next token of each lane.

        Args:
            logits_BV: the model's scores, on the CPU.
            forbidden_BV: tokens that must not come, true where forbidden; something is left in each lane.

        Returns:
            ids_B: int64, of which none is forbidden.
        """
        scores_BV = _allowed(logits_BV.float().numpy(), forbidden_BV.numpy())
        if self._remembers:
            scores_BV = self._discourage_repetition(scores_BV)
        if self._options.temperature < _COLDEST:
            ids_B = scores_BV.argmax(-1)
        else:
            least_B1 = _least(scores_BV, self._options)
            ids_B = self._pick(scores_BV) if least_B1 is None else self._pick_above(least_B1, scores_BV)
        if self._remembers:
            self._remember(ids_B)
        return torch.from_numpy(ids_B)

    def take_back(self) -> None:
        """Lets the last draw, which must have been of tokens that are no text, be made again."""
        if self._options.temperature >= _COLDEST:
            self._dice.take_back()

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs for the same draws to come; what was drawn is to be remembered anew."""
        return self._dice.state()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on drawing where another sampler of as many lanes stood."""
        self._dice.restore(state)

    def remember(self, ids_TB: Tensor) -> None:
        """Takes T ids of each lane that were not drawn into what must not be repeated."""
        if self._remembers:
            for ids_B in ids_TB.numpy():
                self._remember(ids_B)

    def _pick_above(self, least_B1: Scores, scores_BV: Scores) -> NDArray[np.int64]:
        """Draws among the tokens whose scores are not below a least one; the others could not be kept."""
        kept_BV = scores_BV >= least_B1
        if len(scores_BV) == 1:
            ids_N = np.flatnonzero(kept_BV)
            return ids_N[self._pick(scores_BV[:, ids_N])]
        lanes_N, ids_N = np.divmod(np.flatnonzero(kept_BV), scores_BV.shape[-1])
        if len(ids_N) > _MOST_KEPT * scores_BV.size:
            return self._pick(scores_BV)
        counts_B = np.bincount(lanes_N, minlength=len(scores_BV))
        places_N = np.arange(len(ids_N)) - np.repeat(counts_B.cumsum() - counts_B, counts_B)
        ids_BN = np.zeros((len(scores_BV), counts_B.max()), dtype=np.int64)
        ids_BN[lanes_N, places_N] = ids_N
        scores_BN = np.full(ids_BN.shape, -np.inf, dtype=np.float32)
        scores_BN[lanes_N, places_N] = scores_BV[lanes_N, ids_N]
        return np.take_along_axis(ids_BN, self._pick(scores_BN)[:, None], -1)[:, 0]

    def _pick(self, scores_BN: Scores) -> NDArray[np.int64]:
        """Filters, and draws by inverting the cumulative distribution at one uniform number a lane."""
        for apply in self._filters:
            scores_BN = apply(scores_BN)
        cumulative_BN = np.exp(scores_BN).cumsum(-1, dtype=np.float64)
        threshold_B1 = self._dice.roll() * cumulative_BN[:, -1:]
        places_B: NDArray[np.int64] = (cumulative_BN <= threshold_B1).sum(-1)
        return places_B

    def _discourage_repetition(self, scores_BV: Scores) -> Scores:
        if self._options.repetition_penalty != 1:
            scores_BV = penalise_repetition(scores_BV, self._history_BW, self._options.repetition_penalty)
        if self._options.no_repeat_ngram:
            scores_BV = forbid_repeated_ngram(scores_BV, self._history_BW, self._options.no_repeat_ngram)
        return scores_BV

    def _remember(self, ids_B: NDArray[np.int64]) -> None:
        said_B = np.flatnonzero(self._is_text_V[ids_B])
        self._history_BW[said_B, :-1] = self._history_BW[said_B, 1:]
        self._history_BW[said_B, -1] = ids_B[said_B]


def _allowed(logits_BV: NDArray[np.float32], forbidden_BV: NDArray[np.bool_]) -> Scores:
    """The scores of what may come, as numbers even where a model went wrong."""
    scores_BV = logits_BV.copy()
    np.copyto(scores_BV, -np.inf, where=forbidden_BV)
    if not np.isfinite(scores_BV.max(-1)).all():
        scores_BV = np.nan_to_num(logits_BV, nan=0.0, posinf=_LARGEST, neginf=-_LARGEST)
        np.copyto(scores_BV, -np.inf, where=forbidden_BV)
    return scores_BV


def _least(scores_BV: Scores, options: GenerateOptions) -> Scores | None:
    """A score below which the filters keep nothing, `least_B1`; None where looking at all is as well.

    The k-th of the maxima of groups of tokens is at most the k-th of all. What is far below the likeliest is
    not kept by `min_p`, nor is anything else changed by its going first, unless shares of all are asked for.
    """
    size, k = scores_BV.shape[-1], options.top_k
    if size <= _SMALL:
        return None
    if 0 < k <= size // _GROUP:
        groups_BGN = scores_BV[:, : size // _GROUP * _GROUP].reshape(len(scores_BV), _GROUP, -1)
        return np.partition(groups_BGN.max(1), -k)[:, -k, None]
    if options.min_p and options.top_p == options.typical == 1:
        best_B1 = scores_BV.max(-1, keepdims=True)
        below = 1.001 * options.temperature * math.log(options.min_p)  # a little more, as it is rounded
        least_B1: Scores = best_B1 + np.float32(below) - np.float32(1e-6) * np.abs(best_B1)
        return least_B1
    return None


def _filters(options: GenerateOptions) -> list[Filter]:
    """The functions that the options switch on, in the order of their use."""
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
