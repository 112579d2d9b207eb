"""The `stream_cached` protocol: the `stream` loss of a model with a neural cache.

As in `stream`, the text is read in order; in addition, the cache remembers the last W tokens of the same
document. It is emptied at each `<end>`, so that no document helps to predict the next. The loss of a token is
its negative log-probability under the mixture of model and cache, which sums to 1 over the vocabulary.

Generation looks back once per token. Here the text is known in advance, so a whole chunk takes one matrix
product: its features with those of the chunk itself and of the W tokens before it.

Shape letters: T steps of a chunk, N tokens, K tokens visible from a chunk (at most W + T), V vocabulary,
H features.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from scriptforge.dataset import Dataset
from scriptforge.evaluation.loss import check_not_empty, extent
from scriptforge.generation.filters import log_softmax
from scriptforge.generation.grammar import Mask
from scriptforge.generation.neural_cache import (
    CacheParameters,
    attention,
    cacheable,
    cacheable_mass,
    mix,
    unit_vectors,
)
from scriptforge.inference import FloatArray, Ids
from scriptforge.models import LanguageModel
from scriptforge.run.records import LossMetrics
from scriptforge.vocabulary import Vocabulary

_CHUNK = 256


def evaluate_cached(
    model: LanguageModel, dataset: Dataset, split: str, parameters: CacheParameters
) -> LossMetrics:
    """Evaluate a model with a cache on a whole split, each source of a mix by itself; see `evaluate_sources`.

    Tune the parameters on `validation`: a weight near 0.2 was best there for several corpora, at every level.

    Raises:
        DatasetError: the split is empty.
    """
    check_not_empty(dataset, split)
    nats = sum(
        cached_nats(model, ids, dataset.vocabulary, parameters)
        for ids in dataset.ids_by_source(split).values()
    )
    return extent(dataset, split).metrics(nats, len(dataset.ids(split)))


@torch.inference_mode()
def cached_nats(
    model: LanguageModel,
    ids_N: NDArray[np.unsignedinteger],
    vocabulary: Vocabulary,
    parameters: CacheParameters,
) -> float:
    """Return the total negative log-likelihood, in nats, of a text that is read after an `<end>`."""
    state = model.initial_state(1)
    device = state[0].device
    sayable_V = cacheable(vocabulary)
    past = _Past(model.config.feature_size, parameters.window)
    before, document = vocabulary.end, 0
    nats = 0.0
    for start in range(0, len(ids_N), _CHUNK):
        targets_T = ids_N[start : start + _CHUNK].astype(np.int64)
        ids_T = np.concatenate([[before], targets_T[:-1]])
        documents_T = document + (ids_T == vocabulary.end).cumsum()
        features_1TH, state = model.features(torch.from_numpy(ids_T[None]).to(device), state)
        logarithms_TV = log_softmax(model.score(features_1TH)[0].float().cpu().numpy())
        sayable_T = sayable_V[targets_T]
        keys_TH = unit_vectors(features_1TH[0].float().cpu().numpy())
        past.add(keys_TH, targets_T, sayable_T, documents_T)
        cached_T, sees_anything_T = past.expected(targets_T, parameters.sharpness)
        cached_T *= cacheable_mass(logarithms_TV, sayable_V)[:, 0]
        logarithms_T = logarithms_TV[np.arange(len(targets_T)), targets_T]
        mixed_T = mix(logarithms_T, cached_T, sees_anything_T & sayable_T, parameters.weight)
        nats -= float(mixed_T.sum(dtype=np.float64))
        before, document = int(targets_T[-1]), int(documents_T[-1])
    return nats


class _Past:
    """The last chunk of a text and the W positions before it.

    For each position it keeps the token there (the value), the direction of the features that predicted it
    (the key), whether the cache may repeat the token, and the number of the document.
    """

    def __init__(self, size: int, window: int) -> None:
        self._window = window
        self._keys_KH: FloatArray = np.empty((0, size), np.float32)
        self._values_K: Ids = np.empty(0, np.int64)
        self._sayable_K: Mask = np.empty(0, np.bool_)
        self._documents_K: Ids = self._values_K

    def add(self, keys_TH: FloatArray, values_T: Ids, sayable_T: Mask, documents_T: Ids) -> None:
        """Append the next chunk, and drop the positions that none of its steps can see."""
        window = self._window
        self._keys_KH = np.concatenate([self._keys_KH[-window:], keys_TH])
        self._values_K = np.concatenate([self._values_K[-window:], values_T])
        self._sayable_K = np.concatenate([self._sayable_K[-window:], sayable_T])
        self._documents_K = np.concatenate([self._documents_K[-window:], documents_T])

    def expected(self, targets_T: Ids, sharpness: float) -> tuple[FloatArray, Mask]:
        """Return the cache's probability of each token of the last chunk, and whether it saw any position."""
        steps, kept = len(targets_T), len(self._values_K)
        positions_K = np.arange(kept)
        ages_TK = positions_K[-steps:, None] - positions_K
        # A step sees the last W positions before it, in its own document. The K positions include its own,
        # at age 0, which must stay hidden: it holds the token that is being predicted.
        visible_TK = self._sayable_K & (ages_TK > 0) & (ages_TK <= self._window)
        visible_TK &= self._documents_K[-steps:, None] == self._documents_K
        shares_TK = attention(self._keys_KH[-steps:], self._keys_KH, visible_TK, sharpness)
        cached_T: FloatArray = (shares_TK * (targets_T[:, None] == self._values_K)).sum(-1)
        return cached_T, np.any(visible_TK, axis=-1)
