"""Training time, which goes on across interruptions.

How far a training is and what its learning rate is there.
"""

import time
from dataclasses import dataclass

from scriptforge.config import Settings


class Clock:
    """A clock that starts at the seconds an earlier one had reached."""

    def __init__(self, seconds_before: float = 0.0) -> None:
        self._began = time.perf_counter() - seconds_before
        self._rang = time.perf_counter()

    def seconds(self) -> float:
        """Training time so far."""
        return time.perf_counter() - self._began

    def rings(self, interval: float) -> bool:
        """Whether `interval` seconds passed since this was last true."""
        if time.perf_counter() - self._rang < interval:
            return False
        self._rang = time.perf_counter()
        return True


@dataclass(frozen=True)
class TrainingSegment:
    """The part of a training between two requests: `train`, or `train --resume --epochs 20` after it.

    Attributes:
        first_step: the optimizer step at which the segment began.
        first_second: the training time at which it began.
        steps: how long it is in steps, or None where time decides.
        seconds: how long it is in seconds, or None where steps decide.
    """

    first_step: int
    first_second: float
    steps: int | None
    seconds: float | None

    def progress(self, step: int, second: float) -> float:
        """The share of the segment that is done, 0 … 1."""
        if self.steps is not None:
            return min(1.0, (step - self.first_step) / self.steps)
        assert self.seconds is not None
        return min(1.0, (second - self.first_second) / self.seconds)


def share_of_peak(progress: float, settings: Settings) -> float:
    """What every learning rate is, as a share of its peak: a linear rise during `warmup`, then a linear fall.

    Args:
        progress: the share of the segment that is done, 0 … 1.
        settings: how long the rise is, and `final_learning_rate`, where the fall ends.
    """
    if progress < settings.warmup:
        return max(progress / settings.warmup, 0.01)
    fall = (progress - settings.warmup) / (1 - settings.warmup)
    return 1 - fall * (1 - settings.final_learning_rate)
