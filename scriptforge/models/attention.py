"""Attention with a bounded memory: each step attends to itself and to exactly the M steps before it.

So a text gives the same result whether it is read at once, in pieces or token by token. The row of a step is
computed once, when the step is read, and then kept in the memory; time is the first dimension here, so that a
memory can be part of a model's state. The M rows are filled from the end, and empty ones are masked.

`LSTMAttention` is an LSTM with one attention head over its own states of the last M steps.

It is simplified from Merity 2019, arXiv:1911.11423 ("Single Headed Attention RNN"). The row of a step is just
its state. With one head, the key matrix can be applied to the query instead, and the value matrix to the
weighted sum: once per step, not once per row. So there are only these two matrices. Order is left to the
LSTM: attention does not know the distance of a row.

Shape letters: B streams, T steps, M memory, K = M + T rows to attend to, E numbers of a row or of an
embedding, N heads, D numbers of a head, V vocabulary, H hidden, L layers.
"""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scriptforge.inference.attention import ROTATION_BASE
from scriptforge.inference.configs import LSTMAttentionConfig
from scriptforge.models.base import State
from scriptforge.models.layers import HeadedModel, dropout
from scriptforge.models.recurrent import open_forget_gates, read, recurrent_blocks

STEPS_AT_ONCE = 256
"""Longer texts are read in pieces of this many steps, so that the mask stays small."""


class AttentiveModel(HeadedModel):
    """A model with attention over a memory, which reads texts of any length `STEPS_AT_ONCE` at a time."""

    @abstractmethod
    def read_piece(self, ids_TB: Tensor, state: State) -> tuple[Tensor, State]:
        """Read at most `STEPS_AT_ONCE` steps, and return `features_BTE` and the state after them."""

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        """Read without scoring; see `LanguageModel.features`."""
        pieces = []
        for piece_TB in torch.split(ids_BT.T, STEPS_AT_ONCE):
            features_BTE, state = self.read_piece(piece_TB, state)
            pieces.append(features_BTE)
        return torch.cat(pieces, dim=1), state


def attention_mask(filled_1B1: Tensor, steps: int, memory: int) -> Tensor:
    """Return the mask to add to the attention scores of every head: 0 for the rows that a step attends to.

    With M = 2 and T = 3 there are K = 5 rows. Step t is row M + t and attends to rows t to M + t. If only one
    row of the memory is filled, row 0 is masked as well (0 is visible, . is masked):

        row      0 1 2 3 4
        step 0   . 0 0 . .
        step 1   . 0 0 0 .
        step 2   . . 0 0 0

    Args:
        filled_1B1: number of filled rows of the memory.
        steps: T.
        memory: M.

    Returns:
        `mask_B1TK`, of 0 and minus infinity.
    """
    rows_K = torch.arange(memory + steps, device=filled_1B1.device)
    distance_TK = rows_K[memory:, None] - rows_K
    is_near_TK = (distance_TK >= 0) & (distance_TK <= memory)
    is_filled_B1K = rows_K >= memory - filled_1B1.transpose(0, 1)
    out_of_sight_B1TK = ~(is_near_TK & is_filled_B1K)[:, None]
    return torch.zeros_like(out_of_sight_B1TK, dtype=torch.float32).masked_fill(out_of_sight_B1TK, -torch.inf)


def filled_after(filled_1B1: Tensor, steps: int, memory: int) -> Tensor:
    """Return the number of filled rows of a memory after some more steps."""
    return (filled_1B1 + steps).clamp(max=memory)


def attend(query_TBE: Tensor, keys_KBE: Tensor, values_KBE: Tensor, mask_B1TK: Tensor, heads: int) -> Tensor:
    """Return the values of the rows that each step attends to, weighted by the match of key and query.

    On a CPU this is always computed in fp32: in bf16 its gradient takes several times as long there.

    Source: Vaswani et al. 2017, arXiv:1706.03762.

    Args:
        query_TBE: the query of each step.
        keys_KBE: the key of each row, those of the memory first.
        values_KBE: the value of each row.
        mask_B1TK: as returned by `attention_mask`.
        heads: N, each with its own part of the E numbers.
    """
    with torch.autocast("cpu", enabled=False):
        query_BNTD, keys_BNKD, values_BNKD = (
            rows.to(keys_KBE.dtype).view(*rows.shape[:2], heads, -1).permute(1, 2, 0, 3)
            for rows in (query_TBE, keys_KBE, values_KBE)
        )
        found_BNTD = F.scaled_dot_product_attention(query_BNTD, keys_BNKD, values_BNKD, attn_mask=mask_B1TK)
    return found_BNTD.permute(2, 0, 1, 3).flatten(2)


