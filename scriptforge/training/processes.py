"""Processes that train one model together, on one machine or on several; torchrun starts them.

Each reads its own streams; Accelerate averages the gradients. The first process validates, saves and reports,
and its clock counts for all. All must agree on versions, text and settings, and if one ends, all end.

Shape letters: B streams of one process, P processes.
"""

import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch
from accelerate import Accelerator as Accelerate
from accelerate.state import PartialState
from accelerate.utils import broadcast, broadcast_object_list, gather, gather_object
from torch import Tensor

from scriptforge.config import DeviceType
from scriptforge.errors import TrainingError
from scriptforge.models import State
from scriptforge.training.process_state import generator_state, set_generator_state
from scriptforge.training.threads import count_processes

ValueT = TypeVar("ValueT")

_LOST = re.compile(r"connection|by peer|broken pipe|time(?:d )?out|remote worker|recv|NCCL", re.IGNORECASE)
"""Matches the various errors that PyTorch raises when another process can no longer be reached."""


def is_first_process() -> bool:
    """Return whether this process is the one that writes and reports; always true of a single process."""
    return int(os.environ.get("RANK", "0")) == 0


def broadcast_from_first(value: ValueT, device: DeviceType) -> ValueT:
    """Return the first process's value in every process.

    Args:
        value: any picklable value; ignored in the other processes.
        device: the type of device to train on.
    """
    if count_processes() == 1:
        return value
    PartialState(cpu=device == "cpu")
    sent = [value]
    broadcast_object_list(sent)
    return sent[0]


class Processes:
    """The group of processes that train together, as seen by one of them."""

    def __init__(self, accelerate: Accelerate) -> None:
        self._device = accelerate.device
        self.index: int = accelerate.process_index
        self.count: int = accelerate.num_processes

    @property
    def is_first(self) -> bool:
        """Return whether this is the process that validates, saves and reports."""
        return self.index == 0

    def refuse_disagreement(self, facts: Mapping[str, object]) -> None:
        """Raise an error in every process unless the facts are the same in all of them.

        Args:
            facts: values by the name that an error message gives them.

        Raises:
            TrainingError: two processes differ.
        """
        if self.count == 1:
            return
        own = {name: str(fact) for name, fact in facts.items()}
        told = gather_object([(platform.node(), own)])
        (host, first), *others = told
        for index, (other_host, other) in enumerate(others, 1):
            for name in first.keys() & other.keys():
                if other[name] != first[name]:
                    raise TrainingError(
                        f"These processes cannot train together: {name} is {first[name]} for process 0 on"
                        f" {host}, and {other[name]} for process {index} on {other_host}.",
                        "Install the same versions everywhere, copy the folder of the dataset, and start all"
                        " with the same command.",
                    )

    def agree(self, seconds: float, should_stop: bool) -> tuple[float, bool]:
        """Return the first process's time, and whether any process was asked to stop."""
        if self.count == 1:
            return seconds, should_stop
        time = torch.tensor([seconds], dtype=torch.float32, device=self._device)
        stop = torch.tensor([float(should_stop)], device=self._device)
        return float(broadcast(time)), bool(gather(stop).any())

    def gather_state(self, state: State) -> State:
        """Return the recurrent states of all processes side by side: P·B streams, in order."""
        if self.count == 1:
            return state
        return tuple(gather(tensor.transpose(0, 1).contiguous()).transpose(0, 1) for tensor in state)

    def own_state(self, state: State) -> State:
        """Return this process's part of what `gather_state` returned."""
        return tuple(tensor.chunk(self.count, dim=1)[self.index].contiguous() for tensor in state)

    def gather_generators(self) -> Tensor:
        """Return the states of the random generators that dropout uses, one row per process."""
        own = generator_state(self._device)
        return own[None] if self.count == 1 else gather(own[None].to(self._device)).cpu()

    def set_generator(self, states: Tensor) -> None:
        """Set this process's generator to its row of what `gather_generators` returned."""
        own = states[self.index].clone()  # a copy: torch reads from the start of the storage
        set_generator_state(self._device, own)


@contextmanager
def translate_lost_processes() -> Iterator[None]:
    """Turn PyTorch's connection errors into one that says that another process has ended.

    Raises:
        TrainingError: one of several processes that train together cannot be reached.
    """
    try:
        yield
    except RuntimeError as error:
        if count_processes() == 1 or not _LOST.search(str(error)):
            raise
        raise TrainingError(
            "Another process of this training has ended, or can no longer be reached.",
            "Check its messages, then start all of them again, with --resume if the training had begun.",
        ) from error
