"""A small transformer: layers of attention with a bounded memory, each with a feed-forward network.

Shape letters: B streams, T steps, M memory, K = M + T, V vocabulary, H hidden, L layers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scriptforge.inference.configs import UP_FACTOR, TransformerConfig
from scriptforge.models.attention import (
    STEPS_AT_ONCE,
    AttentiveModel,
    Rotation,
    attend,
    attention_mask,
    filled_after,
)
from scriptforge.models.base import State
from scriptforge.models.layers import dropout


class Transformer(AttentiveModel):
    """A pre-norm decoder: layers normalise their input, and add their output to the residual stream.

    Source: Vaswani et al. 2017, arXiv:1706.03762; Xiong et al. 2020, arXiv:2002.04745, on where to normalise;
        Dai et al. 2019, arXiv:1901.02860, on the memory of earlier text.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config: TransformerConfig = config
        self.embedding = nn.Embedding(config.vocabulary_size, config.hidden_size)
        self.add_speakers(config.layout_size, config.speakers)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.hidden_size, bias=False)
        self.add_head(tied=config.tied)

    def initial_state(self, streams: int) -> State:
        """Return a zero fill level, and the keys and values of each layer, (M, streams, 2H)."""
        config = self.config
        zero = self.head.bias.new_zeros
        memories = (zero((config.memory, streams, 2 * config.hidden_size)) for _ in self.layers)
        return zero((1, streams, 1)), *memories, *self.initial_speakers(streams)

    def read_piece(self, ids_TB: Tensor, state: State) -> tuple[Tensor, State]:
        """See `AttentiveModel.read_piece`; the features are the normalised output of the last layer."""
        config = self.config
        embedded = self.embed(ids_TB.T, state)
        filled_1B1, *memories = embedded.rest
        mask_B1TK = attention_mask(filled_1B1, len(ids_TB), config.memory)
        stream_TBH = dropout(embedded.input_BTE.transpose(0, 1), config.dropout_input, self.training)
        after = []
        for layer, memory_MBR in zip(self.layers, memories, strict=True):
            stream_TBH, memory_MBR = layer(stream_TBH, memory_MBR, mask_B1TK)
            after.append(memory_MBR)
        features_TBH = dropout(self.norm(stream_TBH), config.dropout_output, self.training)
        filled_1B1 = filled_after(filled_1B1, len(ids_TB), config.memory)
        return embedded.features(features_TBH.transpose(0, 1)), (filled_1B1, *after, *embedded.after)

    def orthogonal_blocks(self) -> dict[str, int]:
        """Return each layer's matrices, with three in one weight; see `TrainableModel.orthogonal_blocks`."""
        matrices = ((name, weight) for name, weight in self.layers.named_parameters() if weight.dim() == 2)
        return {f"layers.{name}": 3 if "qkv_proj" in name else 1 for name, _ in matrices}


class TransformerLayer(nn.Module):
    """Attention and a feed-forward network, each added to the residual stream."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        size = config.hidden_size
        self.heads = config.head_count
        self.memory = config.memory
        self._dropout = config.dropout_between
        self.rotation = Rotation(size // self.heads, config.memory + STEPS_AT_ONCE)
        self.attention_norm = nn.LayerNorm(size, bias=False)
        self.qkv_proj = nn.Linear(size, 3 * size, bias=False)
        self.out_proj = nn.Linear(size, size, bias=False)
        self.wide_norm = nn.LayerNorm(size, bias=False)
        self.up_proj = nn.Linear(size, UP_FACTOR * size, bias=False)
        self.down_proj = nn.Linear(UP_FACTOR * size, size, bias=False)
        with torch.no_grad():  # so that the sum of 2L additions starts no larger than one of them
            for last in (self.out_proj, self.down_proj):
                last.weight /= (2 * config.layers) ** 0.5

    def forward(self, stream_TBH: Tensor, memory_MBR: Tensor, mask_B1TK: Tensor) -> tuple[Tensor, Tensor]:
        """Return the residual stream for the next layer, and the memory after the last step.

        Args:
            stream_TBH: the residual stream from the previous layer.
            memory_MBR: the keys and values of earlier steps, concatenated.
            mask_B1TK: as returned by `attention_mask`.
        """
        size = stream_TBH.shape[2]
        query_TBH, new_TBR = self.qkv_proj(self.attention_norm(stream_TBH)).split([size, 2 * size], dim=2)
        rows_KBR = torch.cat([memory_MBR, new_TBR.to(memory_MBR.dtype)])
        keys_KBH, values_KBH = rows_KBR.chunk(2, dim=2)
        found_TBH = attend(
            self.rotation(query_TBH, self.memory),
            self.rotation(keys_KBH),
            values_KBH,
            mask_B1TK,
            self.heads,
        )
        stream_TBH = stream_TBH + self._drop(self.out_proj(found_TBH))
        wide_TBW = F.gelu(self.up_proj(self.wide_norm(stream_TBH)))
        return stream_TBH + self._drop(self.down_proj(wide_TBW)), rows_KBR[-self.memory :]

    def _drop(self, added_TBH: Tensor) -> Tensor:
        return dropout(added_TBH, self._dropout, self.training)
