"""The optimizers that settings can name: Muon, AdamW, Adam, RMSprop, and Adagrad from `models/numpy_rnn.py`.

Muon learns most in a short time; docs/explanation/the-recipe.md says how much. It takes orthogonal steps for
the matrices that a model names, and leaves all other weights, embedding and head included, to AdamW.

Why orthogonal: the gradient of a recurrent matrix has a few large directions and many small ones. A plain
step follows the large ones; in a few minutes of training, it hardly moves along the small ones. An orthogonal
step goes equally far in every direction. For a gradient with singular values 3, 0.3 and 0.03,

    step of gradient descent   rate × 3, 0.3, 0.03
    step of Muon               rate × 1, 1, 1       (between 0.7 and 1.2: see `orthogonalise`)

An embedding has no such directions, since a batch reads few of its rows; AdamW, with a rate for each number,
suits it.

Shape letters: G matrices of one size, M rows, N columns.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from scriptforge.config import Settings
from scriptforge.errors import UsageError
from scriptforge.kernel import kernel, matrices
from scriptforge.models import TrainableModel
from scriptforge.models.numpy_rnn import GRADIENT_CLIP, adagrad


class Adagrad(torch.optim.Optimizer):
    """Adagrad for any model on the CPU, with the update of `numpy_rnn.adagrad`.

    Args:
        weights: the parameters.
        rate: the learning rate, which is the length of the first step of each number.
        largest: the limit to which gradients are clipped, ±.

    Raises:
        UsageError: a weight is not on the CPU.
    """

    def __init__(self, weights: Iterable[Tensor], *, rate: float, largest: float) -> None:
        self._largest = largest
        super().__init__(weights, {"lr": rate})
        if any(weight.device.type != "cpu" for group in self.param_groups for weight in group["params"]):
            raise UsageError(
                "The optimizer adagrad computes in NumPy, which cannot use a GPU.",
                "Give --cpu; or take another one: --set optimizer=adamw",
            )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
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


_STEPS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024: steepest at zero, so that five steps suffice
_SMALLEST = 1e-7
_EPSILON = 1e-8
_HALF_FORMATS = ("bf16", "fp16")


def optimizer_of(model: TrainableModel, settings: Settings) -> torch.optim.Optimizer:
    """Return the optimizer that the settings name, over all weights of a model.

    Every parameter group has its highest learning rate as `peak`, which the schedule scales down.
    """
    optimizer = _KINDS[settings.optimizer](model, settings)
    for group in optimizer.param_groups:
        group["peak"] = group["lr"]
    return optimizer


def _adam(kind: type[torch.optim.Adam], model: TrainableModel, settings: Settings) -> torch.optim.Adam:
    return kind(
        model.parameters(),
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
        fused=True,
    )


def _rmsprop(model: TrainableModel, settings: Settings) -> torch.optim.RMSprop:
    return torch.optim.RMSprop(
        model.parameters(),
        lr=settings.learning_rate,
        alpha=settings.beta2,
        weight_decay=settings.weight_decay,
    )


def _adagrad(model: TrainableModel, settings: Settings) -> Adagrad:
    largest = GRADIENT_CLIP / settings.sequence_length  # made for a sum over T steps, not a mean
    return Adagrad(model.parameters(), rate=settings.learning_rate, largest=largest)


class Muon(torch.optim.Optimizer):
    """Muon for the matrices that a model names, AdamW for its other weights.

    A weight may consist of several stacked matrices of one size, such as the four gates of an LSTM: its
    weight of (4·H, H) holds G = 4 matrices. Each takes an orthogonal step of its own.

    Args:
        model: names the weights of (G·M, N) that take orthogonal steps, and the G of each.
        settings: `matrix_learning_rate` is the length of an orthogonal step: each of its singular values is
            about this. `momentum` is the decay of the matrices' running mean, 0 … 1. `learning_rate`,
            `beta1` and `beta2` are AdamW's. `matrix_weight_decay` and `weight_decay` are decoupled from the
            gradient: each step shrinks a weight by this share times the learning rate. If `precision` is
            bf16 or fp16, orthogonal steps are computed in bf16, which is enough for them.

    Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; Loshchilov and
        Hutter 2019, arXiv:1711.05101, for AdamW; Liu et al. 2025, arXiv:2502.16982, for the decay of
        matrices.
    """

    def __init__(self, model: TrainableModel, settings: Settings) -> None:
        self._settings = settings
        self._precision = torch.bfloat16 if settings.precision in _HALF_FORMATS else torch.float32
        blocks = model.orthogonal_blocks()
        weights = dict(model.named_parameters())
        matrices = {weights[name]: blocks[name] for name in weights if name in blocks}
        others = [weights[name] for name in weights if name not in blocks]
        super().__init__(
            [
                {
                    "params": list(matrices),
                    "lr": settings.matrix_learning_rate,
                    "blocks": [*matrices.values()],
                },
                {"params": others, "lr": settings.learning_rate, "blocks": []},
            ],
            {},
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            if group["blocks"]:
                matrices = zip(group["params"], group["blocks"], strict=True)
                self._step_orthogonally(
                    {weight: blocks for weight, blocks in matrices if weight.grad is not None}, group["lr"]
                )
            elif weights := [weight for weight in group["params"] if weight.grad is not None]:
                self._step_by_adam(weights, group["lr"])

    def _step_orthogonally(self, matrices: Mapping[Tensor, int], rate: float) -> None:
        """Update each weight block by block.

        Weight decay comes first, as in AdamW. Without it, matrices grow with every step, and memorise a text
        that is read often.

        Blocks of one size are made orthogonal together: one batched product takes less time than several.
        The step of a tall matrix is longer by √(M/N), so that it changes the output as much as the step of a
        square one.
        """
        of_size: dict[torch.Size, dict[Tensor, Tensor]] = {}
        for weight, blocks in matrices.items():
            ahead_GMN = self._ahead(weight).view(blocks, -1, weight.shape[1]).to(self._precision)
            of_size.setdefault(ahead_GMN.shape[1:], {})[weight] = ahead_GMN
        for (rows, columns), ahead in of_size.items():
            length = rate * max(1.0, rows / columns) ** 0.5
            steps_GMN = orthogonalise(torch.cat(list(ahead.values())))
            counts = [len(ahead_GMN) for ahead_GMN in ahead.values()]
            for weight, step_GMN in zip(ahead, torch.split(steps_GMN, counts), strict=True):
                weight.mul_(1 - rate * self._settings.matrix_weight_decay)
                weight.add_(step_GMN.reshape_as(weight).to(weight), alpha=-length)

    def _ahead(self, weight: Tensor) -> Tensor:
        """Return Nesterov momentum: a mix of the gradient and its updated running mean."""
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(weight)
        assert weight.grad is not None
        mean = state["momentum"].lerp_(weight.grad, 1 - self._settings.momentum)
        return weight.grad.lerp(mean, self._settings.momentum)

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
            beta1=self._settings.beta1,
            beta2=self._settings.beta2,
            lr=rate,
            weight_decay=self._settings.weight_decay,
            eps=_EPSILON,
            maximize=False,
        )


def orthogonalise(matrices_GMN: Tensor) -> Tensor:
    """Return roughly the nearest orthogonal matrix to each: singular values come out between 0.7 and 1.2.

    Makes five steps of a Newton-Schulz iteration, whose polynomial is steep at zero rather than exact at one:
    the direction of an update matters, its length hardly. On a CPU this takes a third of the training time;
    the compiled kernel, if available, needs two thirds of PyTorch's products, since XX' is symmetric.

    Args:
        matrices_GMN: in any floating-point format; half precision is enough.

    Source: Bernstein and Newhouse 2024, arXiv:2409.20325, for the method; Jordan et al. 2024, "Muon", for
        the coefficients.
    """
    is_tall = matrices_GMN.shape[1] > matrices_GMN.shape[2]
    x: Tensor = matrices_GMN.mT if is_tall else matrices_GMN
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + _SMALLEST)).contiguous()
    if x.device.type == "cpu" and x.dtype == torch.float32 and (own := kernel()) is not None:
        matrices.orthogonalise(own, x.numpy(), _QUINTIC, _STEPS, torch.get_num_threads())
        return x.mT if is_tall else x
    a, b, c = _QUINTIC
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


_KINDS: dict[str, Callable[[TrainableModel, Settings], torch.optim.Optimizer]] = {
    "muon": Muon,
    "adamw": partial(_adam, torch.optim.AdamW),
    "adam": partial(_adam, torch.optim.Adam),
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
}

MOMENTS = ({"momentum"}, {"step", "exp_avg", "exp_avg_sq"}, {"step", "square_avg"}, {"memory"})
"""Names of the state that these optimizers keep for a weight between steps."""
