"""A trained run: what its `config.json` says, and the model and vocabulary loaded from its folder.

`config.json`, `tokenizer.json` and `model.safetensors` suffice to use a run anywhere; nothing in them tells
of the machine that made them.
"""

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model
from torch import nn

from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.errors import RunError
from scriptforge.models import LanguageModel, build, config_from_json
from scriptforge.vocabulary import Level, Vocabulary
from scriptforge.workspace import RunFolder, Workspace, atomic_file, atomic_write, read_json


class TrainedOnSource(BaseModel):
    """One corpus of a mix that a run was trained on; as of `scriptforge.dataset.SourceDescription`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    weight: float
    origin: dict[str, Any]


class TrainedOn(BaseModel):
    """The dataset that a run was trained on, as far as its user needs to know it.

    Attributes:
        origin: where its text came from; None of a mix, whose `sources` have one each.
        cast: everybody who speaks in it, most lines first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    origin: dict[str, Any] | None
    sources: list[TrainedOnSource] = []
    level: Level
    plain: bool
    lower: bool
    alphabet: int
    cast: list[str] = []
    fingerprint: str


class Result(BaseModel):
    """What came out of a training.

    Attributes:
        best: the best weights' `Evaluation` on the validation split, as JSON.
        step: the optimizer step at which they stood.
        seconds: training time, validations included.
        tokens_per_second: over the steps alone.
        verdict: one sentence on how it went and what to try.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    best: dict[str, Any]
    step: int
    seconds: float
    tokens_per_second: float
    verdict: str


class RunDescription(BaseModel):
    """What `config.json` says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = 1
    name: str
    created: str
    dataset: TrainedOn
    model: dict[str, Any]
    settings: Settings
    parameters: int
    versions: dict[str, str]
    result: Result | None = None

    def save(self, folder: RunFolder) -> None:
        """Writes `config.json`."""
        atomic_write(folder.config, self.model_dump_json(indent=2) + "\n")

    def refuse_other_dataset(self, dataset: Dataset) -> None:
        """Lets only the dataset pass that the run was trained on.

        Raises:
            RunError: it is another one, or was prepared anew in another way.
        """
        if self.dataset.fingerprint != dataset.description.fingerprint:
            raise RunError(
                f"Dataset “{dataset.name}” is not what run “{self.name}” was trained on.",
                "Prepare it as it was then, or train a new run on it.",
            )

    def open_dataset(self, place: Workspace) -> Dataset:
        """The dataset that the run was trained on.

        Raises:
            DatasetError: it is not in this workspace.
            RunError: what has its name there was prepared in another way.
        """
        dataset = Dataset(place.dataset(self.dataset.name))
        self.refuse_other_dataset(dataset)
        return dataset

    @classmethod
    def load(cls, folder: RunFolder) -> "RunDescription":
        """Reads `config.json`.

        Raises:
            RunError: the file is missing, damaged or of another version.
        """
        try:
            return cls.model_validate(read_json(folder.config))
        except ValidationError as error:
            raise RunError(
                f"config.json of run “{folder.name}” is not one that this version writes.",
                "Train the model again, or use the version of scriptforge that made it.",
            ) from error


class Run:
    """A run opened for generating and evaluating, its model in evaluation mode.

    Raises:
        RunError: the folder is incomplete or its weights do not fit its config.
    """

    def __init__(self, folder: RunFolder, device: str = "cpu") -> None:
        self.folder = folder
        self.description = RunDescription.load(folder)
        if not folder.weights.is_file():
            raise RunError(
                f"Run “{folder.name}” has no weights yet.",
                f"Let it reach its first validation: scriptforge train --resume {folder.name}",
            )
        self.vocabulary = Vocabulary.load(folder.tokenizer)
        config = config_from_json(self.description.model)
        if config.vocabulary_size != self.vocabulary.size:
            raise RunError(
                f"Run “{folder.name}” has a vocabulary of another size than its model.",
                "The folder is damaged: restore it from a copy, or train the model again.",
            )
        _check_weights(folder.weights, config.weight_shapes())
        self.model = build(config)
        load_weights(self.model, folder.weights)
        self.model.to(device).eval()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the weights file: another for every training, and for every further validation."""
        with self.folder.weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _check_weights(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """Compares the header of a weights file with what the config asks for, before memory is taken."""
    try:
        with safe_open(path, framework="pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _damaged(path) from error
    if found != shapes:
        raise _damaged(path)


def save_weights(model: LanguageModel, path: Path) -> None:
    """Writes a model's weights so that the file is always whole."""
    assert isinstance(model, nn.Module)
    with atomic_file(path) as temporary:
        save_model(model, str(temporary))


def load_weights(model: LanguageModel, path: Path) -> None:
    """Fills a model with weights of its own shape.

    Raises:
        RunError: the file is damaged, belongs to another model, or holds what is no number.
    """
    assert isinstance(model, nn.Module)
    try:
        load_model(model, path)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise _damaged(path) from error
    if not all(bool(tensor.isfinite().all()) for tensor in model.parameters()):
        raise _damaged(path)


def _damaged(path: Path) -> RunError:
    return RunError(
        f"{path.parent.name}/{path.name} is damaged or belongs to another model.",
        "Restore it from a copy, or train the model again.",
    )
