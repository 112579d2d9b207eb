"""The search: run trials until the study has the requested number.

Any number of processes may work on one study. When no trial is left to start, a process waits for the others:
if one of them dies, it takes over that trial.
"""

import math
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from scriptforge.dataset import Dataset
from scriptforge.errors import ScriptforgeError, TrainingError, UsageError
from scriptforge.options import TrainOptions
from scriptforge.training.events import Finished, Interrupted, StepsDone, TrainingEvent, Validated
from scriptforge.training.trainer import start
from scriptforge.tuning.results import (
    TrialEnded,
    TrialPrepared,
    TrialRecord,
    TrialTrained,
    TuningEvent,
    Waiting,
    best_of,
    bits_of,
    counts_of,
    importance_of,
    note,
    notes_of,
    records_of,
)
from scriptforge.tuning.space import training_settings
from scriptforge.tuning.study import VALIDATIONS, Study

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

_SECONDS_BETWEEN_LOOKS = 0.5
_TRIALS_AT_RANDOM = 6

OnEvent: TypeAlias = Callable[[TuningEvent], None]


class StoppedError(Exception):
    """A stop was requested while a trial was in progress, or while waiting for another process."""


def _check(should_stop: Callable[[], bool]) -> None:
    """Raise an error if a stop is requested.

    Raises:
        StoppedError: it is.
    """
    if should_stop():
        raise StoppedError("interrupted")


def _run_trial(study: Study, trial: "Trial", on_event: OnEvent, should_stop: Callable[[], bool]) -> float:
    """Train with the settings that a trial chooses, and return its bits per character, infinite on failure.

    The trial is queued again if a stop is requested, or if something fails that is not its fault.
    """
    chosen = study.choose(trial)
    note(trial, chosen=chosen)
    on_event(TrialPrepared(trial.number, chosen))
    folder = study.folder.trial(_folder_name(trial))
    try:
        dataset = study.dataset_for(chosen, partial(_check, should_stop))
        init_from = study.init_from(dataset, chosen)
        settings = study.settings(dataset, chosen, init_from)
        note(trial, settings=settings.model_dump())
        events = start(dataset, settings, folder, study.plan.accelerator, should_stop, init_from)
        with closing(events):
            return _judge(events, trial, on_event)
    except (TrainingError, UsageError) as error:
        note(trial, reason=error.message)
        return math.inf
    except (ScriptforgeError, StoppedError) as error:
        study.requeue(trial, str(error))
        raise
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


def _judge(events: "Generator[TrainingEvent, None, None]", trial: "Trial", on_event: OnEvent) -> float:
    """Return the bits per character of a training run.

    The trial with which all others are compared, that of the default settings, is never pruned.

    Raises:
        TrialPruned: it is unpromising.
        StoppedError: it was interrupted.
    """
    from optuna import TrialPruned

    is_default = "default" in notes_of(trial)
    bits: float | None = None
    validations = 0
    for event in events:
        match event:
            case StepsDone():
                on_event(TrialTrained(trial.number, event.progress, bits))
            case Validated():
                bits = event.validation.bits_per_character
                validations += 1
                trial.report(bits, validations)
                if validations < VALIDATIONS and not is_default and trial.should_prune():
                    note(trial, seconds=event.validation.seconds)
                    raise TrialPruned
            case Finished():
                note(trial, seconds=event.seconds)
                return event.best.stream.bits_per_character
            case Interrupted():
                break
    raise StoppedError("interrupted")


def _folder_name(trial: "Trial | FrozenTrial") -> str:
    """Return the name of the folder that a trial trains in, unique among all trials of all storages.

    It contains the start in UTC: Optuna gives it in local time, which changes when a laptop travels.
    """
    assert trial.datetime_start is not None, "it has begun"
    return f"{trial.number:04}-{trial.datetime_start.astimezone(UTC):%Y%m%d%H%M%S%f}"


