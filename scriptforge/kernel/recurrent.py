"""The layers of a recurrent network, which the kernel lets read texts.

`scriptforge.inference.recurrent` does the same in NumPy, up to rounding; here gates stay in PyTorch's order.

Shape letters: B sequences, T steps, L layers, H hidden, G gates (a number of H each), K inputs, N rows of a
table.
"""

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, c_int64, c_void_p
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.kernel.library import Kernel, address_of, threads
from scriptforge.kernel.matrices import Arithmetic, FloatArray, Matrix, PackedMatrix, checked, pack

Unit: TypeAlias = Literal["lstm", "gru", "rnn"]

GATES: dict[Unit, int] = {"lstm": 4, "gru": 3, "rnn": 1}
"""Number of gates of each kind of unit; the kernel numbers the kinds in this order."""

_NOT_IN_TABLE = 2  # the status of `recurrent_forward` if a token id is out of range

_State: TypeAlias = tuple[FloatArray, ...]


class LayerWeights(NamedTuple):
    """The weights of a layer, as PyTorch orders them.

    Attributes:
        weight_ih_GK: weight of the layer's input; None for the first layer, which reads rows of a table.
        weight_hh_GH: weight of the layer's own hidden state.
        bias_ih_G: bias of the input; None for the first layer, since the table contains it.
        bias_hh_G: bias of the hidden state.
        groups: number of diagonal blocks of each gate, with zeros beside them; 1 for a full matrix.
    """

    weight_ih_GK: FloatArray | None
    weight_hh_GH: FloatArray
    bias_ih_G: FloatArray | None
    bias_hh_G: FloatArray
    groups: int = 1


class RowTable(Protocol):
    """A table of what each token adds to the gates of the first layer."""

    def look_up(self, ids: NDArray[np.int64]) -> tuple[FloatArray, NDArray[np.int64]]:
        """Return an array of rows, (N, G), and the index of each id's row in it."""
        ...


class KernelRecurrentLayers:
    """The layers of a recurrent network; see `scriptforge.inference.recurrent.RecurrentLayers`.

    Args:
        kernel: the compiled kernel.
        unit: the kind of units.
        layers: the weights of each layer.
        table: what each token adds to the gates of the first layer.
        arithmetic: as in `KernelProduct`.
    """

    def __init__(
        self,
        kernel: Kernel,
        unit: Unit,
        layers: Sequence[LayerWeights],
        table: RowTable,
        arithmetic: Arithmetic,
    ) -> None:
        self._kernel = kernel
        self._has_cells = unit == "lstm"
        self._size = layers[0].weight_hh_GH.shape[1]
        self._width = GATES[unit] * self._size
        self._table = table
        self._layers = (_Layer * len(layers))()
        self._address = ctypes.addressof(self._layers)
        self._kept: list[PackedMatrix] = []
        # The latest state, and the addresses of its arrays.
        self._latest: tuple[_State, tuple[int, ...]] = ((), ())
        for layer, own in zip(layers, self._layers, strict=True):
            own.kind = list(GATES).index(unit)
            own.weight_hh = self._pack(layer.weight_hh_GH, layer.bias_hh_G, layer.groups, arithmetic)
            if layer.weight_ih_GK is not None and layer.bias_ih_G is not None:
                own.weight_ih = self._pack(layer.weight_ih_GK, layer.bias_ih_G, layer.groups, arithmetic)

    def read(
        self,
        ids_BT: NDArray[np.int64],
        state: Sequence[FloatArray],
        gates: Sequence[FloatArray] | None = None,
    ) -> tuple[FloatArray, _State]:
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
        table_NG = checked(table_NG, (len(table_NG), self._width))
        places_TB = np.ascontiguousarray(places_BT.T, np.int64)
        before, addresses = self._latest  # read once, since another thread may replace it
        if not before or before[0] is not state[0] or before[-1] is not state[-1] or before[0].shape != shape:
            before = tuple(checked(each, shape) for each in state)
            addresses = tuple(map(address_of, before))
        after = tuple(np.empty(shape, np.float32) for _ in before)
        self._latest = latest = after, tuple(map(address_of, after))
        output_BTH = np.empty((rows, steps, self._size), np.float32)
        added = None
        if gates:
            added_TBG = gates[0][None] if steps == 1 else np.stack(gates)
            added_TBG = checked(added_TBG, (steps, rows, self._width))
            added = address_of(added_TBG)
        forward_pass = _ForwardPass(
            *(steps, rows, shape[0], len(table_NG)),
            *(address_of(table_NG), address_of(places_TB), added),
            *(addresses if self._has_cells else (*addresses, None)),
            *(latest[1] if self._has_cells else (*latest[1], None)),
            address_of(output_BTH),
            threads(),
        )
        status = self._kernel.recurrent_forward(self._address, ctypes.addressof(forward_pass))
        if status:
            raise IndexError("there is no such token") if status == _NOT_IN_TABLE else MemoryError
        return output_BTH, after

    def _pack(
        self, weight_GH: FloatArray, bias_G: FloatArray, groups: int, arithmetic: Arithmetic
    ) -> "ctypes._Pointer[Matrix]":
        weight_GH = checked(weight_GH, (self._width, self._size))
        packed = pack(self._kernel, weight_GH, bias_G, arithmetic, self._width // self._size, groups)
        self._kept.append(packed)
        return ctypes.pointer(packed.matrix)


class _Layer(ctypes.Structure):
    _fields_ = (("kind", c_int64), ("weight_ih", POINTER(Matrix)), ("weight_hh", POINTER(Matrix)))


class _ForwardPass(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("steps", "rows", "layers", "table_rows")),
        *((name, c_void_p) for name in ("table", "indices", "added", "hidden", "cells")),
        *((name, c_void_p) for name in ("hidden_after", "cells_after", "outputs")),
        ("threads", c_int64),
    )
