"""Operations on scores, each one call into the kernel for all rows at once.

They are defined by the modules that use them, where NumPy computes the same up to rounding: `sampling`,
`decoding`, `turn_taking`, `voice`, `echoes` and `overuse` in `scriptforge.generation`.

Shape letters: B rows, V vocabulary, L layout tokens, S selected tokens, E inputs of the head, C capacity, O
lengths of echoes.
"""

import ctypes
import math
from collections.abc import Sequence
from ctypes import c_double, c_float, c_int64, c_void_p
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scriptforge.inference.kernel import Address, Kernel, address_of

APART, NO_TEXT, NOTHING = -1, -2, -3
"""In place of a token's id: no text, in `EchoArrays`; a token that is not text, or none, in what is taken."""


class KernelSampler:
    """A sampler of B sequences, by temperature and min-p, with its own buffer of scores.

    Args:
        kernel: the compiled kernel.
        rows: B.
        size: V.
        is_spoken_L: the layout tokens that min-p applies to.
        temperature: above 0 if `draw` is called.
        min_p: 0 to leave min-p out.

    Attributes:
        scores_BV: the scores, minus infinity for forbidden tokens.
        text_logsumexp_B1: log-sum-exp of the scores of each row's text tokens.
    """

    def __init__(
        self,
        kernel: Kernel,
        rows: int,
        size: int,
        is_spoken_L: NDArray[np.bool_],
        *,
        temperature: float,
        min_p: float,
    ) -> None:
        self._kernel = kernel
        self.scores_BV = np.empty((rows, size), np.float32)
        self.text_logsumexp_B1 = np.empty((rows, 1))
        self._scores, self._text = address_of(self.scores_BV), address_of(self.text_logsumexp_B1)
        self._is_spoken_L = np.ascontiguousarray(is_spoken_L, np.bool_)
        self._sizes = rows, size, len(is_spoken_L)
        logarithm = math.log(min_p) if min_p else -math.inf
        self._rule = _Rule(
            size, len(is_spoken_L), address_of(self._is_spoken_L), min_p, logarithm, temperature
        )
        self._rule_address = ctypes.addressof(self._rule)
        self._ids_B = np.zeros(rows, np.int64)
        self._ids = address_of(self._ids_B)

    def allow(self, logits_BV: NDArray[np.float32], forbidden_BV: NDArray[np.bool_]) -> None:
        """Copy the logits of tokens that are not forbidden into `scores_BV`, and set `text_logsumexp_B1`."""
        if not logits_BV.shape == forbidden_BV.shape == self.scores_BV.shape:
            raise ValueError(f"a mask of {forbidden_BV.shape}, for scores of {logits_BV.shape}")
        logits_BV = np.ascontiguousarray(logits_BV, np.float32)
        forbidden_BV = np.ascontiguousarray(forbidden_BV, np.bool_)
        self._kernel.allow(
            address_of(logits_BV), address_of(forbidden_BV), *self._sizes, self._scores, self._text
        )

    def draw(self, rolls_2B: NDArray[np.float64]) -> NDArray[np.int64]:
        """Draw a token in each row: `ids_B`.

        Args:
            rolls_2B: uniform random numbers in 0 ≤ x < 1: the first draws a text token, the second decides
                whether a layout token comes instead, and which.
        """
        rows = len(self.scores_BV)
        if rolls_2B.shape != (2, rows):
            raise ValueError(f"rolls of {rolls_2B.shape}, for {rows} sequences")
        rolls_2B = np.ascontiguousarray(rolls_2B, np.float64)
        rolls = address_of(rolls_2B)
        if self._kernel.pick(
            self._rule_address, self._scores, self._text, rolls, rolls + 8 * rows, rows, self._ids
        ):
            raise MemoryError
        return self._ids_B.copy()


