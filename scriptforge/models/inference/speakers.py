"""Who speaks and who spoke before, for an inference model: what they add, looked up in tables.

Shape letters: B streams, T steps, G gates (a number of H each), H features, S speakers.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from scriptforge.models.base import State
from scriptforge.models.speakers import END, SCALE, PairEmbedding, SpeakerEmbedding

Numbers: TypeAlias = NDArray[np.float32]
Pairs: TypeAlias = NDArray[np.int64]


class InferenceTold(NamedTuple):
    """What an inference model is told of some tokens; as of `scriptforge.models.speakers.Told`.

    Attributes:
        gates: for each step what is added to the gates of the first layer, (B, G).
        added_BTH: what is added to the features.
        rest: the model's state before, without who speaks.
        after: who speaks at the end.
    """

    gates: list[Numbers]
    added_BTH: Tensor
    rest: State
    after: Tensor


class InferenceSpeakers:
    """What a `SpeakerEmbedding` adds to the gates of the first layer and to the features.

    Args:
        embedding: the model's.
        weight_GE: what the first layer multiplies its input with.
    """

    def __init__(self, embedding: SpeakerEmbedding, weight_GE: Tensor) -> None:
        self._first, self._layout_size = embedding.first, embedding.layout_size
        self._input = _Rows(embedding.input, weight_GE)
        self._output = _Rows(embedding.output)

    def tell(self, ids_BT: Tensor, state: State) -> InferenceTold:
        """Return what is added for each token, and who speaks after the last one."""
        *rest, state_2B1 = state
        pairs_2B: Pairs = state_2B1.numpy()[:, :, 0].astype(np.int64)
        gates, outputs = [], []
        for ids_B in ids_BT.numpy().T:
            pairs_2B = self._advance(pairs_2B, ids_B)
            gates.append(self._input(pairs_2B))
            outputs.append(self._output(pairs_2B)[:, None])
        added_BTH = np.concatenate(outputs, axis=1) if len(outputs) > 1 else outputs[0]
        after_2B1 = torch.from_numpy(pairs_2B[:, :, None]).to(state_2B1.dtype)
        return InferenceTold(gates, torch.from_numpy(added_BTH), tuple(rest), after_2B1)

    def _advance(self, pairs_2B: Pairs, ids_B: Pairs) -> Pairs:
        """Return who speaks and who spoke before at the next token; see `SpeakerEmbedding.follow`."""
        opens_B = ids_B < self._layout_size
        if not opens_B.any():
            return pairs_2B
        current_B, previous_B = pairs_2B
        last_B = np.where(current_B > 0, current_B, previous_B)
        opened_2B = np.stack([np.maximum(ids_B - self._first + 1, 0), np.where(ids_B == END, 0, last_B)])
        return np.where(opens_B, opened_2B, pairs_2B)


class _Rows:
    """Looks up the sum of two embeddings, each multiplied with a weight if there is one."""

    def __init__(self, embedding: PairEmbedding, weight: Tensor | None = None) -> None:
        tables = (SCALE * each.weight.detach() for each in (embedding.current, embedding.previous))
        self._current, self._previous = (
            (table if weight is None else F.linear(table, weight)).numpy() for table in tables
        )
        self._latest = b"", np.empty(0, dtype=np.float32)

    def __call__(self, pairs_2B: Pairs) -> Numbers:
        """Return a row for each stream; the latest are kept, since most tokens are text."""
        known = pairs_2B.tobytes()
        if self._latest[0] != known:
            self._latest = known, self._current.take(pairs_2B[0], 0) + self._previous.take(pairs_2B[1], 0)
        return self._latest[1]
