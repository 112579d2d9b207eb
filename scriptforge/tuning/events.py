"""Events of a search, one by one, for whoever drives it.

for each trial of this process:  TrialPrepared  TrialTrained …  TrialEnded
while other processes finish:    Waiting …
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from scriptforge.tuning.results import TrialRecord


@dataclass(frozen=True)
class TrialPrepared:
    """A trial has its settings; the dataset that they need is made next.

    Attributes:
        number: of the trial.
        settings: what it chose.
    """

    number: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class TrialTrained:
    """A trial made some steps.

    Attributes:
        number: of the trial.
        progress: the share of its time that has passed, 0 … 1.
        bits_per_character: at its last validation; None before the first.
    """

    number: int
    progress: float
    bits_per_character: float | None


@dataclass(frozen=True)
class Waiting:
    """No trial is left to begin, and other processes work on the last ones.

    Attributes:
        running: how many trials those are.
    """

    running: int


@dataclass(frozen=True)
class TrialEnded:
    """A trial of this process has ended.

    Attributes:
        record: the trial.
        best: the best trial so far, of all processes.
    """

    record: TrialRecord
    best: TrialRecord | None


TuningEvent: TypeAlias = TrialPrepared | TrialTrained | Waiting | TrialEnded
