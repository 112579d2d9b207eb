"""Rows of an embedding multiplied with the next matrix, computed when they are first needed.

A text needs a few hundred tokens of its vocabulary, and its first line a dozen. So rows are computed when one
of them is needed, and kept. They are always computed in the same groups: the number of rows in a product
affects its last bits, and no text may depend on what was written before or beside it.

Shape letters: B sequences, N rows, E embedding, G numbers of a computed row.
"""

import numpy as np

from scriptforge.inference.base import Ids
from scriptforge.kernel import FloatArray, kernel
from scriptforge.kernel.matrices import KernelProduct

MAX_NUMBERS = 1 << 24
"""Upper limit of the numbers that a table keeps: it keeps the first rows, of the most frequent tokens."""

_TOGETHER = 16
"""Number of rows computed at once."""


class Table:
    """The rows of an embedding, multiplied with a matrix.

    Args:
        embedding_NE: the embedding.
        weight_GE: the matrix; None leaves the rows as they are.
        bias_G: added to each row; None adds nothing.
    """

    def __init__(
        self, embedding_NE: FloatArray, weight_GE: FloatArray | None = None, bias_G: FloatArray | None = None
    ) -> None:
        self._embedding_NE = embedding_NE
        self._weight_GE = weight_GE
        self._bias_G = bias_G
        self._multiply = None
        if (loaded := kernel()) is not None and weight_GE is not None:
            self._multiply = KernelProduct(loaded, weight_GE, bias_G, "fp32")
        size = embedding_NE.shape[1] if weight_GE is None else len(weight_GE)
        self._is_plain = weight_GE is None and bias_G is None
        kept = 0 if self._is_plain else min(len(embedding_NE), MAX_NUMBERS // size)
        self._kept_NG = np.empty((kept, size), np.float32)
        self._is_known_N = np.zeros(kept, np.bool_)

    def rows(self, ids_B: Ids) -> FloatArray:
        """Return the row of each id, `rows_BG`, as a new array."""
        if self._is_plain:
            return self._embedding_NE.take(ids_B, 0)
        self.compute(ids_B)
        kept = len(self._kept_NG)
        if kept == len(self._embedding_NE) or ids_B.max() < kept:
            return self._kept_NG.take(ids_B, 0)
        rows = [
            self._kept_NG[id_] if id_ < kept else self._computed(slice(id_, id_ + 1))[0]
            for id_ in ids_B.tolist()
        ]
        return np.stack(rows)

    def look_up(self, ids: Ids) -> tuple[FloatArray, Ids]:
        """Return an array of rows, and the index of each id's row in it; copies nothing if all are kept."""
        kept = len(self._kept_NG)
        if not self._is_plain and (kept == len(self._embedding_NE) or ids.max(initial=0) < kept):
            if 0 in self._is_known_N.take(ids).tobytes():  # faster than `all`
                self.compute(ids)
            return self._kept_NG, ids
        return self.rows(ids.ravel()), np.arange(ids.size).reshape(ids.shape)

    def compute(self, ids: Ids) -> None:
        """Compute those rows of some ids that are to be kept and are not computed yet."""
        kept_N = ids[ids < len(self._kept_NG)]
        for id_ in kept_N[~self._is_known_N[kept_N]].tolist():
            if not self._is_known_N[id_]:
                first = id_ - id_ % _TOGETHER
                together = slice(first, min(first + _TOGETHER, len(self._kept_NG)))
                self._kept_NG[together] = self._computed(together)
                self._is_known_N[together] = True

    def _computed(self, rows: slice) -> FloatArray:
        rows_NG = self._embedding_NE[rows]
        if self._multiply is not None:
            return self._multiply(rows_NG)
        if self._weight_GE is not None:
            rows_NG = rows_NG @ self._weight_GE.T
        return rows_NG if self._bias_G is None else rows_NG + self._bias_G
