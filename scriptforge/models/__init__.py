"""Language models behind one protocol.

    logits_BTV, state = model(ids_BT, state)
    state = model.initial_state(B)
    loss, state = model.loss(ids_BT, targets_BT, state)

Trainer, decoder and evaluation know this and nothing about LSTMs. Models know nothing of files or text. Which
architectures there are is in `scriptforge.architectures`.
"""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from pydantic import ValidationError

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import Settings
from scriptforge.errors import RunError, UsageError, unknown_name
from scriptforge.models.base import LanguageModel, ModelConfig, State, TrainableModel
from scriptforge.models.inference.linear import HINT_WITHOUT_INT8, Arithmetic, InferenceModel
from scriptforge.models.members import Members
from scriptforge.validation import first_problem

__all__ = [
    "Arithmetic",
    "InferenceModel",
    "LanguageModel",
    "Members",
    "ModelConfig",
    "State",
    "TrainableModel",
    "build",
    "config_from_json",
    "config_from_settings",
    "inference_model",
    "refuse_foreign",
]


def build(config: ModelConfig, members: int = 1) -> TrainableModel:
    """Build the untrained model that a config describes, perhaps divided into `Members`.

    Raises:
        UsageError: it cannot be divided into as many.
    """
    if members > 1:
        return Members(config, members)
    model: TrainableModel = ARCHITECTURES[config.arch].model_class()(config)
    return model


def config_from_settings(
    settings: Settings, vocabulary_size: int, layout_size: int = 0, speakers: int = 0
) -> ModelConfig:
    """Return the config of the model that settings ask for: each of its fields is the setting of that name.

    Args:
        settings: resolved settings.
        vocabulary_size: how many tokens there are.
        layout_size: how many of them, the first ones, are layout.
        speakers: how many of these, the last ones, are speakers'.

    Raises:
        UsageError: they do not fit together.
    """
    config_class = ARCHITECTURES[settings.arch].config_class()
    names = {field.name for field in fields(config_class)}
    chosen = settings.model_dump(include=names)
    if speakers and settings.speaker_embedding and "speakers" in names:
        chosen |= {"layout_size": layout_size, "speakers": speakers}
    try:
        config: ModelConfig = config_class(vocabulary_size=vocabulary_size, **chosen)
    except ValidationError as error:
        problem = first_problem(error)
        reason = f"{problem.key} {problem.words}".lstrip()
        raise UsageError(
            f"Invalid settings for {settings.arch}: {reason}.", "Change them with --set KEY=VALUE."
        ) from error
    return config


def config_from_json(data: dict[str, Any]) -> ModelConfig:
    """Return the config that `dataclasses.asdict` wrote.

    Raises:
        UsageError: the architecture is unknown.
        RunError: a key is missing, unknown or out of bounds.
    """
    arch = str(data.get("arch"))
    if arch not in ARCHITECTURES:
        raise unknown_name("architecture", arch, ARCHITECTURES)
    try:
        config: ModelConfig = ARCHITECTURES[arch].config_class()(**data)
    except (ValidationError, TypeError) as error:
        raise RunError(
            "The model's settings could not have been written by scriptforge.",
            "The run's config.json is damaged or comes from another version: train the model again.",
        ) from error
    return config


def refuse_foreign(arch: str, chosen: Iterable[str]) -> None:
    """Raise an error unless an architecture has the settings, or they are of the training alone.

    Raises:
        UsageError: one of them is another architecture's.
    """
    fields_by_arch = {
        name: {field.name for field in fields(each.config_class())} for name, each in ARCHITECTURES.items()
    }
    foreign = set().union(*fields_by_arch.values()) - fields_by_arch[arch]
    for name in chosen:
        if name in foreign:
            raise UsageError(f"A model of the architecture {arch} has no {name}.", f"Leave {name} out.")


def inference_model(model: LanguageModel, arithmetic: Arithmetic = "fp32") -> LanguageModel:
    """Return a model's inference model, which generates faster; with `fp32` they are equal up to rounding.

    PyTorch's modules are made for texts of many tokens, and do the same for a single one at many times the
    price. An inference model has the same protocol and the weights that the model has now, packed once in the
    way that suits the processor and perhaps rounded to eight bits; making one takes milliseconds. An
    inference model is returned as it is, and so is, with `fp32`, a model that has none or is not on the CPU.

    Args:
        model: in evaluation mode.
        arithmetic: how to multiply.

    Raises:
        UsageError: this machine or this model cannot compute in `int8`.
    """
    if isinstance(model, InferenceModel):
        return model
    architecture = ARCHITECTURES[model.config.arch]
    is_on_cpu = model.initial_state(1)[0].device.type == "cpu"
    if arithmetic == "int8":
        if not architecture.has_int8:
            *most, last = (name for name, each in ARCHITECTURES.items() if each.has_int8)
            raise UsageError(
                f"Only {', '.join(most)} and {last} can be rounded to eight bits, not {model.config.arch}.",
                HINT_WITHOUT_INT8,
            )
        if not is_on_cpu:
            raise UsageError("Only a model on the CPU can be rounded to eight bits.", HINT_WITHOUT_INT8)
    inference_class = architecture.inference_class() if is_on_cpu else None
    if inference_class is None:
        return model
    inference: InferenceModel = inference_class(model, arithmetic)
    return inference
