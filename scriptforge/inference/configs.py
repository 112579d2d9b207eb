"""The sizes of models: frozen dataclasses that round-trip through JSON, and the shape of every weight.

A setting with the name of a config's field belongs to the architectures that have this field. The models are
in `scriptforge.models`, their inference models in the other modules of this package.

Shape letters: V vocabulary, E embedding, H hidden, L layers, M memory.
"""

from collections.abc import Iterable
from dataclasses import Field, fields
from typing import Any, ClassVar, Literal, Protocol

from pydantic import ConfigDict, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import (
    Heads,
    Layers,
    LayoutSize,
    Memory,
    Probability,
    Settings,
    Size,
    VocabularySize,
)
from scriptforge.errors import RunError, UsageError, unknown_name
from scriptforge.kernel import GATES, Unit
from scriptforge.validation import first_problem

CLOSED = ConfigDict(extra="forbid", strict=True, defer_build=True)
"""Forbids unknown keys and values of other types, since anybody may have written a config."""

MAX_MEMORY = 1 << 21
"""Upper limit of H times the number of rows that all layers together remember of one stream."""

UP_FACTOR = 4
"""Width of a transformer's feed-forward network, as a multiple of H."""

_HEAD_SIZE = 32


class ModelConfig(Protocol):
    """The sizes of a model: a frozen dataclass that round-trips through JSON."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def arch(self) -> str:
        """Return the architecture's name, a key of `scriptforge.architectures.ARCHITECTURES`."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """Return V."""
        ...

    @property
    def feature_size(self) -> int:
        """Return H, the size of a token's features."""
        ...

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight by name, a shared one once, without building the model."""
        ...


@dataclass(frozen=True, config=CLOSED)
class RecurrentSizes:
    """Sizes and dropout of every model with recurrent layers.

    Attributes:
        vocabulary_size: V.
        embedding_size: E.
        hidden_size: H.
        layers: L.
        dropout_input: share of embedding units dropped before the first layer.
        dropout_between: share of units dropped between layers.
        dropout_recurrent: share of a layer's recurrent connections dropped for all steps of a call, in all
            gates alike (DropConnect; Merity et al. 2018, arXiv:1708.02182).
        dropout_output: share of units dropped before the head.
        tied: whether the head's weight is the embedding.
        layout_size: number of layout tokens, the first ids; 0 without a speaker embedding.
        speakers: number of speakers' cues, the last of these; 0 without a speaker embedding.
    """

    vocabulary_size: VocabularySize
    embedding_size: Size
    hidden_size: Size
    layers: Layers = 1
    dropout_input: Probability = 0.0
    dropout_between: Probability = 0.0
    dropout_recurrent: Probability = 0.0
    dropout_output: Probability = 0.0
    tied: bool = False
    layout_size: LayoutSize = 0
    speakers: LayoutSize = 0

    @model_validator(mode="after")
    def _has_speakers_in_layout(self) -> "RecurrentSizes":
        check_speakers(self.speakers, self.layout_size, self.vocabulary_size)
        return self

    @property
    def feature_size(self) -> int:
        """Return the size of the last layer; see `ModelConfig.feature_size`."""
        return self.hidden_size


@dataclass(frozen=True, config=CLOSED)
class RecurrentConfig(RecurrentSizes):
    """The config of a `Recurrent`; `arch` is the kind of unit."""

    arch: Unit = "lstm"

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight; see `ModelConfig.weight_shapes`."""
        return recurrent_shapes(self.arch, self)


