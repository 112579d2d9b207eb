"""The cross-entropy of a linear head, without ever holding the scores of a whole batch.

Scores of a large vocabulary take more memory than the model: at V = 20,000, a batch of 4,096 tokens has
330 MB of them, and plain automatic differentiation holds them three times. Here a few hundred tokens at a
time are scored, compared with their targets and turned into gradients while they are still in the cache.
Knows nothing of models.

Shape letters: N tokens, H features of a token, V vocabulary, C tokens in a chunk.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SCORES_AT_ONCE = 1 << 21
"""How many scores a chunk has, where that leaves it at least `FEWEST_TOKENS`."""
FEWEST_TOKENS = 512
"""Smaller chunks would spend their time on adding up the gradient of the head's weight."""


def linear_cross_entropy(features_NH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_N: Tensor) -> Tensor:
    """`F.cross_entropy(F.linear(features_NH, weight_VH, bias_V), targets_N)`, in less time and memory.

    Under autocast the products take its type; scores are compared, and gradients added up, in fp32 at
    least. The gradient can itself not be differentiated.

    Args:
        features_NH: what the model made of N tokens.
        weight_VH: the head's weight.
        bias_V: the head's bias.
        targets_N: the tokens that came next, int64, in 0 … V-1.

    Returns:
        The mean over the N tokens, in nats.
    """
    if not torch.is_grad_enabled():
        scores_NV = F.linear(features_NH, weight_VH, bias_V)
        return F.cross_entropy(scores_NV.to(torch.promote_types(scores_NV.dtype, torch.float32)), targets_N)
    device = features_NH.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight_VH.dtype
    with torch.autocast(device, enabled=False):
        loss: Tensor = _LinearCrossEntropy.apply(features_NH, weight_VH, bias_V, targets_N, dtype)  # type: ignore[no-untyped-call]
    return loss


class _LinearCrossEntropy(torch.autograd.Function):
    """Computes the gradients on the way forward, where the scores are at hand; backward only scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        features_NH: Tensor,
        weight_VH: Tensor,
        bias_V: Tensor,
        targets_N: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        """The mean loss."""
        wide = torch.promote_types(dtype, torch.float32)
        chunk = max(FEWEST_TOKENS, SCORES_AT_ONCE // len(weight_VH))
        low_weight_VH, wide_bias_V = weight_VH.to(dtype), bias_V.to(wide)
        grad_features_NH = torch.empty_like(features_NH, dtype=dtype)
        grad_weight_VH = torch.zeros_like(weight_VH, dtype=wide)
        grad_bias_V = torch.zeros_like(wide_bias_V)
        total = wide_bias_V.new_zeros(())
        low_features_NH = features_NH.to(dtype)
        for first in range(0, len(targets_N), chunk):
            part = slice(first, first + chunk)
            features_CH, targets_C = low_features_NH[part], targets_N[part]
            scores_CV = (features_CH @ low_weight_VH.T).to(wide).add_(wide_bias_V)
            error_CV = scores_CV.log_softmax(1)
            total -= error_CV.gather(1, targets_C[:, None]).sum()
            error_CV.exp_()
            error_CV.scatter_add_(1, targets_C[:, None], error_CV.new_full((len(targets_C), 1), -1.0))
            grad_bias_V += error_CV.sum(0)
            low_error_CV = error_CV.to(dtype)
            torch.mm(low_error_CV, low_weight_VH, out=grad_features_NH[part])
            if dtype == wide:
                grad_weight_VH.addmm_(low_error_CV.T, features_CH)
            else:
                grad_weight_VH += low_error_CV.T @ features_CH
        ctx.save_for_backward(grad_features_NH, grad_weight_VH, grad_bias_V)
        ctx.dtypes = features_NH.dtype, weight_VH.dtype, bias_V.dtype
        return total / len(targets_N)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the mean."""
        scale = grad / len(ctx.saved_tensors[0])
        gradients = (
            (tensor * scale).to(dtype) for tensor, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return (*gradients, None, None)
