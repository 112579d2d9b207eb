"""The inference models of an LSTM with attention and of a transformer.

For one token at a time, attention is a few small products with the remembered rows: the number of calls takes
the time, not the arithmetic.

Shape letters: B sequences, T steps, M memory, K = M + 1 rows that a step can attend to, H hidden, N heads, D
units of a head.
"""

import numpy as np

from scriptforge.inference.base import Ids, State, Weights
from scriptforge.inference.configs import LSTMAttentionConfig, TransformerConfig
from scriptforge.inference.products import prepare_product
from scriptforge.inference.recurrent import Head, HeadedInferenceModel, Network
from scriptforge.inference.speakers import Speakers
from scriptforge.kernel import Arithmetic, FloatArray

ROTATION_BASE = 10_000.0
"""Base of the frequencies of a rotary position embedding."""

NORM_EPSILON = 1e-5
"""Added to the variance in a norm."""


class InferenceLSTMAttention(HeadedInferenceModel):
    """The inference model of an `LSTMAttention`."""

    def __init__(self, config: LSTMAttentionConfig, weights: Weights, arithmetic: Arithmetic) -> None:
        self.config: LSTMAttentionConfig = config
        self._network = Network("lstm", config, weights, arithmetic)
        self._head = Head(weights, arithmetic, tied=config.tied)
        self._norm = weights["norm.weight"], weights["norm.bias"]
        self._q_proj = prepare_product(weights["q_proj.weight"], None, arithmetic)
        self._out_proj = prepare_product(weights["out_proj.weight"], None, arithmetic)

    def initial_state(self, sequences: int) -> State:
        """Return zeros: hidden and cell states, fill level, memory, (M, sequences, H), and any speakers."""
        hidden_LBH, cell_LBH, *speakers = self._network.initial_state(sequences)
        memory_MBH = np.zeros((self.config.memory, sequences, self.config.hidden_size), np.float32)
        return hidden_LBH, cell_LBH, np.zeros((1, sequences, 1), np.float32), memory_MBH, *speakers

    def features(self, ids_BT: Ids, state: State) -> tuple[FloatArray, State]:
        """Read without scoring; see `InferenceModel.features`."""
        hidden_LBH, cell_LBH, filled_1B1, memory_MBH, *pairs = state
        gates, added_BTH = None, None
        if self._network.speakers is not None:
            gates, added_BTH, *pairs = self._network.speakers.look_up(ids_BT, pairs[0])
        output_BTH, carried = self._network.layers.read(ids_BT, (hidden_LBH, cell_LBH), gates)
        features_BTH = normalised(output_BTH, *self._norm)
        for step in range(ids_BT.shape[1]):
            own_BH = features_BTH[:, step].copy()
            rows_KBH = np.concatenate([memory_MBH, own_BH[None]])
            features_BTH[:, step] += self._found(own_BH, rows_KBH, filled_1B1)
            memory_MBH = rows_KBH[1:]
            filled_1B1 = np.minimum(filled_1B1 + 1, np.float32(self.config.memory))
        if added_BTH is not None:
            features_BTH += added_BTH
        return features_BTH, (*carried, filled_1B1, memory_MBH, *pairs)

    def _found(self, own_BH: FloatArray, rows_KBH: FloatArray, filled_1B1: FloatArray) -> FloatArray:
        """Return what a step retrieves from the rows, the last of which is its own: `found_BH`."""
        scores_B1K: FloatArray = np.einsum("bh,kbh->bk", self._q_proj(own_BH), rows_KBH)[:, None]
        scores_B1K *= np.float32(own_BH.shape[1] ** -0.5)
        empty_BK = empty_rows(filled_1B1, len(rows_KBH) - 1)
        return self._out_proj(weighted_values(rows_KBH[:, :, None], scores_B1K, empty_BK)[:, 0])


