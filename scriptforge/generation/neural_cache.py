"""A neural cache: makes tokens likelier that came before in a similar context, above all names and places.

While a model reads, the cache stores each token with the features that it was predicted from. Where the
current features are similar to stored ones, the token stored with them is likely to come again:

    p(w) = (1 - λ) · p_model(w) + λ · M · p_cache(w)
    p_cache(w) ∝ Σ_i exp(θ · cos(h, h_i)) · [w = x_i]        over the last W positions i

This applies to cues and to tokens with a letter or a digit; M is the model's total probability of these.
White space and punctuation are left to the model, since in a cache they would reinforce themselves for ever.
The cache is cleared at the token that ends a script. Nothing is trained: the weights stay as they are.

Source: Grave, Joulin and Usunier 2017, "Improving Neural Language Models with a Continuous Cache",
arXiv:1612.04426; theirs applies to all tokens, and has the dot product in place of the cosine, which was
worse on every corpus tried.

Shape letters: B sequences of the batch, T steps, N stored positions, W their maximum number, V vocabulary,
H features.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scriptforge.generation.decoder import MAX_TOKENS, Copies, ModelDecoder, Saved, floats_in, integers_in
from scriptforge.generation.filters import Scores, log_softmax
from scriptforge.generation.grammar import Mask
from scriptforge.inference import FloatArray, Ids
from scriptforge.vocabulary import Vocabulary

_NOTHING = -1
_SHORTEST = 1e-12
_BROKEN = "\ufffd"  # what the bytes of an incomplete character are decoded to


@dataclass(frozen=True)
class CacheParameters:
    """The parameters of a cache.

    With a weight of 0.1, generated text repeats words about as often as human text does. To predict human
    text, twice that weight is better. The defaults were the best on several corpora.

    Attributes:
        weight: λ, the cache's share of the probability, 0 to 0.99.
        sharpness: θ, 0 or more: at 0 all stored positions count the same, and the higher it is, the more only
            the most similar ones count.
        window: W, number of tokens that the cache goes back, 1 or more.
    """

    weight: float
    sharpness: float = 12.0
    window: int = 2000


def unit_vectors(features: FloatArray) -> FloatArray:
    """Return features scaled to length 1, so that their dot products are cosines; same shape."""
    lengths = np.sqrt(np.square(features).sum(-1, keepdims=True))
    unit: FloatArray = features / np.maximum(lengths, np.float32(_SHORTEST))
    return unit


def attention(queries_TH: FloatArray, keys_NH: FloatArray, visible_TN: Mask, sharpness: float) -> FloatArray:
    """Return the attention weights of the stored positions at each step.

    Args:
        queries_TH: directions of the features that the next tokens are predicted from. Like the other arrays,
            it may have further leading dimensions.
        keys_NH: directions of the features that the stored tokens were predicted from.
        visible_TN: positions that each step may attend to.
        sharpness: θ.

    Returns:
        `shares_TN`: each row adds up to 1, or to 0 where no position is visible.
    """
    scores_TN = np.float32(sharpness) * (queries_TH @ np.swapaxes(keys_NH, -1, -2))
    highest_T1 = scores_TN.max(-1, keepdims=True, where=visible_TN, initial=np.float32(-sharpness - 1))
    weights_TN: FloatArray = np.where(visible_TN, np.exp(np.minimum(scores_TN - highest_T1, 0)), 0)
    weights_TN /= np.maximum(weights_TN.sum(-1, keepdims=True), np.float32(_SHORTEST))
    return weights_TN


def mix(log_probabilities: Scores, cached: Scores, applies: Mask, weight: float) -> Scores:
    """Return the log-probabilities of the mixture of model and cache.

    Args:
        log_probabilities: log-probabilities of the model.
        cached: M times the cache's probabilities of the same tokens.
        applies: where the cache covers a token and is not empty; elsewhere the model's are returned.
        weight: λ.
    """
    with np.errstate(divide="ignore"):  # the cache's probability of a token may be 0
        mixed = np.logaddexp(log_probabilities + math.log1p(-weight), np.log(np.float32(weight) * cached))
    return np.where(applies, mixed, log_probabilities)


def cacheable(vocabulary: Vocabulary) -> Mask:
    """Return the tokens that the cache covers, `sayable_V`; a part of a character counts as a letter."""
    says_something = (
        not vocabulary.is_text[id_] or any(each.isalnum() or each == _BROKEN for each in text)
        for id_, text in enumerate(vocabulary.token_texts)
    )
    sayable_V = np.fromiter(says_something, np.bool_)
    sayable_V[vocabulary.end] = False
    return sayable_V


def cacheable_mass(log_probabilities_BV: Scores, sayable_V: Mask) -> Scores:
    """Return M, the model's total probability of the tokens that the cache covers: `mass_B1`."""
    mass_B1: Scores = (np.exp(log_probabilities_BV) * sayable_V).sum(-1, keepdims=True)
    return mass_B1


