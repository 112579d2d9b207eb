"""A trained run: the model and vocabulary loaded from its folder.

`config.json`, `tokenizer.json` and `model.safetensors` suffice to use a run anywhere, and with `lexicon.txt`
it invents no words; nothing in them tells anything about the machine that made them. The files may come from
a stranger: sizes are compared with what the config promises before memory is taken.
"""

import math
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_model, save_model
from torch import nn
from torch.random import fork_rng

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError, RunError
from scriptforge.models import build, config_from_json
from scriptforge.net.client import sha256_of
from scriptforge.run.records import RunDescription
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import RunFolder, Workspace, atomic_file

LARGEST_VOCABULARY = 64_000_000
LARGEST_WEIGHTS = 4_000_000_000
LARGEST_HEADER = 1_000_000
"""The most bytes that a tokenizer, the weights and the header of their file may have."""

_BYTES_OF_WEIGHT = 4
_KINDS = ({"F32"}, {"F16"})  # the parent in the package is in half precision, to be small


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
        config = config_from_json(self.description.model)
        _check_sizes(folder, weights_size(self.description))
        self.vocabulary = Vocabulary.load(folder.tokenizer, folder.lexicon)
        if (config.vocabulary_size, self.description.dataset.level) != (
            self.vocabulary.size,
            self.vocabulary.level,
        ):
            raise RunError(
                f"Run “{folder.name}” has a vocabulary of another size or level than its model.",
                "The folder is damaged: restore it from a copy, or train the model again.",
            )
        _check_weights(folder.weights, config.weight_shapes())
        with fork_rng(devices=()):  # a new model draws its weights: not from the caller's generator
            self.model = build(config)
        load_weights(self.model, folder.weights)
        self.model.to(device).eval()

    def find_words(self, workspace: Workspace) -> None:
        """Let the vocabulary know the words of the training text, if the run is older than its lexicon.

        They are found in the text of its dataset. Where that cannot be had, they stay unknown.
        """
        if self.vocabulary.lexicon is None and self.vocabulary.level != "word":
            dataset = self.description.dataset_at_hand(workspace)
            with suppress(DatasetError):
                if dataset is not None:
                    self.learn_words(dataset)

    def learn_words(self, dataset: Dataset) -> None:
        """Let the vocabulary know the words of the text that the run was trained on.

        Raises:
            DatasetError: the text is missing or damaged.
        """
        dataset.find_words()
        self.vocabulary.lexicon = dataset.vocabulary.lexicon

    @cached_property
    def fingerprint(self) -> str:
        """Return the SHA-256 of the weights file; training further changes it."""
        return sha256_of(self.folder.weights)


def weights_size(description: RunDescription) -> int:
    """Return how many bytes the weights of a run have, judging by its config alone.

    Raises:
        RunError: its config contradicts itself, or asks for more than a laptop can hold.
    """
    shapes = config_from_json(description.model).weight_shapes().values()
    counted = sum(math.prod(shape) for shape in shapes)
    if counted != description.parameters:
        raise RunError(
            f"config.json of run “{description.name}” says {description.parameters:,} weights;"
            f" its settings give {counted:,}.",
            "Restore it from a copy, or train the model again.",
        )
    if counted * _BYTES_OF_WEIGHT > LARGEST_WEIGHTS:
        raise RunError(
            f"Run “{description.name}” asks for {counted * _BYTES_OF_WEIGHT / 1e9:,.0f} GB of weights.",
            f"Up to {LARGEST_WEIGHTS / 1e9:.0f} GB can be used here.",
        )
    return counted * _BYTES_OF_WEIGHT


def _check_sizes(folder: RunFolder, weights: int) -> None:
    """Compare the sizes of files with what they may be, before anything is read that may be enormous."""
    most = {folder.tokenizer: LARGEST_VOCABULARY, folder.weights: weights + LARGEST_HEADER}
    for path, size in most.items():
        if path.is_file() and path.stat().st_size > size:
            raise RunError(
                f"{path.name} of run “{folder.name}” has {path.stat().st_size:,} bytes,"
                f" but at most {size:,} are allowed.",
                "Restore it from a copy, or train the model again.",
            )


def _check_weights(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """Compare the header of a weights file with what the config asks for, before memory is taken."""
    try:
        with path.open("rb") as raw:
            if int.from_bytes(raw.read(8), "little") > LARGEST_HEADER:
                raise _damaged(path)
        with safe_open(path, framework="pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            found = {name: tuple(each.get_shape()) for name, each in slices.items()}
            kinds = {each.get_dtype() for each in slices.values()}
    except (SafetensorError, OSError) as error:
        raise _damaged(path) from error
    if found != shapes or kinds not in _KINDS:
        raise _damaged(path)


def save_weights(model: nn.Module, path: Path) -> None:
    """Write a model's weights so that the file is always whole; shared weights are written once."""
    with atomic_file(path) as temporary:
        save_model(model, str(temporary))


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill a model with weights of its own shapes.

    Raises:
        RunError: the file is damaged, belongs to another model, or holds what is no number.
    """
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
