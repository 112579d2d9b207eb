"""Threads: how many a training run uses on the CPU, how that is chosen, and when it changes.

Threads wait for each other at every operation. On an idle machine with two cores, two threads are 1.5 times
as fast as one; if another program keeps a core busy, they are several times slower than one. So the number is
chosen by the time that real steps take, again and again: a few steps are made with another number, and the
better number is kept.

    chosen 2   1.0 1.0 1.0 1.0 2.6 2.9 2.4      another program started: steps take clearly longer
    tried  1                       1.5 1.5 1.5 1.5 1.5      clearly better: chosen

Another number is tried

- at the start, and when the time of a step has changed lastingly, up or down;
- when a core has become idle, which does not change the time of a step with one thread;
- every now and then, since the load of other programs need not show in either.

All trials together may cost 2 % of the time.

A fixed number is never changed, whether set by `threads` or by `OMP_NUM_THREADS`. Neither is that of several
processes that train together, which wait for the slowest. This module knows nothing of models and files.
"""

import math
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from scriptforge.config import DeviceType

ADAPTIVE = "adaptive"
"""What a checkpoint records in place of a number of threads that is chosen during training."""

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that fix PyTorch's number of threads."""

SHARE_FOR_TRYING = 0.02
"""Share of the training time that may be lost to trials of slower numbers."""

_WARM_UP = 2
"""Number of first steps to ignore; they take longer, since memory is allocated for the first time."""

_FEW, _MANY = 5, 15
"""Minimum and maximum number of steps to compare."""

_MIN_GAIN, _ERRORS = 0.05, 3.5
_MAX_GAIN = {_FEW: 0.35, _MANY: 0.15}
"""Share of the time of a step that another number must save to be chosen: `_ERRORS` standard errors of the
difference, so that noise does not decide, but at least `_MIN_GAIN`, and at most `_MAX_GAIN` for trials of
up to that many steps."""

_DEVIATION = 1.48
"""A standard deviation in median absolute deviations, for normally distributed values."""

_HAS_CHANGED = 1.25
_MAX_STEPS_LOST = 1.5
"""Time lost, in steps, at which a trial of a slower number ends."""

_LONGEST_REST = 160
"""Maximum steps for which changes in step time are ignored, after trials that found no better number."""

_CORE_HAS_COME = 0.5
_SECONDS_OF_IDLENESS = 1.0


def usable_cores() -> int:
    """Return how many processor cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


def count_processes() -> int:
    """Return how many processes train together, as set by torchrun."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def fixed_by() -> str | None:
    """Return the environment variable that fixes the number of threads, or None."""
    return next((name for name in VARIABLES if os.environ.get(name)), None)


def possible(fixed: int | None = None) -> tuple[int, ...]:
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


