"""Threads: how many a training run can use on the CPU, and how many it uses for its next step.

A fixed number is never changed, whether set by `threads` or by `OMP_NUM_THREADS`. Neither is that of several
processes that train together, which wait for the slowest. Any other number is chosen again and again, by
`scriptforge.training.thread_chooser`. This module knows nothing of models and files.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

import psutil

from scriptforge.cores import Idleness, load_average, usable_cores
from scriptforge.training.thread_chooser import ThreadChooser

if TYPE_CHECKING:
    from scriptforge.config import DeviceType

ADAPTIVE: Final = "adaptive"
"""What a run and its checkpoints record in place of a number of threads that is chosen during training."""

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that fix PyTorch's number of threads."""


def count_processes() -> int:
    """Return how many processes train together, as set by torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def fixed_by() -> str | None:
    """Return the environment variable that fixes the number of threads, or None."""
    return next((name for name in VARIABLES if os.environ.get(name)), None)


def candidate_thread_counts(fixed: int | None = None) -> tuple[int, ...]:
    """Return the numbers of threads to choose from: the powers of two and the maximum; only one if fixed.

    The maximum is one per usable core, but never more than PyTorch's own number: one per physical core, or
    what the calling program has set.

    Args:
        fixed: the requested number; None leaves it to the environment, or to the time of a step.
    """
    if fixed is not None:
        return (fixed,)
    most = current_threads()
    if fixed_by() is not None or count_processes() > 1:
        return (most,)
    most = min(usable_cores(), most)
    return tuple(sorted({*(2**exponent for exponent in range(most.bit_length())), most}))


def first_choice(numbers: Sequence[int]) -> int:
    """Return the number of threads to start with: at most one per free core, but at least the lowest."""
    free = usable_cores() - round(load_average())
    return max((number for number in numbers if number <= free), default=numbers[0])


class Threads:
    """The threads of one training run, which sets PyTorch's number of threads between its steps.

    That number is one for the whole process, so a training run restores it between two events; see
    `scriptforge.training.process_state.ProcessState`.

    Args:
        fixed: the requested number; None leaves it to the environment, or to the chooser.
        device: the type of device to train on; for a GPU, the number of threads is never changed.
    """

    def __init__(self, fixed: int | None, device: "DeviceType") -> None:
        self._is_cpu = device == "cpu"
        self._chooser: ThreadChooser | None = None
        self._idleness = Idleness()
        if self._is_cpu:
            numbers = candidate_thread_counts(fixed)
            set_threads(first_choice(numbers))
            if len(numbers) > 1:
                self._chooser = ThreadChooser(numbers, current_threads())
        self._used = {current_threads()}

    @property
    def number(self) -> int | None:
        """Return the current number, not counting one on trial; None on a GPU."""
        if not self._is_cpu:
            return None
        return self._chooser.chosen if self._chooser else current_threads()

    @property
    def identity(self) -> int | Literal["adaptive"]:
        """Return what a run and its checkpoints record: the number, or that it is adaptive."""
        return ADAPTIVE if self._chooser else current_threads()

    @property
    def used(self) -> str:
        """Return the numbers chosen so far, as text: `2 threads`, `1 to 2 threads`."""
        least, most = min(self._used), max(self._used)
        span = f"{most}" if least == most else f"{least} to {most}"
        return f"{span} {'thread' if most == 1 else 'threads'}"

    def after_step(self, seconds: float) -> None:
        """Record the time of a step, and set the number for the next one."""
        if self._chooser is None:
            return
        before = self._chooser.number
        self._chooser.add(seconds)
        if before != self._chooser.number:
            self._idleness.restart()
        elif before == self._chooser.chosen and (cores := self._idleness.after_step(seconds)) is not None:
            self._chooser.notice_idle(cores)
        self._set()

    def settle(self) -> None:
        """Set the chosen number, before work other than a step."""
        if self._chooser is not None:
            self._chooser.settle()
            self._idleness.restart()
            self._set()

    def _set(self) -> None:
        assert self._chooser is not None
        set_threads(self._chooser.number)
        self._used.add(self._chooser.chosen)


@contextmanager
def restore_thread_count() -> Iterator[None]:
    """Restore the process's number of threads after the block."""
    before = current_threads()
    try:
        yield
    finally:
        set_threads(before)


# torch is imported where it is used, so that `doctor` can count cores even if torch is broken.


def current_threads() -> int:
    """Return PyTorch's number of threads, or the one that it would have if it was imported."""
    if torch := sys.modules.get("torch"):
        number: int = torch.get_num_threads()
        return number
    variable = fixed_by()
    if variable and os.environ[variable].isdecimal():
        return int(os.environ[variable])
    return psutil.cpu_count(logical=False) or usable_cores()


def set_threads(number: int) -> None:
    """Set PyTorch's number of threads if it differs; setting it makes PyTorch drop prepared operations."""
    import torch

    if torch.get_num_threads() != number:
        torch.set_num_threads(number)
