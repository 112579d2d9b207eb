"""A cache of decoder states, so that after a new line a model reads only that line.

The key of a text is a hash of the ids of all its elements. A cached state is that of a decoder of one
sequence after all ids except the last: the decoding loop reads the last id again, which gives the scores of
the next token.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np

from scriptforge.generation.decoder import Decoder, ModelDecoder, Saved
from scriptforge.generation.turn_taking import TurnTaking
from scriptforge.inference import InferenceModel
from scriptforge.serve.prompt import EncodedRequest
from scriptforge.text_statistics.turns import TurnStatistics
from scriptforge.vocabulary import Vocabulary

MAX_BYTES = 48_000_000
"""Maximum bytes of all cached states of a model."""

_ELEMENTS_BETWEEN = 8
"""Number of elements between two cached states of a text, so that a change in its middle costs little."""


class PrefixCache:
    """A cache of decoder states after recent texts; threads may share it.

    Args:
        model: the model that reads.
        vocabulary: vocabulary of the model.
        statistics: how people take turns in the training text; None if the decoder does not track turns.
    """

    def __init__(
        self, model: InferenceModel, vocabulary: Vocabulary, statistics: TurnStatistics | None
    ) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._statistics = statistics
        self._lock = threading.Lock()
        self._states: OrderedDict[bytes, Saved] = OrderedDict()
        self._bytes = 0

    def state_after(self, request: EncodedRequest, sequences: int) -> Saved:
        """Return the state of a decoder of several sequences after the text of a request except its last id.

        That state and some before it are cached.
        """
        parts = [request.opening, *request.element_ids]
        keys = _prefix_keys(parts)
        reached, saved = self._find_cached(keys)
        decoder = self._new_decoder()
        if saved is not None:
            decoder.restore(saved)
        stops = [*range(_ELEMENTS_BETWEEN, len(parts) - 1, _ELEMENTS_BETWEEN), len(parts) - 1]
        for stop in (each for each in stops if each > reached):
            last_id = [parts[reached][-1]] if reached >= 0 else []
            ids = [*last_id, *(id_ for part in parts[reached + 1 : stop + 1] for id_ in part)][:-1]
            if ids:
                decoder.read(np.array([ids]))
            reached = stop
            saved = decoder.state()
            self._store(keys[stop], saved)
        assert saved is not None, "the last stop is the end of the text"
        return _repeat(saved, sequences, len(request.element_ids))

    def _new_decoder(self) -> Decoder:
        reader = ModelDecoder(self._model, 1)
        return TurnTaking(reader, self._statistics, self._vocabulary, 1) if self._statistics else reader

    def _find_cached(self, keys: Sequence[bytes]) -> tuple[int, Saved | None]:
        """Return the index of the last part with a cached state, and that state; -1 and None without one."""
        with self._lock:
            for place in range(len(keys) - 1, -1, -1):
                if keys[place] in self._states:
                    self._states.move_to_end(keys[place])
                    return place, self._states[keys[place]]
        return -1, None

    def _store(self, key: bytes, saved: Saved) -> None:
        with self._lock:
            if key in self._states:
                return
            self._states[key] = saved
            self._bytes += _size(saved)
            while self._bytes > MAX_BYTES and len(self._states) > 1:
                self._bytes -= _size(self._states.popitem(last=False)[1])


def _prefix_keys(parts: Sequence[tuple[int, ...]]) -> list[bytes]:
    """Return for each part the key of the text up to its end."""
    keys: list[bytes] = []
    for part in parts:
        before = keys[-1] if keys else b""
        keys.append(blake2b(np.array(part, "<u4").tobytes(), digest_size=16, key=before).digest())
    return keys


def _size(saved: Saved) -> int:
    return sum(array.nbytes for array in saved.values())


def _repeat(saved: Saved, sequences: int, lines: int) -> Saved:
    """Repeat the state of one sequence for several that have read the same text."""
    several = {
        name: np.repeat(array, sequences, axis=1 if name.startswith("state.") else 0)
        for name, array in saved.items()
    }
    return {**several, "voice.openings": np.full(sequences, lines)}
