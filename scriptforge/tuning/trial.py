"""One trial: its choices become a dataset and settings, a training of so many seconds, and one figure."""

import math
import shutil
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TYPE_CHECKING, TypeAlias, cast

from scriptforge.errors import ScriptforgeError, TrainingError, UsageError
from scriptforge.training.reports import Finished, Interrupted, Progress, Report, Validated
from scriptforge.training.trainer import start
from scriptforge.tuning.recipe import VALIDATIONS, trial_settings
from scriptforge.tuning.records import CHOSEN, REASON, SETTINGS
from scriptforge.tuning.reports import Preparing, SearchReport, Training
from scriptforge.tuning.study import Study

if TYPE_CHECKING:
    from optuna import Trial
    from optuna.trial import FrozenTrial

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
        reports = cast("Generator[Report]", start(dataset, settings, folder, plan.accelerator, should_stop))
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


def _judged(reports: "Generator[Report]", trial: "Trial", tell: Tell) -> float:
    """Follows a training as long as it has prospects."""
    from optuna import TrialPruned

    bits: float | None = None
    validations = 0
    for report in reports:
        match report:
            case Progress():
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
