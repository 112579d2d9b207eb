"""A device beside the CPU: the loss and the gradients of one step, which must agree.

A wrong gradient is no error, only a model that does not learn. PyTorch's LSTM on Apple's GPUs has had some
(pytorch#125803), so a training run there makes its first step on both (`check_parity`), before it begins.
Nothing is drawn: dropout is left out, and no generator moves.

Shape letters: B streams, T steps.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from torch.random import fork_rng

from scriptforge.errors import TrainingError
from scriptforge.models import Members, TrainableModel, build

TOLERANCE = 0.01
"""How far a device may be off; rounding in fp32 is a hundred times less."""

_STREAMS = 4
"""How many streams are compared, so that it takes no time on the CPU either."""
_NEGLIGIBLE = 1e-3
"""As a share of all gradients together: what is smaller is compared with this, and not with itself."""


@dataclass(frozen=True)
class Parity:
    """How far a device is off from the CPU.

    Attributes:
        loss: the difference of the losses, as a share of the CPU's.
        gradient: the largest length of the difference of two gradients, as a share of the CPU's.
        weight: the name of the weight whose gradient that is.
    """

    loss: float
    gradient: float
    weight: str


def compare(model: TrainableModel, ids_BT: Tensor, targets_BT: Tensor, device: torch.device) -> Parity:
    """Return how far a device is off in one step from the zero state; the model stays as it is, on the CPU.

    Args:
        model: on the CPU.
        ids_BT: what is read.
        targets_BT: what comes next.
        device: what is compared with the CPU.
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
    """Refuse a device that is off by more than `TOLERANCE`; see `compare`.

    Raises:
        TrainingError: its loss or its gradients are wrong.
    """
    parity = compare(model, ids_BT[:_STREAMS], targets_BT[:_STREAMS], device)
    if parity.loss > TOLERANCE or parity.gradient > TOLERANCE:
        raise TrainingError(
            f"This GPU's results differ from the CPU's: the loss by {parity.loss:.0%},"
            f" the gradient of {parity.weight} by {parity.gradient:.0%}.",
            "Train without --gpu; a newer PyTorch or operating system may mend it (pytorch#125803).",
        )


def _undropped(model: TrainableModel) -> TrainableModel:
    """Return a copy in training mode, which some devices need for gradients, that drops nothing."""
    config = model.config
    shares = {field.name: 0.0 for field in fields(config) if field.name.startswith("dropout_")}
    with fork_rng(devices=()):  # the weights that it begins with are all replaced
        copy = build(replace(config, **shares), len(model.members) if isinstance(model, Members) else 1)
    copy.load_state_dict(model.state_dict())
    return copy.train()


def _gradients(model: TrainableModel, ids_BT: Tensor, targets_BT: Tensor) -> tuple[float, dict[str, Tensor]]:
    """Return the loss of a batch, and the gradient of each weight, on the CPU."""
    loss, _ = model.loss(ids_BT, targets_BT, model.initial_state(len(ids_BT)))
    loss.backward()
    found = {name: weight.grad.cpu() for name, weight in model.named_parameters() if weight.grad is not None}
    return float(loss.detach()), found


def _or_infinite(error: float) -> float:
    """Return an error, or infinity where it is no number."""
    return error if error == error else float("inf")