class InferenceTransformer(HeadedInferenceModel):
    """The inference model of a `Transformer`."""

    def __init__(self, config: TransformerConfig, weights: Weights, arithmetic: Arithmetic) -> None:
        self.config: TransformerConfig = config
        self._embedding_VH = weights["embedding.weight"]
        self._speakers = Speakers(config.layout_size, config.speakers, weights) if config.speakers else None
        self._layers = [_Layer(config, weights, f"layers.{each}.") for each in range(config.layers)]
        self._norm_H = weights["norm.weight"]
        self._head = Head(weights, arithmetic, tied=config.tied)

    def initial_state(self, sequences: int) -> State:
        """Return zeros: fill level, keys and values of each layer, (M, sequences, 2H), and any speakers."""
        size = self.config.memory, sequences, 2 * self.config.hidden_size
        memories = (np.zeros(size, np.float32) for _ in self._layers)
        speakers = () if self._speakers is None else (np.zeros((2, sequences, 1), np.float32),)
        return np.zeros((1, sequences, 1), np.float32), *memories, *speakers

    def features(self, ids_BT: Ids, state: State) -> tuple[FloatArray, State]:
        """Read without scoring; see `InferenceModel.features`."""
        filled_1B1, *rest = state
        memories, pairs = rest[: len(self._layers)], rest[len(self._layers) :]
        stream_BTH = self._embedding_VH[ids_BT]
        added_BTH = None
        if self._speakers is not None:
            inputs, added_BTH, *pairs = self._speakers.look_up(ids_BT, pairs[0])
            stream_BTH += np.stack(inputs, axis=1)
        for step in range(ids_BT.shape[1]):
            empty_BK = empty_rows(filled_1B1, self.config.memory)
            stream_BH = stream_BTH[:, step]
            for place, layer in enumerate(self._layers):
                stream_BH, memories[place] = layer.step(stream_BH, memories[place], empty_BK)
            stream_BTH[:, step] = stream_BH
            filled_1B1 = np.minimum(filled_1B1 + 1, np.float32(self.config.memory))
        features_BTH = normalised(stream_BTH, self._norm_H)
        if added_BTH is not None:
            features_BTH += added_BTH
        return features_BTH, (filled_1B1, *memories, *pairs)


