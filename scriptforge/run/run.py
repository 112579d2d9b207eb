"""A trained run: the weights and vocabulary loaded from its folder.

`config.json`, `tokenizer.json` and `model.safetensors` are enough to use a run anywhere; with `lexicon.txt`
its model invents no words. They contain no path of the machine that made them. The files may come from a
stranger, so their sizes are checked against the config before they are loaded.
"""

import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from scriptforge.errors import RunError
from scriptforge.inference import (
    Arithmetic,
    InferenceModel,
    ModelConfig,
    Weights,
    config_from_json,
    new_inference,
)
from scriptforge.net.client import sha256_of
from scriptforge.run.records import RunDescription
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import RunFolder

if TYPE_CHECKING:
    from scriptforge.models import TrainableModel

MAX_VOCABULARY = 64_000_000
MAX_WEIGHTS = 4_000_000_000
MAX_HEADER = 1_000_000
"""Largest sizes, in bytes, of a tokenizer, of all weights, and of the header of a weights file."""

_BYTES_OF_WEIGHT = 4
_KINDS = ({"F32"}, {"F16"})  # the base model has half precision, to be small


class Run:
    """A run opened for generating and evaluating.

    Attributes:
        folder: its folder.
        description: the contents of its `config.json`.
        config: the sizes of its model.
        vocabulary: its vocabulary.
        weights: the weights of its model, in single precision.

    Raises:
        RunError: the folder is incomplete or its weights do not fit its config.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.description = RunDescription.load(folder)
        if not folder.weights.is_file():
            raise RunError(
                f"Run “{folder.name}” has no weights yet.",
                f"Let it reach its first validation: {folder.command_to_resume()}",
            )
        self.config: ModelConfig = config_from_json(self.description.model)
        _check_sizes(folder, weights_size(self.description))
        self.vocabulary = Vocabulary.load(folder.tokenizer, folder.lexicon)
        if (self.config.vocabulary_size, self.description.dataset.level) != (
            self.vocabulary.size,
            self.vocabulary.level,
        ):
            raise RunError(
                f"Run “{folder.name}” has a vocabulary of another size or level than its model.",
                "The folder is damaged: restore it from a copy, or train the model again.",
            )
        self.weights = read_weights(folder.weights, self.config)
        self._inference: dict[Arithmetic, InferenceModel] = {}

    @cached_property
    def model(self) -> "TrainableModel":
        """Return the model as a PyTorch module, in evaluation mode, for evaluation or further training."""
        from scriptforge.models import build_with

        return build_with(self.config, self.weights)

    def inference(self, arithmetic: Arithmetic = "fp32") -> InferenceModel:
        """Return the inference model, made at the first call; see `scriptforge.inference.SupportsInference`.

        It needs no PyTorch unless the architecture does.

        Raises:
            UsageError: this model cannot compute in `int8`.
        """
        if arithmetic not in self._inference:
            prepared = new_inference(self.config, self.weights, arithmetic)
            self._inference[arithmetic] = prepared or self.model.inference(arithmetic)
        return self._inference[arithmetic]

    @cached_property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights file, which further training changes."""
        return sha256_of(self.folder.weights)


def weights_size(description: RunDescription) -> int:
    """Return the size of the weights of a run in bytes, computed from its config alone.

    Raises:
        RunError: the config contradicts itself, or asks for more than `MAX_WEIGHTS`.
    """
    shapes = config_from_json(description.model).weight_shapes().values()
    counted = sum(math.prod(shape) for shape in shapes)
    if counted != description.parameters:
        raise RunError(
            f"config.json of run “{description.name}” says {description.parameters:,} weights;"
            f" its settings give {counted:,}.",
            "Restore it from a copy, or train the model again.",
        )
    if counted * _BYTES_OF_WEIGHT > MAX_WEIGHTS:
        raise RunError(
            f"Run “{description.name}” asks for {counted * _BYTES_OF_WEIGHT / 1e9:,.0f} GB of weights.",
            f"Up to {MAX_WEIGHTS / 1e9:.0f} GB can be used here.",
        )
    return counted * _BYTES_OF_WEIGHT


def _check_sizes(folder: RunFolder, weights: int) -> None:
    """Check the sizes of the files against their limits, before any of them is read."""
    most = {folder.tokenizer: MAX_VOCABULARY, folder.weights: weights + MAX_HEADER}
    for path, size in most.items():
        if path.is_file() and path.stat().st_size > size:
            raise RunError(
                f"{path.name} of run “{folder.name}” has {path.stat().st_size:,} bytes,"
                f" but at most {size:,} are allowed.",
                "Restore it from a copy, or train the model again.",
            )


def read_weights(path: Path, config: ModelConfig) -> Weights:
    """Read weights in single precision from a file, after checking its header against the config.

    Raises:
        RunError: the file is damaged, belongs to another model, or has NaN or infinite weights.
    """
    try:
        with path.open("rb") as raw:
            if int.from_bytes(raw.read(8), "little") > MAX_HEADER:
                raise damaged(path)
        with safe_open(path, framework="np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            found = {name: tuple(each.get_shape()) for name, each in slices.items()}
            kinds = {each.get_dtype() for each in slices.values()}
        if found != config.weight_shapes() or kinds not in _KINDS:
            raise damaged(path)
        weights = {name: array.astype(np.float32, copy=False) for name, array in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise damaged(path) from error
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise damaged(path)
    return weights


def damaged(path: Path) -> RunError:
    """Return the error for a weights file that cannot be used."""
    return RunError(
        f"{path.parent.name}/{path.name} is damaged or belongs to another model.",
        "Restore it from a copy, or train the model again.",
    )
