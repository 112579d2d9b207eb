"""Packed matrices, whose products the kernel computes, and matrices made orthogonal.

`scriptforge.inference.products` computes the products in NumPy, up to rounding.

Shape letters: R rows, K inputs and M outputs of a product; in `orthogonalise`, G matrices of M rows and N
columns.
"""

import ctypes
from collections.abc import Sequence
from ctypes import c_float, c_int64, c_void_p
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.kernel.library import Kernel, address_of, threads

FloatArray: TypeAlias = NDArray[np.float32]

Arithmetic: TypeAlias = Literal["fp32", "int8"]
"""How to multiply: `fp32` in full precision, `int8` with weights and inputs rounded to 8 bits."""

_ALIGNMENT = 64  # bytes


class KernelProduct:
    """A matrix packed for products with rows of inputs.

    Args:
        kernel: the compiled kernel.
        weight_MK: the matrix.
        bias_M: added to each product; None adds nothing.
        arithmetic: `fp32`; or `int8`, where each row of the matrix and each input is rounded to -127 … 127,
            with a scale of its own.
    """

    def __init__(
        self, kernel: Kernel, weight_MK: FloatArray, bias_M: FloatArray | None, arithmetic: Arithmetic
    ) -> None:
        self._kernel = kernel
        self._packed = pack(kernel, weight_MK, bias_M, arithmetic)
        self._address = ctypes.addressof(self._packed.matrix)
        self._outputs, self._inputs = weight_MK.shape

    def __call__(self, input_RK: FloatArray) -> FloatArray:
        """Multiply each input, and add the bias: `output_RM`, a new array."""
        count = len(input_RK)
        input_RK = checked(input_RK, (count, self._inputs))
        output_RM = np.empty((count, self._outputs), np.float32)
        status = self._kernel.multiply(
            self._address, address_of(input_RK), count, address_of(output_RM), threads()
        )
        if status:
            raise MemoryError
        return output_RM


def orthogonalise(
    kernel: Kernel, matrices_GMN: FloatArray, quintic: Sequence[float], iterations: int, threads: int
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


class Matrix(ctypes.Structure):
    """A matrix of `matrices.h`."""

    _fields_ = (
        *((name, c_int64) for name in ("gates", "groups", "units", "inputs", "is_int8")),
        *((name, c_void_p) for name in ("weights", "bias", "scales", "corrections")),
    )


class _Orthogonalisation(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("count", "rows", "columns")),
        ("matrices", c_void_p),
        ("iterations", c_int64),
        *((name, c_float) for name in ("a", "b", "c")),
        ("is_out_of_memory", c_int64),
    )


class PackedMatrix(NamedTuple):
    """A packed matrix, and the arrays that it points to."""

    matrix: Matrix
    memory: list[NDArray[Any]]


def pack(
    kernel: Kernel,
    weight_MK: FloatArray,
    bias_M: FloatArray | None,
    arithmetic: Arithmetic,
    gates: int = 1,
    groups: int = 1,
) -> PackedMatrix:
    """Pack a matrix and its bias.

    Args:
        kernel: the compiled kernel.
        weight_MK: the matrix.
        bias_M: as in `KernelProduct`.
        arithmetic: as in `KernelProduct`.
        gates: number of gates, one below the other.
        groups: number of diagonal blocks of each gate.
    """
    outputs, inputs = weight_MK.shape
    weight_MK = checked(weight_MK, (outputs, inputs))
    if outputs % (gates * groups) or inputs % groups:
        raise ValueError(f"{weight_MK.shape} cannot be divided into {gates} gates and {groups} groups")
    matrix = Matrix(gates, groups, outputs // (gates * groups), inputs // groups, arithmetic == "int8")
    address = ctypes.addressof(matrix)
    weights = _aligned(kernel.packed_bytes(address))
    matrix.weights = address_of(weights)
    memory: list[NDArray[Any]] = [weights]
    if bias_M is not None:
        bias_M = checked(bias_M, (outputs,))
        matrix.bias = address_of(bias_M)
        memory.append(bias_M)
    if arithmetic == "int8":
        scales = np.empty(kernel.packed_outputs(address), np.float32)
        corrections = np.empty(len(scales), np.int32)
        matrix.scales, matrix.corrections = address_of(scales), address_of(corrections)
        memory += [scales, corrections]
    kernel.pack(address, address_of(weight_MK))
    return PackedMatrix(matrix, memory)


def checked(numbers: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return numbers as the contiguous float32 that the kernel reads; their shape must be `shape`."""
    if numbers.shape != shape:
        raise ValueError(f"the numbers are {numbers.shape}, and not {shape}")
    return np.ascontiguousarray(numbers, np.float32)


def _aligned(size: int) -> NDArray[np.uint8]:
    """Return a buffer whose address is a multiple of `_ALIGNMENT`."""
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -address_of(memory) % _ALIGNMENT
    return memory[start : start + size]
