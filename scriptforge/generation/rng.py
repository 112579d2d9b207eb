"""Random numbers: seeds, and a generator for each text, so that a text does not depend on those beside it.

Shape letters: B sequences of the batch, R numbers drawn ahead.
"""

import secrets
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_DRAWN_AHEAD = 256
_FRESH_SEEDS = 1_000_000


def fresh_seed() -> int:
    """Return a seed that nobody can foresee and everybody can type: 1 to 999,999.

    It comes from the operating system, so that the generators of the process stay as they are.
    """
    return 1 + secrets.randbelow(_FRESH_SEEDS - 1)


class BatchRNG:
    """A random number generator for each of B sequences, so that its numbers depend on its seed alone."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._draw_ahead()

    def uniform(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the next two numbers of each sequence, `(B, 1)` each, in 0 ≤ x < 1."""
        if self._next == _DRAWN_AHEAD:
            self._draw_ahead()
        self._next += 1
        first_B1, second_B1 = self._numbers_2BR[:, :, self._next - 1 : self._next]
        return first_B1, second_B1

    def rollback(self) -> None:
        """Let the last numbers come again; at most once after each `uniform`."""
        self._next -= 1

    def state(self) -> dict[str, Tensor]:
        """Return what `restore` needs to continue with the same numbers."""
        return {"generators": self._before, "next": torch.tensor(self._next)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue where another generator of the same batch size stopped.

        Raises:
            RuntimeError: the state is not one of generators.
        """
        for generator, before in zip(self._generators, state["generators"], strict=True):
            generator.set_state(before.clone())  # which crashes on memory that is not aligned
        self._draw_ahead()
        self._next = min(max(int(state["next"]), 0), _DRAWN_AHEAD)

    def _draw_ahead(self) -> None:
        """Draw numbers ahead; those of one sequence never depend on the size of the batch."""
        self._before = torch.stack([generator.get_state() for generator in self._generators])
        numbers = [torch.rand(2, _DRAWN_AHEAD, generator=each) for each in self._generators]
        self._numbers_2BR = torch.stack(numbers, dim=1).double().numpy()
        self._next = 0
