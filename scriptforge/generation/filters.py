"""Filters over the scores of tokens.

Each is a small function from scores to scores, with the name and the paper of its method. It forbids a token
by setting its score to minus infinity, and never forbids the last one left.

Shape letters: B sequences of the batch, V vocabulary, N tokens considered, K the best of them, R n-grams in
the history, W tokens in the history, n tokens in an n-gram.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from scriptforge.options import GenerateOptions

Scores: TypeAlias = NDArray[np.floating[Any]]
"""Scores of tokens in each sequence, minus infinity where forbidden."""

Filter: TypeAlias = Callable[[Scores], Scores]

_INITIAL_K = 128
_MIN_LOG_PROBABILITY = -1e4  # in place of the logarithm of 0


def filters_of(options: GenerateOptions) -> list[Filter]:
    """Return the filters that options ask for, in the order in which they are applied."""
    filters: list[Filter] = [partial(apply_temperature, temperature=options.temperature)]
    if options.top_k:
        filters.append(partial(apply_top_k, top_k=options.top_k))
    if options.top_p < 1:
        filters.append(partial(apply_top_p, top_p=options.top_p))
    if options.typical < 1:
        filters.append(partial(apply_typical_p, typical_p=options.typical))
    if options.min_p:
        filters.append(partial(apply_min_p, min_p=options.min_p))
    return filters


def apply_temperature(scores_BN: Scores, temperature: float) -> Scores:
    """Divide scores by the temperature, shifted so that the likeliest token gets 0.

    Source: Ackley, Hinton and Sejnowski 1985, "A Learning Algorithm for Boltzmann Machines".
    """
    scaled_BN: Scores = (scores_BN - scores_BN.max(-1, keepdims=True)) / np.float32(temperature)
    return scaled_BN


def apply_top_k(scores_BN: Scores, top_k: int) -> Scores:
    """Keep the `top_k` likeliest tokens, and those that tie with the last of them.

    Source: Fan, Lewis and Dauphin 2018, arXiv:1805.04833.
    """
    rank = max(scores_BN.shape[-1] - top_k, 0)
    threshold_B1 = np.partition(scores_BN, rank)[:, rank : rank + 1]
    return np.where(scores_BN < threshold_B1, -np.inf, scores_BN)


def apply_top_p(scores_BN: Scores, top_p: float) -> Scores:
    """Keep the smallest set of the likeliest tokens whose probabilities add up to `top_p`.

    Nucleus sampling. Source: Holtzman et al. 2020,
    "The Curious Case of Neural Text Degeneration", arXiv:1904.09751.
    """
    return _keep_best(scores_BN, scores_BN, np.exp(log_softmax(scores_BN)), top_p)


def apply_typical_p(scores_BN: Scores, typical_p: float) -> Scores:
    """Keep the tokens whose surprisal is nearest to its mean, up to a total probability of `typical_p`.

    Source: Meister et al. 2023, "Locally Typical Sampling", arXiv:2202.00666.
    """
    log_probabilities_BN = log_softmax(scores_BN)
    probabilities_BN = np.exp(log_probabilities_BN)
    surprisals_BN = -np.maximum(log_probabilities_BN, _MIN_LOG_PROBABILITY)
    entropy_B1 = (probabilities_BN * surprisals_BN).sum(-1, keepdims=True)
    return _keep_best(scores_BN, -np.abs(log_probabilities_BN + entropy_B1), probabilities_BN, typical_p)


def apply_min_p(scores_BN: Scores, min_p: float) -> Scores:
    """Keep the tokens at least `min_p` times as likely as the likeliest.

    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling", arXiv:2407.01082.
    """
    threshold_B1 = scores_BN.max(-1, keepdims=True) + np.float32(math.log(min_p))
    return np.where(scores_BN < threshold_B1, -np.inf, scores_BN)


def log_softmax(scores: Scores) -> Scores:
    """Return the log-probabilities of all tokens, over the last dimension."""
    shifted = scores - scores.max(-1, keepdims=True)
    result: Scores = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return result


def _keep_best(scores_BN: Scores, values_BN: Scores, probabilities_BN: Scores, mass: float) -> Scores:
    """Keep tokens from the highest value down until their total probability reaches `mass`, one at least.

    Looks at the best few first, and at more only if these are not enough.
    """
    size, k = scores_BN.shape[-1], _INITIAL_K
    while True:
        best_BK = _topk_indices(values_BN, min(k, size))
        cumulative_BK = np.take_along_axis(probabilities_BN, best_BK, -1).cumsum(-1)
        if k >= size or (cumulative_BK[:, -1] >= mass).all():
            break
        k *= 8
    kept_BK = np.ones(cumulative_BK.shape, dtype=np.bool_)
    kept_BK[:, 1:] = cumulative_BK[:, :-1] < mass
    kept_BN = np.zeros(scores_BN.shape, dtype=np.bool_)
    np.put_along_axis(kept_BN, best_BK, kept_BK, -1)
    return np.where(kept_BN, scores_BN, -np.inf)


def _topk_indices(values_BN: Scores, k: int) -> NDArray[np.intp]:
    """Return the indices of the k greatest values, the greatest first: `best_BK`."""
    negated_BN = -values_BN
    if k == values_BN.shape[-1]:
        return negated_BN.argsort(-1, kind="stable")
    best_BK = negated_BN.argpartition(k, -1)[:, :k]
    order_BK = np.take_along_axis(negated_BN, best_BK, -1).argsort(-1)
    return np.take_along_axis(best_BK, order_BK, -1)


def apply_repetition_penalty(scores_BV: Scores, history_BW: NDArray[np.int64], penalty: float) -> Scores:
    """Make tokens in the history less likely: positive scores are divided, negative ones multiplied.

    Args:
        scores_BV: scores.
        history_BW: ids in 0 … V, where V stands for no token.
        penalty: 1 or more.

    Source: Keskar et al. 2019, "CTRL", arXiv:1909.05858, for positive scores.
    """
    seen = _rows_and_ids(history_BW, scores_BV)
    scores_N = scores_BV[seen]
    penalised_BV = scores_BV.copy()
    penalised_BV[seen] = np.where(scores_N > 0, scores_N / penalty, scores_N * penalty)
    return penalised_BV


def apply_no_repeat_ngram(scores_BV: Scores, history_BW: NDArray[np.int64], n: int) -> Scores:
    """Forbid each token that would complete an n-gram found in the history.

    A sequence that would have no token left stays as it is.

    Args:
        scores_BV: scores.
        history_BW: ids in 0 … V, where V stands for no token; the latest last.
        n: tokens in an n-gram, 1 or more.

    Source: Paulus, Xiong and Socher 2018, "A Deep Reinforced Model for Abstractive Summarization",
        arXiv:1705.04304.
    """
    ngrams_BRn = np.lib.stride_tricks.sliding_window_view(history_BW, n, axis=1)
    started_B1n = history_BW[:, None, history_BW.shape[1] - n + 1 :]
    matches_BR = (ngrams_BRn[:, :, :-1] == started_B1n).all(-1)
    completions_BR = np.where(matches_BR, ngrams_BRn[:, :, -1], scores_BV.shape[-1])
    filtered_BV = scores_BV.copy()
    filtered_BV[_rows_and_ids(completions_BR, scores_BV)] = -np.inf
    is_stuck_B1 = filtered_BV.max(-1, keepdims=True) == -np.inf
    return np.where(is_stuck_B1, scores_BV, filtered_BV) if is_stuck_B1.any() else filtered_BV


def _rows_and_ids(ids_BN: NDArray[np.int64], scores_BV: Scores) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the rows and ids of the tokens that occur, where an id of V stands for no token."""
    rows, places = np.nonzero(ids_BN < scores_BV.shape[-1])
    return rows, ids_BN[rows, places]
