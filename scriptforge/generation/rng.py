"""Random numbers: seeds, and a generator for each text, so that a text does not depend on those beside it.

The generator is the Mersenne twister (Matsumoto and Nishimura 1998), seeded and read as PyTorch does it, so
that the text of a seed is what it always was.

Shape letters: B sequences of the batch, R numbers drawn ahead.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DRAWN_AHEAD = 256
_FRESH_SEEDS = 1_000_000
_24_BITS, _32_BITS = (1 << 24) - 1, (1 << 32) - 1


def fresh_seed() -> int:
    """Return a seed that nobody can foresee and everybody can type: 1 to 999,999.

    It comes from the operating system, so that the generators of the process stay as they are.
    """
    return 1 + secrets.randbelow(_FRESH_SEEDS - 1)


def candidate_seeds(seeds: Sequence[int], candidates: int) -> list[int]:
    """Return the seeds of all candidates of each text: the text's own, and others that follow from it."""
    return [
        int(np.random.SeedSequence([seed, each]).generate_state(1)[0]) if each else seed
        for seed in seeds
        for each in range(candidates)
    ]


class BatchRNG:
    """A random number generator for each of B sequences, so that its numbers depend on its seed alone."""

    def __init__(self, seeds: Sequence[int]) -> None:
        # A `RandomState` is seeded with 32 bits; PyTorch, too, ignores the others.
        self._generators = [np.random.RandomState(seed & _32_BITS) for seed in seeds]
        self._draw_ahead()

    def uniform(self) -> NDArray[np.float64]:
        """Return the next two numbers of each sequence, `(2, B)`, in 0 ≤ x < 1."""
        if self._next == _DRAWN_AHEAD:
            self._draw_ahead()
        self._next += 1
        numbers_2B: NDArray[np.float64] = self._numbers_R2B[self._next - 1]
        return numbers_2B

    def rollback(self) -> None:
        """Take back the last numbers, which then come again; at most once after each `uniform`."""
        self._next -= 1

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what `restore` needs to continue with the same numbers."""
        return {"generators": self._before, "next": np.array(self._next)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue where another generator of the same batch size stopped.

        Raises:
            ValueError: the state is not one of generators.
        """
        for generator, words in zip(self._generators, state["generators"], strict=True):
            generator.set_state(("MT19937", words[:-1].astype(np.uint32), int(words[-1]), 0, 0.0))
        self._draw_ahead()
        self._next = min(max(int(state["next"]), 0), _DRAWN_AHEAD)

    def _draw_ahead(self) -> None:
        """Draw numbers ahead; those of one sequence never depend on the size of the batch."""
        states = [generator.get_state(legacy=True) for generator in self._generators]
        self._before = np.array([[*key, place] for _, key, place, *_ in states], np.uint32)
        drawn_B2R = np.stack(
            [each.randint(0, 1 << 32, (2, _DRAWN_AHEAD), np.uint32) for each in self._generators]
        )
        # PyTorch takes the 24 lower bits of each word for a number in single precision.
        self._numbers_R2B = np.ascontiguousarray((drawn_B2R & _24_BITS).transpose(2, 1, 0)) * 2.0**-24
        self._next = 0
