"""Checkpoints: all that a training run needs to continue exactly as if it had not stopped.

    checkpoints/step-00001234/
        model.safetensors      weights
        optimizer.safetensors  moments of the optimizer, recurrent state of every stream, generators
        state.json             where the training is, as `scriptforge.training.state` has it
        manifest.json          size and SHA-256 of each of these, written last

The folder is written beside its final name, synced, and renamed. Loading takes the newest step that
verifies: its manifest is there, and every file is as the manifest says.

Only PyTorch's generators are kept, since nothing in training draws from Python's or NumPy's; samples draw
from generators of their own.
"""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor

from scriptforge.errors import RunError, UsageError
from scriptforge.models import State, TrainableModel
from scriptforge.net.client import sha256_of
from scriptforge.run.run import damaged
from scriptforge.training.optimizers import MOMENTS
from scriptforge.training.state import TrainingState
from scriptforge.training.threads import ADAPTIVE
from scriptforge.workspace import (
    RunFolder,
    atomic_file,
    atomic_folder,
    atomic_write,
    parse_json,
    remove_leftovers,
)

WEIGHTS = "model.safetensors"
TENSORS = "optimizer.safetensors"
STATE = "state.json"
MANIFEST = "manifest.json"
_KEPT = 2
"""Checkpoints that stay: the newest, and the one before in case the newest is damaged."""


@dataclass(frozen=True)
class Moment:
    """All tensors that a step changes.

    Attributes:
        model: its weights.
        optimizer: its moments.
        recurrent: the state carried from batch to batch, of all processes.
        generators: the states of the generators that dropout draws from, one row for each process.
        scaler: the gradient scaler's state, empty unless the precision is fp16.
    """

    model: TrainableModel
    optimizer: torch.optim.Optimizer
    recurrent: State
    generators: Tensor
    scaler: dict[str, Any]


def save_checkpoint(
    folder: RunFolder, moment: Moment, state: TrainingState, identity: dict[str, Any]
) -> None:
    """Write `checkpoints/step-N/`, and remove all but the newest ones.

    Args:
        folder: the run.
        moment: the tensors to keep.
        state: where the training is.
        identity: what must be the same on this machine for the training to end in the same bits.
    """
    tensors, scalars = _flatten_optimizer(moment.optimizer)
    tensors |= {f"recurrent.{index}": tensor for index, tensor in enumerate(moment.recurrent)}
    tensors["generators"] = moment.generators
    document = {
        "progress": asdict(state),
        "optimizer": scalars,
        "scaler": moment.scaler,
        "identity": identity,
    }
    with atomic_folder(folder.checkpoint(state.step)) as temporary:
        save_weights(moment.model, temporary / WEIGHTS)
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, temporary / TENSORS)
        atomic_write(temporary / STATE, json.dumps(document, indent=1))
        manifest = {path.name: _digest(path) for path in sorted(temporary.iterdir())}
        atomic_write(temporary / MANIFEST, json.dumps(manifest, indent=1))
    for step in folder.checkpoint_steps()[_KEPT:]:
        shutil.rmtree(folder.checkpoint(step))


def newest_checkpoint(folder: RunFolder) -> tuple[Path, list[str]]:
    """Return the newest checkpoint that verifies, and a line for each newer one that does not.

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
        f"Run “{folder.name}” has no checkpoint to continue from.",
        "Train again under another name, or with --force to replace this run.",
    )


def read_state(path: Path) -> tuple[TrainingState, dict[str, Any]]:
    """Return where the training was when a checkpoint was made, and the identity it was saved with.

    Raises:
        RunError: its `state.json` does not say so.
    """
    document = _read_document(path)
    return document.progress, document.identity


def restore(path: Path, moment: Moment) -> Moment:
    """Fill model and optimizer from a checkpoint, and return the moment that was saved.

    Args:
        path: a checkpoint that verifies.
        moment: a model, an optimizer and a recurrent state of the same shapes, on the right device. Its
            generators stay where the checkpoint is from another kind of device, which has others.

    Raises:
        RunError: the checkpoint belongs to another model, or holds what no training writes.
    """
    document = _read_document(path)
    load_weights(moment.model, path / WEIGHTS)
    try:
        tensors = load_file(path / TENSORS)
        recurrent = tuple(
            _fitting(tensors[f"recurrent.{index}"], like) for index, like in enumerate(moment.recurrent)
        )
        is_elsewhere = document.identity.get("device") != moment.recurrent[0].device.type
        generators = moment.generators if is_elsewhere else _fitting(tensors["generators"], moment.generators)
        _restore_optimizer(moment.optimizer, tensors, document.optimizer)
        if not moment.scaler.keys() <= document.scaler.keys():
            raise ValueError("its gradient scaler is another one")
    except (SafetensorError, OSError, LookupError, ValueError) as error:
        raise _damaged(path) from error
    return replace(moment, recurrent=recurrent, generators=generators, scaler=document.scaler)


@dataclass(frozen=True)
class _Document:
    """What `state.json` says."""

    progress: TrainingState
    optimizer: dict[str, float]
    scaler: dict[str, Any]
    identity: dict[str, Any]


def _read_document(path: Path) -> _Document:
    try:
        return TypeAdapter(_Document).validate_json((path / STATE).read_bytes(), strict=True)
    except (OSError, ValidationError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> RunError:
    return RunError(
        f"Checkpoint {path.name} holds what no training writes.",
        f"Delete the folder {path}: training then goes on from the checkpoint before.",
    )


def _fitting(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a tensor on the device of one that it has the shape and the type of, and that is finite.

    Raises:
        ValueError: it is another one.
    """
    if (tensor.shape, tensor.dtype) != (like.shape, like.dtype) or not tensor.isfinite().all():
        raise ValueError("a tensor is of another training run")
    return tensor.to(like.device)


