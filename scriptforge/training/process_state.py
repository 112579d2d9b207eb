"""Global state of the process that a training needs for itself, lent to it piece by piece.

A training seeds PyTorch's generators and makes Accelerate's shared state, of which a process has one each. A
notebook that trains has its own draws and perhaps its own `Accelerator`; neither may change, even if it draws
between two events. So the state is exchanged around every piece of the training's work:

    caller's state ──┐            ┌── caller's state ──┐            ┌── caller's state
                     └ to event 1 ┘                    └ to event 2 ┘
                       training's state                  training's state
"""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import torch
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch import Tensor

_SHARED = (PartialState, AcceleratorState, GradientState)

_Item = TypeVar("_Item")


class ProcessState:
    """PyTorch's generators and Accelerate's shared state, as one training sees them.

    It begins with generators as the caller left them, and without any state of Accelerate: the first training
    of a process must not decide device and precision of the second one.
    """

    def __init__(self) -> None:
        self._generators: dict[str, Tensor] | None = None
        self._shared: list[dict[str, Any]] = [{} for _ in _SHARED]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Exchange the caller's state for the training's, and back."""
        outer_generators = _generators()
        outer_shared = [vars(each)["_shared_state"] for each in _SHARED]
        if self._generators is not None:
            _set_generators(self._generators)
        _set_shared(self._shared)
        try:
            yield
        finally:
            self._generators = _generators()
            _set_shared(outer_shared)
            _set_generators(outer_generators)


def with_own_state(work: Generator[_Item, None, None]) -> Generator[_Item, None, None]:
    """Yield what a generator yields; it runs with a process state of its own, its caller does not notice."""
    state = ProcessState()
    with closing(work):
        while True:
            with state.entered():
                try:
                    item = next(work)
                except StopIteration:
                    return
            yield item


def _generators() -> dict[str, Tensor]:
    """Return the states of PyTorch's generators, by device; a GPU's only where it is in use already."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states |= {f"cuda:{index}": each for index, each in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        states["mps"] = torch.mps.get_rng_state()
    return states


def _set_generators(states: dict[str, Tensor]) -> None:
    for device, state in states.items():
        if device == "cpu":
            torch.set_rng_state(state)
        elif device == "mps":
            torch.mps.set_rng_state(state)
        else:
            torch.cuda.set_rng_state(state, device)


def _set_shared(states: list[dict[str, Any]]) -> None:
    """Replace what objects of Accelerate share; those that exist keep the dictionary they were made with."""
    for kind, state in zip(_SHARED, states, strict=True):
        kind._shared_state = state
