"""Checkpoints: everything that a training run needs to continue exactly as if it had not stopped.

    checkpoints/step-00001234/
        model.safetensors      weights
        optimizer.safetensors  moments of the optimizer, recurrent state of every stream, random generators
        state.json             progress of the training (`TrainingState`), gradient scaler, and identity
        manifest.json          size and SHA-256 of each of these, written last

The folder is written under a temporary name, synced, and renamed. Loading takes the newest checkpoint that
verifies: its manifest exists, and every file matches it.

Only PyTorch's random generators are saved, since training uses neither Python's nor NumPy's; samples have
generators of their own.
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
    refuse_special_files,
    remove_leftovers,
)

WEIGHTS = "model.safetensors"
TENSORS = "optimizer.safetensors"
STATE = "state.json"
MANIFEST = "manifest.json"
_KEPT = 2
"""Number of checkpoints to keep: the newest, and the one before in case the newest is damaged."""


@dataclass(frozen=True)
class StepTensors:
    """Everything that an optimizer step changes.

    Attributes:
        model: the model, with its weights.
        optimizer: the optimizer, with its moments.
        recurrent: the state carried from batch to batch, of all processes.
        generators: the states of the random generators that dropout uses, one row per process.
        scaler: the state of the gradient scaler, empty unless the precision is fp16.
    """

    model: TrainableModel
    optimizer: torch.optim.Optimizer
    recurrent: State
    generators: Tensor
    scaler: dict[str, Any]


def save_checkpoint(
    folder: RunFolder, step_tensors: StepTensors, state: TrainingState, identity: dict[str, Any]
) -> None:
    """Write `checkpoints/step-N/`, and delete all but the two newest checkpoints.

    Args:
        folder: the run.
        step_tensors: the tensors to save.
        state: the progress of the training.
        identity: what must stay the same for bit-identical results; see `Stepper.identity`.
    """
    tensors, scalars = _flatten_optimizer(step_tensors.optimizer)
    tensors |= {f"recurrent.{index}": tensor for index, tensor in enumerate(step_tensors.recurrent)}
    tensors["generators"] = step_tensors.generators
    document = {
        "progress": asdict(state),
        "optimizer": scalars,
        "scaler": step_tensors.scaler,
        "identity": identity,
    }
    with atomic_folder(folder.checkpoint(state.step)) as temporary:
        save_weights(step_tensors.model, temporary / WEIGHTS)
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, temporary / TENSORS)
        atomic_write(temporary / STATE, json.dumps(document, indent=1))
        manifest = {path.name: _digest(path) for path in sorted(temporary.iterdir())}
        atomic_write(temporary / MANIFEST, json.dumps(manifest, indent=1))
    for step in folder.checkpoint_steps()[_KEPT:]:
        shutil.rmtree(folder.checkpoint(step))


def newest_checkpoint(folder: RunFolder) -> tuple[Path, list[str]]:
    """Return the newest checkpoint that verifies, and a warning for each newer one that does not.

    Remains of interrupted writes are deleted first.

    Raises:
        RunError: no checkpoint verifies.
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
    """Return the progress and the identity that a checkpoint was saved with.

    Raises:
        RunError: its `state.json` is missing or invalid.
    """
    document = _read_document(path)
    return document.progress, document.identity


def restore(path: Path, step_tensors: StepTensors) -> StepTensors:
    """Load a checkpoint into a model and its optimizer, and return the moment that was saved.

    Args:
        path: a checkpoint that verifies.
        step_tensors: a model, an optimizer and a recurrent state of the same shapes, on the right device. Its
            generators are kept if the checkpoint is from another type of device, whose generators differ.

    Raises:
        RunError: the checkpoint belongs to another model, or its contents are invalid.
    """
    document = _read_document(path)
    load_weights(step_tensors.model, path / WEIGHTS)
    try:
        tensors = load_file(path / TENSORS)
        recurrent = tuple(
            _fitting(tensors[f"recurrent.{index}"], like) for index, like in enumerate(step_tensors.recurrent)
        )
        is_elsewhere = document.identity.get("device") != step_tensors.recurrent[0].device.type
        generators = (
            step_tensors.generators
            if is_elsewhere
            else _fitting(tensors["generators"], step_tensors.generators)
        )
        _restore_optimizer(step_tensors.optimizer, tensors, document.optimizer)
        if not step_tensors.scaler.keys() <= document.scaler.keys():
            raise ValueError("its gradient scaler differs")
    except (SafetensorError, OSError, LookupError, ValueError) as error:
        raise _damaged(path) from error
    return replace(step_tensors, recurrent=recurrent, generators=generators, scaler=document.scaler)


@dataclass(frozen=True)
class _Document:
    """Contents of `state.json`."""

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
        f"Checkpoint {path.name} has invalid contents.",
        f"Delete the folder {path}: training then continues from the previous checkpoint.",
    )


def _fitting(tensor: Tensor, like: Tensor) -> Tensor:
    """Return a tensor moved to the device of another one, after checking it against that one.

    Raises:
        ValueError: the shapes or dtypes differ, or a value is not finite.
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
    """Load moments that `_flatten_optimizer` returned into an optimizer.

    Raises:
        LookupError, ValueError: they do not fit this optimizer.
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
        raise ValueError("its moments belong to no optimizer")
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _digest(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _verifies(path: Path) -> bool:
    try:
        refuse_special_files(path)
        manifest = parse_json((path / MANIFEST).read_bytes())
        return {WEIGHTS, TENSORS, STATE} <= set(manifest) and all(
            _digest(path / name) == digest for name, digest in manifest.items()
        )
    except (OSError, ValueError, TypeError, AttributeError):  # the last two: valid JSON, but no manifest
        return False


def identity_differences(before: dict[str, Any], now: dict[str, Any], is_exact: bool) -> list[str]:
    """Return a warning for each difference that may change the last bits of the result.

    Args:
        before: the identity that the checkpoint was saved with.
        now: the identity of this process.
        is_exact: whether results are bit-identical if nothing differs; they are not if time limits the run.

    Raises:
        UsageError: the number of processes differs, so that the streams do not fit.
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
            "Train with --set threads=1 to get the same ones."
        )
    return lines


def save_weights(model: TrainableModel, path: Path) -> None:
    """Write a model's weights atomically; shared weights are written once."""
    with atomic_file(path) as temporary:
        save_model(model, str(temporary))


def load_weights(model: TrainableModel, path: Path) -> None:
    """Load a file of weights into a model.

    Raises:
        RunError: the file is damaged, belongs to another model, or holds a value that is not finite.
    """
    try:
        load_model(model, path)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise damaged(path) from error
    if not all(bool(tensor.isfinite().all()) for tensor in model.parameters()):
        raise damaged(path)
