"""The kernel: what generation and training compute in C, called with ctypes.

Each module calls the functions of the C file of its name, `matrices` those of `orthogonal.c`, too; all are
compiled into one library (`kernel.c`). The kernel is optional: without it whoever calls it computes the same
in NumPy, only more slowly. It knows neither models nor what a token means.
"""

from scriptforge.kernel.library import Kernel, kernel
from scriptforge.kernel.matrices import Arithmetic, FloatArray
from scriptforge.kernel.recurrent import GATES, Unit

__all__ = ["GATES", "Arithmetic", "FloatArray", "Kernel", "Unit", "kernel"]
