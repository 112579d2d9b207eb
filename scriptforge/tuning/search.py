"""The search: trial after trial, until the study has as many as were asked for.

Any number of processes may do this with one study. Where none is left to begin, a process waits for the
others, since the trial of one that dies is then its own.
"""

import math
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from scriptforge.config import Settings, resolve
from scriptforge.dataset import Dataset
from scriptforge.errors import ScriptforgeError, TrainingError, UsageError
from scriptforge.training.events import Finished, Interrupted, StepsDone, TrainingEvent, Validated
from scriptforge.training.trainer import start
from scriptforge.tuning.results import (
    CHOSEN,
    REASON,
    SETTINGS,
    Ended,
    Preparing,
    SearchReport,
    Training,
    TrialRecord,
    Waiting,
    best_of,
)
from scriptforge.tuning.study import TURN, Study
from scriptforge.tuning.variants import VALIDATIONS, trial_settings

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

_SECONDS_BETWEEN_LOOKS = 0.5
_TRIALS_AT_RANDOM = 6

Tell: TypeAlias = Callable[[SearchReport], None]


class StoppedError(Exception):
    """Somebody asked to stop while a trial was in progress."""


def run_trial(study: Study, trial: "Trial", tell: Tell, should_stop: Callable[[], bool]) -> float:
    """Trains with what a trial chooses.

    Args:
        study: whose trial it is.
        trial: what draws, hears of every validation, and says when there are no prospects.
        tell: told how it goes.
        should_stop: asked after every step.

    Returns:
        Bits per character on the validation split; infinite where the training failed, and then the trial
        knows why.

    Raises:
        TrialPruned: the trial has no prospects.
        StoppedError: somebody asked to stop; the trial is queued once more.
        ScriptforgeError: something failed that is not the trial's fault; it is queued once more, too.
    """
    plan = study.plan
    chosen = study.choose(trial)
    trial.set_user_attr(CHOSEN, chosen)
    tell(Preparing(trial.number, chosen))
    folder = study.folder.trial(folder_name(trial))
    try:
        dataset = study.variants.suiting(chosen)
        settings = trial_settings(dataset, chosen, study.machine, plan.seconds, plan.seed)
        trial.set_user_attr(SETTINGS, settings.model_dump())
        reports = start(dataset, settings, folder, plan.accelerator, should_stop)
        with closing(reports):
            return _judged(reports, trial, tell)
    except (TrainingError, UsageError) as error:
        trial.set_user_attr(REASON, error.message)
        return math.inf
    except (ScriptforgeError, StoppedError) as error:
        study.put_back(trial, str(error))
        raise
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


def _judged(reports: "Generator[TrainingEvent, None, None]", trial: "Trial", tell: Tell) -> float:
    """Follows a training as long as it has prospects."""
    from optuna import TrialPruned

    bits: float | None = None
    validations = 0
    for report in reports:
        match report:
            case StepsDone():
                tell(Training(trial.number, report.progress, bits))
            case Validated():
                bits = report.validation.bits_per_character
                validations += 1
                trial.report(bits, validations)
                if validations < VALIDATIONS and trial.should_prune():
                    raise TrialPruned
            case Finished():
                return report.best.stream.bits_per_character
            case Interrupted():
                break
    raise StoppedError("interrupted")


def folder_name(trial: "Trial | FrozenTrial") -> str:
    """The name of the folder that a trial trains in, another one for every trial of every storage."""
    assert trial.datetime_start is not None, "it has begun"
    return f"{trial.number:04}-{trial.datetime_start:%Y%m%d%H%M%S%f}"


