"""The speaker embedding of an inference model: rows for the current and the previous speaker, from tables.

`scriptforge.models.speakers` says what it is for, and how a model learns it.

Shape letters: B sequences, T steps, G gates (a number of H each), H features, S speakers; 2 for current and
previous.
"""

from typing import NamedTuple

import numpy as np

from scriptforge.inference.base import Ids, Weights
from scriptforge.inference.tables import Table
from scriptforge.kernel import FloatArray

SCALE = 0.1
"""Factor of the weights, which makes their training steps smaller.

A speaker's row is read at every token of a line, so a step changes all of them at once. At the learning rate
that suits tokens, the model learnt more slowly for the first thousand steps than without speakers.
"""

END = 0
"""Id of the token between scripts."""


class SpeakerTerms(NamedTuple):
    """What the speaker embedding adds at some tokens.

    Attributes:
        gates: for each step, what is added to the gates of the first layer, (B, G).
        added_BTH: what is added to the features.
        after_2B1: the current and the previous speaker at the last token.
    """

    gates: list[FloatArray]
    added_BTH: FloatArray
    after_2B1: FloatArray


class Speakers:
    """The speaker embedding of a model, which adds to the gates of the first layer and to the features.

    Args:
        layout_size: number of layout tokens, the first ids.
        speakers: S, number of speakers' cues, the last of these.
        weights: all weights of the model.
        weight_GE: the first layer's input weight; None to add to the layer's input instead of its gates.
    """

    def __init__(
        self, layout_size: int, speakers: int, weights: Weights, weight_GE: FloatArray | None = None
    ) -> None:
        self._first, self._layout_size = layout_size - speakers, layout_size
        scaled = {
            place: [
                np.float32(SCALE) * weights[f"speaker_embedding.{place}.{name}.weight"]
                for name in ("current", "previous")
            ]
            for place in ("input", "output")
        }
        self._input = _Pairs([Table(each, weight_GE) for each in scaled["input"]])
        self._output = _Pairs([Table(each) for each in scaled["output"]])
        nothing = np.empty((2, 0, 1), np.float32)
        self._latest = SpeakerTerms([], nothing, nothing)  # for text tokens, until the speaker changes

    def look_up(self, ids_BT: Ids, pairs_2B1: FloatArray) -> SpeakerTerms:
        """Return what is added at each token, and the speakers at the last one."""
        latest = self._latest  # read once, since another thread may replace it
        is_as_before = pairs_2B1 is latest.after_2B1 and ids_BT.shape[1] == 1
        if is_as_before and min(ids_BT[:, 0].tolist()) >= self._layout_size:
            return latest
        pairs_2B: Ids = pairs_2B1[:, :, 0].astype(np.int64)
        gates, outputs = [], []
        for ids_B in ids_BT.T:
            pairs_2B = self._advance(pairs_2B, ids_B)
            gates.append(self._input.rows(pairs_2B))
            outputs.append(self._output.rows(pairs_2B)[:, None])
        added_BTH = np.concatenate(outputs, axis=1) if len(outputs) > 1 else outputs[0]
        after_2B1 = pairs_2B[:, :, None].astype(np.float32)
        self._latest = SpeakerTerms(gates[-1:], outputs[-1], after_2B1)
        return SpeakerTerms(gates, added_BTH, after_2B1)

    def _advance(self, pairs_2B: Ids, ids_B: Ids) -> Ids:
        """Return the current and the previous speakers at the next token; see `SpeakerEmbedding.follow`."""
        opens_B = ids_B < self._layout_size
        if not opens_B.any():
            return pairs_2B
        current_B, previous_B = pairs_2B
        last_B = np.where(current_B > 0, current_B, previous_B)
        opened_2B = np.stack([np.maximum(ids_B - self._first + 1, 0), np.where(ids_B == END, 0, last_B)])
        return np.where(opens_B, opened_2B, pairs_2B)


class _Pairs:
    """Sums of a row for the current speaker and one for the previous."""

    def __init__(self, tables: list[Table]) -> None:
        self._current, self._previous = tables
        self._latest: tuple[bytes, Ids, FloatArray] = (
            b"",
            np.empty((2, 0), np.int64),
            np.empty((0, 0), np.float32),
        )

    def rows(self, pairs_2B: Ids) -> FloatArray:
        """Return a row for each sequence; the latest are kept, as few tokens change the speakers."""
        known, known_2B, rows_BN = self._latest  # read once, since another thread may replace it
        asked = pairs_2B.tobytes()
        if asked == known:
            return rows_BN
        if known_2B.shape != pairs_2B.shape or len(rows_BN) == 1:
            rows_BN = self._computed(pairs_2B)
        else:
            changed = np.flatnonzero((known_2B != pairs_2B).any(0))
            rows_BN = rows_BN.copy()
            rows_BN[changed] = self._computed(pairs_2B[:, changed])
        self._latest = asked, pairs_2B, rows_BN
        return rows_BN

    def _computed(self, pairs_2B: Ids) -> FloatArray:
        rows_BN: FloatArray = self._current.rows(pairs_2B[0]) + self._previous.rows(pairs_2B[1])
        return rows_BN
