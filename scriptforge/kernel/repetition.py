"""Penalties, computed by the kernel, for echoes of the latest text and for tokens that come too often.

`repetition` and `overuse` in `scriptforge.generation` define them, and compute the same without the kernel.

Shape letters: B texts, V vocabulary, C capacity, O lengths of echoes, P places.
"""

import ctypes
from bisect import bisect_right
from collections.abc import Sequence
from ctypes import c_double, c_int64, c_void_p
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scriptforge.kernel.library import Address, Kernel, address_of


class Penalty(NamedTuple):
    """By how much the odds of what came too often are lowered.

    Attributes:
        pseudocount: pseudo-count added to the actual and the expected count.
        power: exponent of the ratio of expected to actual count, the factor of the odds.
        max_penalty: upper limit, in nats.
    """

    pseudocount: float
    power: float
    max_penalty: float


class UsageRule(NamedTuple):
    """How counts of tokens decay, and how often is too often.

    Attributes:
        decay_interval: number of text tokens after which the counts decay.
        decay: factor by which they then decay.
        penalty: the penalty for a token.
        power_growth: growth of its exponent, relative to it, per expected token.
    """

    decay_interval: int
    decay: float
    penalty: Penalty
    power_growth: float


class RepetitionRule(NamedTuple):
    """What echoes are, and how many are too many.

    Attributes:
        lengths: the O = 3 lengths of echoes, in tokens, rising.
        window: number of tokens back that echoes are looked for.
        remembered: number of lines back.
        place_bounds: number of tokens after which each place but the first begins.
        token_decay: factor by which the counts of echoes decay per token.
        line_decay: factor by which the counts of lines decay per line.
        penalty: the penalty for an echo of one length, or a line.
        usage: the same for single tokens.
    """

    lengths: Sequence[int]
    window: int
    remembered: int
    place_bounds: Sequence[int]
    token_decay: float
    line_decay: float
    penalty: Penalty
    usage: UsageRule


class Shares(NamedTuple):
    """How often what may be too much comes in people's text.

    Attributes:
        runs_PO: share of the tokens that end an echo of each length, by place.
        lines_P: share of the lines that are echoes.
        tokens_V: share of each token, 0 for layout; None if the use of tokens does not matter.
    """

    runs_PO: NDArray[np.float64]
    lines_P: NDArray[np.float64]
    tokens_V: NDArray[np.float64] | None


class TokenKinds(NamedTuple):
    """What the kernel has to know of a vocabulary.

    Attributes:
        size: V.
        layout_size: number of layout tokens, which are the first ids.
        cue: the layout token before a spelled name; -1 if there is none.
    """

    size: int
    layout_size: int
    cue: int


