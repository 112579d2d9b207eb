"""Matrices made orthogonal in the kernel, for `scriptforge.training.optimizers`, which says what for.

Shape letters: G matrices of one size, M rows, N columns.
"""

import ctypes
from collections.abc import Sequence
from ctypes import c_float, c_int64, c_void_p

from scriptforge.inference.base import Numbers
from scriptforge.inference.kernel import Kernel, address_of


def orthogonalise(
    kernel: Kernel, matrices_GMN: Numbers, quintic: Sequence[float], iterations: int, threads: int
) -> None:
    """Replace each matrix X several times by a X + b (XX')X + c (XX')(XX')X, in place.

    Args:
        kernel: what computes; the same bits with any number of threads.
        matrices_GMN: float32, contiguous, with M <= N.
        quintic: a, b and c.
        iterations: how many times.
        threads: among how many the matrices are divided.

    Raises:
        ValueError: the matrices are of another form.
    """
    count, rows, columns = matrices_GMN.shape
    is_written = matrices_GMN.flags.c_contiguous and matrices_GMN.dtype == "float32"
    if rows > columns or not is_written:
        raise ValueError(f"{matrices_GMN.dtype} matrices of {rows} x {columns} cannot be changed in place")
    own = _Orthogonalisation(count, rows, columns, address_of(matrices_GMN), iterations, *quintic)
    if kernel.orthogonalise(ctypes.addressof(own), threads):
        raise MemoryError


class _Orthogonalisation(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("count", "rows", "columns")),
        ("matrices", c_void_p),
        ("iterations", c_int64),
        *((name, c_float) for name in ("once", "cubed", "fifth")),
        ("lacks_memory", c_int64),
    )
