"""A study: its dataset, the settings that its trials try, and what happens to an interrupted trial.

A trial trains on a variant of the study's dataset with the level and vocabulary that were drawn, as `train`
would with `--set` for its other choices: with the settings that `train` chooses for its time, and from the
base model where `train` starts from it. So the first trial, which draws nothing, is what `train` does by
itself; all others have as many members. A trial that is interrupted, by Ctrl-C or because its process died,
is queued again, and only the repetition counts. A trial whose process dies twice counts as failed, since it
may be what kills the process.
"""

import random
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter

from scriptforge.config import DeviceType, Settings
from scriptforge.corpus.prepare import retokenize
from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.options import TrainOptions, TuneOptions
from scriptforge.run.run import Run
from scriptforge.training.base_model import base_model_for
from scriptforge.training.machine import Machine, measure
from scriptforge.training.transfer import transferred_settings
from scriptforge.training_runs.train import choose_settings
from scriptforge.tuning.results import StudyNotes, TrialNotes, note, notes_of
from scriptforge.tuning.space import LEVEL, MEMBERS, SIZES, Space, has_effect, training_settings
from scriptforge.tuning.storage import Storage, quiet_optuna, require_optuna
from scriptforge.vocabulary import Level
from scriptforge.workspace import DatasetFolder, StudyFolder, Workspace, atomic_folder

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

VALIDATIONS = 5
"""Number of validations in every trial, after which it may be pruned."""

_LONGEST_NAME = 48
_MAX_DEATHS = 2
_SECONDS_UNTIL_FIRST_HEARTBEAT = 60.0  # seconds
_TRIALS_LIKE_DEFAULT, _SHARE_KEPT = 5, 2 / 3
_TRIALS_BEFORE_PRUNING, _VALIDATIONS_BEFORE_PRUNING = 4, 2
_DIFFERENCES: Mapping[str, str] = {
    "version": "trials by scriptforge {}, not by {}",
    "dataset": "another dataset, or this one prepared in another way",
    "seconds": "trials of {:g} seconds, not of {:g}",
    "accelerator": "trials on {}, not on {}",
    "space": "another search space",
}
"""Notes that must be the same for trials to be comparable, and how an error message says that they differ."""


def copied_into_workspace(dataset: Dataset, workspace: Workspace) -> Dataset:
    """Copy a study's dataset into the workspace, where runs trained on it look for it, and return the copy.

    Args:
        dataset: a dataset that trials were trained on; it may be in the workspace already.
        workspace: the workspace.

    Raises:
        UsageError: another dataset there has its name.
    """
    folder: DatasetFolder = workspace.new_dataset(dataset.name)
    if not folder.description.is_file():
        with atomic_folder(folder.path) as temporary:
            shutil.copytree(dataset.folder.path, temporary, dirs_exist_ok=True)
    there = Dataset(folder)
    if there.description.fingerprint != dataset.description.fingerprint:
        raise UsageError(
            f"There is another dataset named “{dataset.name}” already.",
            f"Move data/{dataset.name} away, and run the same command again.",
        )
    return there


def default_space(dataset: Dataset) -> Space:
    """Return the default search space for a dataset.

    Where `train` would start from the base model, level, vocabulary and sizes are not searched: they are the
    dataset's and the base model's, since models that start from scratch would be no match for it.
    """
    space, base = Space.default(), base_model_for(dataset, {})
    if base is None:
        return space
    about = dataset.description
    sizes = transferred_settings(base.description, dataset, {})
    return space.without({LEVEL: about.level, SIZES[about.level]: about.vocabulary_size, **sizes})


@dataclass(frozen=True, kw_only=True)
class Plan(TuneOptions):
    """The plan of a search: its options, and what they are applied to.

    Attributes:
        space: the search space.
        accelerator: the type of device to train on.
    """

    space: Space
    accelerator: DeviceType