class _Layer:
    """A layer of a transformer.

    Args:
        config: the sizes of the model.
        weights: all weights of the model.
        name: prefix of the names of the layer's weights.
    """

    def __init__(self, config: TransformerConfig, weights: Weights, name: str) -> None:
        size, self._heads = config.hidden_size, config.head_count
        self._attention_norm_H, self._wide_norm_H = (
            weights[f"{name}{norm}_norm.weight"] for norm in ("attention", "wide")
        )
        self._qkv_proj, self._out_proj, self._up_proj, self._down_proj = (
            prepare_product(weights[f"{name}{matrix}_proj.weight"], None, "fp32")
            for matrix in ("qkv", "out", "up", "down")
        )
        half = size // self._heads // 2
        angles_Kd = np.outer(np.arange(config.memory, -1, -1), ROTATION_BASE ** -(np.arange(half) / half))
        cosine_KD, sine_KD = (each.astype(np.float32) for each in (np.cos(angles_Kd), np.sin(angles_Kd)))
        self._cosine_K1H = np.tile(cosine_KD, 2 * self._heads)[:, None]
        self._sine_K1H = np.tile(np.concatenate([-sine_KD, sine_KD], axis=1), self._heads)[:, None]
        self._other_half_H = np.arange(size).reshape(self._heads, 2, -1)[:, ::-1].reshape(size)

    def step(
        self, stream_BH: FloatArray, memory_MBR: FloatArray, empty_BK: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        """Read one token in each sequence; see `TransformerLayer.forward`."""
        sequences, size = stream_BH.shape
        looked_BC = self._qkv_proj(normalised(stream_BH, self._attention_norm_H))
        rows_KBR = np.concatenate([memory_MBR, looked_BC[None, :, size:]])
        keys_KBND, values_KBND, rotated_KBND = (
            part_KBH.reshape(len(rows_KBR), sequences, self._heads, -1)
            for part_KBH in (rows_KBR[:, :, :size], rows_KBR[:, :, size:], self._rotated(looked_BC[:, :size]))
        )
        scores_BNK: FloatArray = np.einsum("kbnd,kbnd->bnk", rotated_KBND, keys_KBND)
        scores_BNK *= np.float32(keys_KBND.shape[-1] ** -0.5)
        found_BND = weighted_values(values_KBND, scores_BNK, empty_BK)
        stream_BH = stream_BH + self._out_proj(found_BND.reshape(sequences, size))
        wide_BW = gelu(self._up_proj(normalised(stream_BH, self._wide_norm_H)))
        return stream_BH + self._down_proj(wide_BW), rows_KBR[1:]

    def _rotated(self, query_BH: FloatArray) -> FloatArray:
        """Return the query rotated for each row: `rotated_KBH`.

        Only distances count (see `Rotation`). So the query is rotated by its distance to each row, instead of
        the keys, which are K times as many.
        """
        rotated_KBH: FloatArray = self._cosine_K1H * query_BH
        rotated_KBH += self._sine_K1H * query_BH[:, self._other_half_H]
        return rotated_KBH


def normalised(input_BTH: FloatArray, weight_H: FloatArray, bias_H: FloatArray | None = None) -> FloatArray:
    """Return inputs normalised to mean 0 and variance 1, then scaled and shifted, as a new array.

    Source: Ba et al. 2016, "Layer Normalization", arXiv:1607.06450.
    """
    centred_BTH: FloatArray = input_BTH - input_BTH.mean(-1, keepdims=True)
    variance_BT1 = np.square(centred_BTH).mean(-1, keepdims=True)
    centred_BTH /= np.sqrt(variance_BT1 + np.float32(NORM_EPSILON))
    centred_BTH *= weight_H
    if bias_H is not None:
        centred_BTH += bias_H
    return centred_BTH


def gelu(input_BW: FloatArray) -> FloatArray:
    """Return x · P(X ≤ x) for a standard normal X, with an error of at most 2e-7 · |x|.

    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415; error function from Abramowitz and Stegun 1964,
    formula 7.1.26.
    """
    distance_BW = np.abs(input_BW) * np.float32(0.5**0.5)
    t_BW = 1 / (1 + np.float32(0.3275911) * distance_BW)
    tail_BW = np.zeros_like(t_BW)
    for coefficient in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail_BW += np.float32(coefficient)
        tail_BW *= t_BW
    tail_BW *= np.exp(-np.square(distance_BW))
    below_BW: FloatArray = np.where(input_BW < 0, tail_BW, 2 - tail_BW)
    below_BW *= input_BW
    below_BW *= np.float32(0.5)
    return below_BW


def weighted_values(
    values_KBND: FloatArray, scores_BNK: FloatArray, empty_BK: FloatArray | None
) -> FloatArray:
    """Return the sum of the rows' values, weighted by the softmax of their scores; overwrites the scores."""
    if empty_BK is not None:
        scores_BNK += empty_BK[:, None]
    scores_BNK -= scores_BNK.max(axis=-1, keepdims=True)
    weights_BNK = np.exp(scores_BNK, out=scores_BNK)
    weights_BNK /= weights_BNK.sum(axis=-1, keepdims=True)
    found_BND: FloatArray = (weights_BNK[:, :, None] @ values_KBND.transpose(1, 2, 0, 3))[:, :, 0]
    return found_BND


def empty_rows(filled_1B1: FloatArray, memory: int) -> FloatArray | None:
    """Return an offset for each row's score, minus infinity if the row is empty; None if no row is."""
    filled_B1 = filled_1B1[0]
    if filled_B1.min() >= memory:
        return None
    is_empty_BK = np.arange(memory + 1) < memory - filled_B1
    return np.where(is_empty_BK, -np.inf, 0).astype(np.float32)