def search(study: Study, on_event: OnEvent, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Work on a study until it has the planned number of trials, or a stop is requested.

    Args:
        study: an open study.
        on_event: called with every event.
        should_stop: called after every step, and while text is tokenised or another process has the turn; if
            true, the trial in progress is queued again.

    Raises:
        ScriptforgeError: something failed that is not the fault of a trial.
    """
    _remove_leftovers(study)
    while not should_stop():
        with suppress(StoppedError), ExitStack() as turn:
            turn.enter_context(study.turn(partial(_check, should_stop)))
            study.fail_stale_trials()
            ended, running = counts_of(records_of(study.backend))
            if ended >= study.plan.trials:
                return
            if ended + running < study.plan.trials:
                _make_trial(study, on_event, should_stop, turn.close)
                continue
            on_event(Waiting(running))
            turn.close()
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def _make_trial(
    study: Study, on_event: OnEvent, should_stop: Callable[[], bool], end_turn: Callable[[], None]
) -> None:
    """Start a trial and run it to its end; call `end_turn` as soon as other processes can count it."""
    from optuna.exceptions import UpdateFinishedTrialError

    study.backend.sampler = _sampler(study)
    study.queue_like_default()
    objective = _Objective(study, on_event, should_stop, end_turn)
    try:
        study.backend.optimize(objective, n_trials=1, catch=(StoppedError,))
    except (UpdateFinishedTrialError, ValueError):  # Optuna's, if the trial had ended
        if not objective.was_taken_over:
            raise
    records = records_of(study.backend)
    ended = next(record for record in records if record.number == objective.number)
    on_event(TrialEnded(ended, best_of(records)))


@dataclass
class _Objective:
    """The objective that Optuna calls with a trial, and what has become of that trial.

    Attributes:
        study, on_event, should_stop, end_turn: as in `_make_trial`.
        number: number of the trial; None until it has begun.
        was_taken_over: whether another process took this one, suspended for long, for dead: it has ended the
            trial and repeats it.
    """

    study: Study
    on_event: OnEvent
    should_stop: Callable[[], bool]
    end_turn: Callable[[], None]
    number: int | None = None
    was_taken_over: bool = False

    def __call__(self, trial: "Trial") -> float:
        self.end_turn()
        self.number = trial.number
        try:
            return _run_trial(self.study, trial, self.on_event, self.should_stop)
        finally:  # Optuna ends the trial after this, so if it has ended, another process did that
            trials = self.study.backend.get_trials(deepcopy=False)
            self.was_taken_over = trials[trial.number].state.is_finished()


def _sampler(study: Study) -> "BaseSampler":
    """Return the sampler of the next trial, seeded by the study's seed and the number of trials so far.

    So no two processes draw the same, and an interrupted search continues as if it had not been interrupted.
    """
    from optuna.samplers import TPESampler

    return TPESampler(
        n_startup_trials=_TRIALS_AT_RANDOM,
        multivariate=True,
        group=True,
        constant_liar=True,
        seed=(study.plan.seed + len(records_of(study.backend))) % 2**32,
    )


def _remove_leftovers(study: Study) -> None:
    """Delete the training runs of trials whose process died."""
    # Folders are listed before trials are read, to leave out the folder of a trial that starts meanwhile.
    folders = list(study.folder.trials.glob("*"))
    trials = study.backend.get_trials(deepcopy=False)
    ended = {_folder_name(trial) for trial in trials if trial.state.is_finished()}
    for folder in folders:
        if folder.name in ended:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Outcome:
    """The outcome of a study.

    Attributes:
        study: the study's name.
        records: all trials, in order.
        best: the best of the trials that were trained to the end.
        default: bits per character of the trial with the settings that `train` would choose; None if it has
            none.
        importance: importance of each setting, largest first; empty after few trials.
        dataset: the dataset that the best trial was trained on.
        settings: the settings with which `train` does what the best trial did: all of its choices or, if they
            are those that `train` would make, the ones that are fixed for every trial.
    """

    study: str
    records: tuple[TrialRecord, ...]
    best: TrialRecord
    default: float | None
    importance: Mapping[str, float]
    dataset: Dataset
    settings: Mapping[str, Any]

    @property
    def is_better(self) -> bool:
        """Return whether the best trial beats the settings that `train` would choose."""
        return self.default is None or (not self.best.is_default and bits_of(self.best) < self.default)

    def options_for(self, length: TrainOptions) -> TrainOptions:
        """Return the options of a training run of some length that does what the best trial did."""
        without = "max_epochs" if length.epochs is not None else ""
        settings = {name: value for name, value in self.settings.items() if name != without}
        return replace(length, settings={**length.settings, **settings})


def outcome_of(study: Study) -> Outcome:
    """Return the outcome of a study whose trials have ended.

    Raises:
        TrainingError: none of them was trained to the end.
    """
    records = records_of(study.backend)
    best = best_of(records)
    if best is None:
        reason = next((record.reason for record in records if record.reason), "all were pruned")
        raise TrainingError(
            f"No trial of study “{study.name}” finished: {reason}",
            "Give trials more --seconds, or start with a space of smaller models: --space FILE.toml",
        )
    default = [record for record in records if record.is_default and record.state == "complete"]
    fixed = study.plan.space.fixed
    chosen = {name: value for name, value in best.settings.items() if name in fixed or not best.is_default}
    return Outcome(
        study=study.name,
        records=tuple(records),
        best=best,
        default=default[0].bits_per_character if default else None,
        importance=importance_of(study.backend),
        dataset=study.dataset_for(best.settings),
        settings=training_settings(chosen),
    )
