"""Variants of a study's dataset, at the level and with the vocabulary of a trial; and a trial's settings.

The settings of a trial are those that `train` would choose for its time, changed by what was drawn.
"""

import shutil
from collections.abc import Mapping
from typing import Any

from scriptforge.config import Settings
from scriptforge.corpus.prepare import retokenize
from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.training.settings import Machine, complete_settings
from scriptforge.tuning.space import LEVEL, SIZES, Space, means_something, training_settings
from scriptforge.vocabulary import Level
from scriptforge.workspace import DatasetFolder, StudyFolder, Workspace, atomic_folder

VALIDATIONS = 5
"""Validations in every trial; each is a chance to end it early."""

_LONGEST_NAME = 48


class Variants:
    """Datasets of one text; each is made when it is first asked for, by one process.

    Args:
        dataset: the study's own.
        folder: where the others are kept.
    """

    def __init__(self, dataset: Dataset, folder: StudyFolder) -> None:
        self.own = dataset
        self._folder = folder

    def suiting(self, chosen: Mapping[str, Any]) -> Dataset:
        """Return the dataset at the level, and with the vocabulary, that a trial chose.

        Raises:
            UsageError: the vocabulary is too small for the level.
            DatasetError: the dataset's parsed text is missing or damaged.
        """
        about = self.own.description
        level: Level = chosen.get(LEVEL, about.level)
        size: int | None = chosen.get(SIZES.get(level, ""))
        if level == about.level and size in (None, about.vocabulary_size):
            return self.own
        name = "-".join([self.own.name[:_LONGEST_NAME], level, *([str(size)] if size else [])])
        folder = self._folder.dataset(about.fingerprint, name)
        with self._folder.lock(name):
            if not folder.description.is_file():
                retokenize(self.own, level, size, folder)
        return Dataset(folder)


def copied_into_workspace(dataset: Dataset, workspace: Workspace) -> Dataset:
    """Return a dataset of a study as one of the workspace, where the runs trained on it look for it.

    Args:
        dataset: one of `Variants`, or one that is in the workspace already.
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


def trial_settings(
    dataset: Dataset, chosen: Mapping[str, Any], machine: Machine, seconds: float, seed: int
) -> Settings:
    """Return the settings of one trial.

    Args:
        dataset: what it trains on.
        chosen: what it chose, or what is the same for all trials.
        machine: what the study was begun on.
        seconds: how long it trains.
        seed: of its weights and dropout.

    Raises:
        UsageError: the choices do not go together.
    """
    length = {"minutes": seconds / 60, "validations": VALIDATIONS, "seed": seed}
    return complete_settings(dataset, machine, length, training_settings(chosen))


def default_choices(dataset: Dataset, space: Space, settings: Settings) -> dict[str, Any]:
    """Return what the first trial chooses: for everything that is searched, what `train` would take.

    Args:
        dataset: the one that `train` would train on, with what is fixed.
        space: the search space.
        settings: those of `train`.
    """
    about = dataset.description
    sizes = {SIZES[about.level]: about.vocabulary_size} if about.level in SIZES else {}
    own = {**settings.model_dump(), LEVEL: about.level, **sizes}
    return {name: own[name] for name in space.entries if means_something(name, own)}
