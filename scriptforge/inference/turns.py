"""Terms for the scores of cues, by who has spoken, computed by the kernel.

`scriptforge.generation.turn_taking` defines them, and computes the same without the kernel.

Shape letters: B texts, S speakers, C cues, N numbers of lines.
"""

import ctypes
from ctypes import c_double, c_int64, c_void_p
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scriptforge.inference.kernel import Kernel, address_of


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
        companions_SS: 1 for each two speakers who are companions, else 0.
        newcomers_N: how many lines of newcomers are expected, by `Spoken.so_far`.
        spoken_BS: how many of the latest lines each speaker said; changed by the caller.
        offsets_BC: the terms; changed in place.
    """

    rates: TurnRates
    companions_SS: NDArray[np.float32]
    newcomers_N: NDArray[np.float64]
    spoken_BS: NDArray[np.int32]
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
        rates, companions_SS, newcomers_N, spoken_BS, offsets_BC = tables
        speakers = spoken_BS.shape[1]
        self._room_S = np.empty(speakers, np.float32)
        companions, newcomers = address_of(companions_SS), address_of(newcomers_N)
        self._spoken, self._offsets = address_of(spoken_BS), address_of(offsets_BC)
        self._widths = spoken_BS.strides[0], offsets_BC.strides[0]
        self._rates = _TurnRates(speakers, companions, newcomers, *rates)
        self._address, self._room = ctypes.addressof(self._rates), address_of(self._room_S)

    def weigh(self, row: int, spoken: Spoken) -> None:
        """Update the terms of one text."""
        of_spoken, of_offsets = self._widths
        spoken_S, offsets_C = self._spoken + row * of_spoken, self._offsets + row * of_offsets
        self._kernel.weigh_cues(self._address, spoken_S, *spoken, offsets_C, self._room)


class _TurnRates(ctypes.Structure):
    _fields_ = (
        ("speakers", c_int64),
        *((name, c_void_p) for name in ("companions", "newcomers")),
        *((name, c_double) for name in TurnRates._fields),
    )
