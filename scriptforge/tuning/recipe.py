"""The settings of a trial: those that `train` would choose for its time, changed by what was drawn."""

from collections.abc import Mapping
from typing import Any

from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.fitting import Machine
from scriptforge.training.recipe import fit_settings
from scriptforge.tuning.space import LEVEL, SIZES, Space, means_something, training_settings

VALIDATIONS = 5


def trial_settings(
    dataset: Dataset, chosen: Mapping[str, Any], machine: Machine, seconds: float, seed: int
) -> Settings:
    """The settings of one trial.

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
    return fit_settings(dataset, machine, length, training_settings(chosen))


def default_choices(dataset: Dataset, space: Space, settings: Settings) -> dict[str, Any]:
    """What the first trial chooses: for everything that is searched, what `train` would take.

    Args:
        dataset: the one that `train` would train on, with what is fixed.
        space: the search space.
        settings: those of `train`.
    """
    about = dataset.description
    sizes = {SIZES[about.level]: about.vocabulary_size} if about.level in SIZES else {}
    own = {**settings.model_dump(), LEVEL: about.level, **sizes}
    return {name: own[name] for name in space.entries if means_something(name, own)}
