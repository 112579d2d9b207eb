"""Operations on scores in the kernel: drawing from them, and terms that are added to them.

They are defined by the modules that use them, where NumPy computes the same up to rounding: `sampling`,
`layout`, `turn_taking` and `voice` in `scriptforge.generation`.

Shape letters: B rows, V vocabulary, L layout tokens, E inputs of the head, S speakers, C = S + 1
cues, N numbers of lines.
"""

import ctypes
import math
from ctypes import c_double, c_float, c_int64, c_void_p
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scriptforge.kernel.library import Address, Kernel, address_of, threads


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
        log_min_p = math.log(min_p) if min_p else -math.inf
        self._sampling = _Sampling(
            size, len(is_spoken_L), address_of(self._is_spoken_L), min_p, log_min_p, temperature
        )
        self._sampling_address = ctypes.addressof(self._sampling)
        self._ids_B = np.zeros(rows, np.int64)
        self._ids = address_of(self._ids_B)

    def allow(
        self,
        logits_BV: NDArray[np.float32],
        forbidden_BV: NDArray[np.bool_],
        layout_BL: NDArray[np.float32] | None = None,
    ) -> None:
        """Copy the logits of tokens that are not forbidden into `scores_BV`, and set `text_logsumexp_B1`.

        Args:
            logits_BV: the logits.
            forbidden_BV: true where forbidden.
            layout_BL: in place of the logits of layout tokens; None for these.
        """
        if not logits_BV.shape == forbidden_BV.shape == self.scores_BV.shape:
            raise ValueError(f"a mask of {forbidden_BV.shape}, for scores of {logits_BV.shape}")
        logits_BV = np.ascontiguousarray(logits_BV, np.float32)
        forbidden_BV = np.ascontiguousarray(forbidden_BV, np.bool_)
        layout = 0
        if layout_BL is not None:
            if layout_BL.shape != (len(logits_BV), len(self._is_spoken_L)):
                raise ValueError(f"scores of {layout_BL.shape}, for {len(self._is_spoken_L)} layout tokens")
            layout_BL = np.ascontiguousarray(layout_BL, np.float32)
            layout = address_of(layout_BL)
        self._kernel.mask_logits(
            address_of(logits_BV),
            layout,
            address_of(forbidden_BV),
            *self._sizes,
            self._scores,
            self._text,
            threads(),
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
        if self._kernel.sample(
            self._sampling_address, self._scores, self._text, rolls, rolls + 8 * rows, rows, self._ids
        ):
            raise MemoryError
        return self._ids_B.copy()


class KernelLayout:
    """The scores of the layout tokens of B sequences; see `scriptforge.generation.layout`.

    Args:
        kernel: the compiled kernel.
        is_cue_L: which layout tokens, the first ids, are cues.
        rows: B.
    """

    def __init__(self, kernel: Kernel, is_cue_L: NDArray[np.bool_], rows: int) -> None:
        self._kernel = kernel
        self._is_cue_L = np.ascontiguousarray(is_cue_L, np.bool_)
        self._layout_BL = np.empty((rows, len(is_cue_L)), np.float32)
        self._is_cue, self._layout_scores = address_of(self._is_cue_L), address_of(self._layout_BL)
        self._before, self._after = Address(), Address()

    def redistribute(
        self, logits_BV: NDArray[np.float32], before_BV: NDArray[np.bool_], after_BV: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Return the scores of layout tokens, `layout_BL`; see `LayoutScores.redistribute`."""
        (rows, size), layout_size = logits_BV.shape, len(self._is_cue_L)
        if not before_BV.shape == after_BV.shape == (len(self._layout_BL), size) or layout_size > size:
            raise ValueError(
                f"masks of {before_BV.shape} and {after_BV.shape}, for scores of {logits_BV.shape}"
            )
        logits_BV = np.ascontiguousarray(logits_BV, np.float32)
        before_BV, after_BV = (np.ascontiguousarray(each, np.bool_) for each in (before_BV, after_BV))
        if self._kernel.redistribute_layout(
            address_of(logits_BV),
            self._before.of(before_BV),
            self._after.of(after_BV),
            self._is_cue,
            rows,
            size,
            layout_size,
            self._layout_scores,
        ):
            raise MemoryError
        return self._layout_BL


class TurnRates(NamedTuple):
    """Rates in people's text, and how much it matters to exceed them.

    Attributes:
        busiest: share of the lines of the busiest speaker.
        same_again: share of the lines at which the same speaker goes on.
        pseudocount: number of lines at these rates that are added to those of a text.
        next: number of lines that are counted in advance.
        least: lower limit of the expected number of lines.
        least_company: lower limit of the share of lines that companions said.
        busiest_power: exponent for the lines of a speaker.
        same_power: exponent for lines at which the same speaker goes on.
        newcomer_power: exponent for newcomers' lines.
        stranger_power: exponent of the share of lines that companions said.
    """

    busiest: float
    same_again: float
    pseudocount: float
    next: float
    least: float
    least_company: float
    busiest_power: float
    same_power: float
    newcomer_power: float
    stranger_power: float


class Spoken(NamedTuple):
    """Who spoke in the latest lines of a text.

    Attributes:
        current: index of the speaker of the last element; below 0 for one without a token.
        lines: number of the latest lines.
        so_far: number of all lines, but no more than matter.
        going_on: in how many of the latest lines the same speaker goes on.
        newcomers: how many of them are of newcomers.
    """

    current: int
    lines: int
    so_far: int
    going_on: int
    newcomers: int


class TurnTables(NamedTuple):
    """What the terms for the C = S + 1 cues of B texts are computed from, and the terms.

    Attributes:
        rates: the rates.
        newcomers_N: how many lines of newcomers are expected, by `Spoken.so_far`.
        cues_C: the tokens of the cues.
        spoken_BS: how many of the latest lines each speaker said; changed by the caller.
        company_BS: how many of them the companions of each speaker said, themselves included; likewise.
        offsets_BC: the terms; changed in place.
    """

    rates: TurnRates
    newcomers_N: NDArray[np.float64]
    cues_C: NDArray[np.int32]
    spoken_BS: NDArray[np.int32]
    company_BS: NDArray[np.int32]
    offsets_BC: NDArray[np.float32]


class KernelTurns:
    """Terms for the cues of B texts.

    Args:
        kernel: the compiled kernel.
        tables: what they are computed from.
    """

    def __init__(self, kernel: Kernel, tables: TurnTables) -> None:
        self._kernel = kernel
        self._tables = tables
        rates, newcomers_N, cues_C, spoken_BS, company_BS, offsets_BC = tables
        self._spoken, self._company, self._offsets = map(address_of, (spoken_BS, company_BS, offsets_BC))
        self._widths = spoken_BS.strides[0], offsets_BC.strides[0]
        self._cues, self._last_cue = address_of(cues_C), int(cues_C.max())
        self._rates = _TurnRates(spoken_BS.shape[1], address_of(newcomers_N), *rates)
        self._address = ctypes.addressof(self._rates)

    def weigh(self, row: int, spoken: Spoken) -> None:
        """Update the terms of one text."""
        of_spoken, of_offsets = self._widths
        spoken_S, company_S = self._spoken + row * of_spoken, self._company + row * of_spoken
        offsets_C = self._offsets + row * of_offsets
        self._kernel.turn_offsets(self._address, spoken_S, company_S, *spoken, offsets_C)

    def lower(self, scores_BV: NDArray[np.float32]) -> None:
        """Add the terms to scores in place, keeping the total probability of the cues."""
        rows, size = scores_BV.shape
        texts, count = self._tables.offsets_BC.shape
        if rows != texts or size <= self._last_cue:
            raise ValueError(f"scores of {scores_BV.shape}, for the cues of {texts} texts")
        scores = address_of(scores_BV)
        if self._kernel.offset_scores(scores, rows, size, self._cues, count, self._offsets):
            raise MemoryError


class KernelGuidance:
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
        status = self._kernel.guide_scores(
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


class _Sampling(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("size", "layout")),
        ("is_spoken", c_void_p),
        *((name, c_float) for name in ("min_p", "log_min_p", "temperature")),
    )


class _TurnRates(ctypes.Structure):
    _fields_ = (
        ("speakers", c_int64),
        ("newcomers", c_void_p),
        *((name, c_double) for name in TurnRates._fields),
    )
