"""Choosing the next token: filters, then one draw.

Of a large vocabulary the filters see those tokens alone that they could leave. For so little work NumPy is
faster than PyTorch. Knows nothing of models, and of tokens only which are text.

Shape letters: B lanes, V vocabulary, N tokens looked at, W remembered tokens, T steps.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scriptforge.generation.dice import Dice
from scriptforge.generation.filters import (
    Filter,
    Scores,
    forbid_repeated_ngram,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    keep_typical,
    penalise_repetition,
    scale,
)
from scriptforge.generation.ranges import check_ranges

MEMORY = 256
"""How many text tokens back repetition is looked for."""

_RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 100),
    "top_k": (0, 1_000_000),
    "top_p": (0, 1),
    "min_p": (0, 1),
    "typical": (0, 1),
    "repetition_penalty": (1, 10),
    "no_repeat_ngram": (0, 32),
}
_COLDEST = 1e-3
_LARGEST = 1e30  # a model gone wrong scores with infinities and what is no number; draws go on all the same
_SMALL = 1024  # tokens among which looking for the few that matter takes longer than looking at all
_GROUP = 64
_MOST_KEPT = 1 / 32  # of all tokens; to gather more takes longer than to look at all


@dataclass(frozen=True)
class SamplingOptions:
    """How bold the choice of the next token is.

    Attributes:
        temperature: 0 takes the likeliest token always, 1 draws as the model says, more is wilder; 0 to 100.
        top_k: draw from the k likeliest tokens; 0 is off.
        top_p: draw from the likeliest tokens that together have this probability, 0 to 1; 1 is off.
        min_p: leave out tokens less likely than this share of the likeliest one's probability, 0 to 1; 0 is
            off.
        typical: draw from the tokens nearest to the expected surprise that together have this probability,
            0 to 1; 1 is off.
        repetition_penalty: how much less likely a text token becomes by having occurred lately, 1 to 10;
            1 is off.
        no_repeat_ngram: never write the same run of so many text tokens twice within `MEMORY` tokens,
            0 to 32; 0 is off.

    Raises:
        UsageError: a value is out of its range.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.05
    typical: float = 1.0
    repetition_penalty: float = 1.0
    no_repeat_ngram: int = 0

    def __post_init__(self) -> None:
        check_ranges(self, _RANGES, "The")


class Sampler:
    """Draws one token a step for each of B lanes, and remembers what repetition is measured against.

    Args:
        options: how bold to be.
        seeds: one for each lane; a lane draws the same numbers however many lanes there are.
        is_text_V: which tokens are text; the others may repeat freely.
    """

    def __init__(self, options: SamplingOptions, seeds: Sequence[int], is_text_V: Tensor) -> None:
        self._options = options
        self._dice = Dice(seeds)
        self._is_text_V = is_text_V.numpy()
        self._filters = _filters(options)
        self._remembers = options.repetition_penalty != 1 or options.no_repeat_ngram > 0
        self._history_BW = np.full((len(seeds), MEMORY), len(is_text_V))

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


def _least(scores_BV: Scores, options: SamplingOptions) -> Scores | None:
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


def _filters(options: SamplingOptions) -> list[Filter]:
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