def search(study: Study, tell: Tell, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Works on a study until it has as many trials as are planned, or somebody asks to stop.

    Args:
        study: an open one.
        tell: told how it goes.
        should_stop: asked after every step; when true, the trial in progress is queued once more.

    Raises:
        ScriptforgeError: what failed is not the fault of a trial.
    """
    _remove_leftovers(study)
    while not should_stop():
        with ExitStack() as turn:
            turn.enter_context(study.folder.lock(TURN))
            study.give_up_dead()
            ended, running = study.counts()
            if ended >= study.plan.trials:
                return
            if ended + running < study.plan.trials:
                _Attempt(study, tell, should_stop, turn.close).make()
                continue
        tell(Waiting(running))
        time.sleep(_SECONDS_BETWEEN_LOOKS)


class _Attempt:
    """One trial in this process.

    Args:
        study: whose trial it is.
        tell: as of `search`.
        should_stop: as of `search`.
        begun: called as soon as the study has the trial, so that others can count it.
    """

    def __init__(
        self, study: Study, tell: Tell, should_stop: Callable[[], bool], begun: Callable[[], None]
    ) -> None:
        self._study = study
        self._tell = tell
        self._should_stop = should_stop
        self._begun = begun
        self._number: int | None = None
        self._was_given_up = False

    def make(self) -> None:
        """Begins a trial and brings it to an end."""
        from optuna.exceptions import UpdateFinishedTrialError

        backend = self._study.backend
        backend.sampler = _sampler(self._study)
        self._study.queue_like_default()
        try:
            backend.optimize(self._train, n_trials=1, catch=(StoppedError,))
        except (UpdateFinishedTrialError, ValueError):
            if not self._was_given_up:
                raise
        records = self._study.records()
        ended = next(record for record in records if record.number == self._number)
        self._tell(Ended(ended, best_of(records)))

    def _train(self, trial: "Trial") -> float:
        self._begun()
        self._number = trial.number
        try:
            return run_trial(self._study, trial, self._tell, self._should_stop)
        finally:
            # Of a process that slept too long, others thought that it had died; its trial is theirs.
            self._was_given_up = _has_ended(self._study, trial.number)


def _has_ended(study: Study, number: int) -> bool:
    return study.backend.get_trials(deepcopy=False)[number].state.is_finished()


def _sampler(study: Study) -> "BaseSampler":
    """What draws the next trial; its dice depend on the seed and on how many trials have begun.

    So no two processes draw the same, and a search that was interrupted goes on as if it had not been.
    """
    from optuna.samplers import TPESampler

    return TPESampler(
        n_startup_trials=_TRIALS_AT_RANDOM,
        multivariate=True,
        group=True,
        constant_liar=True,
        seed=(study.plan.seed + len(study.records())) % 2**32,
    )


def _remove_leftovers(study: Study) -> None:
    """Deletes the trainings of trials that ended when their process died."""
    folders = list(
        study.folder.trials.glob("*")
    )  # before the trials are read: one that begins later is not here
    ended = {
        folder_name(trial) for trial in study.backend.get_trials(deepcopy=False) if trial.state.is_finished()
    }
    for folder in folders:
        if folder.name in ended:
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Outcome:
    """What came out of a study.

    Attributes:
        study: its name.
        records: all trials, in order.
        best: the best of those that came to their end.
        default: bits per character of the trial that did what `train` does; None if it has none.
        importance: how much each choice mattered, most first; empty after few trials.
        dataset: what the best trial was trained on.
        settings: all settings of the best trial.
    """

    study: str
    records: tuple[TrialRecord, ...]
    best: TrialRecord
    default: float | None
    importance: Mapping[str, float]
    dataset: Dataset
    settings: Mapping[str, Any]

    def settings_for(self, length: Mapping[str, float]) -> Settings:
        """The settings of the best trial for a training of another length.

        Args:
            length: `epochs` or `minutes`.

        Raises:
            UsageError: there is no training of such a length.
        """
        kept = {key: value for key, value in self.settings.items() if key != "validations"}
        return resolve(kept, length)


def outcome_of(study: Study) -> Outcome:
    """What came out of a study that has its trials.

    Raises:
        TrainingError: none of them came to its end.
    """
    records = study.records()
    best = study.best()
    if best is None:
        reason = next((record.reason for record in records if record.reason), "all were pruned")
        raise TrainingError(
            f"No trial of study “{study.name}” came to its end: {reason}",
            "Give trials more --seconds, or begin with a space of smaller models: --space FILE.toml",
        )
    default = [record for record in records if record.is_default and record.state in ("complete", "pruned")]
    return Outcome(
        study=study.name,
        records=tuple(records),
        best=best,
        default=default[0].bits_per_character if default else None,
        importance=study.importance(),
        dataset=study.variants.suiting(best.settings),
        settings=study.settings_of(best),
    )
