"""A study: what it is of, what its trials try, and what becomes of a trial that is broken off.

A trial that was broken off, by Ctrl-C or because its process died, is queued once more, and only its
repetition counts. One whose process dies twice counts as failed: it may be what kills it.
"""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from scriptforge.config import DeviceType
from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.training.settings import Machine, measure
from scriptforge.tuning.results import (
    CHOSEN,
    DEATHS,
    DEFAULT,
    REASON,
    REPEATS,
    SETTINGS,
    TrialRecord,
    best_of,
    importance_of,
    records_of,
)
from scriptforge.tuning.space import Space
from scriptforge.tuning.storage import Storage
from scriptforge.tuning.variants import VALIDATIONS, Variants, default_choices, trial_settings
from scriptforge.workspace import StudyFolder

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

Pruner = Literal["median", "hyperband", "none"]

TURN = "turn"
"""The lock of a study for what only one process may do at a time."""

_MACHINE = "machine"
_MOST_DEATHS = 2
_STILLBORN_AFTER = timedelta(minutes=1)
_TRIALS_LIKE_DEFAULT, _SHARE_KEPT = 5, 2 / 3
_TRIALS_BEFORE_PRUNING, _VALIDATIONS_BEFORE_PRUNING = 4, 2
_DIFFERENCES: Mapping[str, str] = {
    "dataset": "another dataset, or of this one prepared in another way",
    "seconds": "trials of {:g} seconds, not of {:g}",
    "accelerator": "trials on {}, not on {}",
    "space": "another search space",
}
"""What must be the same for trials to be compared, and how to say that it is not."""


@dataclass(frozen=True)
class Plan:
    """What a search is to do.

    Attributes:
        trials: how many are to be there in the end, whoever made them.
        seconds: how long each trains.
        space: what each may choose.
        pruner: how those without prospects are found.
        accelerator: what computes.
        seed: of the choices, and of every training.
    """

    trials: int
    seconds: float
    space: Space
    pruner: Pruner
    accelerator: DeviceType
    seed: int


