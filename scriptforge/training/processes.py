"""Several processes that train one model together, and what they must agree on.

Each reads streams of its own; Accelerate averages their gradients. The first one validates, saves and
reports, and what it says of the time is what counts for all.

Shape letters: B streams of one process, P processes.
"""

import os
from collections.abc import Sequence

import torch
from accelerate import Accelerator as Accelerate
from accelerate import PartialState
from accelerate.utils import broadcast, gather
from torch import Tensor

from scriptforge.config import Accelerator
from scriptforge.models import State


def is_first_process() -> bool:
    """Whether this process is the one that writes and reports; true of a process by itself."""
    return int(os.environ.get("RANK", "0")) == 0


def of_first_process(numbers: Sequence[float], accelerator: Accelerator) -> list[float]:
    """What the first of several processes measured, told to all: they must agree before they train.

    Args:
        numbers: what this process measured; as many in every process.
        accelerator: what will compute.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return list(numbers)
    state = PartialState(cpu=accelerator == "cpu")
    told: list[float] = broadcast(torch.tensor(numbers, dtype=torch.float32, device=state.device)).tolist()
    return told


class Processes:
    """This process among those that train together."""

    def __init__(self, accelerate: Accelerate) -> None:
        self._device = accelerate.device
        self.index: int = accelerate.process_index
        self.count: int = accelerate.num_processes

    @property
    def is_first(self) -> bool:
        """Whether this is the process that validates, saves and reports."""
        return self.index == 0

    def agree(self, seconds: float, should_stop: bool) -> tuple[float, bool]:
        """The first process's time, and whether any process was asked to stop."""
        if self.count == 1:
            return seconds, should_stop
        time = torch.tensor([seconds], dtype=torch.float32, device=self._device)
        stop = torch.tensor([float(should_stop)], device=self._device)
        return float(broadcast(time)), bool(gather(stop).any())

    def gather_state(self, state: State) -> State:
        """The recurrent states of all processes side by side: P·B streams, in the order of processes."""
        if self.count == 1:
            return state
        return tuple(gather(tensor.transpose(0, 1).contiguous()).transpose(0, 1) for tensor in state)

    def own_state(self, state: State) -> State:
        """This process's part of what `gather_state` gave."""
        return tuple(tensor.chunk(self.count, dim=1)[self.index].contiguous() for tensor in state)

    def gather_generators(self) -> Tensor:
        """The states of the generators that dropout draws from, one row for each process."""
        if self._device.type == "cuda":
            own = torch.cuda.get_rng_state(self._device)
        elif self._device.type == "mps":
            own = torch.mps.get_rng_state()
        else:
            own = torch.get_rng_state()
        return own[None] if self.count == 1 else gather(own[None].to(self._device)).cpu()

    def set_generator(self, states: Tensor) -> None:
        """Takes this process's row of what `gather_generators` gave."""
        own = states[self.index].clone()  # torch reads a state from where its storage begins
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(own, self._device)
        elif self._device.type == "mps":
            torch.mps.set_rng_state(own)
        else:
            torch.set_rng_state(own)
