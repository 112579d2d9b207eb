"""Common parts of networks over tokens: dropout, a linear head, and its cross-entropy.

The scores of a large vocabulary take more memory than the model: at V = 20,000, those of a batch of 4,096
tokens take 330 MB, and plain automatic differentiation holds three copies. So `linear_cross_entropy` scores a
few hundred tokens at a time, and turns the scores into gradients while they are still in the processor's
cache. `SampledSoftmax` is cheaper still: in training it scores only a sample of the vocabulary.

Shape letters: B streams, T steps, N tokens, C tokens in a chunk, V vocabulary, M sampled tokens, E embedding,
H features.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from scriptforge.models.base import State, TrainableModel
from scriptforge.models.speakers import EmbeddedTokens, SpeakerEmbedding

_VALUES = 1 << 16
_NUMBERS_IN_WORD = 4


def dropout(units: Tensor, share: float, is_training: bool) -> Tensor:
    """Return units, some of which are zeroed in training, the others scaled up to keep the mean.

    On the CPU, PyTorch draws a random number for each unit, which takes a tenth of the training time. Here a
    random number of 64 bits serves four units.

    Args:
        units: the units, in any shape.
        share: the share to drop, 0 … 1; in steps of 1/65536 on a CPU.
        is_training: if false, nothing is dropped.

    Source: Srivastava et al. 2014, jmlr.org/papers/v15/srivastava14a.html.
    """
    if not (is_training and share):
        return units
    if units.device.type != "cpu":
        return F.dropout(units, share)
    dropped = min(round(share * _VALUES), _VALUES - 1)
    # The 16-bit numbers are signed: the lowest `dropped` of them, from -_VALUES / 2 on, drop their unit. A
    # unit is kept with probability (_VALUES - dropped) / _VALUES, and is divided by that.
    words = torch.empty(-(-units.numel() // _NUMBERS_IN_WORD), dtype=torch.int64)
    words.random_(-(2**63), None)  # no upper bound means all 64 bits
    numbers = words.view(torch.int16)[: units.numel()].view(units.shape)
    is_kept = numbers >= dropped - _VALUES // 2
    return units * is_kept.to(units.dtype).mul_(_VALUES / (_VALUES - dropped))


SCORES_AT_ONCE = 1 << 21
"""Number of scores in a chunk, which fits into a cache, unless that means fewer than `MIN_TOKENS`."""
MIN_TOKENS = 512
"""Minimum tokens in a chunk; smaller ones would spend their time adding up the head's weight gradient."""


def linear_cross_entropy(features_NH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_N: Tensor) -> Tensor:
    """Compute `F.cross_entropy(F.linear(features_NH, weight_VH, bias_V), targets_N)` in less time and memory.

    Under autocast, products use its dtype; softmax and sums of gradients use at least fp32. The gradient
    itself cannot be differentiated. Targets are int64, in 0 … V-1.

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
    """Cross-entropy whose gradients are computed in the forward pass, while the scores are available."""

    @staticmethod
    def forward(
        ctx: Any,
        features_NH: Tensor,
        weight_VH: Tensor,
        bias_V: Tensor,
        targets_N: Tensor,
        dtype: torch.dtype,
    ) -> Tensor:
        """Return the mean loss, and save the gradients of the sum."""
        wide = torch.promote_types(dtype, torch.float32)
        chunk = max(MIN_TOKENS, SCORES_AT_ONCE // len(weight_VH))
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
            # The gradient of -log p(target) for the scores is the probabilities, minus one at the target.
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
        """Return the gradients of the mean: those of the sum, scaled."""
        scale = grad / len(ctx.saved_tensors[0])
        gradients = (
            (tensor * scale).to(dtype) for tensor, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        )
        return (*gradients, None, None)


FLATTENING = 0.75
"""Exponent of a token's count in its sampling weight: rare tokens are drawn more often than they occur."""
ROUNDED_TO = 128
"""Sample sizes are rounded up to a multiple of this, so that products have few different shapes."""
_IDS_AT_ONCE = 1 << 22


def count_tokens(ids: NDArray[np.unsignedinteger], vocabulary_size: int) -> Tensor:
    """Count how often each token occurs: `counts_V`, float32.

    Args:
        ids: all token ids of the training split; may be memory-mapped, and are read in parts.
        vocabulary_size: V.
    """
    counts_V = np.zeros(vocabulary_size, dtype=np.int64)
    for first in range(0, len(ids), _IDS_AT_ONCE):
        counts_V += np.bincount(ids[first : first + _IDS_AT_ONCE], minlength=vocabulary_size)
    return torch.from_numpy(counts_V.astype(np.float32))


