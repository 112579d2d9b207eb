"""The optimizers that settings name.

Muon is the one that does most in a short time; docs/explanation/the-recipe.md says how much. It changes the
recurrent matrices by an orthogonal step, and leaves everything else, embedding and head too, to AdamW.

Shape letters: G matrices of one size, M rows, N columns.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from scriptforge.config import Settings

_STEPS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)
_SMALLEST = 1e-7
_EPSILON = 1e-8
_GATES = 4
_HALF_FORMATS = ("bf16", "fp16")


def optimizer_of(model: nn.Module, settings: Settings) -> torch.optim.Optimizer:
    """The optimizer that the settings name, over all weights of a model.

    Every group remembers its highest rate as `peak`, of which the schedule takes a share.
    """
    betas = (settings.beta1, settings.beta2)
    rate = settings.learning_rate
    optimizer: torch.optim.Optimizer
    if settings.optimizer == "muon":
        matrices = [weight for name, weight in model.named_parameters() if _is_recurrent_matrix(name)]
        chosen = set(matrices)
        optimizer = Muon(
            matrices,
            [weight for weight in model.parameters() if weight not in chosen],
            matrix_rate=settings.matrix_learning_rate,
            rate=rate,
            momentum=settings.momentum,
            betas=betas,
            weight_decay=settings.weight_decay,
            precision=torch.bfloat16 if settings.precision in _HALF_FORMATS else torch.float32,
        )
    else:
        kinds: dict[str, type[torch.optim.Adam]] = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
        optimizer = kinds[settings.optimizer](
            model.parameters(), lr=rate, betas=betas, weight_decay=settings.weight_decay, fused=True
        )
    for group in optimizer.param_groups:
        group["peak"] = group["lr"]
    return optimizer


def _is_recurrent_matrix(name: str) -> bool:
    return "recurrent.weight" in name


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal for the recurrent matrices, decoupled Adam for the other weights.

    A recurrent matrix is four gates, one below the other, and each takes a step of its own.

    Args:
        matrices: weights of (4·H, N), whose steps are made orthogonal.
        others: weights that AdamW changes.
        matrix_rate: the length of an orthogonal step: each of its singular values is about this.
        rate: AdamW's rate.
        momentum: decay of the matrices' running mean, 0 … 1.
        betas: decays of AdamW's running means.
        weight_decay: decoupled decay of the others.
        precision: what orthogonal steps are computed in; half precision is enough.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Loshchilov and
        Hutter 2019, arXiv:1711.05101, for the others.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Tensor],
        *,
        matrix_rate: float,
        rate: float,
        momentum: float,
        betas: tuple[float, float],
        weight_decay: float,
        precision: torch.dtype,
    ) -> None:
        self._momentum = momentum
        self._betas = betas
        self._weight_decay = weight_decay
        self._precision = precision
        super().__init__(
            [
                {"params": list(matrices), "lr": matrix_rate, "is_orthogonal": True},
                {"params": list(others), "lr": rate, "is_orthogonal": False},
            ],
            {},
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Changes every weight that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if group["is_orthogonal"]:
                for weight in weights:
                    self._step_orthogonally(weight, group["lr"])
            elif weights:
                self._step_by_adam(weights, group["lr"])

    def _step_orthogonally(self, weight: Tensor, rate: float) -> None:
        """One step of a matrix, along Nesterov's momentum made orthogonal gate by gate."""
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        assert weight.grad is not None
        mean = state["momentum"].lerp_(weight.grad, 1 - self._momentum)
        ahead = weight.grad.lerp(mean, self._momentum)
        gates_GMN = ahead.view(_GATES, -1, weight.shape[1]).to(self._precision)
        rows, columns = gates_GMN.shape[1:]
        step = orthogonalise(gates_GMN).reshape_as(weight).to(weight)
        weight.add_(step, alpha=-rate * max(1.0, rows / columns) ** 0.5)

    def _step_by_adam(self, weights: list[Tensor], rate: float) -> None:
        states: list[dict[str, Any]] = [self.state[weight] for weight in weights]
        for weight, state in zip(weights, states, strict=True):
            if not state:
                state["step"] = torch.zeros((), device=weight.device)
                state["exp_avg"] = torch.zeros_like(weight)
                state["exp_avg_sq"] = torch.zeros_like(weight)
        adamw(
            weights,
            [weight.grad for weight in weights if weight.grad is not None],
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=rate,
            weight_decay=self._weight_decay,
            eps=_EPSILON,
            maximize=False,
        )


def orthogonalise(matrices_GMN: Tensor) -> Tensor:
    """The orthogonal matrix nearest to each, roughly: its singular values come out between 0.7 and 1.2.

    Five steps of a Newton-Schulz iteration, whose polynomial is steep at zero rather than exact at one: a
    step's direction matters, its length hardly.

    Args:
        matrices_GMN: in any floating format; half precision is enough.

    Source: Bernstein and Newhouse 2024, arXiv:2409.20325, for the method; Jordan et al. 2024, "Muon", for
        the coefficients.
    """
    is_tall = matrices_GMN.shape[1] > matrices_GMN.shape[2]
    x = matrices_GMN.mT if is_tall else matrices_GMN
    x = x / (x.norm(dim=(1, 2), keepdim=True) + _SMALLEST)
    a, b, c = _QUINTIC
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x