class Study:
    """A study that is open.

    Args:
        folder: where it has its files.
        backend: the same study as Optuna knows it.
        variants: its datasets.
        plan: what is to be done.
    """

    def __init__(self, folder: StudyFolder, backend: "optuna.Study", variants: Variants, plan: Plan) -> None:
        self.folder = folder
        self.backend = backend
        self.variants = variants
        self.plan = plan

    @property
    def name(self) -> str:
        """The study's name."""
        return self.folder.name

    @property
    def machine(self) -> Machine:
        """What the study was begun on, by which the settings of all its trials are fitted."""
        return Machine(**self.backend.user_attrs[_MACHINE])

    def begin_or_join(self) -> None:
        """Writes down what the study is of, or makes sure that it is of the same.

        Raises:
            UsageError: it is of another dataset, another search space, or trials of another kind.
        """
        known = self.backend.user_attrs
        own = {
            "dataset": self.variants.own.description.fingerprint,
            "seconds": self.plan.seconds,
            "accelerator": self.plan.accelerator,
            "space": self.plan.space.text,
        }
        if _MACHINE in known:
            self._refuse_differences(known, own)
            return
        own[_MACHINE] = asdict(measure(self.plan.accelerator))
        for key, value in own.items():
            self.backend.set_user_attr(key, value)
        self._queue_default()

    def _refuse_differences(self, known: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        for key, words in _DIFFERENCES.items():
            if known[key] != own[key]:
                raise UsageError(
                    f"Study “{self.name}” is of {words.format(known[key], own[key])}.",
                    "Go on with it as it was begun, or give another name: --study NAME",
                )

    def _queue_default(self) -> None:
        """Queues what `train` would do, so that the search never loses to it."""
        space, plan = self.plan.space, self.plan
        dataset = self.variants.suiting(space.fixed)
        settings = trial_settings(dataset, space.fixed, self.machine, plan.seconds, plan.seed)
        default = default_choices(dataset, space, settings)
        self.backend.enqueue_trial(space.offered(default), {DEFAULT: default})

    def queue_like_default(self) -> None:
        """Queues one of the first trials: mostly like the very first one, if none is waiting.

        The recipe is good in most ways; what is drawn for everything at once seldom is.
        """
        from optuna.trial import TrialState

        trials = self.backend.get_trials(deepcopy=False)
        waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
        if waiting or len(trials) > _TRIALS_LIKE_DEFAULT:
            return
        default = next(trial.user_attrs[DEFAULT] for trial in trials if DEFAULT in trial.user_attrs)
        offered = self.plan.space.offered(default)
        dice = random.Random(self.plan.seed + len(trials))
        self.backend.enqueue_trial(
            {name: value for name, value in offered.items() if dice.random() < _SHARE_KEPT}
        )

    def choose(self, trial: "optuna.Trial") -> dict[str, Any]:
        """What a trial tries; the first one, what `train` would do, even if the space does not offer it."""
        space = self.plan.space
        default: dict[str, Any] | None = trial.user_attrs.get(DEFAULT)
        if default is None:
            return space.draw(trial, self.variants.own.description.level)
        for name in space.offered(default):
            space.drawn[name].draw(name, trial)
        return default

    def put_back(self, trial: "optuna.Trial", reason: str) -> None:
        """Queues a trial once more that cannot go on here.

        Args:
            trial: one of this process.
            reason: why it cannot, in a few words.
        """
        trial.set_user_attr(REASON, reason)
        frozen = self.backend.get_trials(deepcopy=False)[trial.number]
        _queue_again(self.backend, frozen, trial.user_attrs.get(DEATHS, 0))

    def give_up_dead(self) -> None:
        """Says of every trial whose process has died that it has."""
        from optuna.storages import fail_stale_trials
        from optuna.trial import TrialState

        fail_stale_trials(self.backend)
        latest = datetime.now() - _STILLBORN_AFTER
        for trial in self.backend.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            # A process that dies as soon as it has a trial gives no sign of life that could stay away.
            if CHOSEN not in trial.user_attrs and trial.datetime_start and trial.datetime_start < latest:
                self.backend.tell(trial.number, state=TrialState.FAIL)
                _when_dead(self.backend, trial)

    def counts(self) -> tuple[int, int]:
        """How many trials have ended, without those that are repeated, and how many are in progress."""
        states = [record.state for record in self.records()]
        return sum(state not in ("running", "repeated") for state in states), states.count("running")

    def records(self) -> list[TrialRecord]:
        """Every trial that has begun."""
        return records_of(self.backend)

    def best(self) -> TrialRecord | None:
        """The best trial that came to its end."""
        return best_of(self.records())

    def importance(self) -> dict[str, float]:
        """How much each choice mattered; see `importance_of`."""
        return importance_of(self.backend)

    def settings_of(self, record: TrialRecord) -> dict[str, Any]:
        """All settings that a trial was trained with."""
        trial = self.backend.get_trials(deepcopy=False)[record.number]
        settings: dict[str, Any] = trial.user_attrs[SETTINGS]
        return settings


@contextmanager
def open_study(folder: StudyFolder, address: str | None, dataset: Dataset, plan: Plan) -> Iterator[Study]:
    """Opens a study, which is begun if there is none of its name.

    Args:
        folder: where it has its files.
        address: where its trials are kept; None for a file in the folder.
        dataset: what it is of.
        plan: what is to be done.

    Raises:
        UsageError: the address is none, or the study is of something else.
        StudyError: the storage cannot be reached.
    """
    with folder.lock(TURN):
        storage = Storage(address or f"sqlite:///{folder.database.resolve()}", _when_dead)
    try:
        with storage.translate_errors():
            with folder.lock(TURN):
                study = Study(folder, _backend(folder.name, storage, plan), Variants(dataset, folder), plan)
                study.begin_or_join()
            yield study
    finally:
        storage.close()


def _backend(name: str, storage: Storage, plan: Plan) -> "optuna.Study":
    import optuna

    pruners = {
        "median": lambda: optuna.pruners.MedianPruner(_TRIALS_BEFORE_PRUNING, _VALIDATIONS_BEFORE_PRUNING),
        "hyperband": lambda: optuna.pruners.HyperbandPruner(1, VALIDATIONS, reduction_factor=3),
        "none": optuna.pruners.NopPruner,
    }
    return optuna.create_study(
        storage=storage.backend,
        study_name=name,
        direction="minimize",
        pruner=pruners[plan.pruner](),
        load_if_exists=True,
    )


def _when_dead(backend: "optuna.Study", trial: "FrozenTrial") -> None:
    """Repeats a trial whose process died, unless it is not the first one to die of it."""
    deaths = trial.user_attrs.get(DEATHS, 0) + 1
    if deaths < _MOST_DEATHS:
        _queue_again(backend, trial, deaths)


def _queue_again(backend: "optuna.Study", trial: "FrozenTrial", deaths: int) -> None:
    """Queues a trial with the same choices."""
    kept = {key: trial.user_attrs[key] for key in (DEFAULT,) if key in trial.user_attrs}
    choices = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    backend.enqueue_trial(choices, {**kept, REPEATS: trial.number, DEATHS: deaths})
