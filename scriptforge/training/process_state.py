"""Process-wide state: what a training run hides from the caller, and what only a program should change.

A training run seeds PyTorch's random generators, creates Accelerate's shared state and changes the number of
threads, each of which exists once per process. A notebook that trains may use the same generators and its own
`Accelerator`, and training must not disturb them, even if the notebook draws random numbers between two
events. So the state is swapped around every piece of training work (`ProcessState`):

    caller's state ──┐            ┌── caller's state ──┐            ┌── caller's state
                     └ to event 1 ┘                    └ to event 2 ┘
                       training's state                  training's state
"""

import ctypes
import sys
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch import Tensor

from scriptforge.training.threads import current_threads, set_threads

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of mallopt, from glibc's malloc.h
_MAX_BLOCK = 1 << 30
_NOT_COMPILED = "__dynamo_disable"
"""Attribute in which PyTorch, from 2.6 on, caches the version of a function that is never compiled."""

_SHARED = (PartialState, AcceleratorState, GradientState)

_Item = TypeVar("_Item")


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
    return {device: generator_state(device) for device in devices}


def _set_generators(states: dict[torch.device, Tensor]) -> None:
    for device, state in states.items():
        set_generator_state(device, state)


def generator_state(device: torch.device) -> Tensor:
    """Return the state of a device's random generator."""
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    return torch.mps.get_rng_state() if device.type == "mps" else torch.get_rng_state()


def set_generator_state(device: torch.device, state: Tensor) -> None:
    """Set the state of a device's random generator."""
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
