"""Batches of streams: contiguous lanes of the training text, each of which goes on where it stopped.

Every lane reads the whole text in order and starts at its own, evenly spaced place; at the end a lane goes
on from the beginning. A batch is therefore a function of the step number alone: that is all a checkpoint
needs to say about the position, and no text is left over.

Shape letters: B streams, T steps.
"""

from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Streams:
    """The training text seen as B streams that advance T tokens a step.

    Args:
        ids: every token of the split, in order; may be memory-mapped.
        batch_size: B.
        sequence_length: T.
        share: which of how many processes this one is; each takes B lanes of its own.
    """

    def __init__(
        self,
        ids: NDArray[np.unsignedinteger],
        batch_size: int,
        sequence_length: int,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        rank, processes = share
        lanes = np.arange(rank * batch_size, (rank + 1) * batch_size)
        self._ids: NDArray[np.unsignedinteger] | Tensor = ids
        starts_B1 = (lanes * len(ids) // (batch_size * processes))[:, None]
        self._places_BT1: NDArray[np.int64] | Tensor = starts_B1 + np.arange(sequence_length + 1)
        self._sequence_length = sequence_length
        self.tokens_per_step = batch_size * processes * sequence_length

    @property
    def steps_per_epoch(self) -> float:
        """Steps after which the lanes together have read as many tokens as there are."""
        return len(self._ids) / self.tokens_per_step

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """`ids_BT` and, one token later, `targets_BT`, both int64, of one step, counted from 0."""
        advance = step * self._sequence_length
        window_BT1 = self._ids[(self._places_BT1 + advance) % len(self._ids)]
        window = torch.as_tensor(window_BT1).to(torch.int64)
        return window[:, :-1].contiguous(), window[:, 1:].contiguous()

    def to(self, device: torch.device) -> "Streams":
        """The same streams with all ids in the memory of a device, where batches are then cut out, too."""
        moved = copy(self)
        moved._ids = torch.from_numpy(np.asarray(self._ids).astype(np.int32)).to(device)
        moved._places_BT1 = torch.as_tensor(self._places_BT1).to(device)
        return moved