def load_average() -> float:
    """Return the mean number of busy cores over the last minute; 0 if the system does not say."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # not on Windows
        return 0.0


def first_choice(numbers: Sequence[int]) -> int:
    """Return the number of threads to start with: at most one per free core, but at least the lowest."""
    free = usable_cores() - round(load_average())
    return max((number for number in numbers if number <= free), default=numbers[0])


def typical(seconds: Sequence[float]) -> float:
    """Return the typical time of a step: the mean without the fastest and the slowest fifth.

    A single slow step does not count, and a load that comes and goes counts in proportion to its presence,
    which a median would hide.
    """
    left_out = len(seconds) // 5
    kept = sorted(seconds)[left_out : len(seconds) - left_out]
    return sum(kept) / len(kept)


def is_clearly_less(seconds: Sequence[float], than: Sequence[float]) -> bool:
    """Return whether step times are below others, by more than noise explains."""
    usual = typical(than)
    middle = median(than)
    spread = _DEVIATION * median(abs(each - middle) for each in than) / usual
    gain = _ERRORS * spread * math.sqrt(1 / len(seconds) + 1 / len(than))
    most = min(bound for steps, bound in _MAX_GAIN.items() if steps <= len(seconds))
    return typical(seconds) < (1 - min(max(gain, _MIN_GAIN), most)) * usual


class ThreadChooser:
    """A chooser of the number of threads by the time of steps, without PyTorch or a clock of its own.

    Make each step with `number` threads, and pass its time to `add`.

    Args:
        numbers: the numbers to choose from, ascending.
        first: the one to start with.

    Attributes:
        chosen: the best number known so far.
        number: the number for the next step: `chosen`, or one on trial.
    """

    def __init__(self, numbers: Sequence[int], first: int) -> None:
        self._numbers = tuple(numbers)
        self.chosen = self.number = first
        self._warm_up = _WARM_UP
        self._recent: deque[float] = deque(maxlen=_MANY)  # times with the chosen number
        self._usual = 0.0  # typical time with the chosen number, when a trial last began or ended
        self._trial: list[float] = []
        self._waiting = deque(self._neighbours(up_first=False))
        self._credit = 0.0  # seconds that trials may still lose; negative if they lost more
        self._rest, self._rested = _FEW, 0  # steps to wait before reacting to a change, and steps waited
        self._turn = 0
        self._idle: float | None = None

    def add(self, seconds: float) -> None:
        """Record the time of the last step, and choose the number for the next one."""
        if self._warm_up:
            self._warm_up -= 1
        elif self.number != self.chosen:
            self._judge(seconds)
        else:
            self._watch(seconds)

    def notice_idle(self, cores: float) -> None:
        """Try more threads if cores have become idle.

        Args:
            cores: mean number of idle cores while some steps were made with the chosen number.
        """
        least = cores if self._idle is None else self._idle
        has_come = cores > least + _CORE_HAS_COME
        self._idle = cores if has_come and self._look(up_first=True) else min(cores, least)

    def settle(self) -> None:
        """Suspend a trial before work other than a step, for which the chosen number is best."""
        if self.number != self.chosen:
            self._waiting.appendleft(self.number)
            self.number = self.chosen

    def _neighbours(self, up_first: bool) -> list[int]:
        place = self._numbers.index(self.chosen)
        beside = [*self._numbers[max(0, place - 1) : place], *self._numbers[place + 1 : place + 2]]
        return beside[::-1] if up_first else beside

    def _watch(self, seconds: float) -> None:
        self._recent.append(seconds)
        self._credit += SHARE_FOR_TRYING * seconds
        self._rested += 1
        if len(self._recent) < _FEW:
            return
        last = [*self._recent][-_FEW:]
        now = typical(last)
        has_changed = self._usual and not 1 / _HAS_CHANGED < now / self._usual < _HAS_CHANGED
        if has_changed and self._look(up_first=now < self._usual):
            self._recent = deque(last, maxlen=_MANY)
        if not self._waiting and self._credit > 0 and len(self._recent) == _MANY:
            self._waiting.extend(self._next_in_turn())
        if self._waiting:
            self._usual = typical(self._recent)
            self.number = self._waiting.popleft()
            self._trial = []

    def _look(self, up_first: bool) -> bool:
        """Plan to try the numbers next to the chosen one, unless that was just done; return whether it is."""
        if self._waiting or self.number != self.chosen or self._rested < self._rest:
            return False
        self._rested = 0
        self._rest = min(2 * self._rest, _LONGEST_REST)
        self._waiting.extend(self._neighbours(up_first))
        return True

    def _next_in_turn(self) -> list[int]:
        """Return a list with one of the other numbers, in rotation; empty if there are none."""
        others = [number for number in self._numbers if number != self.chosen]
        self._turn += 1
        return others[self._turn % len(others) :][:1] if others else []

    def _judge(self, seconds: float) -> None:
        self._trial.append(seconds)
        lost = sum(self._trial) - len(self._trial) * self._usual
        if lost < _MAX_STEPS_LOST * self._usual and len(self._trial) not in (_FEW, _MANY):
            return
        is_better = len(self._trial) >= _FEW and is_clearly_less(self._trial, self._recent)
        if not is_better and lost < 0 and len(self._trial) < _MANY:
            return  # perhaps it is better: more steps will tell, and cost nothing
        tried, before = self.number, self.chosen
        self._credit -= max(lost, self._usual)
        self._recent.clear()
        if is_better:
            self.chosen = tried
            self._usual = typical(self._trial)
            self._recent.extend(self._trial)
            self._rest, self._idle = _FEW, None
            further = self._neighbours(up_first=tried > before)[:1]
            self._waiting = deque(number for number in further if (number > tried) == (tried > before))
        self.number = self.chosen


class Threads:
    """The threads of one training run, which sets PyTorch's number of threads between its steps.

    That number is one for the whole process, so a training run restores it between two events; see
    `scriptforge.training.devices.ProcessState`.

    Args:
        fixed: the requested number; None leaves it to the environment, or to the chooser.
        device: the type of device to train on; for a GPU, the number of threads is never changed.
    """

    def __init__(self, fixed: int | None, device: "DeviceType") -> None:
        self._is_cpu = device == "cpu"
        self._chooser: ThreadChooser | None = None
        self._idleness = _Idleness()
        if self._is_cpu:
            numbers = possible(fixed)
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
    def identity(self) -> int | str:
        """Return what a checkpoint records: the number, or that it is adaptive."""
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


class _Idleness:
    """A meter of idle cores while a training run makes steps, by the system's counters."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start a new measurement."""
        self._began: float | None = None

    def after_step(self, seconds: float) -> float | None:
        """Return the mean number of idle cores over a second; None before its end, or if steps were few."""
        now = perf_counter()
        if self._began is None:
            self._began, self._stepped, self._idle = now, 0.0, idle_seconds()
            return None
        self._stepped += seconds
        passed = now - self._began
        if passed < _SECONDS_OF_IDLENESS or self._idle is None:
            return None
        idle = idle_seconds()
        cores = (idle - self._idle) / passed if idle is not None and self._stepped > 0.8 * passed else None
        self._began, self._stepped, self._idle = now, 0.0, idle
        return cores


def idle_seconds() -> float | None:
    """Return the idle time of all cores since the machine started, added up; None if unknown."""
    try:
        return float(psutil.cpu_times().idle)
    except (OSError, RuntimeError):
        return None


class OtherLoad:
    """A meter of cores that other programs keep busy, from its creation on."""

    def __init__(self) -> None:
        self._began, self._own, self._idle = perf_counter(), process_time(), idle_seconds()

    def cores(self) -> float:
        """Return the mean number of cores busy with other programs; 0 if the system does not say."""
        idle, passed = idle_seconds(), perf_counter() - self._began
        if idle is None or self._idle is None or passed <= 0:
            return 0.0
        own = process_time() - self._own
        return max(0.0, usable_cores() - (idle - self._idle + own) / passed)

    def is_passing(self, cores: float) -> bool:
        """Return whether a load of so many cores is less than half a minute old, and so may soon pass."""
        return 0 < load_average() < cores / 2


def fastest(numbers: Sequence[int], time_step: Callable[[], float]) -> int:
    """Return the number of threads with which a step is fastest, counting up while more threads help.

    Args:
        numbers: the numbers to choose from, ascending.
        time_step: makes a step and returns its seconds.
    """
    best, least = numbers[0], float("inf")
    for number in numbers if len(numbers) > 1 else ():
        set_threads(number)
        time_step()
        seconds = typical([time_step() for _ in range(_FEW)])
        if seconds > (1 - _MIN_GAIN) * least:
            break
        best, least = number, seconds
    return best


@contextmanager
def own_number() -> Iterator[None]:
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