@dataclass(frozen=True, config=CLOSED)
class LSTMAttentionConfig(RecurrentSizes):
    """The config of an `LSTMAttention`; `memory` is M, how many earlier steps a step attends to."""

    memory: Memory = 128
    arch: Literal["lstm-attention"] = "lstm-attention"

    @model_validator(mode="after")
    def _fits_together(self) -> "LSTMAttentionConfig":
        check_memory(self.memory, self.hidden_size)
        return self

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight; see `ModelConfig.weight_shapes`."""
        size = self.hidden_size
        return {
            **recurrent_shapes("lstm", self),
            "norm.weight": (size,),
            "norm.bias": (size,),
            "q_proj.weight": (size, size),
            "out_proj.weight": (size, size),
        }


@dataclass(frozen=True, config=CLOSED)
class TransformerConfig:
    """Sizes and dropout of a `Transformer`.

    Attributes:
        vocabulary_size: V.
        hidden_size: H, of embedding and layers alike.
        layers: L.
        heads: number of attention heads; None for about one per 32 units.
        memory: M, how many earlier steps a step attends to in each layer.
        dropout_input: share of embedding units dropped before the first layer.
        dropout_between: share of units dropped from the output of attention and of the feed-forward network.
        dropout_output: share of units dropped before the head.
        tied: whether the head's weight is the embedding.
        layout_size, speakers: as in `RecurrentSizes`.
        arch: the architecture.
    """

    vocabulary_size: VocabularySize
    hidden_size: Size
    layers: Layers = 1
    heads: Heads | None = None
    memory: Memory = 128
    dropout_input: Probability = 0.0
    dropout_between: Probability = 0.0
    dropout_output: Probability = 0.0
    tied: bool = False
    layout_size: LayoutSize = 0
    speakers: LayoutSize = 0
    arch: Literal["transformer"] = "transformer"

    @model_validator(mode="after")
    def _fits_together(self) -> "TransformerConfig":
        heads = self.heads or 1
        if self.hidden_size % (2 * heads):
            raise ValueError(f"{self.hidden_size} units cannot be divided evenly among {heads} heads")
        check_memory(2 * self.layers * self.memory, self.hidden_size)  # keys and values
        check_speakers(self.speakers, self.layout_size, self.vocabulary_size)
        return self

    @property
    def head_count(self) -> int:
        """Return N: `heads`, or if None, the most that have an even number of at least 32 units each."""
        if self.heads is not None:
            return self.heads
        most = max(1, self.hidden_size // _HEAD_SIZE)
        return next(heads for heads in range(most, 0, -1) if self.hidden_size % (2 * heads) == 0)

    @property
    def feature_size(self) -> int:
        """Return H; see `ModelConfig.feature_size`."""
        return self.hidden_size

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight; see `ModelConfig.weight_shapes`."""
        size = self.hidden_size
        shapes = head_shapes(self.vocabulary_size, size, size, tied=self.tied)
        shapes |= speaker_shapes(self.speakers, size, size)
        for layer in range(self.layers):
            shapes |= {
                f"layers.{layer}.attention_norm.weight": (size,),
                f"layers.{layer}.qkv_proj.weight": (3 * size, size),
                f"layers.{layer}.out_proj.weight": (size, size),
                f"layers.{layer}.wide_norm.weight": (size,),
                f"layers.{layer}.up_proj.weight": (UP_FACTOR * size, size),
                f"layers.{layer}.down_proj.weight": (size, UP_FACTOR * size),
            }
        return {**shapes, "norm.weight": (size,)}