@dataclass(frozen=True)
class Study:
    """An open study.

    Attributes:
        folder: the folder of its files.
        storage: the storage of its trials.
        backend: the same study in Optuna.
        dataset: the dataset that its trials train on, in some variant.
        plan: the plan of the search.
    """

    folder: StudyFolder
    storage: Storage
    backend: "optuna.Study"
    dataset: Dataset
    plan: Plan
    _first_seen: dict[int, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the study's name."""
        return self.folder.name

    @property
    def machine(self) -> Machine:
        """Return the machine on which the study began; the settings of all its trials are chosen for it."""
        return Machine(**_notes_of_study(self.backend)["machine"])

    def turn(self, on_wait: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Return a context in which no other process, on any machine, has the turn at this study.

        Args:
            on_wait: called again and again while another process has it; may raise to stop waiting.
        """
        return self.storage.turn(self.backend.study_name, on_wait)

    def begin_or_join(self) -> None:
        """Write the notes on a new study, or compare those of an existing one; queue its first trial.

        Slow work is done before taking the turn, by each process that joins while the study is new.

        Raises:
            UsageError: the study has another version, dataset, search space, training time or device.
        """
        own: StudyNotes = {
            "version": version("scriptforge-lm"),
            "dataset": self.dataset.description.fingerprint,
            "seconds": self.plan.seconds,
            "accelerator": self.plan.accelerator,
            "space": self.plan.space.text,
        }
        if "machine" not in _notes_of_study(self.backend):
            own["machine"] = asdict(measure(self.plan.accelerator, self.plan.space.fixed.get("threads")))
            with self.turn():
                if "machine" not in _notes_of_study(self.backend):
                    for key, value in own.items():
                        self.backend.set_user_attr(key, value)
        self._refuse_differences(_notes_of_study(self.backend), own)
        if not self.backend.get_trials(deepcopy=False):
            default = self._default()
            with self.turn():
                if not self.backend.get_trials(deepcopy=False):
                    self.backend.enqueue_trial(self.plan.space.offered(default), {"default": default})

    def _refuse_differences(self, known: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        for key, words in _DIFFERENCES.items():
            if known.get(key, own[key]) != own[key]:
                raise UsageError(
                    f"Study “{self.name}” has {words.format(known[key], own[key])}.",
                    "Continue it as it was begun, or give another name: --study NAME",
                )

    def _default(self) -> dict[str, Any]:
        """Return the choices that `train` would make; as a trial, they keep the search from doing worse.

        If it would train several members, their number is a choice, too.
        """
        space = self.plan.space
        dataset = self.dataset_for(space.fixed)
        about = dataset.description
        sizes = {SIZES[about.level]: about.vocabulary_size} if about.level in SIZES else {}
        settings = self.settings(dataset, space.fixed, self.init_from(dataset, space.fixed))
        own = {**settings.model_dump(), LEVEL: about.level, **sizes}
        members = [MEMBERS] if settings.members > 1 and MEMBERS not in space.entries else []
        return {name: own[name] for name in (*space.entries, *members) if has_effect(name, own)}

    @property
    def default(self) -> dict[str, Any]:
        """Return the choices of the first trial, which are those that `train` would make."""
        notes = map(notes_of, self.backend.get_trials(deepcopy=False))
        return next(each["default"] for each in notes if "default" in each)

    @property
    def default_starts_from_base(self) -> bool:
        """Return whether the first trial starts from the base model."""
        return self.init_from(self.dataset_for(self.default), self.default) is not None

    def queue_like_default(self) -> None:
        """Queue one of the first trials, if none is waiting: most choices are those of the very first one.

        The default settings are good in most respects; settings that are all drawn at random rarely are.
        """
        from optuna.trial import TrialState

        trials = self.backend.get_trials(deepcopy=False)
        waiting = [trial for trial in trials if trial.state == TrialState.WAITING]
        if waiting or len(trials) > _TRIALS_LIKE_DEFAULT:
            return
        offered = self.plan.space.offered(self.default)
        rng = random.Random(self.plan.seed + len(trials))
        kept = {name: value for name, value in offered.items() if rng.random() < _SHARE_KEPT}
        self.backend.enqueue_trial(kept)

    def dataset_for(self, chosen: Mapping[str, Any], on_wait: Callable[[], None] = lambda: None) -> Dataset:
        """Return the dataset with the level and the vocabulary size that a trial chose.

        It is created on first use, by one process.

        Args:
            chosen: the choices of the trial.
            on_wait: called again and again while the dataset is created; may raise to stop that.

        Raises:
            UsageError: the vocabulary is too small for the level.
            DatasetError: the dataset's parsed text is missing or damaged.
        """
        about = self.dataset.description
        level: Level = chosen.get(LEVEL, about.level)
        size: int | None = chosen.get(SIZES.get(level, ""))
        if level == about.level and size in (None, about.vocabulary_size):
            return self.dataset
        name = "-".join([self.dataset.name[:_LONGEST_NAME], level, *([str(size)] if size else [])])
        folder = self.folder.dataset(about.fingerprint, name)
        with self.folder.turn(name, on_wait):
            if not folder.description.is_file():
                retokenize(self.dataset, level, size, folder, lambda *progress: on_wait())
        return Dataset(folder)

    def init_from(self, dataset: Dataset, chosen: Mapping[str, Any]) -> Run | None:
        """Return the base model if a trial with some choices starts from it, on its dataset, else None."""
        return base_model_for(dataset, training_settings(chosen))

    def settings(self, dataset: Dataset, chosen: Mapping[str, Any], init_from: Run | None) -> Settings:
        """Return the settings of one trial, which are those that `train` would choose beside its choices.

        Args:
            dataset: the dataset that it trains on.
            chosen: its choices, or those that are the same for all trials.
            init_from: the run that it starts from.

        Raises:
            UsageError: the choices are incompatible.
        """
        same = {"validations": VALIDATIONS, "seed": self.plan.seed}
        options = TrainOptions(minutes=self.plan.seconds / 60, settings=same | training_settings(chosen))
        return choose_settings(dataset, options, self.plan.accelerator, init_from, self.machine).settings

    def choose(self, trial: "optuna.Trial") -> dict[str, Any]:
        """Return the choices of a trial; the first one has those of `train`, even outside the space."""
        space = self.plan.space
        default = notes_of(trial).get("default")
        if default is None:
            drawn = space.draw(trial, self.dataset.description.level)
            members = self.default.get(MEMBERS)
            return {MEMBERS: members, **drawn} if members and has_effect(MEMBERS, drawn) else drawn
        for name in space.offered(default):
            space.drawn[name].draw(name, trial)
        return default

    def requeue(self, trial: "optuna.Trial", reason: str) -> None:
        """Queue a trial of this process again, since it cannot continue here; note the reason."""
        note(trial, reason=reason)
        frozen = self.backend.get_trials(deepcopy=False)[trial.number]
        _queue_again(self.backend, frozen, notes_of(trial).get("deaths", 0))

    def fail_stale_trials(self) -> None:
        """Fail every trial whose process has died, and queue it again, unless that has happened before.

        Must be called within a turn.
        """
        from optuna.storages import fail_stale_trials
        from optuna.trial import TrialState

        fail_stale_trials(self.backend)
        for trial in self.backend.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            # Optuna notices heartbeats that stop, but not a process that died before its first one. Such a
            # trial is timed from when it is first seen, since its start is by the clock of its machine.
            if "chosen" in notes_of(trial):
                continue
            now = time.monotonic()
            if now - self._first_seen.setdefault(trial.number, now) >= _SECONDS_UNTIL_FIRST_HEARTBEAT:
                self.backend.tell(trial.number, state=TrialState.FAIL)
                _repeat_dead(self.backend, trial)


@contextmanager
def open_study(folder: StudyFolder, address: str | None, dataset: Dataset, plan: Plan) -> Iterator[Study]:
    """Open a study, or create it if there is none of its name.

    Args:
        folder: the folder of its files.
        address: the address of its storage; None for a file in the folder.
        dataset: the dataset to search settings for.
        plan: the plan of the search.

    Raises:
        UsageError: the address is invalid, or the existing study is of something else.
        StudyError: the storage cannot be reached or is damaged, or Optuna is not installed.
    """
    is_own = address is None
    require_optuna()
    with quiet_optuna():
        storage = Storage(address, folder, _repeat_dead)
        try:
            with storage.translate_errors():
                with storage.turn(""), storage.reading():
                    backend = _backend(_stored_name(folder, storage, is_own), storage, plan)
                    _check_notes(backend)
                study = Study(folder, storage, backend, dataset, plan)
                study.begin_or_join()
                yield study
        finally:
            storage.close()


def _stored_name(folder: StudyFolder, storage: Storage, is_own: bool) -> str:
    """Return a study's name in the storage: the original one in its own file, whose folder may be renamed."""
    import optuna

    names = optuna.get_all_study_names(storage.backend) if is_own else []
    return names[0] if len(names) == 1 else folder.name


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


def _check_notes(backend: "optuna.Study") -> None:
    """Read every trial, and validate all notes.

    Raises:
        Exception: a trial cannot be read, or a note is invalid.
    """
    notes = TypeAdapter(StudyNotes).validate_python(backend.user_attrs)
    if "machine" in notes:
        TypeAdapter(Machine).validate_python(notes["machine"])
    trials = backend.get_trials(deepcopy=False)
    TypeAdapter(list[TrialNotes]).validate_python([trial.user_attrs for trial in trials])


def _repeat_dead(backend: "optuna.Study", trial: "FrozenTrial") -> None:
    """Queue a trial whose process died again, unless another process has already died at it."""
    deaths = notes_of(trial).get("deaths", 0) + 1
    if deaths < _MAX_DEATHS:
        _queue_again(backend, trial, deaths)


def _queue_again(backend: "optuna.Study", trial: "FrozenTrial", deaths: int) -> None:
    notes: TrialNotes = {"repeats": trial.number, "deaths": deaths}
    if "default" in notes_of(trial):
        notes["default"] = notes_of(trial)["default"]
    choices = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    backend.enqueue_trial(choices, dict(notes))


def _notes_of_study(backend: "optuna.Study") -> StudyNotes:
    return cast("StudyNotes", backend.user_attrs)
