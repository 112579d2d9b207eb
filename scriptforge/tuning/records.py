"""The trials of a study as people see them: what Optuna keeps, counted and put in words."""

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scriptforge.tuning.reports import State, TrialRecord

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

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
