"""The inference models of `LSTMAttention` and `Transformer`.

One token at a time, attention is a few small products; what takes the time is the number of calls. So a
step is written out in NumPy, except for the products with weights. A text of several tokens, such as a
prompt, is read by the model itself, which is faster at that.

Shape letters: B streams, T steps, M memory, K = M + 1 rows that can be looked at, H hidden, N heads, D
numbers of a head.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scriptforge.models.attention import LSTMAttention
from scriptforge.models.base import State
from scriptforge.models.inference.linear import Arithmetic, InferenceModel, Product, prepare_product
from scriptforge.models.inference.recurrent import Layers
from scriptforge.models.inference.speakers import Numbers
from scriptforge.models.transformer import Transformer, TransformerLayer


class InferenceLSTMAttention(InferenceModel):
    """The inference model of an `LSTMAttention`."""

    def __init__(self, model: LSTMAttention, arithmetic: Arithmetic) -> None:
        super().__init__(model, arithmetic)
        self._layers = Layers(model, model.recurrent, arithmetic)
        self._norm = model.norm
        self._q_proj, self._out_proj = (_linear(each, arithmetic) for each in (model.q_proj, model.out_proj))

    @torch.no_grad()
    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read without scoring; see `LanguageModel.features`."""
        if ids_BT.shape[1] > 1:
            return self._model.features(ids_BT, state)
        speakers = self._layers.speakers
        told = speakers.tell(ids_BT, state) if speakers is not None else None
        *carried, filled_1B1, memory_MBH = told.rest if told else state
        output_B1H, after = self._layers.read(ids_BT, tuple(carried), told and told.gates)
        own_BH = _normalise(output_B1H[:, 0], self._norm)
        rows_KBH = np.concatenate([memory_MBH.numpy(), own_BH.numpy()[None]])
        scores_B1K: Numbers = np.einsum("bh,kbh->bk", self._q_proj(own_BH).numpy(), rows_KBH)[:, None]
        scores_B1K *= own_BH.shape[1] ** -0.5
        found_B1H = weighted_values(rows_KBH[:, :, None], scores_B1K, empty_rows(filled_1B1, len(memory_MBH)))
        features_B1H = (own_BH + self._out_proj(torch.from_numpy(found_B1H[:, 0])))[:, None]
        filled_1B1 = (filled_1B1 + 1).clamp(max=len(memory_MBH))
        after = *after, filled_1B1, torch.from_numpy(rows_KBH[1:])
        return (features_B1H + told.added_BTH, (*after, told.after)) if told else (features_B1H, after)


