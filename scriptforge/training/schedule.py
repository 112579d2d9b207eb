"""Schedule of a training run: how long it is, how much of it is done, and the learning rate at that point."""

import time
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from scriptforge.config import Settings
from scriptforge.validation import Amount, Count

_LOWEST_SHARE = 0.01
"""Of the peak rate, so that the very first step does something."""


class Clock:
    """Training time, which continues across interruptions from the seconds that an earlier clock reached."""

    def __init__(self, seconds_before: float = 0.0) -> None:
        self._began = time.perf_counter() - seconds_before
        self._interval_began = time.perf_counter()

    def seconds(self) -> float:
        """Return the training time so far."""
        return time.perf_counter() - self._began

    def has_elapsed(self, interval: float) -> bool:
        """Return whether `interval` seconds have passed since this was last true."""
        if time.perf_counter() - self._interval_began < interval:
            return False
        self._interval_began = time.perf_counter()
        return True


@dataclass(frozen=True)
class TrainingSegment:
    """The part of a training run between two requests: `train`, or `train --resume --epochs 20` after it.

    The learning rate rises and falls once in every segment.

    Attributes:
        first_step: the optimizer step at which the segment begins.
        first_second: the training time at which it begins.
        steps: how long it is in steps at most, or None where time alone decides.
        seconds: how long its steps and validations take in seconds at most, or None where steps alone decide.
        validations: how many there are in it.
        validation_share: how much of the validation split each of them reads, above 0.
        seconds_at_end: how much longer the validation and the evaluation at its end may take; 0 where they
            are not paid for out of the time.
    """

    first_step: Count
    first_second: Amount
    steps: Annotated[int, Field(gt=0, lt=2**63)] | None
    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None
    validations: Annotated[int, Field(gt=0, lt=2**63)] = 10
    validation_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    seconds_at_end: Amount = 0.0

    @classmethod
    def of(
        cls, settings: Settings, steps_per_epoch: float, step: int = 0, second: float = 0.0
    ) -> "TrainingSegment":
        """Return the segment of the length that settings ask for, from a step and a training time on."""
        epochs = settings.max_epochs if settings.epochs is None else settings.epochs
        steps = None if epochs is None else max(1, round(epochs * steps_per_epoch))
        seconds = None if settings.minutes is None else settings.minutes * 60
        return cls(step, second, steps, seconds, settings.validations)

    @property
    def last_second(self) -> float | None:
        """Return the training time at which all has to be over, or None where nothing says so."""
        if self.seconds is None or not self.seconds_at_end:
            return None
        return self.first_second + self.seconds + self.seconds_at_end

    def validations_due(self, progress: float) -> int:
        """Return how many validations are due up to a share of the segment."""
        return int(progress * self.validations)

    def progress(self, step: int, second: float) -> float:
        """Return the share of the segment that is done at a step and a training time, 0 … 1.

        Of steps and time it is the one that is used up first.
        """
        steps = 0.0 if self.steps is None else (step - self.first_step) / self.steps
        time = 0.0 if self.seconds is None else (second - self.first_second) / self.seconds
        return min(1.0, max(steps, time))


def share_of_peak(progress: float, settings: Settings) -> float:
    """Return every learning rate as a share of its peak: a linear rise during `warmup`, then a linear fall.

    Args:
        progress: the share of the segment that is done, 0 … 1.
        settings: have the length of the rise, and `final_learning_rate`, the share at the end of the fall.
    """
    if progress < settings.warmup:
        return max(progress / settings.warmup, _LOWEST_SHARE)
    fall = (progress - settings.warmup) / (1 - settings.warmup)
    return 1 - fall * (1 - settings.final_learning_rate)
