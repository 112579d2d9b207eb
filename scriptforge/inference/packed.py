"""Products, recurrent layers and orthogonal matrices in the kernel, which reads packed weights.

Products and layers compute what `products` does in NumPy, up to rounding; gates stay in PyTorch's order.

Shape letters: B sequences, T steps, L layers, H hidden, G gates (a number of H each), N rows of a table; in a
product, R rows, K inputs and M outputs; in `orthogonalise`, G matrices of M rows and N columns.
"""

import ctypes
import os
from collections.abc import Sequence
from ctypes import POINTER, c_float, c_int64, c_void_p
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scriptforge.cores import usable_cores
from scriptforge.inference.base import Arithmetic, Ids, Numbers, State
from scriptforge.inference.configs import GATES, Unit
from scriptforge.inference.kernel import Kernel, address_of

if TYPE_CHECKING:
    from scriptforge.inference.tables import Table

_ALIGNMENT = 64  # bytes
_NO_ROW = 2  # the status of `read_text` if a token id is out of range


class LayerWeights(NamedTuple):
    """The weights of a layer, as PyTorch orders them.

    Attributes:
        weight_ih_GK: weight of the layer's input; None for the first layer, which reads rows of a table.
        weight_hh_GH: weight of the layer's own hidden state.
        bias_ih_G: bias of the input; None for the first layer, since the table contains it.
        bias_hh_G: bias of the hidden state.
        groups: number of diagonal blocks of each gate, with zeros beside them; 1 for a full matrix.
    """

    weight_ih_GK: Numbers | None
    weight_hh_GH: Numbers
    bias_ih_G: Numbers | None
    bias_hh_G: Numbers
    groups: int = 1


@cache
def threads() -> int:
    """Return how many threads a large product may use: one per core, or fewer by `OMP_NUM_THREADS`."""
    cores = usable_cores()
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # the others are of nested loops
    return max(1, min(cores, int(asked))) if asked.isdecimal() else cores


class PackedProduct:
    """A matrix packed for products with rows of inputs.

    Args:
        kernel: the compiled kernel.
        weight_MK: the matrix.
        bias_M: added to each product; None adds nothing.
        arithmetic: `fp32`; or `int8`, where each row of the matrix and each input is rounded to -127 … 127,
            with a scale of its own.
    """

    def __init__(
        self, kernel: Kernel, weight_MK: Numbers, bias_M: Numbers | None, arithmetic: Arithmetic
    ) -> None:
        self._kernel = kernel
        self._matrix = _pack(kernel, weight_MK, bias_M, arithmetic)
        self._address = ctypes.addressof(self._matrix.own)
        self._outputs, self._inputs = weight_MK.shape

    def __call__(self, input_RK: Numbers) -> Numbers:
        """Multiply each input, and add the bias: `output_RM`, a new array."""
        count = len(input_RK)
        input_RK = _checked(input_RK, (count, self._inputs))
        output_RM = np.empty((count, self._outputs), np.float32)
        status = self._kernel.multiply(
            self._address, address_of(input_RK), count, address_of(output_RM), threads()
        )
        if status:
            raise MemoryError
        return output_RM


