"""Check of a device against the CPU: the loss and the gradients of one step must agree.

A wrong gradient raises no error; the model just does not learn. PyTorch's LSTM on Apple's GPUs has had wrong
gradients (pytorch#125803), so a training run there first computes a step on both devices (`check_parity`).
No random numbers are drawn: dropout is off, and the generators stay as they are.

Shape letters: B streams, T steps.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.random import fork_rng

from scriptforge.errors import TrainingError
from scriptforge.models import Members, TrainableModel, build

TOLERANCE = 0.01
"""Maximum relative difference; rounding errors in fp32 are a hundred times smaller."""

_STREAMS = 4
"""Number of streams to compare, few enough to be quick on the CPU too."""
_NEGLIGIBLE = 1e-3
"""Lower limit of the norm that a gradient's error is divided by, as a share of the norm of all gradients."""


@dataclass(frozen=True)
class Parity:
    """Differences of a device from the CPU.

    Attributes:
        loss: the relative difference of the losses.
        gradient: the largest relative difference of a weight's gradients, by norm.
        weight: the name of that weight.
    """

    loss: float
    gradient: float
    weight: str


def compare(model: TrainableModel, ids_BT: Tensor, targets_BT: Tensor, device: torch.device) -> Parity:
    """Return the differences of a device from the CPU in one step from the zero state.

    Args:
        model: a model on the CPU; it is not changed.
        ids_BT: the input tokens.
        targets_BT: the next tokens.
        device: the device to compare with the CPU.
    """
    loss, expected = _gradients(_undropped(model), ids_BT, targets_BT)
    other, found = _gradients(_undropped(model).to(device), ids_BT.to(device), targets_BT.to(device))
    whole = torch.cat([gradient.flatten() for gradient in expected.values()]).norm()
    errors = {
        name: float((found[name] - gradient).norm() / gradient.norm().clamp(min=_NEGLIGIBLE * whole))
        for name, gradient in expected.items()
    }
    worst = max(errors, key=lambda name: _or_infinite(errors[name]))
    return Parity(_or_infinite(abs(other - loss) / abs(loss)), _or_infinite(errors[worst]), worst)


def check_parity(model: TrainableModel, ids_BT: Tensor, targets_BT: Tensor, device: torch.device) -> None:
    """Raise an error if a device differs from the CPU by more than `TOLERANCE`; see `compare`.

    Raises:
        TrainingError: its loss or a gradient differs.
    """
    parity = compare(model, ids_BT[:_STREAMS], targets_BT[:_STREAMS], device)
    if parity.loss > TOLERANCE or parity.gradient > TOLERANCE:
        raise TrainingError(
            f"This GPU's results differ from the CPU's: the loss by {parity.loss:.0%},"
            f" the gradient of {parity.weight} by {parity.gradient:.0%}.",
            "Train without --gpu; a newer PyTorch or operating system may fix it (pytorch#125803).",
        )


def _undropped(model: TrainableModel) -> TrainableModel:
    """Return a copy without dropout, in training mode, which some devices need for gradients."""
    config = model.config
    shares = {field.name: 0.0 for field in fields(config) if field.name.startswith("dropout_")}
    with fork_rng(devices=()):  # its random initial weights are all replaced
        copy = build(replace(config, **shares), len(model.members) if isinstance(model, Members) else 1)
    copy.load_state_dict(model.state_dict())
    return copy.train()


def _gradients(model: TrainableModel, ids_BT: Tensor, targets_BT: Tensor) -> tuple[float, dict[str, Tensor]]:
    """Return the loss of a batch, and the gradient of each weight, copied to the CPU."""
    loss, _ = model.loss(ids_BT, targets_BT, model.initial_state(len(ids_BT)))
    loss.backward()
    found = {name: weight.grad.cpu() for name, weight in model.named_parameters() if weight.grad is not None}
    return float(loss.detach()), found


def _or_infinite(error: float) -> float:
    """Return an error, or infinity if it is NaN."""
    return error if error == error else float("inf")
