"""An LSTM that looks back: one head of attention over its own states of the last M steps.

After Merity 2019, arXiv:1911.11423 ("Single Headed Attention RNN"), simplified. What is remembered of a step
is its state, nothing else. With one head, a matrix for the keys can be multiplied with the query instead, and
one for the values with the weighted sum: once a step, not once a row. So there are only those two matrices.
Order is left to the LSTM: attention does not know how long ago something was.

Shape letters: B streams, T steps, M memory, K = M + T, V vocabulary, E embedding, H hidden, L layers.
"""

from typing import Literal

import torch
from pydantic import model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from scriptforge.config import Layers, Memory, Probability, Size, VocabularySize
from scriptforge.models.attention import attend, attention_mask, filled_after, read_in_pieces, refuse_enormous
from scriptforge.models.base import CLOSED, State
from scriptforge.models.layers import HeadedModel, dropout, head_shapes
from scriptforge.models.recurrent import open_forget_gates, read, recurrent_blocks, recurrent_shapes


@dataclass(frozen=True, config=CLOSED)
class LSTMAttentionConfig:
    """Sizes and dropout of an `LSTMAttention`.

    Attributes:
        vocabulary_size: V.
        embedding_size: E.
        hidden_size: H.
        layers: L, of the LSTM.
        memory: M, how many steps before itself a step looks at.
        dropout_input: share of embedding units dropped before the LSTM.
        dropout_between: share of units dropped between layers of the LSTM.
        dropout_recurrent: share of connections dropped in the LSTM; see `RecurrentConfig`.
        dropout_output: share of units dropped before the head.
        tied: whether the head's weight is the embedding.
        arch: the architecture.
    """

    vocabulary_size: VocabularySize
    embedding_size: Size
    hidden_size: Size
    layers: Layers = 1
    memory: Memory = 128
    dropout_input: Probability = 0.0
    dropout_between: Probability = 0.0
    dropout_recurrent: Probability = 0.0
    dropout_output: Probability = 0.0
    tied: bool = False
    arch: Literal["lstm-attention"] = "lstm-attention"

    @model_validator(mode="after")
    def _fits_together(self) -> "LSTMAttentionConfig":
        refuse_enormous(self.memory, self.hidden_size)
        return self

    @property
    def feature_size(self) -> int:
        """Return H; see `ModelConfig.feature_size`."""
        return self.hidden_size

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every weight; see `ModelConfig.weight_shapes`."""
        size = self.hidden_size
        return {
            **head_shapes(self.vocabulary_size, self.embedding_size, size, tied=self.tied),
            **recurrent_shapes("lstm", self.embedding_size, size, self.layers),
            "norm.weight": (size,),
            "norm.bias": (size,),
            "q_proj.weight": (size, size),
            "out_proj.weight": (size, size),
        }


class LSTMAttention(HeadedModel):
    """An LSTM whose features are its normalised state plus what attention finds among its earlier ones."""

    def __init__(self, config: LSTMAttentionConfig) -> None:
        super().__init__()
        self.config: LSTMAttentionConfig = config
        size = config.hidden_size
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
        self.recurrent = nn.LSTM(
            config.embedding_size,
            size,
            config.layers,
            dropout=config.dropout_between if config.layers > 1 else 0.0,
        )
        self.norm = nn.LayerNorm(size)
        self.q_proj = nn.Linear(size, size, bias=False)
        self.out_proj = nn.Linear(size, size, bias=False)
        self.add_head(tied=config.tied)
        open_forget_gates(self.recurrent)

    def initial_state(self, streams: int) -> State:
        """Return empty hidden and cell states, (L, streams, H), fill level and memory, (M, streams, H)."""
        config = self.config
        zero = self.head.bias.new_zeros
        hidden_LBH, cell_LBH = (zero((config.layers, streams, config.hidden_size)) for _ in range(2))
        return hidden_LBH, cell_LBH, zero((1, streams, 1)), zero((config.memory, streams, config.hidden_size))

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read without scoring; see `LanguageModel.features`."""
        return read_in_pieces(self._read, ids_BT, state)

    def _read(self, ids_TB: Tensor, state: State) -> tuple[Tensor, State]:
        """Read at most `STEPS_AT_ONCE` steps: return `features_TBH` and the state after them."""
        config, memory = self.config, self.config.memory
        hidden_LBH, cell_LBH, filled_1B1, memory_MBH = state
        input_TBE = dropout(self.embedding(ids_TB), config.dropout_input, self.training)
        output_TBH, carried = read(
            self.recurrent, input_TBE, (hidden_LBH, cell_LBH), config.dropout_recurrent
        )
        own_TBH = self.norm(output_TBH)
        rows_KBH = torch.cat([memory_MBH, own_TBH.to(memory_MBH.dtype)])
        mask_B1TK = attention_mask(filled_1B1, len(ids_TB), memory)
        found_TBH = self.out_proj(attend(self.q_proj(own_TBH), rows_KBH, rows_KBH, mask_B1TK, heads=1))
        features_TBH = dropout(own_TBH + found_TBH, config.dropout_output, self.training)
        return features_TBH, (*carried, filled_after(filled_1B1, len(ids_TB), memory), rows_KBH[-memory:])

    def orthogonal_blocks(self) -> dict[str, int]:
        """Return a block for each gate and projection; see `TrainableModel.orthogonal_blocks`."""
        return {**recurrent_blocks(self.recurrent), "q_proj.weight": 1, "out_proj.weight": 1}
