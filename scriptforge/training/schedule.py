"""Schedule of a training run: its length, its progress, and the learning rate at each point."""

import time
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from scriptforge.config import Settings
from scriptforge.validation import Amount, Count

_LOWEST_SHARE = 0.01
"""Lowest learning rate of the warm-up, as a share of the peak, so that even the first step has an effect."""


class Clock:
    """A clock of training time that starts at the seconds before an interruption."""

    def __init__(self, seconds_before: float = 0.0) -> None:
        self._began = time.perf_counter() - seconds_before
        self._interval_began = time.perf_counter()

    def seconds(self) -> float:
        """Return the training time so far."""
        return time.perf_counter() - self._began

    def has_elapsed(self, interval: float) -> bool:
        """Return whether `interval` seconds have passed since this last returned true."""
        if time.perf_counter() - self._interval_began < interval:
            return False
        self._interval_began = time.perf_counter()
        return True


@dataclass(frozen=True)
class TrainingSegment:
    """The part of a training run that one command covers: `train`, or a later `train --resume --epochs 20`.

    The learning rate rises and falls once in every segment.

    Attributes:
        first_step: the optimizer step at which the segment begins.
        first_second: the training time at which it begins.
        steps: maximum number of steps, or None if only time limits the segment.
        seconds: maximum seconds of its steps and validations, or None if only steps limit it.
        validations: number of validations.
        validation_share: share of the validation split that each validation reads, above 0.
        seconds_at_end: further seconds for the validation and the evaluation at its end; 0 if these do not
            count towards the time.
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
        """Return the segment that the settings ask for, starting at a step and a training time."""
        epochs = settings.max_epochs if settings.epochs is None else settings.epochs
        steps = None if epochs is None else max(1, round(epochs * steps_per_epoch))
        seconds = None if settings.minutes is None else settings.minutes * 60
        return cls(step, second, steps, seconds, settings.validations)

    @property
    def last_second(self) -> float | None:
        """Return the training time by which everything must be finished, or None without such a limit."""
        if self.seconds is None or not self.seconds_at_end:
            return None
        return self.first_second + self.seconds + self.seconds_at_end

    def validations_due(self, progress: float) -> int:
        """Return how many validations are due by a point of the segment, given as a share of it."""
        return int(progress * self.validations)

    def progress(self, step: int, second: float) -> float:
        """Return the share of the segment that is done at a step and a training time, 0 … 1.

        If both steps and time are limited, the one that is closer to its limit counts.
        """
        steps = 0.0 if self.steps is None else (step - self.first_step) / self.steps
        time = 0.0 if self.seconds is None else (second - self.first_second) / self.seconds
        return min(1.0, max(steps, time))


def share_of_peak(progress: float, settings: Settings) -> float:
    """Return the learning rate as a share of its peak: a linear rise during `warmup`, then a linear fall.

    Args:
        progress: the share of the segment that is done, 0 … 1.
        settings: `warmup` is the share of the segment in which the rate rises, `final_learning_rate` the
            share of the peak at the end.
    """
    if progress < settings.warmup:
        return max(progress / settings.warmup, _LOWEST_SHARE)
    fall = (progress - settings.warmup) / (1 - settings.warmup)
    return 1 - fall * (1 - settings.final_learning_rate)
