"""Language models behind one protocol.

    logits_BTV, state = model(ids_BT, state)
    state = model.initial_state(B)
    loss, state = model.loss(ids_BT, targets_BT, state)

Trainer, decoder and evaluation know this and nothing about LSTMs. Models know nothing of files or text.
"""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from scriptforge.errors import RunError, unknown_name
from scriptforge.models.lstm import LSTM, LSTMConfig
from scriptforge.models.packed import Arithmetic, pack
from scriptforge.models.protocol import LanguageModel, ModelConfig, State

__all__ = [
    "ARCHITECTURES",
    "Arithmetic",
    "LanguageModel",
    "ModelConfig",
    "State",
    "build",
    "config_from_json",
    "pack",
]

ARCHITECTURES: dict[str, tuple[type[LSTMConfig], Callable[[Any], LSTM]]] = {"lstm": (LSTMConfig, LSTM)}


def build(config: ModelConfig) -> LSTM:
    """The untrained model that a config describes."""
    _, model = ARCHITECTURES[config.arch]
    return model(config)


def config_from_json(data: dict[str, Any]) -> LSTMConfig:
    """The config that `dataclasses.asdict` gave away.

    Raises:
        UsageError: the architecture is unknown.
        RunError: a key is missing, unknown or out of bounds.
    """
    arch = str(data.get("arch"))
    if arch not in ARCHITECTURES:
        raise unknown_name("architecture", arch, ARCHITECTURES)
    try:
        return ARCHITECTURES[arch][0](**data)
    except (ValidationError, TypeError) as error:
        raise RunError(
            "The model's settings are not ones that scriptforge writes.",
            "The run's config.json is damaged or comes from another version: train the model again.",
        ) from error
