"""Products of matrices with a few vectors, and the step of recurrent layers that is made of them.

A step of generation multiplies each matrix with a few vectors only, so most of its time is spent on reading
the weights. All arrays are float32 and contiguous. Where there is a kernel, it computes the same
(`scriptforge.kernel.matrices`); everything else here is for machines without one.

Shape letters: B sequences, H hidden, G gates (a number of H each), C members, h units of a member; in a
product, R rows, K inputs and M outputs.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from scriptforge.kernel import Arithmetic, FloatArray, Unit, kernel
from scriptforge.kernel.matrices import KernelProduct

_LEVELS = 127
_SMALLEST = 1e-30  # lower limit of a row's maximum, so that no scale is 0


class Product(Protocol):
    """A matrix that multiplies a few vectors at a time."""

    def __call__(self, input_RK: FloatArray) -> FloatArray:
        """Multiply each input, and add the bias if there is one: `output_RM`, a new array."""
        ...


class RecurrentStep(Protocol):
    """A step of the recurrent layers of a network."""

    def __call__(self, added_BG: FloatArray, hidden_LBH: FloatArray, cells_LBH: FloatArray | None) -> None:
        """Read one token in each sequence.

        Args:
            added_BG: what the token adds to the gates of the first layer, biases included; overwritten.
            hidden_LBH: the hidden states, updated in place.
            cells_LBH: the cell states, updated in place; None for units that have none.
        """
        ...


class UpperLayer(NamedTuple):
    """The weights of a layer above the first.

    Attributes:
        weight_GK: the weight of the hidden state below and that of the layer's own, side by side.
        bias_G: the sum of both biases.
    """

    weight_GK: FloatArray
    bias_G: FloatArray


def prepare_product(weight_MK: FloatArray, bias_M: FloatArray | None, arithmetic: Arithmetic) -> Product:
    """Prepare a matrix for products with a few vectors.

    Args:
        weight_MK: the matrix.
        bias_M: added to each product; None adds nothing.
        arithmetic: how to multiply.
    """
    if (loaded := kernel()) is not None:
        return KernelProduct(loaded, weight_MK, bias_M, arithmetic)
    weight_MK = np.ascontiguousarray(weight_MK)
    return _FP32Product(weight_MK, bias_M) if arithmetic == "fp32" else _Int8Product(weight_MK, bias_M)


def prepare_step(
    unit: Unit, blocks_CGh: FloatArray, upper: Sequence[UpperLayer], arithmetic: Arithmetic
) -> RecurrentStep:
    """Prepare the step of a network's recurrent layers.

    Gates are in the order of `reorder_gates`. If the weight of the first layer's hidden state is
    block-diagonal, with a block for each member, only the blocks are multiplied: block c reads the h units
    from c·h on, and its row g·h + j belongs to gate g of unit c·h + j.

    Args:
        unit: the kind of units.
        blocks_CGh: the blocks of that weight, (C, G/C, H/C); a single one without members.
        upper: the layers above the first.
        arithmetic: how to multiply.
    """
    first = (
        prepare_product(blocks_CGh[0], None, arithmetic)
        if len(blocks_CGh) == 1
        else _BlockDiagonalProduct([prepare_product(block, None, arithmetic) for block in blocks_CGh])
    )
    above = [prepare_product(layer.weight_GK, layer.bias_G, arithmetic) for layer in upper]
    return _StackedStep(_CELLS[unit], first, above)


def blocks_of(weight_GH: FloatArray, most: int) -> FloatArray:
    """Return the diagonal blocks of a matrix's gates, as many as can hold all nonzero weights.

    Args:
        weight_GH: gates of H rows each, one below the other.
        most: upper limit of the number of blocks.

    Returns:
        (C, G/C, H/C); the whole matrix as one block if it is not block-diagonal.
    """
    size = weight_GH.shape[1]
    if weight_GH[0, -1]:  # outside the diagonal blocks, unless there is only one
        return weight_GH[None]
    present = np.count_nonzero(weight_GH)
    for count in range(most, 1, -1):
        if size % count == 0:
            blocks = diagonal_blocks(weight_GH, size, count)
            if np.count_nonzero(blocks) == present:
                return blocks
    return weight_GH[None]


def diagonal_blocks(weight_GK: FloatArray, rows: int, count: int) -> FloatArray:
    """Return the diagonal blocks of a matrix's gates: (C, G/C, K/C), without the weights beside them.

    Args:
        weight_GK: gates, one below the other.
        rows: number of rows of a gate.
        count: C.
    """
    inputs = weight_GK.shape[1] // count
    gates = weight_GK.reshape(-1, count, rows // count, count, inputs)
    return np.stack([gates[:, each, :, each].reshape(-1, inputs) for each in range(count)])


def reorder_gates(unit: Unit, weight: FloatArray, *, of_hidden: bool) -> FloatArray:
    """Return a weight or bias of PyTorch's layers with its gates in the order of a step.

    The logistic function of x is 1/2 + 1/2 tanh(x/2), so one tanh over all gates of an LSTM suffices if the
    three logistic ones come first, halved. The reset gate of a GRU scales only the hidden state's part of the
    candidate, so this part and the input's have separate sums.

    Args:
        unit: the kind of units.
        weight: gates of H rows each, in PyTorch's order.
        of_hidden: whether it belongs to the hidden state instead of the input.
    """
    if unit == "lstm":
        input_gate, forget_gate, candidate, output_gate = np.split(weight, 4)
        return np.concatenate([input_gate / 2, forget_gate / 2, output_gate / 2, candidate])
    if unit == "gru":
        reset_gate, update_gate, candidate = np.split(weight, 3)
        nothing = np.zeros_like(candidate)
        parts = (nothing, candidate) if of_hidden else (candidate, nothing)
        return np.concatenate([reset_gate / 2, update_gate / 2, *parts])
    return weight


class _FP32Product:
    """A product in fp32."""

    def __init__(self, weight_MK: FloatArray, bias_M: FloatArray | None) -> None:
        self._weight_KM = weight_MK.T
        self._bias_M = bias_M

    def __call__(self, input_RK: FloatArray) -> FloatArray:
        output_RM: FloatArray = input_RK @ self._weight_KM
        if self._bias_M is not None:
            output_RM += self._bias_M
        return output_RM


class _Int8Product:
    """A product in eight bits: every row of the matrix and every input has a scale of its own.

    So no sequence depends on the others of the batch, nor a step on others that are read in the same call.
    Whole numbers are multiplied as float32, which is exact up to 2²⁴; a sum of a thousand products of
    127 · 127 is below that.
    """

    def __init__(self, weight_MK: FloatArray, bias_M: FloatArray | None) -> None:
        rounded_MK, scale_M1 = _quantise(weight_MK)
        self._rounded_KM, self._scale_M = rounded_MK.T, scale_M1[:, 0]
        self._bias_M = bias_M

    def __call__(self, input_RK: FloatArray) -> FloatArray:
        rounded_RK, scale_R1 = _quantise(input_RK)
        output_RM: FloatArray = rounded_RK @ self._rounded_KM
        output_RM *= scale_R1 * self._scale_M
        if self._bias_M is not None:
            output_RM += self._bias_M
        return output_RM


def _quantise(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the rows rounded to whole numbers in -127 … 127, and the scale of each row."""
    scales = np.maximum(np.abs(rows).max(1, keepdims=True), np.float32(_SMALLEST)) / np.float32(_LEVELS)
    return np.rint(rows / scales), scales


