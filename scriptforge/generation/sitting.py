"""A sitting: where the writing broke off, and the file that keeps it until it goes on.

A file holds tensors and a few words on whose they are; there is no pickle. Knows nothing of models.

Shape letters: B lanes, T tokens, V vocabulary.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from scriptforge.errors import RunError
from scriptforge.workspace import atomic_file

_FORMAT = "scriptforge decoding state 1"
_PARTS = ("sampler", "decoder")


@dataclass(frozen=True)
class Sitting:
    """All that going on needs.

    Attributes:
        ids_TB: every id so far, given or drawn.
        logits_BV: the scores of what comes next.
        sampler: the state of what draws.
        decoder: what the model remembers.
    """

    ids_TB: Tensor
    logits_BV: Tensor
    sampler: Mapping[str, Tensor]
    decoder: Mapping[str, Tensor]


def save_sitting(sitting: Sitting, path: Path, *, weights: str, seed: int) -> None:
    """Writes a sitting as a safetensors file.

    Args:
        sitting: what to write.
        path: the file, which is replaced.
        weights: the fingerprint of the model's weights.
        seed: what the first sitting began with.
    """
    tensors = {"ids": sitting.ids_TB, "logits": sitting.logits_BV}
    for part in _PARTS:
        tensors |= {f"{part}.{name}": tensor for name, tensor in getattr(sitting, part).items()}
    metadata = {"format": _FORMAT, "weights": weights, "seed": str(seed)}
    with atomic_file(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata)


def load_sitting(path: Path, *, weights: str) -> tuple[Sitting, int]:
    """Reads a sitting.

    Args:
        path: the file.
        weights: the fingerprint of the weights of the model that is to go on.

    Returns:
        The sitting, and the seed that the first one began with.

    Raises:
        RunError: the file is missing, damaged, or of another model.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata.get("format") != _FORMAT:
            raise ValueError("not a sitting")
        parts = {
            part: {
                name.removeprefix(f"{part}."): tensor
                for name, tensor in tensors.items()
                if name.startswith(f"{part}.")
            }
            for part in _PARTS
        }
        sitting = Sitting(tensors["ids"].long(), tensors["logits"], **parts)
        seed = int(metadata["seed"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise cannot_continue(path) from error
    if metadata.get("weights") != weights:
        raise RunError(
            f"{path.name} was saved with another model, or before this one was trained further.",
            "Name the run that it was made with: scriptforge runs",
        )
    return sitting, seed


def cannot_continue(path: Path) -> RunError:
    """The error for a file from which nothing can go on."""
    return RunError(
        f"{path.name} is missing or damaged, or is not what --save-state writes.",
        "Begin anew, and save the state again with --save-state.",
    )
