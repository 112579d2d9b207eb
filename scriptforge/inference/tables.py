"""Rows of an embedding as the next matrix makes them, computed when they are first asked for.

Of a vocabulary a text needs a few hundred tokens, and of the first line a dozen. So a row is computed when it
comes, and kept; once many have come, all others are computed at once, which takes as long as some of them.

Shape letters: B sequences, N rows, E embedding, G numbers of a row.
"""

import numpy as np

from scriptforge.inference.base import Ids, Numbers
from scriptforge.inference.kernel import kernel
from scriptforge.inference.packed import PackedProduct

MOST_NUMBERS = 1 << 24
"""Numbers that a table keeps at most: of more rows the first ones, which are the most frequent tokens."""

_MANY = 64
"""Times that rows were missing before all are computed."""


class Table:
    """The rows of an embedding, multiplied with a matrix.

    Args:
        embedding_NE: the embedding.
        weight_GE: the matrix; None leaves the rows as they are.
        bias_G: what is added to each row, if anything.
    """

    def __init__(
        self, embedding_NE: Numbers, weight_GE: Numbers | None = None, bias_G: Numbers | None = None
    ) -> None:
        self._embedding_NE = embedding_NE
        self._weight_GE = weight_GE
        self._bias_G = bias_G
        self._multiply = None
        if (loaded := kernel()) is not None and weight_GE is not None:
            self._multiply = PackedProduct(loaded, weight_GE, bias_G, "fp32")
        size = embedding_NE.shape[1] if weight_GE is None else len(weight_GE)
        self._is_plain = weight_GE is None and bias_G is None
        kept = 0 if self._is_plain else min(len(embedding_NE), MOST_NUMBERS // size)
        self._kept_NG = np.empty((kept, size), np.float32)
        self._is_known_N = np.zeros(kept, np.bool_)
        self._is_complete = self._is_plain
        self._misses = 0

    def rows(self, ids_B: Ids) -> Numbers:
        """Return the row of each id, `rows_BG`, as an array of its own."""
        if self._is_plain:
            return self._embedding_NE.take(ids_B, 0)
        if not self._is_complete:
            self.learn(ids_B)
        kept = len(self._kept_NG)
        if kept == len(self._embedding_NE) or ids_B.max() < kept:
            return self._kept_NG.take(ids_B, 0)
        is_kept_B = ids_B < kept
        rows_BG = np.empty((len(ids_B), self._kept_NG.shape[1]), np.float32)
        rows_BG[is_kept_B] = self._kept_NG[ids_B[is_kept_B]]
        rows_BG[~is_kept_B] = self._computed(ids_B[~is_kept_B])
        return rows_BG

    def look_up(self, ids: Ids) -> tuple[Numbers, Ids]:
        """Return rows, and which of them are those of some ids; none is copied, if all are kept."""
        if not self._is_complete:
            self.learn(ids)
        kept = len(self._kept_NG)
        if not self._is_plain and (kept == len(self._embedding_NE) or ids.max(initial=0) < kept):
            return self._kept_NG, ids
        return self.rows(ids.ravel()), np.arange(ids.size).reshape(ids.shape)

    def learn(self, ids: Ids) -> None:
        """Compute the rows of some ids together, as far as they are kept and not known."""
        if self._is_complete:
            return
        kept_N = ids[ids < len(self._kept_NG)]
        missing_N = kept_N[~self._is_known_N[kept_N]]
        if not len(missing_N):
            return
        self._misses += 1
        if self._misses >= _MANY:
            missing_N = np.flatnonzero(~self._is_known_N)
            self._is_complete = True
        elif len(missing_N) > 1:
            is_missing_N = np.zeros(len(self._kept_NG), np.bool_)
            is_missing_N[missing_N] = True
            missing_N = np.flatnonzero(is_missing_N)
        self._kept_NG[missing_N] = self._computed(missing_N)
        self._is_known_N[missing_N] = True

    def _computed(self, ids_N: Ids) -> Numbers:
        rows_NG = self._embedding_NE[ids_N]
        if self._multiply is not None:
            return self._multiply(rows_NG)  # the same to the last bit, whatever is computed with it
        if self._weight_GE is not None:
            rows_NG = rows_NG @ self._weight_GE.T
        if self._bias_G is not None:
            rows_NG += self._bias_G
        return rows_NG
