"""A recurrent network written out in NumPy: how it reads, how its error is measured, and how it learns.

Read it from top to bottom; docs/explanation/an-rnn-in-numpy.md explains each part and derives each gradient.

    weights = new_weights(vocabulary_size, hidden_size, np.random.default_rng(1))
    memories = [np.zeros_like(weight) for weight in weights]
    loss, gradients, hidden_BH = learn(weights, ids_TB, targets_TB, hidden_BH)
    for weight, gradient, memory in zip(weights, gradients, memories):
        adagrad(weight, gradient, memory, rate=0.1, largest=GRADIENT_CLIP / T)

The network is Elman's (1990, doi:10.1207/s15516709cog1402_1): one layer of units, whose input is the current
token and all units at the previous step. It has no gates, so it forgets sooner than an LSTM, but all of it
fits on a page. B streams are read in parallel, each a row of the same products; time is the first dimension,
so that the numbers of a step are next to each other in memory.

Shape letters: B streams, T steps, N = T·B tokens, V vocabulary, H hidden.
"""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Numbers: TypeAlias = NDArray[np.floating[Any]]
"""An array in single or double precision; results have the precision of the inputs."""
Ids: TypeAlias = NDArray[np.integer[Any]]

GRADIENT_CLIP = 5.0
"""The limit to which gradients are clipped, for a loss that is summed over the T steps of a stream."""

_SPREAD = 0.01
_EPSILON = 1e-8


class Weights(NamedTuple):
    """The weights of the network; or, in the same fields, the gradient of each.

    Attributes:
        input: (V, H), from each token to each unit.
        recurrent: (H, H), from each unit to each unit at the next step.
        output: (H, V), from each unit to the score of each next token.
        hidden_bias: (H,), added to the input of each unit.
        output_bias: (V,), added to the score of each next token.
    """

    input: Numbers
    recurrent: Numbers
    output: Numbers
    hidden_bias: Numbers
    output_bias: Numbers


def new_weights(
    vocabulary_size: int, hidden_size: int, rng: np.random.Generator, dtype: DTypeLike = np.float32
) -> Weights:
    """Return small random weights: all units differ a little, and all tokens are about equally likely."""

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

    The product of a one-hot vector with `input` is one of its rows, which is looked up here, for all tokens
    at once. Only the product with the previous units must be computed step by step.

    Args:
        weights: the weights.
        ids_TB: the tokens, in 0 … V-1.
        hidden_BH: the units before the first token; zeros if nothing was read.

    Returns:
        `hidden_TBH`, the last step of which is `hidden_BH` for the tokens that follow.
    """
    hidden_TBH = weights.input[ids_TB] + weights.hidden_bias
    for now_BH in hidden_TBH:
        now_BH += hidden_BH @ weights.recurrent
        np.tanh(now_BH, out=now_BH)
        hidden_BH = now_BH
    return hidden_TBH


def score(weights: Weights, hidden_NH: Numbers) -> Numbers:
    """Score each possible next token: `logits_NV` = hidden · output + output_bias."""
    logits_NV: Numbers = hidden_NH @ weights.output
    logits_NV += weights.output_bias
    return logits_NV


def cross_entropy(logits_NV: Numbers, targets_N: Ids) -> tuple[float, Numbers]:
    """Compute the loss, a measure of how unexpected the actual next tokens were, and its gradient.

    Args:
        logits_NV: the scores, which are overwritten.
        targets_N: the actual next tokens.

    Returns:
        The mean of -log p(target) in nats, and its gradient with respect to the scores, `error_NV`: the
        probabilities, minus one at the target, divided by N.
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
    """Compute the gradient of the loss for every weight, going backward through `score` and `forward`.

    Args:
        weights: the weights.
        ids_TB: the tokens, as given to `forward`.
        before_BH: the units before the first token; the gradient goes no further back.
        hidden_TBH: the units, as returned by `forward`.
        error_NV: the gradient with respect to the scores, as returned by `cross_entropy`.

    Returns:
        A gradient for each weight.
    """
    hidden_NH = hidden_TBH.reshape(-1, hidden_TBH.shape[-1])
    blame_TBH = (error_NV @ weights.output.T).reshape(hidden_TBH.shape)
    slope_TBH = 1 - hidden_TBH * hidden_TBH  # derivative of tanh, from its value
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

    `np.add.at` does the same in a line but takes several times as long. So the rows are sorted by token
    first, and then added up in one call.
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
    """Read tokens, and compute the loss and its gradients.

    Args:
        weights: the weights, which are not changed.
        ids_TB: the tokens to read.
        targets_TB: the next token after each.
        hidden_BH: as in `forward`.

    Returns:
        The mean loss in nats per token, its gradient for every weight, and the units after the last token.
    """
    hidden_TBH = forward(weights, ids_TB, hidden_BH)
    logits_NV = score(weights, hidden_TBH.reshape(-1, hidden_TBH.shape[-1]))
    loss, error_NV = cross_entropy(logits_NV, targets_TB.reshape(-1))
    return loss, backward(weights, ids_TB, hidden_BH, hidden_TBH, error_NV), hidden_TBH[-1]


def adagrad(weight: Numbers, gradient: Numbers, memory: Numbers, rate: float, largest: float) -> None:
    """Update a weight against its gradient, by less the more it has been updated before.

    The loss is a mean over T steps, and `GRADIENT_CLIP` is for their sum: so `largest` is T times smaller.
    Nothing else here depends on the scale of the gradient, which cancels against that of the memory.

    Args:
        weight: the weight, updated in place.
        gradient: the gradient of the loss.
        memory: the sum of the squares of all gradients so far, zeros at first; updated in place.
        rate: the learning rate, which is the length of the first step.
        largest: the limit to which gradients are clipped, ±; products of T factors can grow very large.

    Source: Duchi, Hazan and Singer 2011, jmlr.org/papers/v12/duchi11a.html.
    """
    clipped = np.clip(gradient, -largest, largest)
    memory += clipped * clipped
    weight -= rate * clipped / (np.sqrt(memory) + _EPSILON)
