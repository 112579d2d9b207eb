"""The search: trial after trial, until the study has as many as were asked for.

Any number of processes may do this with one study. Where none is left to begin, a process waits for the
others, since the trial of one that dies is then its own.
"""

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from scriptforge.tuning.records import best_of
from scriptforge.tuning.reports import Ended, Waiting
from scriptforge.tuning.study import TURN, Study
from scriptforge.tuning.trial import StoppedError, Tell, folder_name, run_trial

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.samplers import BaseSampler

_SECONDS_BETWEEN_LOOKS = 0.5
_TRIALS_AT_RANDOM = 6


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
