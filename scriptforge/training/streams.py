"""Batches of streams: contiguous lanes of the training text, each of which continues where it stopped.

Each of B streams reads the whole text in order, in a circle, from a start of its own; the starts are evenly
spaced. With a text of 12 tokens, B = 3 and T = 2:

    step          0       1       2       3 …
    stream 0     0 1     2 3     4 5     6 7
    stream 1     4 5     6 7     8 9    10 11
    stream 2     8 9    10 11    0 1     2 3

So the recurrent state of a stream after one step is what its next batch continues from. A batch is a function
of the step number alone: that is all a checkpoint says about the position, and no text is left over.

Shape letters: B streams, T steps.
"""

from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import TrainingError


class Streams:
    """The training text seen as B streams that advance T tokens a step.

    Args:
        ids: every token of the split, in order; may be memory-mapped.
        batch_size: B.
        sequence_length: T.
        share: (index, count): which of how many processes this one is; each reads B streams of its own.
    """

    def __init__(
        self,
        ids: NDArray[np.unsignedinteger],
        batch_size: int,
        sequence_length: int,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        index, count = share
        streams = np.arange(index * batch_size, (index + 1) * batch_size)
        self._ids: NDArray[np.unsignedinteger] | Tensor = ids
        starts_B1 = (streams * len(ids) // (batch_size * count))[:, None]
        self._places_BT1: NDArray[np.int64] | Tensor = starts_B1 + np.arange(sequence_length + 1)
        self._sequence_length = sequence_length
        self.tokens_per_step = batch_size * count * sequence_length

    @classmethod
    def of(cls, dataset: Dataset, settings: Settings, share: tuple[int, int]) -> "Streams":
        """Return the streams that one of several processes reads in a training.

        Raises:
            TrainingError: there is too little text for one sequence, or none to validate on.
        """
        ids = dataset.ids("train")
        held_out = len(dataset.ids("validation"))
        if len(ids) <= settings.sequence_length or not held_out:
            raise TrainingError(
                f"Dataset “{dataset.name}” is too small: {len(ids)} tokens to train on, {held_out} held out.",
                "Give it more text, or shorter sequences: --set sequence_length=8",
            )
        return cls(ids, settings.batch_size, settings.sequence_length, share)

    @property
    def steps_per_epoch(self) -> float:
        """Return after how many steps the streams together have read as many tokens as there are."""
        return len(self._ids) / self.tokens_per_step

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return `ids_BT` and, one token later, `targets_BT`, both int64, of one step, counted from 0."""
        advance = step * self._sequence_length
        window_BT1 = self._ids[(self._places_BT1 + advance) % len(self._ids)]
        window = torch.as_tensor(window_BT1).to(torch.int64)
        return window[:, :-1].contiguous(), window[:, 1:].contiguous()

    def to(self, device: torch.device) -> "Streams":
        """Return the same streams with all ids in the memory of a device, where batches are then cut out."""
        moved = copy(self)
        moved._ids = torch.from_numpy(np.asarray(self._ids).astype(np.int32)).to(device)
        moved._places_BT1 = torch.as_tensor(self._places_BT1).to(device)
        return moved