class SampledSoftmax(nn.Module):
    """Cross-entropy of a linear head, estimated from the targets and a sample of the other tokens.

    It affects training only: the network and its weights are the same. All tokens are scored in evaluation
    and generation, and in training if the vocabulary is no larger than the sample.

    The softmax's denominator, a sum over the vocabulary, is estimated from the sample, with each token
    weighted by the inverse of its probability of being drawn. The estimate is unbiased, whatever the scores
    are; its logarithm, and so the loss, is a little low on average. Frequent tokens are nearly always in the
    sample, with weight 1.

    The sample is drawn by priority sampling, which has almost the least variance of all ways to draw M
    tokens. It takes one random number per token and one partial sort, the same work on every device, and
    never waits for the host.

    Source: Botev, Zheng and Barber (2017), proceedings.mlr.press/v54/botev17a.html, on the sum; Duffield,
    Lund and Thorup (2007), doi:10.1145/1314690.1314696, on the draw.

    Args:
        counts_V: count of each token in the training split.
        samples: minimum number of tokens to score besides the targets of a batch.
    """

    weight_V: Tensor

    def __init__(self, counts_V: Tensor, samples: int) -> None:
        super().__init__()
        self.samples = samples
        self.register_buffer("weight_V", (counts_V.float() + 1) ** FLATTENING, persistent=False)

    def forward(self, features_NH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_N: Tensor) -> Tensor:
        """Estimate `linear_cross_entropy`, with random numbers from PyTorch's default generator."""
        size = self._size(targets_N)
        if not self.training or size >= len(weight_VH):
            return linear_cross_entropy(features_NH, weight_VH, bias_V, targets_N)
        ids_M, log_weight_M = self.draw(targets_N, size)
        column_V = torch.zeros_like(self.weight_V, dtype=torch.int64)
        column_V[ids_M] = torch.arange(size, device=ids_M.device)
        rows_MH = F.embedding(ids_M, weight_VH)
        return linear_cross_entropy(features_NH, rows_MH, bias_V[ids_M] + log_weight_M, column_V[targets_N])

    def draw(self, targets_N: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """Draw a sample of the vocabulary.

        A token's priority is its weight divided by a random number in 0 … 1; the targets' weight is set to
        infinity, so that they come first. Let p be the highest priority that was not drawn. Then a token of
        weight w is drawn with probability min(1, w / p), and is weighted by the inverse, max(1, p / w).

        Args:
            targets_N: tokens that the sample must contain.
            size: M, at least the number of different targets and less than V.

        Returns:
            `ids_M`, all different, and `log_weight_M`: for any numbers x, the sum of x[id] · weight over the
            sample is on average the sum of x over the vocabulary.
        """
        weight_V = self.weight_V.index_fill(0, targets_N, torch.inf)
        priority, ids = (weight_V / torch.rand_like(weight_V)).topk(size + 1)
        ids_M = ids[:size]
        return ids_M, (priority[size] / weight_V[ids_M]).clamp(min=1.0).log()

    def _size(self, targets_N: Tensor) -> int:
        """Return M. Different targets are only counted on a CPU; on a GPU, the host would have to wait."""
        targets = len(torch.unique(targets_N)) if targets_N.device.type == "cpu" else len(targets_N)
        return -(-(self.samples + targets) // ROUNDED_TO) * ROUNDED_TO


CrossEntropy: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""A function from features_NH, the head's weight_VH and bias_V, and targets_N to the mean loss."""


class HeadedModel(TrainableModel):
    """A model whose scores are a linear function of its features.

    A subclass makes an `embedding` and a network, calls `add_head`, and defines `features`. One with a
    speaker embedding also calls `add_speakers`, and uses all that `embed` returns.

    Attributes:
        cross_entropy: the loss function of the head; it scores all tokens unless replaced.
        speaker_embedding: the embedding of who speaks; None in a model without one.
    """

    cross_entropy: CrossEntropy
    embedding: nn.Embedding
    speaker_embedding: SpeakerEmbedding | None
    projection: nn.Module
    head: nn.Linear

    def __init__(self) -> None:
        super().__init__()
        self.speaker_embedding = None

    def add_head(self, *, tied: bool) -> None:
        """Add a linear head with small uniform weights on the features.

        A tied head's weight is the embedding (Press and Wolf 2017, arXiv:1608.05859), which becomes as small;
        if E and H differ, a projection comes before it. An untied embedding keeps the standard normal values
        of `nn.Embedding`, since smaller ones learn more slowly.
        """
        embedding_size, feature_size = self.embedding.embedding_dim, self.config.feature_size
        head_size = embedding_size if tied else feature_size
        is_projected = head_size != feature_size
        self.projection = nn.Linear(feature_size, head_size, bias=False) if is_projected else nn.Identity()
        self.head = nn.Linear(head_size, self.config.vocabulary_size)
        if tied:
            self.head.weight = self.embedding.weight
        nn.init.uniform_(self.head.weight, -0.1, 0.1)
        nn.init.zeros_(self.head.bias)
        self.cross_entropy = linear_cross_entropy

    def add_speakers(self, layout_size: int, speakers: int) -> None:
        """Add a speaker embedding, if any speaker has a token; see `SpeakerEmbedding`."""
        if speakers:
            sizes = self.embedding.embedding_dim, self.config.feature_size
            self.speaker_embedding = SpeakerEmbedding(layout_size, speakers, *sizes)

    def initial_speakers(self, streams: int) -> State:
        """Return the initial state of the speaker embedding: one tensor, or none without one."""
        return (self.speaker_embedding.initial_state(streams),) if self.speaker_embedding is not None else ()

    def embed(self, ids_BT: Tensor, state: State) -> EmbeddedTokens:
        """Embed tokens, and who speaks at each.

        Args:
            ids_BT: the tokens.
            state: the model's state, which ends with that of `initial_speakers`.
        """
        embedded_BTE: Tensor = self.embedding(ids_BT)
        if self.speaker_embedding is None:
            return EmbeddedTokens(embedded_BTE, None, state, ())
        return self.speaker_embedding.embed(ids_BT, embedded_BTE, state)

    def score(self, features_BTH: Tensor) -> Tensor:
        """Score features; see `LanguageModel.score`."""
        logits_BTV: Tensor = self.head(self.projection(features_BTH))
        return logits_BTV

    def loss(self, ids_BT: Tensor, targets_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the mean loss; see `LanguageModel.loss`."""
        features_BTH, state = self.features(ids_BT, state)
        features_NH = self.projection(features_BTH).flatten(0, 1)
        return self.cross_entropy(features_NH, self.head.weight, self.head.bias, targets_BT.flatten()), state
