"""Threads: with how many of them a training run on the CPU computes, who chooses that, and when it changes.

Threads wait for each other at every operation. On an idle machine with two cores, two are half again as fast
as one; where another program keeps a core busy, they are several times slower than one. So the number is
chosen by how long real steps take, again and again: a few are made with another one, and the best is kept.

    chosen 2   1.0 1.0 1.0 1.0 2.6 2.9 2.4      somebody came: steps take clearly longer than they did
    tried  1                       1.5 1.5 1.5 1.5 1.5      clearly better: chosen

Another number is tried

- at the start, and when the time of a step has changed for good, up or down;
- when a core has become idle, which one thread does not feel;
- every now and then, since what others do need not show in either. All of that may lose 2 % of the time.

A number that somebody fixed stays: with the setting `threads`, or with `OMP_NUM_THREADS`. So does that of
several processes that train together, which wait for the slowest. Knows nothing of models and files.
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
"""What a checkpoint says of a number that is chosen as the training goes."""

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that fix PyTorch's number."""

SHARE_FOR_TRYING = 0.02
"""Of the time of a training run, what may be lost by trying numbers that turn out to be slower."""

_WARM_UP = 2
"""Steps at the start that take longer than others: memory is taken for the first time."""

_FEW, _MANY = 5, 15
"""Steps that are compared: at least, and at most."""

_LEAST_GAIN, _ERRORS = 0.05, 3.5
_MOST_GAIN = {_FEW: 0.35, _MANY: 0.15}
"""Share of the time of a step that another number must save to be chosen: so many standard errors of what is
compared, so that noise does not decide, within bounds; the upper one by the number of steps."""

_DEVIATION = 1.48
"""A standard deviation, in median deviations."""

_HAS_CHANGED = 1.25
_MOST_LOST = 1.5
"""In steps: when a number is given up that turns out to be slower."""

_LONGEST_REST = 160
"""In steps: how long changes of the time of a step go unheeded, if heeding them was always in vain."""

_CORE_HAS_COME = 0.5
_SECONDS_OF_IDLENESS = 1.0


def usable_cores() -> int:
    """Return how many processor cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


def count_processes() -> int:
    """Return how many processes train together, as torchrun says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def fixed_by() -> str | None:
    """Return the environment variable that fixes the number of threads, if one does."""
    return next((name for name in VARIABLES if os.environ.get(name)), None)


def possible(fixed: int | None = None) -> tuple[int, ...]:
    """Return the numbers of threads that may be chosen here: 1, the powers of two, and the most; or just one.

    The most is one a core, and never more than PyTorch's own number: that is one for each physical core, or
    what the program has set that calls us.

    Args:
        fixed: the number that was asked for; None leaves it to the environment, or to the time of a step.
    """
    if fixed is not None:
        return (fixed,)
    most = number_now()
    if fixed_by() is not None or count_processes() > 1:
        return (most,)
    most = min(usable_cores(), most)
    return tuple(sorted({*(2**exponent for exponent in range(most.bit_length())), most}))


