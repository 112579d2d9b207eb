"""A recurrent network written out in NumPy: how it reads, how wrong it is, and how it learns from that.

To be read from top to bottom; docs/explanation/an-rnn-in-numpy.md walks along and derives each gradient.

    weights = new_weights(vocabulary_size, hidden_size, np.random.default_rng(1))
    memories = [np.zeros_like(weight) for weight in weights]
    loss, gradients, hidden_BH = learn(weights, ids_TB, targets_TB, hidden_BH)
    for weight, gradient, memory in zip(weights, gradients, memories):
        adagrad(weight, gradient, memory, rate=0.1, largest=LARGEST_GRADIENT / T)

The network is Elman's (1990, doi:10.1207/s15516709cog1402_1): one layer of units, which hear the token that
comes and each other. It has no gates, so it forgets sooner than an LSTM, and every line of it fits on a page.
B streams are read side by side, each a row of the same products; time is the first dimension, so that the
numbers of a step lie together.

Shape letters: B streams, T steps, N = T·B tokens, V vocabulary, H hidden.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Numbers: TypeAlias = NDArray[np.floating[Any]]
"""Of single or double precision; what goes in decides what comes out."""
Ids: TypeAlias = NDArray[np.integer[Any]]

LARGEST_GRADIENT = 5.0
"""The largest gradient of a weight, where a stream's loss is the sum over its T steps."""

_SPREAD = 0.01
_EPSILON = 1e-8


class Weights(NamedTuple):
    """All that the network knows; or, in the same places, the gradient of each.

    Attributes:
        input: (V, H), what a token tells each unit.
        recurrent: (H, H), what each unit tells every other, a step later.
        output: (H, V), what each unit says for each token that may come next.
        hidden_bias: (H,), what a unit hears anyway.
        output_bias: (V,), how likely a token is anyway.
    """

    input: Numbers
    recurrent: Numbers
    output: Numbers
    hidden_bias: Numbers
    output_bias: Numbers