class InferenceTransformer(InferenceModel):
    """The inference model of a `Transformer`."""

    def __init__(self, model: Transformer, arithmetic: Arithmetic) -> None:
        super().__init__(model, arithmetic)
        self._embed = model.embed
        layers = (layer for layer in model.layers if isinstance(layer, TransformerLayer))
        self._layers = [_InferenceLayer(layer, arithmetic) for layer in layers]
        self._norm = model.norm

    @torch.no_grad()
    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read without scoring; see `LanguageModel.features`."""
        if ids_BT.shape[1] > 1:
            return self._model.features(ids_BT, state)
        told = self._embed(ids_BT, state)
        filled_1B1, *memories = told.rest
        empty_BK = empty_rows(filled_1B1, len(memories[0]))
        stream_BH = told.input_BTE[:, 0]
        after = []
        for layer, memory_MBR in zip(self._layers, memories, strict=True):
            stream_BH, rows_MBR = layer.step(stream_BH, memory_MBR.numpy(), empty_BK)
            after.append(torch.from_numpy(rows_MBR))
        filled_1B1 = (filled_1B1 + 1).clamp(max=len(memories[0]))
        features_B1H = told.features(_normalise(stream_BH, self._norm)[:, None])
        return features_B1H, (filled_1B1, *after, *told.after)


class _InferenceLayer:
    """A layer of a transformer."""

    def __init__(self, layer: TransformerLayer, arithmetic: Arithmetic) -> None:
        self._heads = layer.heads
        self._attention_norm, self._wide_norm = layer.attention_norm, layer.wide_norm
        matrices = (layer.qkv_proj, layer.out_proj, layer.up_proj, layer.down_proj)
        prepared = (_linear(each, arithmetic) for each in matrices)
        self._qkv_proj, self._out_proj, self._up_proj, self._down_proj = prepared
        rotation, rows, size = layer.rotation, layer.memory + 1, layer.out_proj.in_features
        cosine_KD, sine_KD = (
            table[:rows].flip(0).numpy() for table in (rotation.cosine_KD, rotation.sine_KD)
        )
        self._cosine_K1H = np.tile(cosine_KD, 2 * self._heads)[:, None]
        self._sine_K1H = np.tile(np.concatenate([-sine_KD, sine_KD], axis=1), self._heads)[:, None]
        self._other_half_H = np.arange(size).reshape(self._heads, 2, -1)[:, ::-1].reshape(size)

    def step(
        self, stream_BH: Tensor, memory_MBR: Numbers, empty_BK: Numbers | None
    ) -> tuple[Tensor, Numbers]:
        """Read one step on each stream; see `TransformerLayer.forward`."""
        streams, size = stream_BH.shape
        looked_BC = self._qkv_proj(_normalise(stream_BH, self._attention_norm)).numpy()
        rows_KBR = np.concatenate([memory_MBR, looked_BC[None, :, size:]])
        keys_KBND, values_KBND, rotated_KBND = (
            part_KBH.reshape(len(rows_KBR), streams, self._heads, -1)
            for part_KBH in (rows_KBR[:, :, :size], rows_KBR[:, :, size:], self._rotate(looked_BC[:, :size]))
        )
        scores_BNK: Numbers = np.einsum("kbnd,kbnd->bnk", rotated_KBND, keys_KBND)
        scores_BNK *= keys_KBND.shape[-1] ** -0.5
        found_BND = weighted_values(values_KBND, scores_BNK, empty_BK)
        stream_BH = stream_BH + self._out_proj(torch.from_numpy(found_BND.reshape(streams, size)))
        wide_BW = F.gelu(self._up_proj(_normalise(stream_BH, self._wide_norm)))
        return stream_BH + self._down_proj(wide_BW), rows_KBR[1:]

    def _rotate(self, query_BH: Numbers) -> Numbers:
        """Rotate the query as each row has to see it: `rotated_KBH`.

        Only distances count (see `Rotation`), so the query may be rotated by the whole distance to each row,
        and the keys, of which there are K times as many, not at all.
        """
        rotated_KBH: Numbers = self._cosine_K1H * query_BH
        rotated_KBH += self._sine_K1H * query_BH[:, self._other_half_H]
        return rotated_KBH


def weighted_values(values_KBND: Numbers, scores_BNK: Numbers, empty_BK: Numbers | None) -> Numbers:
    """Return the values of all rows, weighted by the softmax of their scores, which are overwritten."""
    if empty_BK is not None:
        scores_BNK += empty_BK[:, None]
    scores_BNK -= scores_BNK.max(axis=-1, keepdims=True)
    weights_BNK = np.exp(scores_BNK, out=scores_BNK)
    weights_BNK /= weights_BNK.sum(axis=-1, keepdims=True)
    found_BND: Numbers = (weights_BNK[:, :, None] @ values_KBND.transpose(1, 2, 0, 3))[:, :, 0]
    return found_BND


def empty_rows(filled_1B1: Tensor, memory: int) -> Numbers | None:
    """Return what is added to the scores of rows, minus infinity for empty ones; None if none is empty."""
    filled_B1 = filled_1B1[0].numpy()
    if filled_B1.min() >= memory:
        return None
    is_empty_BK = np.arange(memory + 1) < memory - filled_B1
    return np.where(is_empty_BK, -np.inf, 0).astype(np.float32)


def _linear(layer: nn.Linear, arithmetic: Arithmetic) -> Product:
    weight_MK = layer.weight.detach()
    return prepare_product(weight_MK, weight_MK.new_zeros(len(weight_MK)), arithmetic)


def _normalise(input_BH: Tensor, norm: nn.LayerNorm) -> Tensor:
    return F.layer_norm(input_BH, norm.normalized_shape, norm.weight, norm.bias, norm.eps)