def raise_allowed_cues(
    kernel: Kernel,
    logits_BV: NDArray[np.float32],
    before_BV: NDArray[np.bool_],
    after_BV: NDArray[np.bool_],
    is_cue_L: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return scores that give the allowed cues the probability of layout tokens that are now forbidden.

    Args:
        kernel: the compiled kernel.
        logits_BV: the scores before.
        before_BV: tokens that were forbidden before.
        after_BV: tokens that are forbidden now.
        is_cue_L: which layout tokens are cues; without an allowed one, all allowed layout tokens gain.
    """
    rows, size = logits_BV.shape
    if not before_BV.shape == after_BV.shape == (rows, size) or len(is_cue_L) > size:
        raise ValueError(f"masks of {before_BV.shape} and {after_BV.shape}, for scores of {logits_BV.shape}")
    masks = [np.ascontiguousarray(each, np.bool_) for each in (before_BV, after_BV, is_cue_L)]
    raised_BV = np.array(logits_BV, np.float32, order="C")
    addresses = map(address_of, (raised_BV, *masks))
    if kernel.redistribute_layout(*addresses, rows, size, len(is_cue_L)):
        raise MemoryError
    return raised_BV


class Lowering:
    """Offsets for the scores of some tokens, whose total probability stays the same.

    Args:
        kernel: the compiled kernel.
        ids_S: the tokens.
        offsets_BS: added to their scores in each row; may change between calls.
    """

    def __init__(self, kernel: Kernel, ids_S: NDArray[np.int64], offsets_BS: NDArray[np.float32]) -> None:
        self._kernel = kernel
        self._ids_S = ids_S.astype(np.int32)
        self._most = int(ids_S.max())
        self._offsets_BS = offsets_BS
        self._addresses = address_of(self._ids_S), len(ids_S), address_of(offsets_BS)

    def lower(self, scores_BV: NDArray[np.float32]) -> None:
        """Add the offsets to scores in place, keeping the total probability."""
        rows, size = scores_BV.shape
        if rows != len(self._offsets_BS) or size <= self._most:
            raise ValueError(f"scores of {scores_BV.shape}, for offsets of {self._offsets_BS.shape}")
        if self._kernel.lower(address_of(scores_BV), rows, size, *self._addresses):
            raise MemoryError


class Guidance:
    """Guidance towards the tokens that one text makes likelier than another does, among plausible ones.

    Args:
        kernel: the compiled kernel.
        weight_VE: the weight of the head.
        layout_size: L.
        distance: how far below the best text token's score a token is still plausible, in nats.
    """

    def __init__(
        self, kernel: Kernel, weight_VE: NDArray[np.float32], layout_size: int, distance: float
    ) -> None:
        self._kernel = kernel
        self._weight_VE = np.ascontiguousarray(weight_VE, np.float32)
        self._address = address_of(self._weight_VE)
        self._layout_size, self._distance = layout_size, distance
        self._strengths = Address()

    def strengthen(
        self,
        scores_BV: NDArray[np.float32],
        differences_BE: NDArray[np.float32],
        strengths_B: NDArray[np.float32],
    ) -> None:
        """Guide scores in place; the total probability of the plausible tokens stays the same.

        Args:
            scores_BV: changed in place.
            differences_BE: inputs of the head for the one text minus those for the other.
            strengths_B: factor of the differences in each row; 0 leaves a row as it is.
        """
        rows, size = scores_BV.shape
        width = self._weight_VE.shape[1]
        differences_BE = np.ascontiguousarray(differences_BE, np.float32)
        if len(self._weight_VE) != size or differences_BE.shape != (rows, width) or len(strengths_B) != rows:
            raise ValueError(f"differences of {differences_BE.shape}, for scores of {scores_BV.shape}")
        status = self._kernel.strengthen(
            address_of(scores_BV),
            rows,
            size,
            self._layout_size,
            self._distance,
            self._address,
            width,
            address_of(differences_BE),
            self._strengths.of(strengths_B),
        )
        if status:
            raise MemoryError


class EchoRule(NamedTuple):
    """How many echoes are too many, and how much they are then penalised.

    Attributes:
        lengths: the O = 3 lengths of echoes, in tokens, rising.
        decay: factor by which the counts decay per token.
        pseudocount: pseudo-count added to the echoes that came and to those expected.
        power: exponent of the ratio of expected to actual echoes, the factor of an echo's odds.
        max_penalty: upper limit, in nats, of the penalty for an echo of one length.
    """

    lengths: Sequence[int]
    decay: float
    pseudocount: float
    power: float
    max_penalty: float


class EchoArrays(NamedTuple):
    """The latest tokens of B texts, where they match the ends of the texts, and how many echoes there were.

    Attributes:
        ids_BC: the latest token ids, `APART` where there is no text; echoes are looked for C / 2 tokens back.
        matches_BC: for each token, how many tokens up to it match the end of the text.
        came_BO: how many echoes of each length came.
        expected_BO: how many are expected of people.
    """

    ids_BC: NDArray[np.int32]
    matches_BC: NDArray[np.uint8]
    came_BO: NDArray[np.float64]
    expected_BO: NDArray[np.float64]


class EchoMemory:
    """The penalty on echoes of the latest tokens of B texts.

    Args:
        kernel: the compiled kernel.
        arrays: shared with the caller; the kernel, which has their addresses, changes all of them in place.
        rule: the limits and the penalty.
    """

    def __init__(self, kernel: Kernel, arrays: EchoArrays, rule: EchoRule) -> None:
        self._kernel = kernel
        rows, capacity = arrays.ids_BC.shape
        self._memory: list[NDArray[Any]] = [*arrays]
        self._recent = _Recent(rows, capacity, capacity // 2, *map(address_of, self._memory))
        self._recent.lengths[:] = rule.lengths
        self._recent.decay, self._recent.pseudocount = rule.decay, rule.pseudocount
        self._recent.power, self._recent.max_penalty = rule.power, rule.max_penalty
        self._address = ctypes.addressof(self._recent)
        self._scores, self._text = Address(), Address()

    def take(self, stop: int, own_B: NDArray[np.int32], shares_O: NDArray[np.float64]) -> None:
        """Append a token to each row.

        Args:
            stop: number of tokens before it, below C.
            own_B: its id, or `NO_TEXT`, or `NOTHING`.
            shares_O: share of people's tokens that end an echo of each length, at this place in a text.
        """
        self._kernel.remember(self._address, stop, address_of(own_B), address_of(shares_O))

    def discourage(
        self, stop: int, scores_BV: NDArray[np.float32], layout_size: int, text_logsumexp_B1: NDArray[Any]
    ) -> None:
        """Lower the scores of tokens that would end an echo; the probability of all text stays the same.

        Args:
            stop: number of tokens so far.
            scores_BV: changed in place.
            layout_size: L.
            text_logsumexp_B1: log-sum-exp of the scores of each row's text tokens.
        """
        size = scores_BV.shape[1]
        text_logsumexp_B1 = np.ascontiguousarray(text_logsumexp_B1, np.float64)
        scores, text = self._scores.of(scores_BV), self._text.of(text_logsumexp_B1)
        if self._kernel.discourage(self._address, stop, scores, size, layout_size, text):
            raise MemoryError


class UsageRule(NamedTuple):
    """How often a token comes too often, and how much it is then penalised.

    Attributes:
        decay_interval: number of text tokens after which the counts decay.
        decay: factor by which they then decay.
        pseudocount: pseudo-count added to the actual and the expected count.
        power: exponent of the ratio of expected to actual count, the factor of a token's odds.
        max_penalty: upper limit, in nats, of the penalty.
        power_growth: growth of the exponent, relative to `power`, per expected token.
    """

    decay_interval: int
    decay: float
    pseudocount: float
    power: float
    max_penalty: float
    power_growth: float


class UsageCounts(NamedTuple):
    """How often each token came in B texts.

    Attributes:
        counts_BV: the count of each token, which decays.
        factors_BV: added to the scores, 0 or less.
        totals_B: the sum of each text's counts.
        steps_B: number of text tokens so far.
    """

    counts_BV: NDArray[np.float64]
    factors_BV: NDArray[np.float32]
    totals_B: NDArray[np.float64]
    steps_B: NDArray[np.int64]


class TokenUsage:
    """The counts of tokens, and penalties for those that came too often.

    Args:
        kernel: the compiled kernel.
        counts: shared with the caller; the kernel, which has their addresses, changes all of them in place.
        shares_V: each token's share of people's text; 0 for layout.
        layout_size: L.
        rule: the limits and the penalty.
    """

    def __init__(
        self,
        kernel: Kernel,
        counts: UsageCounts,
        shares_V: NDArray[np.float64],
        layout_size: int,
        rule: UsageRule,
    ) -> None:
        self._kernel = kernel
        self._shape = counts.counts_BV.shape
        self._memory: list[NDArray[Any]] = [*counts, shares_V]
        self._usage = _Usage(*self._shape, layout_size, *map(address_of, self._memory), *rule)
        self._address = ctypes.addressof(self._usage)
        self._scores, self._text = Address(), Address()

    def take(self, own_B: NDArray[np.int32]) -> None:
        """Count a token in each row; a row whose id is below 0 has none."""
        self._kernel.count_usage(self._address, address_of(own_B))

    def lower(self, scores_BV: NDArray[np.float32], text_logsumexp_B1: NDArray[Any]) -> None:
        """Lower the scores of tokens that came too often; the probability of all text stays the same.

        Args:
            scores_BV: changed in place.
            text_logsumexp_B1: log-sum-exp of the scores of each row's text tokens.
        """
        if scores_BV.shape != self._shape:
            raise ValueError(f"scores of {scores_BV.shape}, for counts of {self._shape}")
        text_logsumexp_B1 = np.ascontiguousarray(text_logsumexp_B1, np.float64)
        self._kernel.lower_usage(self._address, self._scores.of(scores_BV), self._text.of(text_logsumexp_B1))


class _Rule(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("size", "layout")),
        ("is_spoken", c_void_p),
        *((name, c_float) for name in ("minimum", "logarithm", "temperature")),
    )


class _Recent(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("rows", "capacity", "window")),
        *((name, c_void_p) for name in ("ids", "matches", "came", "expected")),
        ("lengths", c_int64 * 3),
        *((name, c_double) for name in ("decay", "pseudocount", "power", "max_penalty")),
    )


class _Usage(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("rows", "size", "layout")),
        *((name, c_void_p) for name in ("counts", "factors", "totals", "steps", "shares")),
        ("decay_interval", c_int64),
        *((name, c_double) for name in ("decay", "pseudocount", "power", "max_penalty", "power_growth")),
    )
