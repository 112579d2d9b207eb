"""Dice: the uniform numbers that draws are made with, which can be put aside and taken up again.

Shape letters: B lanes, R rolls.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_ROLLS = 256


class Dice:
    """A stream of uniform numbers for each lane, which its seed alone decides.

    Args:
        seeds: one for each of the B lanes.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._throw()
        self._next = 0

    def roll(self) -> NDArray[np.float64]:
        """The next number of each lane, `(B, 1)` in 0 ≤ x < 1."""
        if self._next == _ROLLS:
            self._throw()
            self._next = 0
        self._next += 1
        return self._rolls_BR[:, self._next - 1 : self._next]

    def take_back(self) -> None:
        """Lets the last number come again; once after each roll."""
        self._next -= 1

    def state(self) -> dict[str, Tensor]:
        """What `restore` needs to go on with the same numbers."""
        return {"generators": self._before, "next": torch.tensor(self._next)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on where other dice of as many lanes stood.

        Raises:
            RuntimeError: the state is not one of dice.
        """
        for generator, before in zip(self._generators, state["generators"], strict=True):
            generator.set_state(before)
        self._throw()
        self._next = min(max(int(state["next"]), 0), _ROLLS)

    def _throw(self) -> None:
        """Makes numbers for a while; one lane's never depend on how many lanes there are."""
        self._before = torch.stack([generator.get_state() for generator in self._generators])
        rolls = [torch.rand(_ROLLS, generator=each) for each in self._generators]
        self._rolls_BR = torch.stack(rolls).double().numpy()