class KernelAdaptivePenalty:
    """The latest text of B texts, and the penalties for repeating it.

    Args:
        kernel: the compiled kernel.
        rule: what echoes are.
        shares: people's shares.
        kinds: the kinds of tokens.
        batch_size: B.
    """

    def __init__(
        self, kernel: Kernel, rule: RepetitionRule, shares: Shares, kinds: TokenKinds, batch_size: int
    ) -> None:
        self._kernel = kernel
        self._place_bounds = rule.place_bounds
        self._window, self._capacity = rule.window, 2 * rule.window
        self._stop = self._taken = 0
        self._shares = shares
        self._by_text = _arrays(batch_size, self._capacity, rule)
        self._recent = _Recent(
            batch_size, *kinds, self._capacity, self._window, rule.remembered, **_addresses(self._by_text)
        )
        self._recent.run_shares, self._recent.line_shares = map(address_of, shares[:2])
        self._recent.lengths[:] = rule.lengths
        self._recent.token_decay, self._recent.line_decay = rule.token_decay, rule.line_decay
        self._recent.penalty = _Penalty(*rule.penalty)
        self._recent_address, self._usage_address = ctypes.addressof(self._recent), 0
        if shares.tokens_V is not None:
            counts = _count_arrays(batch_size, kinds.size)
            self._by_text |= counts
            self._usage = _Usage(**_addresses(counts), shares=address_of(shares.tokens_V))
            self._usage.decay_interval, self._usage.decay, penalty, self._usage.power_growth = rule.usage
            self._usage.penalty = _Penalty(*penalty)
            self._usage_address = ctypes.addressof(self._usage)
        self._ids_B = np.zeros(batch_size, np.int32)
        self._ids = address_of(self._ids_B)
        self._scores, self._text = Address(), Address()

    def take(self, ids: Sequence[int]) -> None:
        """Take the next id of each text, drawn or given; below 0 for a text that waits."""
        if self._stop == self._capacity:
            self._move_back()
        self._ids_B[:] = ids
        place = bisect_right(self._place_bounds, self._taken)
        self._kernel.append_tokens(self._recent_address, self._usage_address, self._ids, self._stop, place)
        self._stop += 1
        self._taken += 1

    def penalise(self, scores_BV: NDArray[np.float32], text_logsumexp_B1: NDArray[np.floating[Any]]) -> None:
        """Lower the scores of what would be too much, and raise the text of their row to compensate.

        Args:
            scores_BV: scores, changed in place.
            text_logsumexp_B1: log-sum-exp of the scores of text tokens, which stays the same.
        """
        if scores_BV.shape != (len(self._ids_B), self._recent.size):
            raise ValueError(f"scores of {scores_BV.shape}, for {len(self._ids_B)} texts")
        text_logsumexp_B1 = np.ascontiguousarray(text_logsumexp_B1, np.float64)
        scores, text = self._scores.of(scores_BV), self._text.of(text_logsumexp_B1)
        if self._kernel.penalise_repetition(
            self._recent_address, self._usage_address, self._stop, scores, text
        ):
            raise MemoryError

    def copy(self, row: int) -> None:
        """Copy the state of one text to all, without the steps at which no token came.

        Raises:
            ValueError: the text has waited longer than what is kept of it.
        """
        waited = int(self._by_text["waited"][row])
        if waited > self._stop:
            raise ValueError(f"{waited} steps without a token, of {self._stop}")
        self._stop -= waited
        self._taken -= waited
        for array in self._by_text.values():
            array[:] = array[row].copy()
        self._by_text["waited"][:] = 0
        self._by_text["ids"][:, self._stop :] = _APART
        self._by_text["matches"][:, self._stop :] = 0

    def _move_back(self) -> None:
        """Move the last window of tokens of each text to the front, to make room behind it.

        As many more are kept as any has waited, since these are left out when it is copied; no line is longer
        than half a window.
        """
        kept = self._window + min(int(self._by_text["waited"].max()), self._window // 2)
        for name in ("ids", "matches"):
            array_BC = self._by_text[name]
            array_BC[:, :kept] = array_BC[:, self._stop - kept :].copy()
        self._by_text["matches"][:, kept:] = 0
        self._stop = kept


_APART = -1
"""In place of a token's id where there is no text."""


def _arrays(rows: int, capacity: int, rule: RepetitionRule) -> dict[str, NDArray[Any]]:
    """Return the arrays of `_Recent` that have a row for each text."""
    return {
        "ids": np.full((rows, capacity), _APART, np.int32),
        "matches": np.zeros((rows, capacity), np.uint8),
        "observed": np.zeros((rows, len(rule.lengths))),
        "expected": np.zeros((rows, len(rule.lengths))),
        "lines": np.zeros(rows, np.uint64),
        "said": np.zeros((rows, rule.remembered), np.uint64),
        "line_counts": np.zeros(rows, np.int64),
        "lines_observed": np.zeros(rows),
        "lines_expected": np.zeros(rows),
        "waited": np.zeros(rows, np.int64),
        "latest": np.full(rows, _APART, np.int32),
        "is_named": np.zeros(rows, np.uint8),
    }


def _count_arrays(rows: int, size: int) -> dict[str, NDArray[Any]]:
    """Return the arrays of `_Usage` that have a row for each text."""
    return {
        "counts": np.zeros((rows, size)),
        "factors": np.zeros((rows, size), np.float32),
        "totals": np.zeros(rows),
        "steps": np.zeros(rows, np.int64),
    }


def _addresses(arrays: dict[str, NDArray[Any]]) -> dict[str, int]:
    return {name: address_of(array) for name, array in arrays.items()}


class _Penalty(ctypes.Structure):
    _fields_ = tuple((name, c_double) for name in Penalty._fields)


class _Recent(ctypes.Structure):
    _fields_ = (
        *((name, c_int64) for name in ("rows", "size", "layout", "cue", "capacity", "window", "remembered")),
        *((name, c_void_p) for name in ("ids", "matches", "observed", "expected", "run_shares")),
        *((name, c_void_p) for name in ("lines", "said", "line_counts", "lines_observed", "lines_expected")),
        *((name, c_void_p) for name in ("line_shares", "waited", "latest", "is_named")),
        ("lengths", c_int64 * 3),
        *((name, c_double) for name in ("token_decay", "line_decay")),
        ("penalty", _Penalty),
    )


class _Usage(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("counts", "factors", "totals", "steps", "shares")),
        ("decay_interval", c_int64),
        ("decay", c_double),
        ("penalty", _Penalty),
        ("power_growth", c_double),
    )
