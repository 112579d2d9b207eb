"""Checkpoints: all that training needs to go on exactly as if it had not stopped.

A checkpoint is a folder written beside its final name, synced, and renamed; its manifest, with size and
SHA-256 of every file, is written last. Loading takes the newest step that verifies. Tensors are
safetensors, everything else is JSON.

Only torch's generators are kept, since nothing in training draws from Python's or NumPy's; samples draw
from generators of their own.
"""

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from scriptforge.errors import RunError
from scriptforge.models import LanguageModel, State
from scriptforge.net.client import sha256_of
from scriptforge.run.records import Validation
from scriptforge.run.run import load_weights, save_weights
from scriptforge.training.schedule import TrainingSegment
from scriptforge.workspace import RunFolder, atomic_folder, atomic_write, remove_leftovers

WEIGHTS = "model.safetensors"
TENSORS = "optimizer.safetensors"
STATE = "state.json"
MANIFEST = "manifest.json"
_KEPT = 2


@dataclass
class TrainingState:
    """Where a training is, apart from its tensors.

    Attributes:
        step: optimizer steps made; with `Streams` this is the position in the text, too.
        seconds: training time.
        step_seconds: time spent in steps alone.
        segment: what the present request asked for.
        history: every validation.
        loss_sum: training losses added up since the last validation.
        loss_count: how many were added.
        last_loss: their mean up to the last validation.
    """

    segment: TrainingSegment
    step: int = 0
    seconds: float = 0.0
    step_seconds: float = 0.0
    history: list[Validation] = field(default_factory=list)
    loss_sum: float = 0.0
    loss_count: int = 0
    last_loss: float = 0.0


@dataclass(frozen=True)
class Moment:
    """Everything that a step changes.

    Attributes:
        model: its weights.
        optimizer: its moments.
        recurrent: the state carried from batch to batch, of all processes.
        generators: the states of the generators that dropout draws from, one row for each process.
        progress: where the training is.
        scaler: the gradient scaler's state, empty unless the precision is fp16.
    """

    model: LanguageModel
    optimizer: torch.optim.Optimizer
    recurrent: State
    generators: Tensor
    progress: TrainingState
    scaler: dict[str, Any]


def save_checkpoint(folder: RunFolder, moment: Moment, identity: dict[str, Any]) -> None:
    """Writes `checkpoints/step-N/` and removes all but the newest ones.

    Args:
        folder: the run.
        moment: what to keep.
        identity: what must be the same on this machine for the training to go on the same.
    """
    tensors, scalars = _flatten_optimizer(moment.optimizer)
    tensors |= {f"recurrent.{index}": tensor for index, tensor in enumerate(moment.recurrent)}
    tensors["generators"] = moment.generators
    state = {
        "progress": asdict(moment.progress),
        "optimizer": scalars,
        "scaler": moment.scaler,
        "identity": identity,
    }
    with atomic_folder(folder.checkpoint(moment.progress.step)) as temporary:
        save_weights(moment.model, temporary / WEIGHTS)
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, temporary / TENSORS)
        atomic_write(temporary / STATE, json.dumps(state, indent=1))
        atomic_write(temporary / MANIFEST, json.dumps(_manifest(temporary), indent=1))
    for step in folder.checkpoint_steps()[_KEPT:]:
        shutil.rmtree(folder.checkpoint(step))


def newest_checkpoint(folder: RunFolder) -> tuple[Path, list[str]]:
    """The newest checkpoint that verifies, and a line for each newer one that does not.

    Raises:
        RunError: there is none.
    """
    for parent in (folder.path, folder.samples, folder.checkpoints):
        remove_leftovers(parent)
    skipped: list[str] = []
    for step in folder.checkpoint_steps():
        path = folder.checkpoint(step)
        if _verifies(path):
            return path, skipped
        skipped.append(f"Checkpoint {path.name} is damaged and was skipped.")
    raise RunError(
        f"Run “{folder.name}” has no checkpoint to go on from.",
        "Train again under another name, or with --force to start this run anew.",
    )


def read_progress(path: Path) -> tuple[TrainingState, dict[str, Any]]:
    """Where the training was when the checkpoint was made, and the identity it was saved with."""
    state = json.loads((path / STATE).read_text(encoding="utf-8"))
    progress = dict(state["progress"])
    segment = TrainingSegment(**progress.pop("segment"))
    history = [Validation(**row) for row in progress.pop("history")]
    return TrainingState(segment, history=history, **progress), state["identity"]


def restore(path: Path, moment: Moment) -> Moment:
    """Fills model and optimizer, and returns the moment that was saved.

    Args:
        path: a checkpoint that verifies.
        moment: a model, an optimizer and a recurrent state of the same shapes, on the right device.

    Raises:
        RunError: the checkpoint belongs to another model.
    """
    device = moment.recurrent[0].device
    state = json.loads((path / STATE).read_text(encoding="utf-8"))
    load_weights(moment.model, path / WEIGHTS)
    tensors = load_file(path / TENSORS)
    _restore_optimizer(moment.optimizer, tensors, state["optimizer"])
    return replace(
        moment,
        recurrent=tuple(tensors[f"recurrent.{index}"].to(device) for index in range(len(moment.recurrent))),
        generators=tensors["generators"],
        scaler=state["scaler"],
    )


def _flatten_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's moments under names that say parameter and moment; numbers apart."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {}
    for parameter, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            (tensors if isinstance(value, Tensor) else scalars)[f"optimizer.{parameter}.{name}"] = value
    return tensors, scalars


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], scalars: dict[str, Any]
) -> None:
    moments: dict[int, dict[str, Any]] = {}
    for key, value in (tensors | scalars).items():
        if key.startswith("optimizer."):
            _, parameter, name = key.split(".", 2)
            moments.setdefault(int(parameter), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _manifest(folder: Path) -> dict[str, Any]:
    return {path.name: _digest(path) for path in sorted(folder.iterdir())}


def _digest(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _verifies(path: Path) -> bool:
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        return {WEIGHTS, TENSORS, STATE} <= set(manifest) and all(
            _digest(path / name) == digest for name, digest in manifest.items()
        )
    except (OSError, ValueError, TypeError, AttributeError):  # the last two: JSON, but of another shape
        return False