@dataclass(frozen=True, config=CLOSED)
class NumPyRNNConfig:
    """Sizes of a `NumPyRNN`.

    Attributes:
        vocabulary_size: V.
        hidden_size: H.
        arch: the architecture.
    """

    vocabulary_size: VocabularySize
    hidden_size: Size
    arch: Literal["numpy-rnn"] = "numpy-rnn"

    @property
    def feature_size(self) -> int:
        """Return the size of the layer; see `ModelConfig.feature_size`."""
        return self.hidden_size

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the members of `Weights`; see `ModelConfig.weight_shapes`."""
        vocabulary, hidden = self.vocabulary_size, self.hidden_size
        return {
            "input": (vocabulary, hidden),
            "recurrent": (hidden, hidden),
            "output": (hidden, vocabulary),
            "hidden_bias": (hidden,),
            "output_bias": (vocabulary,),
        }


def recurrent_shapes(unit: Unit, sizes: RecurrentSizes) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of a headed model whose network, `recurrent`, has these units."""
    embedding_size, hidden_size = sizes.embedding_size, sizes.hidden_size
    rows = GATES[unit] * hidden_size
    shapes = head_shapes(sizes.vocabulary_size, embedding_size, hidden_size, tied=sizes.tied)
    shapes |= speaker_shapes(sizes.speakers, embedding_size, hidden_size)
    for layer in range(sizes.layers):
        shapes[f"recurrent.weight_ih_l{layer}"] = (rows, hidden_size if layer else embedding_size)
        shapes[f"recurrent.weight_hh_l{layer}"] = (rows, hidden_size)
        shapes[f"recurrent.bias_ih_l{layer}"] = (rows,)
        shapes[f"recurrent.bias_hh_l{layer}"] = (rows,)
    return shapes


def head_shapes(
    vocabulary_size: int, embedding_size: int, feature_size: int, *, tied: bool
) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of a `HeadedModel` outside its network, a shared one once."""
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (vocabulary_size, embedding_size)}
    if tied and embedding_size != feature_size:
        shapes["projection.weight"] = (embedding_size, feature_size)
    if not tied:
        shapes["head.weight"] = (vocabulary_size, feature_size)
    return {**shapes, "head.bias": (vocabulary_size,)}


def speaker_shapes(speakers: int, embedding_size: int, feature_size: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of a model's `speaker_embedding`; none without speakers."""
    if not speakers:
        return {}
    return {
        f"speaker_embedding.{place}.{name}.weight": (speakers + 1, size)
        for place, size in (("input", embedding_size), ("output", feature_size))
        for name in ("current", "previous")
    }


def check_speakers(speakers: int, layout_size: int, vocabulary_size: int) -> None:
    """Raise a `ValueError` unless speakers are fewer than layout tokens, and these at most V."""
    if speakers and not speakers < layout_size <= vocabulary_size:
        raise ValueError(
            f"{speakers} speakers, {layout_size} layout tokens, {vocabulary_size} tokens do not go together"
        )


def check_memory(rows: int, size: int) -> None:
    """Raise a `ValueError` if all layers would remember too many rows of this size for one stream."""
    if rows * size > MAX_MEMORY:
        raise ValueError(f"{rows:,} rows of {size:,} numbers of memory are more than {MAX_MEMORY:,}")


def config_from_settings(
    settings: Settings, vocabulary_size: int, layout_size: int = 0, speakers: int = 0
) -> ModelConfig:
    """Return the config that settings describe: each field has the value of the setting of that name.

    Args:
        settings: resolved settings.
        vocabulary_size: V.
        layout_size: number of layout tokens, the first ids.
        speakers: number of speakers' cues, the last of these.

    Raises:
        UsageError: the settings do not fit together.
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
    """Return the config that `dataclasses.asdict` turned into `data`.

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
            "The model's settings are invalid.",
            "The run's config.json is damaged or comes from another version: train the model again.",
        ) from error
    return config


def foreign_settings(arch: str) -> set[str]:
    """Return the names of the settings that only other architectures have."""
    fields_by_arch = {
        name: {field.name for field in fields(each.config_class())} for name, each in ARCHITECTURES.items()
    }
    return set().union(*fields_by_arch.values()) - fields_by_arch[arch]


def check_settings_of_arch(arch: str, chosen: Iterable[str]) -> None:
    """Raise an error if a setting belongs to other architectures only.

    Args:
        arch: the architecture.
        chosen: names of settings.

    Raises:
        UsageError: one of them does.
    """
    foreign = foreign_settings(arch)
    for name in chosen:
        if name in foreign:
            raise UsageError(f"A model of the architecture {arch} has no {name}.", f"Leave {name} out.")
