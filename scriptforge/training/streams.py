"""The order in which a training run reads its text: as B streams, T tokens per step.

A stream reads contiguous text and continues where it stopped, so that the recurrent state after a step is the
initial state of the next one. The text is treated as a circle, on which the streams start at equal distances.
In an epoch, each stream reads up to where the next one started, so that every token is read once, apart from
fewer than T before each start. Then all streams jump by the same random distance, so that each epoch has
different batches, and leaves out different tokens. For example, two epochs over 13 tokens, with B = 3 and
T = 2:

    step         0        1          2        3
    stream 0    3  4     5  6      11 12     0  1
    stream 1    7  8     9 10       2  3     4  5
    stream 2   11 12     0  1       6  7     8  9

After a jump, a stream's state belongs to another place in the text. So with a short text, there are several
epochs between two jumps.

The random distance depends only on the seed and the number of the jump. So a batch is a function of the step
number, which is all that a checkpoint needs to store of the position.

Source: Press 2019, "Partially Shuffling the Training Data to Improve Language Models", arXiv:1903.04167,
where each stream is shifted within its own part.

Shape letters: B streams, T steps.
"""

import math
from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import TrainingError

_MIN_STEPS = 64
"""Minimum number of steps between two jumps."""


class Streams:
    """The training text as B streams that advance T tokens per step.

    Args:
        ids: all token ids of the split, in order; may be memory-mapped.
        batch_size: B.
        sequence_length: T.
        seed: seed of the order.
        rank: index of this process, from 0; each process reads B streams of its own.
        world_size: number of processes.

    Attributes:
        tokens_per_step: number of tokens that all processes together read in a step.
    """

    def __init__(
        self,
        ids: NDArray[np.unsignedinteger],
        batch_size: int,
        sequence_length: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.tokens_per_step = batch_size * world_size * sequence_length
        self._ids: NDArray[np.unsignedinteger] | Tensor = ids
        self._seed = seed
        streams = np.arange(rank * batch_size, (rank + 1) * batch_size)
        starts_B1 = (streams * len(ids) // (batch_size * world_size))[:, None]
        self._places_BT1: NDArray[np.int64] | Tensor = starts_B1 + np.arange(sequence_length + 1)
        self._sequence_length = sequence_length
        steps = max(1, len(ids) // self.tokens_per_step)
        self._steps_between_jumps = steps * math.ceil(_MIN_STEPS / steps)

    @classmethod
    def of(cls, dataset: Dataset, settings: Settings, rank: int, world_size: int) -> "Streams":
        """Return the streams that one process reads in a training run.

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
        return cls(ids, settings.batch_size, settings.sequence_length, settings.seed, rank, world_size)

    @property
    def steps_per_epoch(self) -> float:
        """Return the number of steps in which the streams together read as many tokens as the text has."""
        return len(self._ids) / self.tokens_per_step

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return `ids_BT` and, one token later, `targets_BT` of a step, counted from 0; both int64."""
        jump, steps = divmod(step, self._steps_between_jumps)
        # NumPy guarantees that SeedSequence gives the same numbers in all versions.
        drawn = int(np.random.SeedSequence((self._seed, jump)).generate_state(1, np.uint64)[0])
        advance = drawn % len(self._ids) + steps * self._sequence_length
        window_BT1 = self._ids[(self._places_BT1 + advance) % len(self._ids)]
        window = torch.as_tensor(window_BT1).to(torch.int64)
        return window[:, :-1].contiguous(), window[:, 1:].contiguous()

    def to(self, device: torch.device) -> "Streams":
        """Return the same streams with all ids on a device, where batches are then sliced."""
        moved = copy(self)
        moved._ids = torch.from_numpy(np.asarray(self._ids).astype(np.int32)).to(device)
        moved._places_BT1 = torch.as_tensor(self._places_BT1).to(device)
        return moved