def _flatten_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the optimizer's moments by names such as `optimizer.3.exp_avg`: tensors, and plain numbers."""
    tensors: dict[str, Tensor] = {}
    scalars: dict[str, Any] = {}
    for parameter, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            (tensors if isinstance(value, Tensor) else scalars)[f"optimizer.{parameter}.{name}"] = value
    return tensors, scalars


def _restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], scalars: dict[str, float]
) -> None:
    """Give an optimizer the moments that `_flatten_optimizer` returned of another one.

    Raises:
        LookupError, ValueError: they are of another one.
    """
    groups = optimizer.state_dict()["param_groups"]
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments: dict[int, dict[str, Any]] = {}
    for key, value in (tensors | scalars).items():
        if not key.startswith("optimizer."):
            continue
        _, parameter, name = key.split(".", 2)
        weight = weights[int(parameter)]
        if isinstance(value, Tensor):
            _fitting(value, weight.detach().cpu() if value.ndim else torch.tensor(0.0))
        moments.setdefault(int(parameter), {})[name] = value
    if not all(set(each) in MOMENTS for each in moments.values()):
        raise ValueError("its moments are those of no optimizer")
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _digest(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _verifies(path: Path) -> bool:
    try:
        manifest = parse_json((path / MANIFEST).read_bytes())
        return {WEIGHTS, TENSORS, STATE} <= set(manifest) and all(
            _digest(path / name) == digest for name, digest in manifest.items()
        )
    except (OSError, ValueError, TypeError, AttributeError):  # the last two: JSON, but of another shape
        return False


def identity_differences(before: dict[str, Any], now: dict[str, Any], is_exact: bool) -> list[str]:
    """Return a line for everything that may make the resumed training differ in the last bits.

    Args:
        before: the identity that a checkpoint was saved with.
        now: that of this process.
        is_exact: whether the training ends in the same bits if nothing differs; by time it does not.

    Raises:
        UsageError: the number of processes is another one, so that the streams do not fit.
    """
    before = dict.fromkeys(now, "unknown") | before
    if before["processes"] != now["processes"]:
        raise UsageError(
            f"The run was trained by {before['processes']} process(es), not {now['processes']}.",
            "Resume it with as many processes as before.",
        )
    lines = [
        f"{name} was {before[name]} and is {now[name]}: the result may differ in the last bits."
        for name in now
        if before[name] != now[name]
    ]
    if is_exact and before["threads"] == now["threads"] == ADAPTIVE:
        lines.append(
            "The number of threads is chosen as it trains: the result may differ in the last bits. "
            "Train with --set threads=1 to have the same ones."
        )
    return lines


def save_weights(model: TrainableModel, path: Path) -> None:
    """Write a model's weights so that the file is always whole; shared weights are written once."""
    with atomic_file(path) as temporary:
        save_model(model, str(temporary))


def load_weights(model: TrainableModel, path: Path) -> None:
    """Fill a model with weights of its own shapes.

    Raises:
        RunError: the file is damaged, belongs to another model, or holds what is no number.
    """
    try:
        load_model(model, path)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise damaged(path) from error
    if not all(bool(tensor.isfinite().all()) for tensor in model.parameters()):
        raise damaged(path)
