"""Language models behind one protocol.

    logits_BTV, state = model(ids_BT, state)
    state = model.initial_state(B)
    loss, state = model.loss(ids_BT, targets_BT, state)

Trainer, decoder and evaluation know this and nothing about LSTMs. Models know nothing of files or text.
"""

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

from pydantic import ValidationError

from scriptforge.config import Architecture, Settings
from scriptforge.errors import RunError, UsageError, unknown_name
from scriptforge.models.base import LanguageModel, ModelConfig, State, TrainableModel
from scriptforge.models.inference import Arithmetic, pack
from scriptforge.models.lstm_attention import LSTMAttention, LSTMAttentionConfig
from scriptforge.models.numpy_bridge import NumPyRNN, NumPyRNNConfig
from scriptforge.models.recurrent import Recurrent, RecurrentConfig
from scriptforge.models.transformer import Transformer, TransformerConfig

__all__ = [
    "ARCHITECTURES",
    "Arithmetic",
    "LanguageModel",
    "ModelConfig",
    "State",
    "TrainableModel",
    "build",
    "config_from_json",
    "config_from_settings",
    "pack",
    "refuse_foreign",
]

ARCHITECTURES: dict[str, tuple[type[Any], Callable[[Any], TrainableModel]]] = {
    "lstm": (RecurrentConfig, Recurrent),
    "gru": (RecurrentConfig, Recurrent),
    "rnn": (RecurrentConfig, Recurrent),
    "lstm-attention": (LSTMAttentionConfig, LSTMAttention),
    "transformer": (TransformerConfig, Transformer),
    "numpy-rnn": (NumPyRNNConfig, NumPyRNN),
}
"""The config and the model of every architecture that `Settings.arch` names."""


def build(config: ModelConfig) -> TrainableModel:
    """The untrained model that a config describes."""
    _, model = ARCHITECTURES[config.arch]
    return model(config)


def config_from_settings(settings: Settings, vocabulary_size: int) -> ModelConfig:
    """The config of the model that settings ask for: it takes from them what has the name of a field of its.

    Raises:
        UsageError: they do not fit together.
    """
    kind, _ = ARCHITECTURES[settings.arch]
    chosen = settings.model_dump(include={field.name for field in fields(kind)})
    try:
        config: ModelConfig = kind(vocabulary_size=vocabulary_size, **chosen)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(
            f"There is no such {settings.arch}: {reason}.", "Change it with --set KEY=VALUE."
        ) from error
    return config


def refuse_foreign(arch: Architecture, chosen: Iterable[str]) -> None:
    """Lets settings pass that an architecture has, or that are of the training alone.

    Raises:
        UsageError: one of them is another architecture's.
    """
    own, *others = (
        {field.name for field in fields(kind)} for kind, _ in (ARCHITECTURES[arch], *ARCHITECTURES.values())
    )
    for name in chosen:
        if name not in own and any(name in names for names in others):
            raise UsageError(f"A model of the architecture {arch} has no {name}.", f"Leave {name} out.")


def config_from_json(data: dict[str, Any]) -> ModelConfig:
    """The config that `dataclasses.asdict` gave away.

    Raises:
        UsageError: the architecture is unknown.
        RunError: a key is missing, unknown or out of bounds.
    """
    arch = str(data.get("arch"))
    if arch not in ARCHITECTURES:
        raise unknown_name("architecture", arch, ARCHITECTURES)
    kind, _ = ARCHITECTURES[arch]
    try:
        config: ModelConfig = kind(**data)
    except (ValidationError, TypeError) as error:
        raise RunError(
            "The model's settings are not ones that scriptforge writes.",
            "The run's config.json is damaged or comes from another version: train the model again.",
        ) from error
    return config