class CachedDecoder:
    """A `Decoder` with a cache; its scores are log-probabilities.

    Memory and time are proportional to B · W · H: with 2,000 positions of 512 features, 4 MB a sequence.
    """

    def __init__(self, decoder: ModelDecoder, parameters: CacheParameters, vocabulary: Vocabulary) -> None:
        self._decoder = decoder
        self._parameters = parameters
        self._end = vocabulary.end
        self._sayable_V = cacheable(vocabulary)
        batch_size, size = decoder.batch_size, decoder.model.config.feature_size
        self._keys_BWH = np.zeros((batch_size, parameters.window, size), np.float32)
        self._values_BW = np.full((batch_size, parameters.window), _NOTHING)
        self._latest_B1H = np.zeros((batch_size, 1, size), np.float32)
        self._count = 0

    def read(self, ids_BT: Ids, waits_B: Mask | None = None) -> Scores:
        """See `Decoder.read`; `logits_BV` are the log-probabilities of the mixture."""
        features_BTH, logits_BV = self._decoder.read_features(ids_BT, waits_B)
        latest_B1H = self._latest_B1H
        self._remember(ids_BT, unit_vectors(features_BTH))
        if waits_B is not None:
            self._values_BW[waits_B, (self._count - 1) % self._parameters.window] = _NOTHING
            self._latest_B1H = np.where(waits_B[:, None, None], latest_B1H, self._latest_B1H)
        return self._mix_with_cache(log_softmax(logits_BV))

    def copy_sequences(self, copies: Copies) -> None:
        """See `Decoder.copy_sequences`."""
        self._decoder.copy_sequences(copies)
        for row, source in copies.items():
            for array in (self._keys_BWH, self._values_BW, self._latest_B1H):
                array[row] = array[source]

    def state(self) -> Saved:
        """See `Decoder.state`; includes the stored positions, in the order of the ring buffer."""
        used = self._used
        return {
            **self._decoder.state(),
            "cache.keys": self._keys_BWH[:, :used].copy(),
            "cache.values": self._values_BW[:, :used].copy(),
            "cache.latest": self._latest_B1H.copy(),
            "cache.count": np.array(self._count),
        }

    def restore(self, state: Saved) -> None:
        """See `Decoder.restore`; the window must be the same."""
        batch_size, window, size = self._keys_BWH.shape
        count = int(integers_in(state, "cache.count", (), 0, MAX_TOKENS))
        used, last = min(count, window), len(self._sayable_V) - 1
        self._keys_BWH[:, :used] = floats_in(state, "cache.keys", (batch_size, used, size))
        self._values_BW[:, :used] = integers_in(state, "cache.values", (batch_size, used), _NOTHING, last)
        self._latest_B1H = floats_in(state, "cache.latest", (batch_size, 1, size))
        self._count = count
        self._decoder.restore(state)

    @property
    def _used(self) -> int:
        return min(self._count, self._parameters.window)

    def _remember(self, ids_BT: Ids, keys_BTH: FloatArray) -> None:
        """Store each token with the features before it, and forget all up to the last `<end>`."""
        ended_BT = (ids_BT == self._end)[:, ::-1].cumsum(1)[:, ::-1] > 0
        self._values_BW[ended_BT[:, 0]] = _NOTHING
        values_BT = np.where(ended_BT | ~self._sayable_V[ids_BT], _NOTHING, ids_BT)
        if not self._count:
            values_BT[:, 0] = _NOTHING  # the first token was not predicted from anything
        shifted_BTH = np.concatenate([self._latest_B1H, keys_BTH[:, :-1]], axis=1)
        window = self._parameters.window
        slots = np.arange(self._count, self._count + ids_BT.shape[1]) % window
        self._keys_BWH[:, slots[-window:]] = shifted_BTH[:, -window:]
        self._values_BW[:, slots[-window:]] = values_BT[:, -window:]
        self._latest_B1H = keys_BTH[:, -1:]
        self._count += ids_BT.shape[1]

    def _mix_with_cache(self, log_probabilities_BV: Scores) -> Scores:
        keys_BNH, values_BN = self._keys_BWH[:, : self._used], self._values_BW[:, : self._used]
        visible_BN = values_BN != _NOTHING
        shares_B1N = attention(self._latest_B1H, keys_BNH, visible_BN[:, None], self._parameters.sharpness)
        cached_BV: NDArray[Any] = np.zeros_like(log_probabilities_BV)
        for cached_V, values_N, shares_N in zip(cached_BV, values_BN, shares_B1N[:, 0], strict=True):
            cached_V += np.bincount(np.maximum(values_N, 0), shares_N, len(cached_V))
        mass_B1 = cacheable_mass(log_probabilities_BV, self._sayable_V)
        applies_BV = visible_BN.any(1, keepdims=True) & self._sayable_V
        return mix(log_probabilities_BV, mass_B1 * cached_BV, applies_BV, self._parameters.weight)
