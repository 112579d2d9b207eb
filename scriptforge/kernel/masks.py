"""Masks of the tokens that may come next, written by the kernel.

`scriptforge.generation` defines them: its `automata` what the states of texts in automata forbid, its
`extensions` which tokens extend the beginning of a word. Both do the same without the kernel.

Shape letters: K automata, B texts, S states, N texts side by side in memory, V vocabulary.
"""

import ctypes
from collections.abc import Sequence
from ctypes import c_int64, c_void_p
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scriptforge.kernel.library import Kernel, address_of

PASSING, UNDECIDED = -2, -1
"""In place of the state after a token: see `AfterIdle` in `scriptforge.generation.automata`."""


class Limits(NamedTuple):
    """Upper limits of the numbers of states and of transitions."""

    states: int
    transitions: int


class KernelTransitions:
    """Transitions between the states of automata, and what is forbidden in each state.

    Args:
        kernel: the compiled kernel.
        states_KB: the number of each text's state in each automaton; changed in place.
        rules: how many automata come before the others.
        size: V.
        limits: on what can be added.

    Attributes:
        forbidden_2BV: changed in place by `forbid` to the tokens that are forbidden by the first automata,
            and to those that are forbidden by the others, too, if there are any.
    """

    def __init__(
        self, kernel: Kernel, states_KB: NDArray[np.int32], rules: int, size: int, limits: Limits
    ) -> None:
        self._kernel = kernel
        count, rows = states_KB.shape
        self.forbidden_2BV = np.empty((2, rows, size), np.bool_)
        self._ids_B, self._unknown = np.zeros(rows, np.int64), np.zeros(states_KB.size, np.int64)
        self._forbidden_S5 = np.zeros((limits.states, 5), np.int64)
        # What `_forbidden_S5` points to.
        self._masks: dict[int, tuple[NDArray[np.bool_], NDArray[np.bool_] | None]] = {}
        self._after_idle_KV = np.full((count, size), UNDECIDED, np.int32)
        slots = 1 << (2 * limits.transitions - 1).bit_length()  # half of them stay free: search is short
        self._keys, self._after = np.zeros(slots, np.uint64), np.zeros(slots, np.int32)
        self._automata = _Automata(
            *(size, rows, count, rules),
            address_of(self._forbidden_S5),
            address_of(self._after_idle_KV),
            address_of(self._keys),
            address_of(self._after),
            slots,
            address_of(states_KB),
            address_of(self._ids_B),
            address_of(self._unknown),
            address_of(self.forbidden_2BV[0]),
            address_of(self.forbidden_2BV[1]),
        )
        self._states_KB = states_KB
        self._address = ctypes.addressof(self._automata)

    def add(
        self,
        number: int,
        mask_V: NDArray[np.bool_],
        otherwise_V: NDArray[np.bool_] | None,
        *,
        replaces: bool,
        is_idle: bool,
    ) -> None:
        """Add a state with what is `Forbidden` in it; see `scriptforge.generation.automata`.

        No text may be in a state of this number.
        """
        otherwise = 0 if otherwise_V is None else self._mask_address(otherwise_V)
        addresses = self._mask_address(mask_V), otherwise
        self._masks[number] = mask_V, otherwise_V
        self._forbidden_S5[number] = *addresses, replaces, is_idle, UNDECIDED

    def learn(self, state: int, id_: int, after: int) -> None:
        """Add the transition from a state by a token."""
        self._kernel.add_transition(self._address, state, id_, after)

    def learn_idle(self, automaton: int, id_: int, after: int) -> None:
        """Add the transition from all idle states of an automaton by a token; may be `PASSING`."""
        self._after_idle_KV[automaton, id_] = after

    def learn_passing(self, state: int, after: int) -> None:
        """Add the transition from an idle state by all tokens that are `PASSING`."""
        self._forbidden_S5[state, -1] = after

    def follow(self, ids: Sequence[int]) -> list[int]:
        """Take the next token of each text, below 0 for none.

        Returns:
            The places in `states_KB`, as indices into all its numbers, whose transitions are not known; the
            states there stay as they are.
        """
        self._ids_B[:] = ids
        count = self._kernel.advance(self._address)
        unknown: list[int] = self._unknown[:count].tolist() if count else []
        return unknown

    def forbid(self, before_BV: NDArray[np.bool_]) -> None:
        """Set `forbidden_2BV` to what the states forbid.

        Args:
            before_BV: tokens that are forbidden already.
        """
        if before_BV.shape != self.forbidden_2BV.shape[1:]:
            raise ValueError(f"a mask of {before_BV.shape}, for {self.forbidden_2BV.shape[1:]}")
        before_BV = np.ascontiguousarray(before_BV, np.bool_)
        self._kernel.forbid(self._address, address_of(before_BV))

    def _mask_address(self, mask_V: NDArray[np.bool_]) -> int:
        if mask_V.shape != self.forbidden_2BV.shape[2:] or not mask_V.flags.c_contiguous:
            raise ValueError(f"a mask of {mask_V.shape}, for {self.forbidden_2BV.shape[2]} tokens")
        return address_of(mask_V)


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


class _Automata(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("size", "rows", "count", "rules")),
        *((name, c_void_p) for name in ("forbidden", "after_idle", "keys", "after")),
        ("slots", c_int64),
        *((name, c_void_p) for name in ("states", "ids", "unknown", "well_formed", "constrained")),
    )


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
