"""The kernel: `kernel.c`, found and loaded.

It is compiled where the package is built, if there is a compiler, once for each kind of processor; the
fastest variant that this processor can run is loaded. It is optional: NumPy computes the same without it,
only slower. `packed` and `drawing` call its functions.
"""

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from ctypes import c_char_p, c_float, c_int, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from numpy.typing import NDArray

VARIABLE = "SCRIPTFORGE_KERNEL"
"""Names the environment variable that chooses another variant, or "none"."""

PLAIN = "plain"
"""The variant that every processor of its kind can run."""

_FOLDER = Path(__file__).parent

_NUMBER = c_void_p
"""How an address is given, and a whole number, too: as `c_int64` it would take six times as long."""

_FUNCTIONS: Mapping[str, tuple[Any, Sequence[Any]]] = {
    "able": (c_char_p, ()),
    "packed_bytes": (c_int64, (_NUMBER,)),
    "packed_outputs": (c_int64, (_NUMBER,)),
    "pack": (None, (_NUMBER,) * 2),
    "multiply": (c_int, (_NUMBER,) * 5),
    "read_text": (c_int, (_NUMBER,) * 2),
    "orthogonalise": (c_int, (_NUMBER,) * 2),
    "allow": (None, (_NUMBER,) * 7),
    "pick": (c_int, (_NUMBER,) * 7),
    "lower": (c_int, (_NUMBER,) * 6),
    "keep_ends": (None, (_NUMBER,) * 6),
    "strengthen": (c_int, (*(_NUMBER,) * 4, c_float, *(_NUMBER,) * 4)),
    "remember": (None, (_NUMBER,) * 4),
    "discourage": (c_int, (_NUMBER,) * 6),
    "count_usage": (None, (_NUMBER,) * 2),
    "lower_usage": (None, (_NUMBER,) * 3),
}
"""What each function returns, and what it is given."""

_Function: TypeAlias = Callable[..., Any]


class Kernel:
    """A variant of the kernel.

    Args:
        variant: its name.
        folder: where it is.

    Attributes:
        variant: its name.

    Raises:
        OSError: it was not compiled, or from another version, or is of another kind of machine.
    """

    able: _Function
    packed_bytes: _Function
    packed_outputs: _Function
    pack: _Function
    multiply: _Function
    read_text: _Function
    orthogonalise: _Function
    allow: _Function
    pick: _Function
    lower: _Function
    keep_ends: _Function
    strengthen: _Function
    remember: _Function
    discourage: _Function
    count_usage: _Function
    lower_usage: _Function

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
    """Return the fastest variant that is here and that this processor can run; None if there is none."""
    asked = os.environ.get(VARIABLE)
    try:
        able = variants()
        return Kernel(asked if asked in able else able[0]) if able and asked != "none" else None
    except OSError:
        return None


def variants(folder: Path = _FOLDER) -> list[str]:
    """Return which variants are in a folder and can be run on this processor, the fastest first.

    Raises:
        OSError: there are none for this kind of machine.
    """
    names: list[str] = Kernel(PLAIN, folder).able().decode().split()
    return [name for name in names if (folder / _file_of(name)).is_file()]


def _file_of(variant: str) -> str:
    return f"kernel-{variant}.so"


def address_of(array: NDArray[Any]) -> int:
    """Return where an array's numbers are, in a third of the time that `array.ctypes.data` takes."""
    try:
        return ctypes.addressof(_byte(array))
    except (TypeError, ValueError):  # of an array that is empty or must not be written to
        return array.ctypes.data


class Address:
    """Knows where the numbers of an array are that is asked for again and again."""

    def __init__(self) -> None:
        self._array: NDArray[Any] | None = None
        self._address = 0

    def of(self, array: NDArray[Any]) -> int:
        """Return the same as `address_of`."""
        if array is not self._array:
            self._array, self._address = array, address_of(array)
        return self._address


_byte: Any = ctypes.c_char.from_buffer