class _BlockDiagonalProduct:
    """A product of a block-diagonal matrix, block by block: each block reads its own part of the input."""

    def __init__(self, products: Sequence[Product]) -> None:
        self._products = products

    def __call__(self, input_RK: FloatArray) -> FloatArray:
        size = input_RK.shape[1] // len(self._products)
        parts = [
            multiply(input_RK[:, each * size : (each + 1) * size]).reshape(len(input_RK), -1, 1, size)
            for each, multiply in enumerate(self._products)
        ]
        return np.concatenate(parts, axis=2).reshape(len(input_RK), -1)


class _StackedStep:
    """A step of layers with one kind of units."""

    def __init__(self, cell: Callable[..., None], first: Product, above: Sequence[Product]) -> None:
        self._cell = cell
        self._first = first
        self._above = above

    def __call__(self, added_BG: FloatArray, hidden_LBH: FloatArray, cells_LBH: FloatArray | None) -> None:
        added_BG += self._first(hidden_LBH[0])
        self._change(added_BG, hidden_LBH, cells_LBH, 0)
        for layer, multiply in enumerate(self._above, 1):
            read_BK = np.concatenate([hidden_LBH[layer - 1], hidden_LBH[layer]], axis=1)
            self._change(multiply(read_BK), hidden_LBH, cells_LBH, layer)

    def _change(
        self, sums_BG: FloatArray, hidden_LBH: FloatArray, cells_LBH: FloatArray | None, layer: int
    ) -> None:
        if cells_LBH is None:
            self._cell(sums_BG, hidden_LBH[layer])
        else:
            self._cell(sums_BG, hidden_LBH[layer], cells_LBH[layer])


def _lstm_cell(gates_BG: FloatArray, hidden_BH: FloatArray, cell_BH: FloatArray) -> None:
    """Step an LSTM. Source: Hochreiter and Schmidhuber 1997, with forget gates (Gers et al. 2000)."""
    size = cell_BH.shape[-1]
    np.tanh(gates_BG, out=gates_BG)
    _to_logistic(gates_BG[:, : 3 * size])
    candidate_BH = gates_BG[:, 3 * size :]
    cell_BH *= gates_BG[:, size : 2 * size]
    candidate_BH *= gates_BG[:, :size]
    cell_BH += candidate_BH
    np.tanh(cell_BH, out=hidden_BH)
    hidden_BH *= gates_BG[:, 2 * size : 3 * size]


def _gru_cell(gates_BG: FloatArray, hidden_BH: FloatArray) -> None:
    """Step a GRU. Source: Cho et al. 2014, arXiv:1406.1078; it resets after the product, as PyTorch does."""
    size = hidden_BH.shape[-1]
    logistic_B2H, candidate_BH, old_BH = np.split(gates_BG, [2 * size, 3 * size], axis=1)
    np.tanh(logistic_B2H, out=logistic_B2H)
    _to_logistic(logistic_B2H)
    old_BH *= logistic_B2H[:, :size]
    candidate_BH += old_BH
    np.tanh(candidate_BH, out=candidate_BH)
    hidden_BH -= candidate_BH
    hidden_BH *= logistic_B2H[:, size:]
    hidden_BH += candidate_BH


def _plain_cell(sums_BH: FloatArray, hidden_BH: FloatArray) -> None:
    """Step plain units. Source: Elman 1990."""
    np.tanh(sums_BH, out=hidden_BH)


def _to_logistic(tanh_of_half_BG: FloatArray) -> None:
    tanh_of_half_BG *= 0.5
    tanh_of_half_BG += 0.5


_CELLS: dict[Unit, Callable[..., None]] = {"lstm": _lstm_cell, "gru": _gru_cell, "rnn": _plain_cell}
