"""What a search tells whoever drives it.

The trials of a study as people see them: what Optuna keeps, counted and put in words.

What came out of a study: its trials, the best of them, and what decided.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

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

CHOSEN, SETTINGS, REASON = "chosen", "settings", "reason"
DEFAULT, REPEATS, DEATHS = "default", "repeats", "deaths"
"""What a trial remembers beside what Optuna does.

Its choices; all its settings; why it failed; of the first one, what `train` would do; the number of the
trial that it repeats; how many processes died at it.
"""

_DIED = "its process died"
_BEST_QUANTILE = 0.25
_LEAST_FOR_IMPORTANCE = 8


def records_of(study: "Study") -> list[TrialRecord]:
    """Every trial that has begun."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    repeated = {trial.user_attrs[REPEATS] for trial in trials if REPEATS in trial.user_attrs}
    return [_record(trial, trial.number in repeated) for trial in trials if trial.state != TrialState.WAITING]


def best_of(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """The best of the trials that came to their end."""
    ended = [record for record in records if record.state == "complete"]
    return min(ended, key=_bits, default=None)


def _bits(record: TrialRecord) -> float:
    return math.inf if record.bits_per_character is None else record.bits_per_character


def importance_of(study: "Study") -> dict[str, float]:
    """How much each choice decided whether a trial was among the best quarter; together 1, most first."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    ended = [record for record in records_of(study) if record.state == "complete"]
    if len(ended) < _LEAST_FOR_IMPORTANCE:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there are few trials is plain to see
        evaluator = PedAnovaImportanceEvaluator(target_quantile=_BEST_QUANTILE)
        shares = get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}


def _record(trial: "FrozenTrial", is_repeated: bool) -> TrialRecord:
    state = _state(trial, is_repeated)
    reason = trial.user_attrs.get(REASON)
    value = trial.value if state in ("complete", "pruned") else None
    return TrialRecord(
        number=trial.number,
        state=state,
        bits_per_character=value,
        settings=trial.user_attrs.get(CHOSEN, {}),
        seconds=trial.duration.total_seconds() if trial.duration else None,
        is_default=DEFAULT in trial.user_attrs,
        reason=reason or (_DIED if state in ("failed", "repeated") else None),
    )


def _state(trial: "FrozenTrial", is_repeated: bool) -> State:
    from optuna.trial import TrialState

    if is_repeated:
        return "repeated"
    if trial.state == TrialState.COMPLETE:
        return "complete" if trial.value is not None and math.isfinite(trial.value) else "failed"
    states: dict[TrialState, State] = {TrialState.RUNNING: "running", TrialState.PRUNED: "pruned"}
    return states.get(trial.state, "failed")