class PackedSteps:
    """The layers of a recurrent network; see `scriptforge.inference.recurrent.Steps`.

    Args:
        kernel: the compiled kernel.
        unit: the kind of units.
        layers: the weights of each layer.
        table: what each token adds to the gates of the first layer.
        arithmetic: as in `PackedProduct`.
    """

    def __init__(
        self,
        kernel: Kernel,
        unit: Unit,
        layers: Sequence[LayerWeights],
        table: "Table",
        arithmetic: Arithmetic,
    ) -> None:
        self._kernel = kernel
        self._has_cells = unit == "lstm"
        self._size = layers[0].weight_hh_GH.shape[1]
        self._width = GATES[unit] * self._size
        self._table = table
        self._layers = (_Layer * len(layers))()
        self._address = ctypes.addressof(self._layers)
        self._kept: list[_Packed] = []
        self._latest: tuple[State, tuple[int, ...]] = (
            (),
            (),
        )  # the latest state, and the addresses of its arrays
        for layer, own in zip(layers, self._layers, strict=True):
            own.kind = list(GATES).index(unit)
            own.own = self._pack(layer.weight_hh_GH, layer.bias_hh_G, layer.groups, arithmetic)
            if layer.weight_ih_GK is not None and layer.bias_ih_G is not None:
                own.below = self._pack(layer.weight_ih_GK, layer.bias_ih_G, layer.groups, arithmetic)

    def read(
        self, ids_BT: Ids, state: Sequence[Numbers], gates: Sequence[Numbers] | None = None
    ) -> tuple[Numbers, State]:
        """Return the last layer's output for each token, `output_BTH`, and the state after the last token.

        Args:
            ids_BT: the tokens.
            state: hidden states, and cell states of units that have them.
            gates: for each step, what else is added to the gates of the first layer, (B, G).

        Raises:
            IndexError: a token id is out of range.
        """
        rows, steps = ids_BT.shape
        shape = len(self._layers), rows, self._size
        table_NG, places_BT = self._table.look_up(ids_BT)
        table_NG = _checked(table_NG, (len(table_NG), self._width))
        places_TB = np.ascontiguousarray(places_BT.T, np.int64)
        before, addresses = self._latest  # read once, since another thread may replace it
        if not before or before[0] is not state[0] or before[-1] is not state[-1] or before[0].shape != shape:
            before = tuple(_checked(each, shape) for each in state)
            addresses = tuple(map(address_of, before))
        after = tuple(np.empty(shape, np.float32) for _ in before)
        self._latest = latest = after, tuple(map(address_of, after))
        output_BTH = np.empty((rows, steps, self._size), np.float32)
        added = None
        if gates:
            added_TBG = gates[0][None] if steps == 1 else np.stack(gates)
            added_TBG = _checked(added_TBG, (steps, rows, self._width))
            added = address_of(added_TBG)
        reading = _Reading(
            *(steps, rows, shape[0], len(table_NG)),
            *(address_of(table_NG), address_of(places_TB), added),
            *(addresses if self._has_cells else (*addresses, None)),
            *(latest[1] if self._has_cells else (*latest[1], None)),
            address_of(output_BTH),
            threads(),
        )
        status = self._kernel.read_text(self._address, ctypes.addressof(reading))
        if status:
            raise IndexError("there is no such token") if status == _NO_ROW else MemoryError
        return output_BTH, after

    def _pack(
        self, weight_GH: Numbers, bias_G: Numbers, groups: int, arithmetic: Arithmetic
    ) -> "ctypes._Pointer[_Matrix]":
        weight_GH = _checked(weight_GH, (self._width, self._size))
        packed = _pack(self._kernel, weight_GH, bias_G, arithmetic, self._width // self._size, groups)
        self._kept.append(packed)
        return ctypes.pointer(packed.own)


def orthogonalise(
    kernel: Kernel, matrices_GMN: Numbers, quintic: Sequence[float], iterations: int, threads: int
) -> None:
    """Replace each matrix X by a X + b (XX')X + c (XX')(XX')X several times, in place.

    Args:
        kernel: the compiled kernel.
        matrices_GMN: float32, contiguous, with M <= N.
        quintic: a, b and c.
        iterations: how many times.
        threads: number of threads; the result is the same, bit for bit, for any number.

    Raises:
        ValueError: the matrices are not float32, not contiguous, or have M > N.
    """
    count, rows, columns = matrices_GMN.shape
    is_written = matrices_GMN.flags.c_contiguous and matrices_GMN.dtype == "float32"
    if rows > columns or not is_written:
        raise ValueError(f"{matrices_GMN.dtype} matrices of {rows} x {columns} cannot be changed in place")
    own = _Orthogonalisation(count, rows, columns, address_of(matrices_GMN), iterations, *quintic)
    if kernel.orthogonalise(ctypes.addressof(own), threads):
        raise MemoryError


class _Matrix(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("gates", "groups", "units", "inputs", "is_rounded")),
        *((name, c_void_p) for name in ("weights", "bias", "scales", "shifts")),
    )


class _Layer(ctypes.Structure):
    _fields_ = (("kind", c_int64), ("below", POINTER(_Matrix)), ("own", POINTER(_Matrix)))


class _Reading(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("steps", "rows", "layers", "height")),
        *((name, c_void_p) for name in ("table", "indices", "added", "hidden", "cells")),
        *((name, c_void_p) for name in ("hidden_after", "cells_after", "outputs")),
        ("threads", c_int64),
    )


class _Orthogonalisation(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("count", "rows", "columns")),
        ("matrices", c_void_p),
        ("iterations", c_int64),
        *((name, c_float) for name in ("once", "cubed", "fifth")),
        ("lacks_memory", c_int64),
    )


class _Packed(NamedTuple):
    """A packed matrix, and the arrays that it points to."""

    own: _Matrix
    memory: list[NDArray[Any]]


def _pack(
    kernel: Kernel,
    weight_MK: Numbers,
    bias_M: Numbers | None,
    arithmetic: Arithmetic,
    gates: int = 1,
    groups: int = 1,
) -> _Packed:
    outputs, inputs = weight_MK.shape
    weight_MK = _checked(weight_MK, (outputs, inputs))
    if outputs % (gates * groups) or inputs % groups:
        raise ValueError(f"{weight_MK.shape} cannot be divided into {gates} gates and {groups} groups")
    own = _Matrix(gates, groups, outputs // (gates * groups), inputs // groups, arithmetic == "int8")
    address = ctypes.addressof(own)
    weights = _aligned(kernel.packed_bytes(address))
    own.weights = address_of(weights)
    memory: list[NDArray[Any]] = [weights]
    if bias_M is not None:
        bias_M = _checked(bias_M, (outputs,))
        own.bias = address_of(bias_M)
        memory.append(bias_M)
    if arithmetic == "int8":
        scales = np.empty(kernel.packed_outputs(address), np.float32)
        shifts = np.empty(len(scales), np.int32)
        own.scales, own.shifts = address_of(scales), address_of(shifts)
        memory += [scales, shifts]
    kernel.pack(address, address_of(weight_MK))
    return _Packed(own, memory)


def _checked(numbers: Numbers, shape: tuple[int, ...]) -> Numbers:
    """Return numbers as the contiguous float32 that the kernel reads; their shape must be `shape`."""
    if numbers.shape != shape:
        raise ValueError(f"the numbers are {numbers.shape}, and not {shape}")
    return np.ascontiguousarray(numbers, np.float32)


def _aligned(size: int) -> NDArray[np.uint8]:
    """Return a buffer whose address is a multiple of `_ALIGNMENT`."""
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -address_of(memory) % _ALIGNMENT
    return memory[start : start + size]
