"""The settings of a training run: their names, their ranges, and where their values come from.

Sources, from weak to strong: suggestions for the corpus < preset < TOML file < option < `--set`. Each names
only the settings that it changes. The resolved `Settings` are saved with the run. The types of model sizes,
such as `Layers`, are also those of the configs in `scriptforge.inference`. This module does not import torch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from scriptforge.architectures import ARCHITECTURES
from scriptforge.errors import UsageError, nearest, unknown_name
from scriptforge.options import Preset, TrainOptions
from scriptforge.validation import ClosedModel, first_problem
from scriptforge.workspace import parse_toml

DeviceType = Literal["cpu", "cuda", "mps"]
Precision = Literal["fp32", "bf16", "fp16"]

VocabularySize = Annotated[int, Field(ge=2, le=4_194_304)]
LayoutSize = Annotated[int, Field(ge=0, le=4_194_304)]
Size = Annotated[int, Field(ge=1, le=65_536)]
Layers = Annotated[int, Field(ge=1, le=8)]
Heads = Annotated[int, Field(ge=1, le=1024)]
Memory = Annotated[int, Field(ge=1, le=4096)]
Probability = Annotated[float, Field(ge=0, lt=1)]
MAX_MEMBERS = 8


def _check_architecture(name: str) -> str:
    """Return the name of an architecture; raise an error that lists them all if it is unknown."""
    if name not in ARCHITECTURES:
        *most, last = map(repr, ARCHITECTURES)
        choices = f"{', '.join(most)} or {last}"
        raise PydanticCustomError("architecture", "must be {choices}", {"choices": choices})
    return name


ArchitectureName = Annotated[
    str,
    AfterValidator(_check_architecture),
    Field(json_schema_extra=lambda schema: schema.update(enum=[*ARCHITECTURES])),
]


class Settings(ClosedModel):
    """Everything that shapes a training run, apart from the dataset."""

    arch: ArchitectureName = Field("lstm", description="Architecture of the model.")
    layers: Layers = Field(1, description="Layers, one above the other.")
    hidden_size: Size = Field(384, description="Units in each layer.")
    embedding_size: Size = Field(
        64, description="Units of a token's embedding; a transformer's is hidden_size."
    )
    heads: Heads | None = Field(
        None, description="Attention heads (transformer); one for about 32 units if not set."
    )
    memory: Memory = Field(128, description="Attention window in tokens (lstm-attention, transformer).")
    members: int = Field(
        1,
        ge=1,
        le=MAX_MEMBERS,
        description="Networks trained independently on parts of the units, and merged into one model.",
    )
    tied: bool = Field(False, description="Whether the head's weight is the embedding.")
    speaker_embedding: bool = Field(
        True,
        description="Whether embeddings of the current and the previous speaker are added to each token.",
    )
    dropout_input: Probability = Field(0.0, description="Share of embedding units dropped.")
    dropout_between: Probability = Field(
        0.0,
        description="Share of units dropped between layers, or of what each layer of a transformer adds.",
    )
    dropout_recurrent: Probability = Field(
        0.0, description="Share of recurrent connections dropped for a sequence (DropConnect)."
    )
    dropout_output: Probability = Field(0.0, description="Share of units dropped before the head.")

    reset_probability: float = Field(
        0.03,
        ge=0,
        le=1,
        description="Probability per step that a stream's state is reset, half the time with `<end>` read.",
    )
    sampled_softmax: int = Field(
        0, ge=0, description="Tokens scored beside the right ones while training; 0 scores all of them."
    )

    batch_size: Size = Field(16, description="Streams read side by side.")
    sequence_length: Size = Field(64, description="Tokens a step reads on each stream.")
    optimizer: Literal["muon", "adamw", "adam", "rmsprop", "adagrad"] = Field(
        "muon", description="Optimizer."
    )
    learning_rate: float = Field(
        5e-3, gt=0, le=10, description="Peak learning rate of all other weights, or of all without muon."
    )
    matrix_learning_rate: float = Field(
        0.03, gt=0, le=10, description="Peak learning rate of the matrices between units (muon)."
    )
    momentum: float = Field(0.95, ge=0, lt=1, description="Decay of the matrices' running gradient (muon).")
    warmup: float = Field(0.02, ge=0, lt=1, description="Share of the training in which the rate rises.")
    final_learning_rate: float = Field(
        0.02, ge=0, le=1, description="Rate at the end as a share of the peak; the fall is linear."
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="Decay of the gradient's running mean.")
    beta2: float = Field(0.99, ge=0, lt=1, description="Decay of the squared gradient's running mean.")
    weight_decay: float = Field(
        0.01,
        ge=0,
        le=1,
        description="Weight decay of all other weights; decoupled with muon and adamw.",
    )
    matrix_weight_decay: float = Field(
        0.0, ge=0, le=1, description="Weight decay of the matrices between units (muon); decoupled."
    )
    gradient_clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")

    epochs: float | None = Field(None, gt=0, description="How many times the text is read.")
    minutes: float | None = Field(None, gt=0, description="How long to train, validations included.")
    max_epochs: float | None = Field(
        None, gt=0, description="Maximum number of times the text is read, if minutes are given."
    )
    validations: int = Field(10, ge=1, le=10_000, description="Validations during the training.")
    patience: int | None = Field(
        None, ge=1, description="Stop after this many validations without a better one."
    )
    precision: Precision = Field("fp32", description="Arithmetic of the model.")
    threads: int | None = Field(
        None, ge=1, le=1024, description="Threads that compute on a CPU; chosen as it trains if not set."
    )
    seed: int = Field(1, ge=0, lt=2**63, description="Seed of weights and dropout.")

    @model_validator(mode="after")
    def _has_one_length(self) -> "Settings":
        if (self.epochs is None) == (self.minutes is None):
            raise ValueError("exactly one of epochs and minutes must be given")
        if self.epochs is not None and self.max_epochs is not None:
            raise ValueError("epochs is how often the text is read, and max_epochs is for minutes")
        return self


PRESETS: dict[Preset, dict[str, Any]] = {
    "classroom": {
        "layers": 2,
        "embedding_size": 463,
        "hidden_size": 512,
        "tied": False,
        "dropout_input": 0.0,
        "dropout_between": 0.5,
        "dropout_recurrent": 0.0,
        "dropout_output": 0.0,
        "batch_size": 26,
        "sequence_length": 10,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "warmup": 0.0,
        "final_learning_rate": 1.0,
        "beta2": 0.999,
        "weight_decay": 0.0,
        "epochs": 5,
    },
    "fast": {"hidden_size": 256, "dropout_output": 0.1, "dropout_recurrent": 0.0},
    "best": {"hidden_size": 640, "dropout_output": 0.4, "dropout_recurrent": 0.3},
}
"""The settings that each preset changes. `classroom` is the course project's recipe.

