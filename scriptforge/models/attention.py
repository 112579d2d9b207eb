"""Attention to a bounded memory: each step looks at itself and at exactly the M steps before it.

So it is all one whether a text is read at once, in pieces or token by token. What is remembered of a step is
worked out once, when it is read, and comes along as a row of the memory; time is the first dimension here, so
that a memory is also part of a model's state. The M rows are filled from the end, and those that are still
empty are not looked at.

Shape letters: B streams, T steps, M memory, K = M + T rows that can be looked at, E numbers of a row, N
heads, D numbers of a head.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scriptforge.models.base import State

STEPS_AT_ONCE = 256
"""Longer texts are read in pieces of so many steps: no step looks much further, and a mask stays small."""
LARGEST_MEMORY = 1 << 21
"""The most numbers that all layers of a model may look back on, of one stream."""

_BASE = 10_000.0


def refuse_enormous(rows: int, size: int) -> None:
    """Keeps what a model remembers of one stream within some megabytes, whoever chose its sizes.

    Args:
        rows: M of all layers taken together.
        size: E.

    Raises:
        ValueError: it is more.
    """
    if rows * size > LARGEST_MEMORY:
        raise ValueError(
            f"{rows:,} rows of {size:,} numbers to look back on are more than {LARGEST_MEMORY:,}"
        )


def read_in_pieces(
    read: Callable[[Tensor, State], tuple[Tensor, State]], ids_BT: Tensor, state: State
) -> tuple[Tensor, State]:
    """Reads a text of any length, `STEPS_AT_ONCE` at a time: `features_BTE`, and the state after it.

    Args:
        read: takes `ids_TB` and a state, and gives `features_TBE` and the state after them.
        ids_BT: the text.
        state: the state before it.
    """
    pieces = []
    for piece_TB in torch.split(ids_BT.T, STEPS_AT_ONCE):
        features_TBE, state = read(piece_TB, state)
        pieces.append(features_TBE)
    return torch.cat(pieces).transpose(0, 1), state


def mask_of(filled_1B1: Tensor, steps: int, memory: int) -> Tensor:
    """What is added to the scores of rows, the same in every head: nothing for those that a step looks at.

    Args:
        filled_1B1: how many rows of the memory are filled.
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
    """How many rows of a memory are filled when so many steps more were read."""
    return (filled_1B1 + steps).clamp(max=memory)


def attend(query_TBE: Tensor, keys_KBE: Tensor, values_KBE: Tensor, mask_B1TK: Tensor, heads: int) -> Tensor:
    """The values of the rows that each step looks at, weighed by how well their keys fit its query.

    On a CPU always in fp32: in bf16 the gradient takes several times as long there.

    Source: Vaswani et al. 2017, arXiv:1706.03762.

    Args:
        query_TBE: what each step looks for.
        keys_KBE: what there is to be found, remembered rows first.
        values_KBE: what is found there.
        mask_B1TK: as of `mask_of`.
        heads: N, each with its own part of the numbers.
    """
    with torch.autocast("cpu", enabled=False):
        query_BNTD, keys_BNKD, values_BNKD = (
            rows.to(keys_KBE.dtype).view(*rows.shape[:2], heads, -1).permute(1, 2, 0, 3)
            for rows in (query_TBE, keys_KBE, values_KBE)
        )
        found_BNTD = F.scaled_dot_product_attention(query_BNTD, keys_BNKD, values_BNKD, attn_mask=mask_B1TK)
    return found_BNTD.permute(2, 0, 1, 3).flatten(2)


class Rotation(nn.Module):
    """Turns queries and keys by where they stand, so that their product tells how far apart they are.

    Only the distance counts. So the memory keeps keys that were not turned, and a row is always turned by its
    place among those at hand: the angles stay small however long the text is.

    Source: Su et al. 2021, arXiv:2104.09864.

    Args:
        head_size: D, an even number.
        places: how many there are.
    """

    cosine_KD: Tensor
    sine_KD: Tensor

    def __init__(self, head_size: int, places: int) -> None:
        super().__init__()
        frequencies_D = _BASE ** -torch.arange(0, 1, 2 / head_size)
        angles_KD = torch.outer(torch.arange(places), frequencies_D)
        self.register_buffer("cosine_KD", angles_KD.cos(), persistent=False)
        self.register_buffer("sine_KD", angles_KD.sin(), persistent=False)

    def forward(self, rows_KBE: Tensor, first: int = 0) -> Tensor:
        """The rows turned, of which the first one stands at place `first`."""
        places = slice(first, first + len(rows_KBE))
        cosine_KD, sine_KD = self.cosine_KD[places], self.sine_KD[places]
        both_halves_K112D = torch.stack([-sine_KD, sine_KD], dim=1)[:, None, None]
        rows_KBN2D = rows_KBE.view(*rows_KBE.shape[:2], -1, 2, cosine_KD.shape[1])
        across_KBN2D = rows_KBN2D.flip(3) * both_halves_K112D
        return torch.addcmul(across_KBN2D, rows_KBN2D, cosine_KD[:, None, None, None]).flatten(2)
