"""Who speaks and who spoke before, for an inference model: what they add, looked up in tables.

Shape letters: B streams, T steps, G gates (a number of H each), H features, S speakers.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from scriptforge.models.base import State
from scriptforge.models.speakers import SCALE, Pair, PairEmbedding, SpeakerEmbedding

Numbers: TypeAlias = NDArray[np.float32]


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
        self._advance = embedding.advance
        self._input = _Rows(embedding.input, weight_GE)
        self._output = _Rows(embedding.output)

    def tell(self, ids_BT: Tensor, state: State) -> InferenceTold:
        """Return what is added for each token, and who speaks after the last one."""
        *rest, state_2B1 = state
        current, previous = state_2B1[:, :, 0].tolist()
        pairs = [(int(now), int(before)) for now, before in zip(current, previous, strict=True)]
        gates, outputs = [], []
        for ids in ids_BT.T.tolist():
            pairs = [self._advance(pair, id_) for pair, id_ in zip(pairs, ids, strict=True)]
            gates.append(self._input(pairs))
            outputs.append(self._output(pairs))
        added_BTH = torch.from_numpy(np.stack(outputs, axis=1))
        after_2B1 = torch.tensor(pairs, dtype=state_2B1.dtype).T[:, :, None]
        return InferenceTold(gates, added_BTH, tuple(rest), after_2B1)


class _Rows:
    """Looks up the sum of two embeddings, each multiplied with a weight if there is one."""

    def __init__(self, embedding: PairEmbedding, weight: Tensor | None = None) -> None:
        tables = (SCALE * each.weight.detach() for each in (embedding.current, embedding.previous))
        self._current, self._previous = (
            (table if weight is None else F.linear(table, weight)).numpy() for table in tables
        )
        self._latest: tuple[Sequence[Pair], Numbers] = [], np.empty(0, dtype=np.float32)

    def __call__(self, pairs: Sequence[Pair]) -> Numbers:
        """Return a row for each stream; the latest are kept, since most tokens are text."""
        if self._latest[0] != pairs:
            current, previous = map(list, zip(*pairs, strict=True))
            self._latest = pairs, self._current[current] + self._previous[previous]
        return self._latest[1]
