"""The tokens that extend the beginning of a word, found by the kernel.

`scriptforge.generation.extensions` defines what they are, and finds the same without the kernel.

Shape letters: N texts, V vocabulary.
"""

import ctypes
from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.inference.kernel import Kernel, address_of


class KernelExtensions:
    """Spellings and tokens as the kernel needs them.

    Args:
        kernel: the compiled kernel.
        spellings: the spellings of words, sorted.
        tokens: the bytes of the text tokens, sorted.
        ids: the ids of these tokens.
    """

    def __init__(
        self, kernel: Kernel, spellings: Sequence[bytes], tokens: Sequence[bytes], ids: Sequence[int]
    ) -> None:
        self._kernel = kernel
        self._largest = max(ids)
        longest = max(map(len, tokens))
        self._memory: list[NDArray[Any]] = [*_joined(spellings), *_joined(tokens), np.array(ids, np.int32)]
        self._words = _Words(*map(address_of, self._memory), len(tokens), longest)
        self._address = ctypes.addressof(self._words)

    def allow(self, first: int, last: int, begun: int, forbidden_V: NDArray[np.bool_]) -> bool:
        """Allow the tokens that come after the beginning of some spellings.

        Args:
            first: number of the first of these spellings.
            last: number of the one after the last.
            begun: number of bytes of the beginning, which is the same in all of them.
            forbidden_V: changed in place.

        Returns:
            Whether there are any.
        """
        if len(forbidden_V) <= self._largest or not forbidden_V.flags.c_contiguous:
            raise ValueError(f"a mask of {forbidden_V.shape}, for tokens up to {self._largest}")
        found: int = self._kernel.allow_extensions(self._address, first, last, begun, address_of(forbidden_V))
        if found < 0:
            raise MemoryError
        return found > 0


class _Words(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("spellings", "spelling_starts", "tokens", "token_starts", "ids")),
        *((name, c_int64) for name in ("count", "longest")),
    )


def _joined(texts: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the bytes of all texts, and where each begins and the last one ends, `(N + 1,)`."""
    starts = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=starts[1:])
    return np.frombuffer(b"".join(texts), np.uint8), starts
