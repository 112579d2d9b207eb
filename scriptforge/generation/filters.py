"""What the options of sampling do: each is one small function from scores to scores.

A filter forbids a token by setting its score to minus infinity, and none ever forbids the last one left.

Shape letters: B lanes, V vocabulary, N tokens looked at, K the best of them, W remembered tokens, R runs of
tokens, n tokens in a run.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Scores: TypeAlias = NDArray[np.floating[Any]]
"""Scores of tokens on each lane, minus infinity where forbidden."""

Filter: TypeAlias = Callable[[Scores], Scores]

_FIRST_LOOK = 128
_LEAST_LOGARITHM = -1e4  # of a probability that is none


def scale(scores_BN: Scores, temperature: float) -> Scores:
    """Divides by the temperature; the likeliest token gets 0.

    Source: Ackley, Hinton and Sejnowski 1985, "A Learning Algorithm for Boltzmann Machines".
    """
    scaled_BN: Scores = (scores_BN - scores_BN.max(-1, keepdims=True)) / np.float32(temperature)
    return scaled_BN


def keep_top_k(scores_BN: Scores, k: int) -> Scores:
    """Keeps the k likeliest tokens, and those as likely as the last of them.

    Source: Fan, Lewis and Dauphin 2018, arXiv:1805.04833.
    """
    place = max(scores_BN.shape[-1] - k, 0)
    least_B1 = np.partition(scores_BN, place)[:, place : place + 1]
    return np.where(scores_BN < least_B1, -np.inf, scores_BN)


def keep_top_p(scores_BN: Scores, mass: float) -> Scores:
    """Keeps the fewest, likeliest tokens whose probabilities add up to `mass`.

    Source: Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", arXiv:1904.09751.
    """
    return _keep_best(scores_BN, scores_BN, np.exp(_logarithms(scores_BN)), mass)


def keep_typical(scores_BN: Scores, mass: float) -> Scores:
    """Keeps the tokens whose surprise is nearest to the expected one, up to a probability of `mass`.

    Source: Meister et al. 2023, "Locally Typical Sampling", arXiv:2202.00666.
    """
    logarithms_BN = _logarithms(scores_BN)
    probabilities_BN = np.exp(logarithms_BN)
    surprises_BN = -np.maximum(logarithms_BN, _LEAST_LOGARITHM)
    expected_B1 = (probabilities_BN * surprises_BN).sum(-1, keepdims=True)
    return _keep_best(scores_BN, -np.abs(logarithms_BN + expected_B1), probabilities_BN, mass)


def keep_min_p(scores_BN: Scores, share: float) -> Scores:
    """Keeps the tokens at least `share` times as likely as the likeliest.

    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling", arXiv:2407.01082.
    """
    least_B1 = scores_BN.max(-1, keepdims=True) + np.float32(math.log(share))
    return np.where(scores_BN < least_B1, -np.inf, scores_BN)


def _logarithms(scores_BN: Scores) -> Scores:
    """The logarithms of the probabilities."""
    scaled_BN = scores_BN - scores_BN.max(-1, keepdims=True)
    logarithms_BN: Scores = scaled_BN - np.log(np.exp(scaled_BN).sum(-1, keepdims=True))
    return logarithms_BN


def _keep_best(scores_BN: Scores, values_BN: Scores, probabilities_BN: Scores, mass: float) -> Scores:
    """Keeps tokens from the highest value down until their probability reaches `mass`, one at least.

    Looks at the best few first, and at more only where these do not suffice.
    """
    size, looked = scores_BN.shape[-1], _FIRST_LOOK
    while True:
        best_BK = _best(values_BN, min(looked, size))
        reached_BK = np.take_along_axis(probabilities_BN, best_BK, -1).cumsum(-1)
        if looked >= size or (reached_BK[:, -1] >= mass).all():
            break
        looked *= 8
    kept_BK = np.ones(reached_BK.shape, dtype=np.bool_)
    kept_BK[:, 1:] = reached_BK[:, :-1] < mass
    kept_BN = np.zeros(scores_BN.shape, dtype=np.bool_)
    np.put_along_axis(kept_BN, best_BK, kept_BK, -1)
    return np.where(kept_BN, scores_BN, -np.inf)


def _best(values_BN: Scores, count: int) -> NDArray[np.intp]:
    """Where the greatest values are, the greatest first: `best_BK`."""
    falling_BN = -values_BN
    if count == values_BN.shape[-1]:
        return falling_BN.argsort(-1, kind="stable")
    best_BK = falling_BN.argpartition(count, -1)[:, :count]
    order_BK = np.take_along_axis(falling_BN, best_BK, -1).argsort(-1)
    return np.take_along_axis(best_BK, order_BK, -1)


def penalise_repetition(scores_BV: Scores, history_BW: NDArray[np.int64], penalty: float) -> Scores:
    """Makes tokens that occur in the history less likely: positive scores divided, negative multiplied.

    Args:
        scores_BV: scores.
        history_BW: ids in 0 … V, of which V stands for nothing.
        penalty: 1 or more.

    Source: Keskar et al. 2019, "CTRL", arXiv:1909.05858, for positive scores.
    """
    occurring = _occurring(history_BW, scores_BV)
    scores_N = scores_BV[occurring]
    penalised_BV = scores_BV.copy()
    penalised_BV[occurring] = np.where(scores_N > 0, scores_N / penalty, scores_N * penalty)
    return penalised_BV


def forbid_repeated_ngram(scores_BV: Scores, history_BW: NDArray[np.int64], n: int) -> Scores:
    """Forbids each token that would complete a run of n tokens found in the history.

    Where that leaves a lane nothing, the lane is left as it was.

    Args:
        scores_BV: scores.
        history_BW: ids in 0 … V, of which V stands for nothing; the latest last.
        n: tokens in a run, 1 or more.

    Source: Paulus, Xiong and Socher 2018, "A Deep Reinforced Model for Abstractive Summarization",
        arXiv:1705.04304.
    """
    runs_BRn = np.lib.stride_tricks.sliding_window_view(history_BW, n, axis=1)
    begun_B1n = history_BW[:, None, history_BW.shape[1] - n + 1 :]
    matches_BR = (runs_BRn[:, :, :-1] == begun_B1n).all(-1)
    completions_BR = np.where(matches_BR, runs_BRn[:, :, -1], scores_BV.shape[-1])
    filtered_BV = scores_BV.copy()
    filtered_BV[_occurring(completions_BR, scores_BV)] = -np.inf
    is_stuck_B1 = filtered_BV.max(-1, keepdims=True) == -np.inf
    return np.where(is_stuck_B1, scores_BV, filtered_BV) if is_stuck_B1.any() else filtered_BV


def _occurring(ids_BN: NDArray[np.int64], scores_BV: Scores) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Lanes and ids of what occurs on each lane, where an id of V stands for nothing."""
    lanes, places = np.nonzero(ids_BN < scores_BV.shape[-1])
    return lanes, ids_BN[lanes, places]
