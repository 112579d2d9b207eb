"""Devices: the choice of a device, processes that train together, memory errors, and process-wide state.

Several processes, started by torchrun, can train one model together, on one machine or on several. Each reads
its own streams; Accelerate averages the gradients. The first process validates, saves and reports, and its
clock counts for all. All must agree on versions, text and settings, and if one ends, all end.

A training run seeds PyTorch's random generators, creates Accelerate's shared state and changes the number of
threads, each of which exists once per process. A notebook that trains may use the same generators and its own
`Accelerator`, and training must not disturb them, even if the notebook draws random numbers between two
events. So the state is swapped around every piece of training work (`ProcessState`):

    caller's state ──┐            ┌── caller's state ──┐            ┌── caller's state
                     └ to event 1 ┘                    └ to event 2 ┘
                       training's state                  training's state

Shape letters: B streams of one process, P processes.
"""

import ctypes
import os
import platform
import re
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import torch
from accelerate import Accelerator as Accelerate
from accelerate.state import AcceleratorState, GradientState, PartialState
from accelerate.utils import broadcast, broadcast_object_list, gather, gather_object
from torch import Tensor

from scriptforge.config import DeviceType
from scriptforge.errors import TrainingError, UsageError
from scriptforge.models import State
from scriptforge.options import Device
from scriptforge.training.threads import count_processes, current_threads, set_threads

ValueT = TypeVar("ValueT")

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt, from glibc's malloc.h
_MAX_BLOCK = 1 << 30
_NOT_COMPILED = "__dynamo_disable"
"""Attribute in which PyTorch, from 2.6 on, caches the version of a function that is never compiled."""
_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate|not enough memory", re.IGNORECASE)
"""Matches PyTorch's out-of-memory errors on a CPU, which are plain RuntimeErrors."""
_LOST = re.compile(r"connection|by peer|broken pipe|time(?:d )?out|remote worker|recv|NCCL", re.IGNORECASE)
"""Matches the various errors that PyTorch raises when another process can no longer be reached."""


def choose_device(choice: Device) -> DeviceType:
    """Return the device for a choice; `auto` takes a CUDA GPU if there is one, else the CPU.

    An Apple GPU is used only on request, since PyTorch has no fast LSTM for it.

    Raises:
        UsageError: a GPU is requested and there is none.
    """
    if choice != "cpu" and torch.cuda.is_available():
        return "cuda"
    if choice == "gpu":
        if torch.backends.mps.is_available():
            return "mps"
        raise UsageError(
            "There is no GPU that PyTorch can use here.",
            "Leave --gpu out: small models train well on the CPU. scriptforge doctor says more.",
        )
    return "cpu"


def is_asynchronous(device: torch.device) -> bool:
    """Return whether the device computes asynchronously, so that reading a number waits for queued work."""
    return device.type == "cuda"


def hardware(device: torch.device, threads: str) -> str:
    """Return a description of the hardware that identifies no particular machine.

    Args:
        device: the device of the model.
        threads: the threads used on a CPU, as text: `2 threads`.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "the GPU of an Apple computer"
    return f"{threads} of a CPU ({platform.machine()})"


def keep_freed_memory() -> None:
    """Make glibc keep freed blocks of up to a gigabyte; do nothing with another C library.

    By default glibc returns every large block to the system when it is freed, and the next step waits for
    fresh, zeroed pages: about a quarter of a small model's training time. This cannot be undone, so it is
    left to the program: the command line calls it before training, the library never does.
    """
    if sys.platform == "linux":
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option:
            set_option(_MMAP_THRESHOLD, _MAX_BLOCK)
            set_option(_TRIM_THRESHOLD, _MAX_BLOCK)


def prepare_process() -> None:
    """Make process-wide changes that speed up training; for a program to call, not a library."""
    keep_freed_memory()
    leave_compiler_out()


def leave_compiler_out() -> None:
    """Keep PyTorch's optimizers from importing its compiler, which would take most of the start-up time.

    Four of their methods import it on the first call, only to exclude themselves from compilation; nothing
    here is compiled. Like `keep_freed_memory`, this is left to the program.
    """
    for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
        method = getattr(getattr(torch.optim.Optimizer, name), "__wrapped__", None)
        if method is not None and not hasattr(method, _NOT_COMPILED):
            setattr(method, _NOT_COMPILED, method)


@contextmanager
def translate_memory_errors() -> Iterator[None]:
    """Turn the various out-of-memory errors into one.

    Raises:
        TrainingError: memory ran out.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _OUT_OF_MEMORY.search(str(error)):
            raise
        raise TrainingError(
            "There is not enough memory for this model and batch.",
            "Try smaller ones: --set batch_size=8 or --set hidden_size=256; the checkpoints are kept.",
        ) from error


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
        own = _generator_state(self._device)
        return own[None] if self.count == 1 else gather(own[None].to(self._device)).cpu()

    def set_generator(self, states: Tensor) -> None:
        """Set this process's generator to its row of what `gather_generators` returned."""
        own = states[self.index].clone()  # a copy: torch reads from the start of the storage
        _set_generator_state(self._device, own)


_SHARED = (PartialState, AcceleratorState, GradientState)

_Item = TypeVar("_Item")


class ProcessState:
    """PyTorch's generators and threads, and Accelerate's shared state, as one training run sees them.

    It starts with the caller's generators and threads, and without any Accelerate state: the first training
    run of a process must not determine the device and precision of the second.
    """

    def __init__(self) -> None:
        self._generators: dict[torch.device, Tensor] = {}
        self._shared: list[dict[str, Any]] = [{} for _ in _SHARED]
        self._threads: int | None = None

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Swap in the training run's state for the block, and the caller's state back after it."""
        outer_generators, outer_threads = _generators(), current_threads()
        outer_shared = [vars(each)["_shared_state"] for each in _SHARED]
        _set_generators(self._generators)
        _set_shared(self._shared)
        set_threads(self._threads or outer_threads)
        try:
            yield
        finally:
            self._generators, self._threads = _generators(), current_threads()
            set_threads(outer_threads)
            _set_shared(outer_shared)
            _set_generators(outer_generators)


def with_own_state(work: Generator[_Item, None, None]) -> Generator[_Item, None, None]:
    """Yield from a generator that runs with a process state of its own, unnoticed by the caller."""
    state = ProcessState()
    with closing(work):
        while True:
            with state.entered():
                try:
                    item = next(work)
                except StopIteration:
                    return
            yield item


def _generators() -> dict[torch.device, Tensor]:
    """Return the states of PyTorch's random generators by device; CUDA's only if CUDA is already in use."""
    devices = [torch.device("cpu")]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        devices += [torch.device("cuda", index) for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append(torch.device("mps"))
    return {device: _generator_state(device) for device in devices}


def _set_generators(states: dict[torch.device, Tensor]) -> None:
    for device, state in states.items():
        _set_generator_state(device, state)


def _generator_state(device: torch.device) -> Tensor:
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else torch.get_rng_state()


def _set_generator_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    elif device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.set_rng_state(state)


def _set_shared(states: list[dict[str, Any]]) -> None:
    """Replace Accelerate's shared state; existing objects keep the dictionary they were created with."""
    for kind, state in zip(_SHARED, states, strict=True):
        kind._shared_state = state
