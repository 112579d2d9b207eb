"""What is done with scores, in the kernel: each function is one call of it, for all rows at once.

What it computes is defined where it is used: `scriptforge.generation.sampling`, `turn_taking`, `voice` and
`echoes`, and `scriptforge.run.echoes`. There NumPy computes the same, up to rounding.

Shape letters: B rows, V vocabulary, L layout tokens, S some tokens, E what the head reads, C capacity, O
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

NO_TEXT, NOTHING = -2, -3
"""In place of a token's id: a token that is not text came, or none."""


class Drawing:
    """Draws a token for each of B sequences, by temperature and min-p; the scores are in memory of its own.

    Args:
        kernel: what computes.
        rows: B.
        size: V.
        is_spoken_L: the layout tokens that min-p holds for.
        temperature: above 0, if there are draws.
        min_p: 0 for none.

    Attributes:
        scores_BV: what may come, minus infinity for what must not.
        text_B1: the logarithm of the sum of text's exponentials.
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
        self.text_B1 = np.empty((rows, 1))
        self._scores, self._text = address_of(self.scores_BV), address_of(self.text_B1)
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
        """Take the scores of what may come."""
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
            rolls_2B: by what a text token is drawn, in 0 ≤ x < 1, and then by what it is decided whether a
                layout token comes, and which.
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


def with_ends_kept(
    kernel: Kernel,
    logits_BV: NDArray[np.float32],
    before_BV: NDArray[np.bool_],
    after_BV: NDArray[np.bool_],
    layout_size: int,
) -> NDArray[np.float32]:
    """Return scores in which the layout tokens that are still allowed have the probability of all that were.

    Args:
        kernel: what computes.
        logits_BV: scores.
        before_BV: which tokens were forbidden.
        after_BV: which are now.
        layout_size: L.
    """
    rows, size = logits_BV.shape
    if not before_BV.shape == after_BV.shape == (rows, size):
        raise ValueError(f"masks of {before_BV.shape} and {after_BV.shape}, for scores of {logits_BV.shape}")
    masks = [np.ascontiguousarray(each_BV, np.bool_) for each_BV in (before_BV, after_BV)]
    raised_BV = np.array(logits_BV, np.float32, order="C")
    kernel.keep_ends(address_of(raised_BV), *map(address_of, masks), rows, size, layout_size)
    return raised_BV


class Lowering:
    """Lowers the scores of some tokens, all of which together stay as likely as they are.

    Args:
        kernel: what computes.
        ids_S: the tokens.
        offsets_BS: what is added to their scores in each row; may change between calls.
    """

    def __init__(self, kernel: Kernel, ids_S: NDArray[np.int64], offsets_BS: NDArray[np.float32]) -> None:
        self._kernel = kernel
        self._ids_S = ids_S.astype(np.int32)
        self._most = int(ids_S.max())
        self._offsets_BS = offsets_BS
        self._addresses = address_of(self._ids_S), len(ids_S), address_of(offsets_BS)

    def lower(self, scores_BV: NDArray[np.float32]) -> None:
        """Add the offsets to scores, which are changed."""
        rows, size = scores_BV.shape
        if rows != len(self._offsets_BS) or size <= self._most:
            raise ValueError(f"scores of {scores_BV.shape}, for offsets of {self._offsets_BS.shape}")
        if self._kernel.lower(address_of(scores_BV), rows, size, *self._addresses):
            raise MemoryError


class Guide:
    """Strengthens what one text expects and another does not, among plausible tokens.

    Args:
        kernel: what computes.
        weight_VE: the head's.
        layout_size: L.
        distance: how far below the best text token's score a token is plausible, in nats.
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
        """Change scores, so that those of all plausible tokens together stay as likely as they are.

        Args:
            scores_BV: are changed.
            differences_BE: between what the head reads for one text and for the other.
            strengths_B: how much each row is strengthened.
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
    """When echoes are too many, and what is done then.

    Attributes:
        lengths: O = 3 of them, rising.
        kept: how much of the counts is left after one more token.
        settling: echoes that may come before there are too many.
        power: of how many times too many they are.
        most: the logarithm by which the odds of an echo of one length are lowered at most.
    """

    lengths: Sequence[int]
    kept: float
    settling: float
    power: float
    most: float


class EchoMemory:
    """The latest part of B texts, and what in it is as their ends are.

    Args:
        kernel: what computes.
        ids_BC: the latest tokens, -1 where there is no text.
        matches_BC: how many tokens up to each are as those at the end.
        counts_2BO: how many echoes of each length came, and how many would have come from people.
        rule: what else is known.
    """

    def __init__(
        self,
        kernel: Kernel,
        ids_BC: NDArray[np.int32],
        matches_BC: NDArray[np.uint8],
        counts_2BO: NDArray[np.float64],
        rule: EchoRule,
    ) -> None:
        self._kernel = kernel
        rows, capacity = ids_BC.shape
        self._memory: list[NDArray[Any]] = [ids_BC, matches_BC, *counts_2BO]
        self._recent = _Recent(rows, capacity, capacity // 2, *map(address_of, self._memory))
        self._recent.lengths[:] = rule.lengths
        self._recent.kept, self._recent.settling = rule.kept, rule.settling
        self._recent.power, self._recent.most = rule.power, rule.most
        self._address = ctypes.addressof(self._recent)
        self._scores, self._text = Address(), Address()

    def take(self, stop: int, own_B: NDArray[np.int32], shares_O: NDArray[np.float64]) -> None:
        """Take a token in each row.

        Args:
            stop: how many are before it, below C.
            own_B: its id, or `NO_TEXT`, or `NOTHING`.
            shares_O: of people's tokens that end an echo of each length, at this place.
        """
        self._kernel.remember(self._address, stop, address_of(own_B), address_of(shares_O))

    def discourage(
        self, stop: int, scores_BV: NDArray[np.float32], layout_size: int, text_B1: NDArray[Any]
    ) -> None:
        """Lower the scores of echoes, and raise the other text of their row as much.

        Args:
            stop: how many tokens there are.
            scores_BV: are changed.
            layout_size: L.
            text_B1: the logarithm of the sum of text's exponentials.
        """
        size = scores_BV.shape[1]
        text_B1 = np.ascontiguousarray(text_B1, np.float64)
        scores, text = self._scores.of(scores_BV), self._text.of(text_B1)
        if self._kernel.discourage(self._address, stop, scores, size, layout_size, text):
            raise MemoryError


class UsageRule(NamedTuple):
    """When tokens come too often, and what is done then.

    Attributes:
        every: after how many tokens the counts count less.
        kept: how much of them is left then.
        settling: added to what came and to what was expected.
        power: of how many times too often they come.
        most: the logarithm by which the odds of one are lowered at most.
    """

    every: int
    kept: float
    settling: float
    power: float
    most: float


class UsageCounts(NamedTuple):
    """How often each token came in B texts.

    Attributes:
        counts_BV: how often.
        factors_BV: what is added to the scores, 0 or less.
        totals_B: the sums of the counts.
        steps_B: how many tokens came.
    """

    counts_BV: NDArray[np.float64]
    factors_BV: NDArray[np.float32]
    totals_B: NDArray[np.float64]
    steps_B: NDArray[np.int64]


class TokenUsage:
    """Keeps count of tokens, and lowers the scores of those that came too often.

    Args:
        kernel: what computes.
        counts: are changed.
        shares_V: how often people use each token; 0 of layout.
        layout_size: L.
        rule: what else is known.
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
        """Take a token in each row, below 0 where no text comes."""
        self._kernel.count_usage(self._address, address_of(own_B))

    def lower(self, scores_BV: NDArray[np.float32], text_B1: NDArray[Any]) -> None:
        """Lower the scores of what came too often, and raise all text of their row as much.

        Args:
            scores_BV: are changed.
            text_B1: the logarithm of the sum of text's exponentials.
        """
        if scores_BV.shape != self._shape:
            raise ValueError(f"scores of {scores_BV.shape}, for counts of {self._shape}")
        text_B1 = np.ascontiguousarray(text_B1, np.float64)
        self._kernel.lower_usage(self._address, self._scores.of(scores_BV), self._text.of(text_B1))


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
        *((name, c_double) for name in ("kept", "settling", "power", "most")),
    )


class _Usage(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("rows", "size", "layout")),
        *((name, c_void_p) for name in ("counts", "factors", "totals", "steps", "shares")),
        ("every", c_int64),
        *((name, c_double) for name in ("kept", "settling", "power", "most")),
    )
