"""The choice of the number of threads by the time of steps, which follows what other programs do.

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

All trials together may cost 2 % of the time. This module knows nothing of PyTorch, and has no clock.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from statistics import median

_SHARE_FOR_TRIALS = 0.02
"""Share of the training time that may be lost to trials of slower numbers."""

_WARM_UP_STEPS = 2
"""Number of first steps to ignore; they take longer, since memory is allocated for the first time."""

_FEW_STEPS, _MANY_STEPS = 5, 15
"""Minimum and maximum number of steps to compare."""

MIN_GAIN = 0.05
_STANDARD_ERRORS = 3.5
_MAX_GAIN = {_FEW_STEPS: 0.35, _MANY_STEPS: 0.15}
"""Share of the time of a step that another number must save to be chosen: so many standard errors of the
difference, so that noise does not decide, but at least `MIN_GAIN`, and at most `_MAX_GAIN` for trials of at
least that many steps."""

_DEVIATION = 1.48
"""A standard deviation in median absolute deviations, for normally distributed values."""

_MIN_CHANGE = 1.25
"""Ratio of the times of steps, or its inverse, from which they have changed."""

_MAX_STEPS_LOST = 1.5
"""Time lost, in steps, at which a trial of a slower number ends."""

_MAX_PAUSE = 160
"""Maximum steps for which changes in step time are ignored, after trials that found no better number."""

_MIN_CORES_GAINED = 0.5
"""Increase in idle cores above which a core has become idle."""


def trimmed_mean(seconds: Sequence[float]) -> float:
    """Return the mean time of a step without the fastest and the slowest fifth.

    A single slow step does not count, and a load that comes and goes counts in proportion to its presence,
    which a median would hide.
    """
    left_out = len(seconds) // 5
    kept = sorted(seconds)[left_out : len(seconds) - left_out]
    return sum(kept) / len(kept)


def is_clearly_less(seconds: Sequence[float], than: Sequence[float]) -> bool:
    """Return whether step times are below others, by more than noise explains."""
    usual = trimmed_mean(than)
    middle = median(than)
    spread = _DEVIATION * median(abs(each - middle) for each in than) / usual
    gain = _STANDARD_ERRORS * spread * math.sqrt(1 / len(seconds) + 1 / len(than))
    most = min(bound for steps, bound in _MAX_GAIN.items() if steps <= len(seconds))
    return trimmed_mean(seconds) < (1 - min(max(gain, MIN_GAIN), most)) * usual


class _Verdict(Enum):
    """Whether another number of threads is better than the chosen one."""

    UNDECIDED = auto()
    BETTER = auto()
    NOT_BETTER = auto()


@dataclass
class _Trial:
    """A trial of another number of threads.

    Attributes:
        number: that number.
        usual: typical time of a step with the chosen number.
        seconds: times of the steps with the number on trial.
    """

    number: int
    usual: float
    seconds: list[float] = field(default_factory=list)

    @property
    def lost(self) -> float:
        """Return the seconds that it has lost; negative if its steps are faster than usual."""
        return sum(self.seconds) - len(self.seconds) * self.usual

    def verdict(self, recent: Sequence[float]) -> _Verdict:
        """Return the verdict after the latest step, from that and the recent times with the chosen number."""
        steps = len(self.seconds)
        if steps not in (_FEW_STEPS, _MANY_STEPS) and self.lost < _MAX_STEPS_LOST * self.usual:
            return _Verdict.UNDECIDED
        if steps >= _FEW_STEPS and is_clearly_less(self.seconds, recent):
            return _Verdict.BETTER
        if steps < _MANY_STEPS and self.lost < 0:  # perhaps better: more steps will tell, and cost nothing
            return _Verdict.UNDECIDED
        return _Verdict.NOT_BETTER


class _Pause:
    """The steps for which changes are ignored after a reaction: each time twice as many, up to a maximum."""

    def __init__(self) -> None:
        self._length, self._passed = _FEW_STEPS, 0

    def after_step(self) -> None:
        """Count a step with the chosen number."""
        self._passed += 1

    def is_over(self) -> bool:
        """Return whether a change may be reacted to."""
        return self._passed >= self._length

    def restart(self) -> None:
        """Start a longer pause."""
        self._length, self._passed = min(2 * self._length, _MAX_PAUSE), 0

    def shorten(self) -> None:
        """Make the present pause as short as the first one, since reacting has paid."""
        self._length = _FEW_STEPS


class ThreadChooser:
    """A chooser of the number of threads by the time of steps, without PyTorch or a clock of its own.

    Make each step with `number` threads, and pass its time to `add`. After a warm-up, the chooser is in one
    of two states:

        watching   steps are made with the chosen number, until there is a reason to try another
        trying     steps are made with that one, until there is a verdict, which may make it the chosen one

    Args:
        numbers: the numbers to choose from, ascending.
        first: the one to start with.

    Attributes:
        chosen: the best number known so far.
    """

    def __init__(self, numbers: Sequence[int], first: int) -> None:
        self._numbers = tuple(numbers)
        self.chosen = first
        self._warm_up_steps = _WARM_UP_STEPS
        self._recent: deque[float] = deque(maxlen=_MANY_STEPS)  # times with the chosen number
        self._usual = 0.0  # typical time with the chosen number, when a trial last began or ended
        self._fewest_idle: float | None = None  # since the number was chosen, or a core has become idle
        self._trial: _Trial | None = None  # set while trying
        self._to_try = deque(self._neighbours(up_first=False))
        self._pause = _Pause()
        self._budget = 0.0  # seconds that trials may still lose; negative if they lost more
        self._turn = 0

    @property
    def number(self) -> int:
        """Return the number for the next step: `chosen`, or one on trial."""
        return self.chosen if self._trial is None else self._trial.number

    def add(self, seconds: float) -> None:
        """Record the time of the last step, and choose the number for the next one."""
        if self._warm_up_steps:
            self._warm_up_steps -= 1
        elif self._trial is None:
            self._watch(seconds)
        else:
            self._try(self._trial, seconds)

    def notice_idle(self, cores: float) -> None:
        """Try more threads if cores have become idle.

        Args:
            cores: mean number of idle cores while some steps were made with the chosen number.
        """
        fewest = cores if self._fewest_idle is None else min(cores, self._fewest_idle)
        if cores > fewest + _MIN_CORES_GAINED and self._plan_neighbours(up_first=True):
            fewest = cores
        self._fewest_idle = fewest

    def settle(self) -> None:
        """Suspend a trial before work other than a step, for which the chosen number is best."""
        if self._trial is not None:
            self._to_try.appendleft(self._trial.number)
            self._trial = None

    def _watch(self, seconds: float) -> None:
        """Record a step with the chosen number, and start a trial if there is a reason."""
        self._recent.append(seconds)
        self._budget += _SHARE_FOR_TRIALS * seconds
        self._pause.after_step()
        if len(self._recent) < _FEW_STEPS:
            return
        self._react_to_change()
        if not self._to_try and self._budget > 0 and len(self._recent) == _MANY_STEPS:
            self._plan_next_in_turn()
        if self._to_try:
            self._usual = trimmed_mean(self._recent)
            self._trial = _Trial(self._to_try.popleft(), self._usual)

    def _react_to_change(self) -> None:
        """Plan trials if the last steps took clearly longer or shorter than usual."""
        last = [*self._recent][-_FEW_STEPS:]
        now = trimmed_mean(last)
        has_changed = self._usual and not 1 / _MIN_CHANGE < now / self._usual < _MIN_CHANGE
        if has_changed and self._plan_neighbours(up_first=now < self._usual):
            self._recent = deque(last, maxlen=_MANY_STEPS)

    def _plan_neighbours(self, up_first: bool) -> bool:
        """Plan to try the numbers next to the chosen one, unless changes are ignored at present.

        Returns:
            Whether they will be tried.
        """
        if self._to_try or self._trial is not None or not self._pause.is_over():
            return False
        self._pause.restart()
        self._to_try.extend(self._neighbours(up_first))
        return True

    def _plan_next_in_turn(self) -> None:
        """Plan to try one of the other numbers, in rotation."""
        others = [number for number in self._numbers if number != self.chosen]
        if others:
            self._turn += 1
            self._to_try.append(others[self._turn % len(others)])

    def _try(self, trial: _Trial, seconds: float) -> None:
        """Record a step with the number on trial, and end the trial if there is a verdict."""
        trial.seconds.append(seconds)
        verdict = trial.verdict(self._recent)
        if verdict is _Verdict.UNDECIDED:
            return
        self._trial = None
        self._recent.clear()
        self._budget -= max(trial.lost, trial.usual)
        if verdict is _Verdict.BETTER:
            self._choose(trial)

    def _choose(self, trial: _Trial) -> None:
        """Choose the number of a trial, and plan to try the next one in the same direction."""
        is_up = trial.number > self.chosen
        self.chosen = trial.number
        self._recent.extend(trial.seconds)
        self._usual = trimmed_mean(trial.seconds)
        self._fewest_idle = None
        self._pause.shorten()
        self._to_try = deque(self._neighbour(is_up))

    def _neighbours(self, up_first: bool) -> list[int]:
        return [*self._neighbour(up_first), *self._neighbour(not up_first)]

    def _neighbour(self, is_up: bool) -> tuple[int, ...]:
        """Return the next higher or lower number than the chosen one; nothing if there is none."""
        place = self._numbers.index(self.chosen)
        return self._numbers[place + 1 : place + 2] if is_up else self._numbers[max(0, place - 1) : place]