class Rotation(nn.Module):
    """Rotary position embedding: rotates queries and keys by their positions.

    Their product then depends only on the distance between the positions. So the memory keeps keys unrotated,
    and a row is rotated by its position among the K current rows: angles stay small in texts of any length.

    Source: Su et al. 2021, arXiv:2104.09864.

    Args:
        head_size: D, an even number.
        places: number of positions.
    """

    cosine_KD: Tensor
    sine_KD: Tensor

    def __init__(self, head_size: int, places: int) -> None:
        super().__init__()
        frequencies_D = ROTATION_BASE ** -torch.arange(0, 1, 2 / head_size)
        angles_KD = torch.outer(torch.arange(places), frequencies_D)
        self.register_buffer("cosine_KD", angles_KD.cos(), persistent=False)
        self.register_buffer("sine_KD", angles_KD.sin(), persistent=False)

    def forward(self, rows_KBE: Tensor, first: int = 0) -> Tensor:
        """Rotate rows, the first of which is at position `first`.

        Numbers d and d + D/2 of a head are a pair (x, y), which becomes (x cos - y sin, y cos + x sin).
        """
        places = slice(first, first + len(rows_KBE))
        cosine_KD, sine_KD = self.cosine_KD[places], self.sine_KD[places]
        both_halves_K112D = torch.stack([-sine_KD, sine_KD], dim=1)[:, None, None]
        rows_KBN2D = rows_KBE.view(*rows_KBE.shape[:2], -1, 2, cosine_KD.shape[1])
        across_KBN2D = rows_KBN2D.flip(3) * both_halves_K112D
        return torch.addcmul(across_KBN2D, rows_KBN2D, cosine_KD[:, None, None, None]).flatten(2)


class LSTMAttention(AttentiveModel):
    """An LSTM whose features are its normalised state plus the result of attention over earlier states."""

    def __init__(self, config: LSTMAttentionConfig) -> None:
        super().__init__()
        self.config: LSTMAttentionConfig = config
        size = config.hidden_size
        self.embedding = nn.Embedding(config.vocabulary_size, config.embedding_size)
        self.add_speakers(config.layout_size, config.speakers)
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
        """Return zero hidden and cell states, (L, streams, H), fill level, and memory, (M, streams, H)."""
        config = self.config
        zero = self.head.bias.new_zeros
        hidden_LBH, cell_LBH = (zero((config.layers, streams, config.hidden_size)) for _ in range(2))
        memory_MBH = zero((config.memory, streams, config.hidden_size))
        return hidden_LBH, cell_LBH, zero((1, streams, 1)), memory_MBH, *self.initial_speakers(streams)

    def read_piece(self, ids_TB: Tensor, state: State) -> tuple[Tensor, State]:
        """See `AttentiveModel.read_piece`."""
        config, memory = self.config, self.config.memory
        embedded = self.embed(ids_TB.T, state)
        hidden_LBH, cell_LBH, filled_1B1, memory_MBH = embedded.rest
        input_TBE = dropout(embedded.input_BTE.transpose(0, 1), config.dropout_input, self.training)
        output_TBH, carried = read(
            self.recurrent, input_TBE, (hidden_LBH, cell_LBH), config.dropout_recurrent
        )
        own_TBH = self.norm(output_TBH)
        rows_KBH = torch.cat([memory_MBH, own_TBH.to(memory_MBH.dtype)])
        mask_B1TK = attention_mask(filled_1B1, len(ids_TB), memory)
        found_TBH = self.out_proj(attend(self.q_proj(own_TBH), rows_KBH, rows_KBH, mask_B1TK, heads=1))
        features_TBH = dropout(own_TBH + found_TBH, config.dropout_output, self.training)
        features_BTH = embedded.features(features_TBH.transpose(0, 1))
        filled_1B1 = filled_after(filled_1B1, len(ids_TB), memory)
        return features_BTH, (*carried, filled_1B1, rows_KBH[-memory:], *embedded.after)

    def orthogonal_blocks(self) -> dict[str, int]:
        """Return one block per gate and projection; see `TrainableModel.orthogonal_blocks`."""
        return {**recurrent_blocks(self.recurrent), "q_proj.weight": 1, "out_proj.weight": 1}
