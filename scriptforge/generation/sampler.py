"""Choosing the next token: each option is one small function from scores to scores, then one draw.

A filter forbids a token by setting its score to minus infinity, and none ever forbids the last one left.
Knows nothing of models, and of tokens only which are text.

Shape letters: B lanes, V vocabulary, W remembered tokens.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from scriptforge.generation.dice import Dice
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
_FIRST_LOOK = 128

Filter: TypeAlias = Callable[[Tensor], Tensor]


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


def scale(logits_BV: Tensor, temperature: float) -> Tensor:
    """Divides by the temperature; the likeliest token gets 0.

    Source: Ackley, Hinton and Sejnowski 1985, "A Learning Algorithm for Boltzmann Machines".
    """
    return (logits_BV - logits_BV.amax(-1, keepdim=True)) / temperature


def keep_top_k(logits_BV: Tensor, k: int) -> Tensor:
    """Keeps the k likeliest tokens, and those as likely as the last of them.

    Source: Fan, Lewis and Dauphin 2018, arXiv:1805.04833.
    """
    least_B1 = logits_BV.topk(min(k, logits_BV.shape[-1])).values[:, -1:]
    return logits_BV.masked_fill(logits_BV < least_B1, -math.inf)


def keep_top_p(logits_BV: Tensor, mass: float) -> Tensor:
    """Keeps the fewest, likeliest tokens whose probabilities add up to `mass`.

    Source: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", arXiv:1904.09751.
    """
    probabilities_BV = logits_BV.softmax(-1)
    return _keep_best(logits_BV, probabilities_BV, probabilities_BV, mass)


def keep_typical(logits_BV: Tensor, mass: float) -> Tensor:
    """Keeps the tokens whose surprise is nearest to the expected one, up to a probability of `mass`.

    Source: Meister et al. 2023, "Locally Typical Sampling", arXiv:2202.00666.
    """
    logarithms_BV = logits_BV.log_softmax(-1)
    probabilities_BV = logarithms_BV.exp()
    expected_B1 = torch.special.entr(probabilities_BV).sum(-1, keepdim=True)
    typicality_BV = -(logarithms_BV + expected_B1).abs()
    return _keep_best(logits_BV, typicality_BV, probabilities_BV, mass)


def keep_min_p(logits_BV: Tensor, share: float) -> Tensor:
    """Keeps the tokens at least `share` times as likely as the likeliest.

    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling", arXiv:2407.01082.
    """
    least_B1 = logits_BV.amax(-1, keepdim=True) + math.log(share)
    return logits_BV.masked_fill(logits_BV < least_B1, -math.inf)


def _keep_best(logits_BV: Tensor, scores_BV: Tensor, probabilities_BV: Tensor, mass: float) -> Tensor:
    """Keeps tokens from the highest score down until their probability reaches `mass`, one at least.

    Looks at the best few first, and at more only where these do not suffice.
    """
    size, looked = logits_BV.shape[-1], _FIRST_LOOK
    while True:
        best_BK = scores_BV.topk(min(looked, size)).indices
        reached_BK = probabilities_BV.gather(-1, best_BK).cumsum(-1)
        if looked >= size or bool((reached_BK[:, -1] >= mass).all()):
            break
        looked *= 8
    kept_BK = torch.ones_like(reached_BK, dtype=torch.bool)
    kept_BK[:, 1:] = reached_BK[:, :-1] < mass
    kept_BV = torch.zeros_like(logits_BV, dtype=torch.bool).scatter_(-1, best_BK, kept_BK)
    return logits_BV.masked_fill(~kept_BV, -math.inf)


def penalise_repetition(logits_BV: Tensor, history_BW: Tensor, penalty: float) -> Tensor:
    """Makes tokens that occur in the history less likely: positive scores divided, negative multiplied.

    Args:
        logits_BV: scores.
        history_BW: ids in 0 … V, of which V stands for nothing.
        penalty: 1 or more.

    Source: Keskar et al. 2019, "CTRL", arXiv:1909.05858, for positive scores.
    """
    occurred_BV = _marked(history_BW, logits_BV)
    penalised_BV = torch.where(logits_BV > 0, logits_BV / penalty, logits_BV * penalty)
    return torch.where(occurred_BV, penalised_BV, logits_BV)


def forbid_repeated_ngram(logits_BV: Tensor, history_BW: Tensor, n: int) -> Tensor:
    """Forbids each token that would complete a run of n tokens found in the history.

    Where that leaves a lane nothing, the lane is left as it was.

    Args:
        logits_BV: scores.
        history_BW: ids in 0 … V, of which V stands for nothing; the latest last.
        n: tokens in a run, 1 or more.

    Source: Paulus, Xiong and Socher 2018, "A Deep Reinforced Model for Abstractive Summarization",
        arXiv:1705.04304.
    """
    runs_BRn = history_BW.unfold(1, n, 1)
    begun_B1n = history_BW[:, None, history_BW.shape[1] - n + 1 :]
    matches_BR = (runs_BRn[:, :, :-1] == begun_B1n).all(-1)
    completions_BR = runs_BRn[:, :, -1].masked_fill(~matches_BR, logits_BV.shape[-1])
    filtered_BV = logits_BV.masked_fill(_marked(completions_BR, logits_BV), -math.inf)
    stuck_B1 = (filtered_BV == -math.inf).all(-1, keepdim=True)
    return torch.where(stuck_B1, logits_BV, filtered_BV)


def _marked(ids_BN: Tensor, logits_BV: Tensor) -> Tensor:
    """Which of the V tokens occur among the ids, where an id of V stands for nothing."""
    lanes, size = logits_BV.shape
    marks = torch.zeros(lanes, size + 1, dtype=torch.bool, device=logits_BV.device)
    return marks.scatter_(1, ids_BN, True)[:, :size]


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
        self._is_text_V = is_text_V
        self._filters = _filters(options)
        self._remembers = options.repetition_penalty != 1 or options.no_repeat_ngram > 0
        self._history_BW = torch.full((len(seeds), MEMORY), len(is_text_V), device=is_text_V.device)

    def draw(self, logits_BV: Tensor, forbidden_BV: Tensor) -> Tensor:
        """The next token of each lane.

        Args:
            logits_BV: the model's scores.
            forbidden_BV: tokens that must not come, true where forbidden; something is left in each lane.

        Returns:
            ids_B: int64, of which none is forbidden.
        """
        logits_BV = logits_BV.float().nan_to_num(0.0, _LARGEST, -_LARGEST)
        logits_BV = logits_BV.masked_fill(forbidden_BV, -math.inf)
        if self._remembers:
            logits_BV = self._discourage_repetition(logits_BV)
        if self._options.temperature < _COLDEST:
            ids_B = logits_BV.argmax(-1)
        else:
            for apply in self._filters:
                logits_BV = apply(logits_BV)
            ids_B = self._pick(logits_BV)
        if self._remembers:
            self._remember(ids_B)
        return ids_B

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
            for ids_B in ids_TB:
                self._remember(ids_B)

    def _pick(self, logits_BV: Tensor) -> Tensor:
        """Draws by inverting the cumulative distribution at one uniform number a lane."""
        cumulative_BV = logits_BV.softmax(-1, dtype=torch.float64).cumsum(-1)
        threshold_B1 = self._dice.roll().to(cumulative_BV) * cumulative_BV[:, -1:]
        return torch.searchsorted(cumulative_BV, threshold_B1, right=True).squeeze(-1)

    def _discourage_repetition(self, logits_BV: Tensor) -> Tensor:
        if self._options.repetition_penalty != 1:
            logits_BV = penalise_repetition(logits_BV, self._history_BW, self._options.repetition_penalty)
        if self._options.no_repeat_ngram:
            logits_BV = forbid_repeated_ngram(logits_BV, self._history_BW, self._options.no_repeat_ngram)
        return logits_BV

    def _remember(self, ids_B: Tensor) -> None:
        longer_BW = torch.cat([self._history_BW[:, 1:], ids_B[:, None]], dim=1)
        self._history_BW = torch.where(self._is_text_V[ids_B][:, None], longer_BW, self._history_BW)


def _filters(options: SamplingOptions) -> list[Filter]:
    """The functions that the options switch on, in the order of their use."""
    filters: list[Filter] = []
    if options.temperature != 1:
        filters.append(partial(scale, temperature=options.temperature))
    if options.top_k:
        filters.append(partial(keep_top_k, k=options.top_k))
    if options.top_p < 1:
        filters.append(partial(keep_top_p, mass=options.top_p))
    if options.typical < 1:
        filters.append(partial(keep_typical, mass=options.typical))
    if options.min_p:
        filters.append(partial(keep_min_p, share=options.min_p))
    return filters
