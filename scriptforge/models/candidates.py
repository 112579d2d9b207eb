"""A cheaper loss for large vocabularies: a fair sample of the tokens is scored in place of all of them.

Only training changes. The network, its weights and what it says are the same, and whoever evaluates it or
writes with it scores every token.

Shape letters: N tokens, H features of a token, V vocabulary, M candidates.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from scriptforge.models.cross_entropy import linear_cross_entropy

FLATTENING = 0.75
"""Power of the count to which a token is drawn: rare tokens are drawn more often than they occur."""
ROUNDED_TO = 128
"""Candidates come in multiples of this, so that the products meet few different shapes."""
_IDS_AT_ONCE = 1 << 22


def token_counts(ids: NDArray[np.unsignedinteger], vocabulary_size: int) -> Tensor:
    """How often each token occurs, `counts_V`, float32.

    Args:
        ids: every token of the training split; may be memory-mapped, and is read in parts.
        vocabulary_size: V.
    """
    counts_V = np.zeros(vocabulary_size, dtype=np.int64)
    for first in range(0, len(ids), _IDS_AT_ONCE):
        counts_V += np.bincount(ids[first : first + _IDS_AT_ONCE], minlength=vocabulary_size)
    return torch.from_numpy(counts_V.astype(np.float32))


class SampledCrossEntropy(nn.Module):
    """The cross-entropy of a linear head, estimated from the batch's targets and a sample of the rest.

    The sum over the vocabulary under the softmax is taken over candidates, each weighed by how unlikely it
    was to be drawn. That sum is right on average, whatever the scores are; its logarithm, and so the loss,
    comes out a little low. Frequent tokens are drawn practically always, with weight 1.

    Candidates are drawn by priority sampling: of all ways to draw M, next to none has less variance. It is
    one random number a token and one partial sort, the same work on every device, and nothing waits for
    the host. While evaluating, or where the vocabulary is no larger than the sample, every token is scored.

    Source: Botev, Zheng and Barber (2017), proceedings.mlr.press/v54/botev17a.html, on the sum; Duffield,
    Lund and Thorup (2007), doi:10.1145/1314690.1314696, on the draw.

    Args:
        counts_V: how often each token occurs in the training split.
        samples: how many tokens are scored beside the batch's targets, at the least.
    """

    weight_V: Tensor

    def __init__(self, counts_V: Tensor, samples: int) -> None:
        super().__init__()
        self.samples = samples
        self.register_buffer("weight_V", (counts_V.float() + 1) ** FLATTENING, persistent=False)

    def forward(self, features_NH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_N: Tensor) -> Tensor:
        """See `linear_cross_entropy`, of which this is an estimate; draws from torch's default generator."""
        size = self._size(targets_N)
        if not self.training or size >= len(weight_VH):
            return linear_cross_entropy(features_NH, weight_VH, bias_V, targets_N)
        ids_M, log_weight_M = self.draw(targets_N, size)
        column_V = torch.zeros_like(self.weight_V, dtype=torch.int64)
        column_V[ids_M] = torch.arange(size, device=ids_M.device)
        rows_MH = F.embedding(ids_M, weight_VH)
        return linear_cross_entropy(features_NH, rows_MH, bias_V[ids_M] + log_weight_M, column_V[targets_N])

    def draw(self, targets_N: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Draws candidates.

        Args:
            targets_N: tokens that must be among them.
            size: M, at least as many as there are different targets and less than V.

        Returns:
            `ids_M`, all different, and `log_weight_M`: for any numbers x, the sum of x[id] · weight over the
            candidates is on average the sum of x over the vocabulary.
        """
        weight_V = self.weight_V.index_fill(0, targets_N, torch.inf)
        priority, ids = (weight_V / torch.rand_like(weight_V)).topk(size + 1)
        ids_M = ids[:size]
        return ids_M, (priority[size] / weight_V[ids_M]).clamp(min=1.0).log()

    def _size(self, targets_N: Tensor) -> int:
        """M. Only a CPU counts how many targets differ: elsewhere the host would have to wait for it."""
        targets = len(torch.unique(targets_N)) if targets_N.device.type == "cpu" else len(targets_N)
        return -(-(self.samples + targets) // ROUNDED_TO) * ROUNDED_TO
