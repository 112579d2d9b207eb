"""Adagrad as the lesson in `models/numpy_rnn.py` writes it, where a training looks for an optimizer."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from scriptforge.errors import UsageError
from scriptforge.models.numpy_rnn import adagrad


class Adagrad(torch.optim.Optimizer):
    """Changes weights of any model on the CPU, in place, by `numpy_rnn.adagrad`.

    Args:
        weights: what is changed.
        rate: how far the first step goes.
        largest: what of a gradient is beyond this, on either side, is cut off.

    Raises:
        UsageError: a weight is not on the CPU.
    """

    def __init__(self, weights: Iterable[Tensor], *, rate: float, largest: float) -> None:
        self._largest = largest
        super().__init__(weights, {"lr": rate})
        if any(weight.device.type != "cpu" for group in self.param_groups for weight in group["params"]):
            raise UsageError(
                "The optimizer adagrad computes in NumPy, which knows no GPU.",
                "Give --cpu; or take another one: --set optimizer=adamw",
            )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Changes every weight that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._change(weight, group["lr"])

    def _change(self, weight: Tensor, rate: float) -> None:
        state = self.state[weight]
        if not state:
            state["memory"] = torch.zeros_like(weight)
        assert weight.grad is not None
        adagrad(weight.detach().numpy(), weight.grad.numpy(), state["memory"].numpy(), rate, self._largest)
