"""Loading of the kernel, which is compiled from `kernel.c`: its functions, and the addresses that they take.

It is compiled when the package is built, in one variant for each kind of processor; the fastest variant that
this processor can run is loaded.
"""

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from ctypes import c_char_p, c_float, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

from scriptforge.cores import usable_cores
from scriptforge.errors import unknown_name

VARIABLE = "SCRIPTFORGE_KERNEL"
"""The environment variable that names another variant, or "none"."""

PLAIN = "plain"
"""The variant that every processor of an instruction set can run."""

_FOLDER = Path(__file__).parent

_NUMBER = c_void_p
"""Type of addresses, and of whole numbers too: as `c_int64` they would take six times as long to pass."""

_FUNCTIONS: Mapping[str, tuple[Any, Sequence[Any]]] = {
    "supported_variants": (c_char_p, ()),
    "packed_bytes": (c_int64, (_NUMBER,)),
    "packed_outputs": (c_int64, (_NUMBER,)),
    "pack": (None, (_NUMBER,) * 2),
    "multiply": (c_int, (_NUMBER,) * 5),
    "recurrent_forward": (c_int, (_NUMBER,) * 2),
    "orthogonalise": (c_int, (_NUMBER,) * 2),
    "mask_logits": (None, (_NUMBER,) * 9),
    "sample": (c_int, (_NUMBER,) * 7),
    "offset_scores": (c_int, (_NUMBER,) * 6),
    "redistribute_layout": (c_int, (_NUMBER,) * 8),
    "turn_offsets": (None, (_NUMBER,) * 9),
    "guide_scores": (c_int, (*(_NUMBER,) * 4, c_float, *(_NUMBER,) * 4)),
    "append_tokens": (None, (_NUMBER,) * 5),
    "penalise_repetition": (c_int, (_NUMBER,) * 5),
    "allow_extensions": (c_int64, (_NUMBER,) * 5),
    "add_transition": (None, (_NUMBER,) * 4),
    "advance": (c_int64, (_NUMBER,)),
    "forbid": (None, (_NUMBER,) * 2),
}
"""The types of each function's result and arguments."""

_Function: TypeAlias = Callable[..., Any]


class Kernel:
    """A variant of the kernel.

    Args:
        variant: its name.
        folder: the folder of its file.

    Attributes:
        variant: its name.

    Raises:
        OSError: it was not compiled, or it is from another version or for another kind of machine.
    """

    supported_variants: _Function
    packed_bytes: _Function
    packed_outputs: _Function
    pack: _Function
    multiply: _Function
    recurrent_forward: _Function
    orthogonalise: _Function
    mask_logits: _Function
    sample: _Function
    offset_scores: _Function
    redistribute_layout: _Function
    turn_offsets: _Function
    guide_scores: _Function
    append_tokens: _Function
    penalise_repetition: _Function
    allow_extensions: _Function
    add_transition: _Function
    advance: _Function
    forbid: _Function

    def __init__(self, variant: str, folder: Path = _FOLDER) -> None:
        self.variant = variant
        library = ctypes.CDLL(str(folder / _file_of(variant)))
        for name, (result, arguments) in _FUNCTIONS.items():
            try:
                function = getattr(library, name)
            except AttributeError as error:
                raise OSError(f"{_file_of(variant)} was compiled from another version") from error
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)


@cache
def kernel() -> Kernel | None:
    """Return the variant that `VARIABLE` names, else the fastest that this processor can run; else None.

    Raises:
        UsageError: this processor has no variant of that name.
    """
    asked = os.environ.get(VARIABLE, "")
    try:
        supported_variants = variants()
        if not supported_variants or asked == "none":
            return None
        if asked and asked not in supported_variants:
            raise unknown_name(f"kernel for {VARIABLE} here", asked, [*supported_variants, "none"])
        return Kernel(asked or supported_variants[0])
    except OSError:
        return None


def variants(folder: Path = _FOLDER) -> list[str]:
    """Return the variants in a folder that this processor can run, the fastest first.

    Raises:
        OSError: there are none for this kind of machine.
    """
    names: list[str] = Kernel(PLAIN, folder).supported_variants().decode().split()
    return [name for name in names if (folder / _file_of(name)).is_file()]


@cache
def threads() -> int:
    """Return how many threads a large product may use: one per core, or fewer by `OMP_NUM_THREADS`."""
    cores = usable_cores()
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]  # the others are of nested loops
    return max(1, min(cores, int(asked))) if asked.isdecimal() else cores


def _file_of(variant: str) -> str:
    return f"kernel-{variant}.so"


_byte: Any = ctypes.c_char.from_buffer


def address_of(array: NDArray[Any]) -> int:
    """Return the address of an array's data, in a third of the time that `array.ctypes.data` takes."""
    try:
        return ctypes.addressof(_byte(array))
    except (TypeError, ValueError):  # the array is empty or read-only
        return array.ctypes.data


class Address:
    """The address of an array that is passed again and again, looked up once."""

    def __init__(self) -> None:
        self._array: NDArray[Any] | None = None
        self._address = 0

    def of(self, array: NDArray[Any]) -> int:
        """Return the array's address, as `address_of` does."""
        if array is not self._array:
            self._array, self._address = array, address_of(array)
        return self._address