def load_of_others() -> float:
    """Return how many cores were busy in the last minute, on average; 0 where the system does not say."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # not on Windows
        return 0.0


def first_choice(numbers: Sequence[int]) -> int:
    """Return the number of threads to begin with: up to one for each core that others leave, at least one."""
    free = usable_cores() - round(load_of_others())
    return max((number for number in numbers if number <= free), default=numbers[0])


def typical(seconds: Sequence[float]) -> float:
    """Return what a step takes: the mean without the fastest and the slowest fifth.

    A single slow step does not count, and a load that comes and goes counts by how often it is there, which a
    median would hide.
    """
    left_out = len(seconds) // 5
    kept = sorted(seconds)[left_out : len(seconds) - left_out]
    return sum(kept) / len(kept)


def is_clearly_less(seconds: Sequence[float], than: Sequence[float]) -> bool:
    """Return whether steps take less time than others, by more than noise explains."""
    usual = typical(than)
    middle = median(than)
    spread = _DEVIATION * median(abs(each - middle) for each in than) / usual
    gain = _ERRORS * spread * math.sqrt(1 / len(seconds) + 1 / len(than))
    most = min(bound for steps, bound in _MOST_GAIN.items() if steps <= len(seconds))
    return typical(seconds) < (1 - min(max(gain, _LEAST_GAIN), most)) * usual


class ThreadChooser:
    """Chooses a number of threads by how long steps take. It knows neither PyTorch nor a clock.

    Make each step with `number` threads, and tell `add` how long it took.

    Args:
        numbers: those that may be chosen, ascending.
        first: the one to begin with.

    Attributes:
        chosen: the best one, as far as is known.
        number: the one for the next step: `chosen`, or one that is tried.
    """

    def __init__(self, numbers: Sequence[int], first: int) -> None:
        self._numbers = tuple(numbers)
        self.chosen = self.number = first
        self._warm_up = _WARM_UP
        self._recent: deque[float] = deque(maxlen=_MANY)  # of the chosen number, since the last trial
        self._usual = 0.0  # time of a step, when last looked at
        self._trial: list[float] = []
        self._waiting = deque(self._neighbours(up_first=False))
        self._credit = 0.0  # seconds that may be lost by trying, negative if too many were
        self._rest, self._rested = _FEW, 0
        self._turn = 0
        self._idle: float | None = None

    def add(self, seconds: float) -> None:
        """Take note of how long the last step took, and choose the number for the next one."""
        if self._warm_up:
            self._warm_up -= 1
        elif self.number != self.chosen:
            self._judge(seconds)
        else:
            self._watch(seconds)

    def notice_idle(self, cores: float) -> None:
        """Try more threads if cores have become idle.

        Args:
            cores: how many were idle on average while some steps were made with the chosen number.
        """
        least = cores if self._idle is None else self._idle
        has_come = cores > least + _CORE_HAS_COME
        self._idle = cores if has_come and self._look(up_first=True) else min(cores, least)

    def settle(self) -> None:
        """Break off a trial: something else than a step comes next, for which the chosen number is best."""
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
        """Plan to try the numbers beside the chosen one, unless that was just done; return whether it is."""
        if self._waiting or self.number != self.chosen or self._rested < self._rest:
            return False
        self._rested = 0
        self._rest = min(2 * self._rest, _LONGEST_REST)
        self._waiting.extend(self._neighbours(up_first))
        return True

    def _next_in_turn(self) -> list[int]:
        """Return one of the other numbers, each time another one."""
        others = [number for number in self._numbers if number != self.chosen]
        self._turn += 1
        return others[self._turn % len(others) :][:1] if others else []

    def _judge(self, seconds: float) -> None:
        self._trial.append(seconds)
        lost = sum(self._trial) - len(self._trial) * self._usual
        if lost < _MOST_LOST * self._usual and len(self._trial) not in (_FEW, _MANY):
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
    """The threads of one training run: sets PyTorch's number between its steps.

    It is one for the whole process, so a training run gives it back between two events; see
    `scriptforge.training.devices.ProcessState`.

    Args:
        fixed: the number that was asked for; None leaves it to the environment, or to the chooser.
        device: what computes; the threads of a GPU's training are left alone.
    """

    def __init__(self, fixed: int | None, device: "DeviceType") -> None:
        self._is_cpu = device == "cpu"
        self._chooser: ThreadChooser | None = None
        self._idleness = _Idleness()
        if self._is_cpu:
            numbers = possible(fixed)
            set_number(first_choice(numbers))
            if len(numbers) > 1:
                self._chooser = ThreadChooser(numbers, number_now())
        self._used = {number_now()}

    @property
    def number(self) -> int | None:
        """Return the number at present, apart from one that is just tried; None where a GPU computes."""
        if not self._is_cpu:
            return None
        return self._chooser.chosen if self._chooser else number_now()

    @property
    def identity(self) -> int | str:
        """Return what a checkpoint says: the number, or that it is adaptive."""
        return ADAPTIVE if self._chooser else number_now()

    @property
    def used(self) -> str:
        """Return what was used so far, in words: `2 threads`, `1 to 2 threads`."""
        least, most = min(self._used), max(self._used)
        span = f"{most}" if least == most else f"{least} to {most}"
        return f"{span} {'thread' if most == 1 else 'threads'}"

    def after_step(self, seconds: float) -> None:
        """Take note of how long a step took, and set the number for the next one."""
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
        """Take the chosen number, before something else than a step."""
        if self._chooser is not None:
            self._chooser.settle()
            self._idleness.restart()
            self._set()

    def _set(self) -> None:
        assert self._chooser is not None
        set_number(self._chooser.number)
        self._used.add(self._chooser.chosen)


class _Idleness:
    """How many cores have nothing to do while a training run makes steps, by the counters of the system."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin to count anew."""
        self._began: float | None = None

    def after_step(self, seconds: float) -> float | None:
        """Return how many cores were idle in the last second; None until then, or without steps."""
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
    """Return how long the cores had nothing to do since the machine began, added up; None if nobody knows."""
    try:
        return float(psutil.cpu_times().idle)
    except (OSError, RuntimeError):
        return None


class OtherLoad:
    """How many processors other programs keep busy, from when this is made."""

    def __init__(self) -> None:
        self._began, self._own, self._idle = perf_counter(), process_time(), idle_seconds()

    def cores(self) -> float:
        """Return how many were busy with something else on average; 0 where the system does not say."""
        idle, passed = idle_seconds(), perf_counter() - self._began
        if idle is None or self._idle is None or passed <= 0:
            return 0.0
        own = process_time() - self._own
        return max(0.0, usable_cores() - (idle - self._idle + own) / passed)

    def is_passing(self, cores: float) -> bool:
        """Return whether so much was not there for even half of the last minute: it came now, and may go."""
        return 0 < load_of_others() < cores / 2


def fastest(numbers: Sequence[int], time_step: Callable[[], float]) -> int:
    """Return the number of threads with which a step is fastest, from the least on while more are better.

    Args:
        numbers: to choose from, ascending.
        time_step: makes a step and returns its seconds.
    """
    best, least = numbers[0], float("inf")
    for number in numbers if len(numbers) > 1 else ():
        set_number(number)
        time_step()
        seconds = typical([time_step() for _ in range(_FEW)])
        if seconds > (1 - _LEAST_GAIN) * least:
            break
        best, least = number, seconds
    return best


@contextmanager
def own_number() -> Iterator[None]:
    """Give the process its number of threads back at the end."""
    before = number_now()
    try:
        yield
    finally:
        set_number(before)


# torch is imported where it is used: `doctor` counts cores even if it is broken.


def number_now() -> int:
    """Return with how many threads PyTorch computes now, or would if it was imported."""
    if torch := sys.modules.get("torch"):
        number: int = torch.get_num_threads()
        return number
    variable = fixed_by()
    if variable and os.environ[variable].isdecimal():
        return int(os.environ[variable])
    return psutil.cpu_count(logical=False) or usable_cores()


def set_number(number: int) -> None:
    """Set the number of PyTorch's threads; it forgets prepared operations, so not without need."""
    import torch

    if torch.get_num_threads() != number:
        torch.set_num_threads(number)
