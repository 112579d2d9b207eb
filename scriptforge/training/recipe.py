"""The settings of a training: those that suit text, machine and time, changed by what was asked for."""

from collections.abc import Mapping
from typing import Any

from scriptforge.config import PRESETS, Accelerator, Preset, Settings, resolve
from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.fitting import Machine, fitted
from scriptforge.models import refuse_foreign
from scriptforge.run.run import Run
from scriptforge.training.inheritance import inherited_settings
from scriptforge.training.machine import is_supported, measure

DEFAULT_MINUTES = 3.0


def choose_settings(
    dataset: Dataset,
    chosen: dict[str, Any],
    accelerator: Accelerator,
    preset: Preset | None = None,
    init_from: Run | None = None,
) -> Settings:
    """The settings of a new training; the machine is measured for them.

    Args:
        dataset: what it trains on.
        chosen: the settings that a person named.
        accelerator: what computes.
        preset: which group of settings to begin with.
        init_from: the run with whose weights to begin.

    Raises:
        UsageError: the choices do not go together, with the architecture, or with the init_from.
    """
    inherited = inherited_settings(init_from.description, dataset, chosen) if init_from else {}
    asked = {"minutes": DEFAULT_MINUTES}, PRESETS[preset] if preset else {}, inherited, chosen
    known = resolve(*asked)
    refuse_foreign(known.arch, chosen)
    if not is_supported(known.precision, accelerator):
        raise UsageError(
            f"This machine cannot train in {known.precision}.", "Leave precision out, or set precision=fp32."
        )
    return fit_settings(dataset, measure(accelerator), *asked)


def fit_settings(dataset: Dataset, machine: Machine, *asked: Mapping[str, Any]) -> Settings:
    """What suits a dataset and a machine, changed by what was asked for.

    Args:
        dataset: what to train on.
        machine: what computes.
        asked: settings from several sources, the later ones stronger. Where the head is the embedding, its
            size goes with `hidden_size`.

    Raises:
        UsageError: a key is unknown or a value out of bounds.
    """
    known = resolve(*asked)
    suited = fitted(
        dataset.description.splits["train"].tokens,
        dataset.vocabulary.size,
        machine,
        arch=known.arch,
        minutes=known.minutes,
        epochs=known.epochs,
    )
    settings = resolve(suited, *asked)
    if settings.tied and any("hidden_size" in source for source in asked):
        return resolve(suited, {"embedding_size": settings.hidden_size}, *asked)
    return settings