The course predicts only the word after each window, so that its batch of 256 windows has 256 targets. Here
every word of a sequence is a target: 26 sequences of ten words have about as many, and an epoch about as many
steps."""


def read_toml(path: Path, option: str, hint: str) -> dict[str, Any]:
    """Read a TOML file that the user wrote.

    Args:
        path: the file.
        option: the option that named it, such as `--config`, for the error message.
        hint: what to do if it is not TOML.

    Raises:
        UsageError: the file is missing or not TOML.
    """
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", f"Check the path after {option}."
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}.", hint) from error


def read_settings_file(path: Path) -> dict[str, Any]:
    """Read settings from a TOML file.

    Raises:
        UsageError: the file is missing or not TOML.
    """
    return read_toml(path, "--config", "Write one setting a line, such as: hidden_size = 512")


def parse_assignment(assignment: str) -> tuple[str, Any]:
    """Return the key and value of `--set key=value`; the value is parsed as TOML, or else taken as text.

    Raises:
        UsageError: it contains no `=`.
    """
    key, equals, value = assignment.partition("=")
    if not equals:
        raise UsageError(f"“{assignment}” is not KEY=VALUE.", "Write --set KEY=VALUE, such as --set layers=2")
    try:
        document = parse_toml(f"value = {value}")
    except ValueError:
        document = {}
    is_one_value = len(document) == 1  # a line break would let another key follow
    return key.strip(), document["value"] if is_one_value else value.strip()


def collect_settings(options: TrainOptions) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that the user chose one by one: those of the file, and the stronger options.

    The preset is left out, since it only fills gaps, while settings chosen one by one must suit the
    architecture and the run to start from.

    Raises:
        UsageError: the file is missing or not TOML.
    """
    named = {name: getattr(options, name) for name in ("epochs", "minutes", "patience", "arch")}
    given = {name: value for name, value in named.items() if value is not None}
    file = read_settings_file(options.config) if options.config else {}
    return file, {**given, **options.settings}


def resolve(*sources: Mapping[str, Any]) -> Settings:
    """Merge settings from several sources; later ones override earlier ones.

    `epochs` and `minutes` exclude each other: a source that names one removes the other. A source that names
    `epochs` also removes `max_epochs`, which is for use with `minutes`.

    Raises:
        UsageError: a key is unknown, a value is out of range, or settings contradict each other.
    """
    merged: dict[str, Any] = {}
    for source in sources:
        for key in source:
            if key not in Settings.model_fields:
                raise unknown_name("setting", key, Settings.model_fields)
        if "epochs" in source:
            merged.pop("minutes", None)
            merged.pop("max_epochs", None)
        if "minutes" in source:
            merged.pop("epochs", None)
        merged.update(source)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        problem = first_problem(error)
        if not problem.place:
            raise UsageError(
                "Only one of epochs and minutes can be given, and max_epochs only with minutes.",
                "Give either epochs or minutes.",
            ) from error
        raise UsageError(
            f"{problem.key} {problem.words}, not {_written(problem.value)}.",
            f"{problem.key}: {_advice(str(problem.place[0]), problem.value)}",
        ) from error


def complete(suggested: Mapping[str, Any], *asked: Mapping[str, Any]) -> Settings:
    """Fill in the settings that were not asked for with suggested ones.

    Args:
        suggested: the suggested settings, which all others override.
        asked: settings from several sources, of which later ones override earlier ones. If the head is tied
            to the embedding, a `hidden_size` among them is also the `embedding_size`.

    Raises:
        UsageError: as for `resolve`.
    """
    settings = resolve(suggested, *asked)
    if settings.tied and any("hidden_size" in source for source in asked):
        return resolve(suggested, {"embedding_size": settings.hidden_size}, *asked)
    return settings


def _written(value: Any) -> str:
    """Format a value as TOML does: `true` instead of Python's `True`."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _advice(name: str, value: Any) -> str:
    """Return a hint for a wrong value: similar choices, or else the description of the setting."""
    choices = Settings.model_json_schema()["properties"][name].get("enum", [])
    close = nearest(str(value), map(str, choices))
    return f"did you mean {' or '.join(close)}?" if close else str(Settings.model_fields[name].description)