def new_weights(
    vocabulary_size: int, hidden_size: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> Weights:
    """Return small random weights, so that every unit is a little different and none is sure of anything."""

    def small(*shape: int) -> Numbers:
        return (_SPREAD * rng.standard_normal(shape)).astype(dtype)

    return Weights(
        input=small(vocabulary_size, hidden_size),
        recurrent=small(hidden_size, hidden_size),
        output=small(hidden_size, vocabulary_size),
        hidden_bias=np.zeros(hidden_size, dtype),
        output_bias=np.zeros(vocabulary_size, dtype),
    )


def forward(weights: Weights, ids_TB: Ids, hidden_BH: Numbers) -> Numbers:
    """Compute the units after each token: h[t] = tanh(input[token] + h[t-1] · recurrent + hidden_bias).

    A token as a vector would be zeros and a single one; its product with `input` is a row of it, which is
    picked here, for all tokens at once. Only the product with the units before has to wait for its turn.

    Args:
        weights: of the network.
        ids_TB: the tokens, in 0 … V-1.
        hidden_BH: what the units are before the first of them; zeros if nothing was read.

    Returns:
        `hidden_TBH`; the last of them is what the next tokens are to be read with.
    """
    hidden_TBH = weights.input[ids_TB] + weights.hidden_bias
    for now_BH in hidden_TBH:
        now_BH += hidden_BH @ weights.recurrent
        np.tanh(now_BH, out=now_BH)
        hidden_BH = now_BH
    return hidden_TBH


def score(weights: Weights, hidden_NH: Numbers) -> Numbers:
    """Score each token that may come next: `logits_NV` = hidden · output + output_bias."""
    logits_NV: Numbers = hidden_NH @ weights.output
    logits_NV += weights.output_bias
    return logits_NV


def cross_entropy(logits_NV: Numbers, targets_N: Ids) -> tuple[float, Numbers]:
    """Measure how little the tokens that came were expected, and how the scores should change.

    Args:
        logits_NV: the scores, which are overwritten.
        targets_N: the tokens that came.

    Returns:
        The mean of -log p(target) in nats, and its gradient in the scores, `error_NV`: the probabilities,
        less one at the token that came, divided by N.
    """
    tokens_N = np.arange(len(targets_N))
    logits_NV -= logits_NV.max(axis=1, keepdims=True)  # the same probabilities, and no exponential overflows
    targets_logits_N = logits_NV[tokens_N, targets_N]
    error_NV = np.exp(logits_NV, out=logits_NV)
    sums_N1 = error_NV.sum(axis=1, keepdims=True)
    loss = float(np.mean(np.log(sums_N1[:, 0]) - targets_logits_N))
    error_NV /= sums_N1
    error_NV[tokens_N, targets_N] -= 1
    error_NV /= len(targets_N)
    return loss, error_NV


def backward(
    weights: Weights, ids_TB: Ids, before_BH: Numbers, hidden_TBH: Numbers, error_NV: Numbers
) -> Weights:
    """Compute the gradient of the loss in every weight: go through `score` and `forward` from end to start.

    Args:
        weights: of the network.
        ids_TB: as `forward` was given them.
        before_BH: what the units were before the first of them; the gradient goes no further back.
        hidden_TBH: as `forward` returned it.
        error_NV: the gradient of the loss in the scores, as `cross_entropy` returned it.

    Returns:
        A gradient for each weight.
    """
    hidden_NH = hidden_TBH.reshape(-1, hidden_TBH.shape[-1])
    blame_TBH = (error_NV @ weights.output.T).reshape(hidden_TBH.shape)
    slope_TBH = 1 - hidden_TBH * hidden_TBH  # of tanh, told from its value
    from_later_BH = np.zeros_like(before_BH)
    for blame_BH, slope_BH in zip(blame_TBH[::-1], slope_TBH[::-1], strict=True):
        blame_BH += from_later_BH
        blame_BH *= slope_BH
        from_later_BH = blame_BH @ weights.recurrent.T
    blame_NH = blame_TBH.reshape(hidden_NH.shape)
    heard_NH = np.concatenate([before_BH[None], hidden_TBH[:-1]]).reshape(hidden_NH.shape)
    return Weights(
        input=sum_by_token(blame_NH, ids_TB.reshape(-1), len(weights.input)),
        recurrent=heard_NH.T @ blame_NH,
        output=hidden_NH.T @ error_NV,
        hidden_bias=blame_NH.sum(axis=0),
        output_bias=error_NV.sum(axis=0),
    )


def sum_by_token(rows_NH: Numbers, ids_N: Ids, vocabulary_size: int) -> Numbers:
    """Add up the rows of each token: `sums_VH`.

    `np.add.at` does the same in a line and takes several times as long. So the rows of a token are brought
    together first, and then added up in one call.
    """
    order_N = np.argsort(ids_N, kind="stable")
    sorted_N = ids_N[order_N]
    first_of_token = np.flatnonzero(np.diff(sorted_N, prepend=-1))
    sums_VH = np.zeros((vocabulary_size, rows_NH.shape[1]), rows_NH.dtype)
    sums_VH[sorted_N[first_of_token]] = np.add.reduceat(rows_NH[order_N], first_of_token, axis=0)
    return sums_VH


def learn(
    weights: Weights, ids_TB: Ids, targets_TB: Ids, hidden_BH: Numbers
) -> tuple[float, Weights, Numbers]:
    """Read tokens, and compute in which direction the weights were wrong.

    Args:
        weights: of the network; they stay as they are.
        ids_TB: the tokens to read.
        targets_TB: the token that came after each.
        hidden_BH: as in `forward`.

    Returns:
        The mean loss in nats per token, its gradient in every weight, and what the units are in the end.
    """
    hidden_TBH = forward(weights, ids_TB, hidden_BH)
    logits_NV = score(weights, hidden_TBH.reshape(-1, hidden_TBH.shape[-1]))
    loss, error_NV = cross_entropy(logits_NV, targets_TB.reshape(-1))
    return loss, backward(weights, ids_TB, hidden_BH, hidden_TBH, error_NV), hidden_TBH[-1]


def adagrad(weight: Numbers, gradient: Numbers, memory: Numbers, rate: float, largest: float) -> None:
    """Change a weight against its gradient, the less the more it has been changed before.

    The loss is a mean over T steps, and `LARGEST_GRADIENT` is meant for their sum: so `largest` is T times
    smaller. Nothing else here depends on the scale of the gradient, which cancels against that of the memory.

    Args:
        weight: is changed.
        gradient: of the loss.
        memory: the sum of the squares of all gradients so far, zeros at first; is changed.
        rate: how far the first step goes.
        largest: values beyond this, on either side, are cut off: a product of T factors can grow very large.

    Source: Duchi, Hazan and Singer 2011, jmlr.org/papers/v12/duchi11a.html.
    """
    clipped = np.clip(gradient, -largest, largest)
    memory += clipped * clipped
    weight -= rate * clipped / (np.sqrt(memory) + _EPSILON)
