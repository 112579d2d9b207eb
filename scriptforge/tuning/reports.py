"""What a search tells whoever drives it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

State = Literal["running", "complete", "pruned", "failed", "repeated"]


@dataclass(frozen=True)
class TrialRecord:
    """One trial as the study has it.

    Attributes:
        number: its number, from 0.
        state: `pruned` where it had no prospects, `repeated` where it was broken off and another one took
            its place.
        bits_per_character: on the validation split, of a pruned trial at its last validation; None where
            there is none.
        settings: what it chose.
        seconds: from its beginning to its end; None while it runs.
        is_default: whether it is what `train` would have done.
        reason: of a trial that failed or was broken off, why.
    """

    number: int
    state: State
    bits_per_character: float | None
    settings: Mapping[str, Any]
    seconds: float | None
    is_default: bool
    reason: str | None


@dataclass(frozen=True)
class Preparing:
    """The text is made into a dataset that a trial needs."""

    number: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Training:
    """A trial made a few steps.

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
    """No trial is left to begin; other processes are at work on the last ones."""

    running: int


@dataclass(frozen=True)
class Ended:
    """A trial of this process has ended.

    Attributes:
        record: the trial.
        best: the best trial so far, of all processes.
    """

    record: TrialRecord
    best: TrialRecord | None


SearchReport: TypeAlias = Preparing | Training | Waiting | Ended
