"""Dropout that draws sixteen bits a unit.

PyTorch's draws a number for each on the CPU, which takes several times as long as all the rest of it, and a
tenth of the time of a training.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

_VALUES = 1 << 16
_NUMBERS_IN_WORD = 4


def dropout(units: Tensor, share: float, is_training: bool) -> Tensor:
    """The units, of which in training some are zero and the others so much larger that the mean stays.

    Args:
        units: in any shape.
        share: how many are dropped, 0 … 1, in 65536ths on a CPU.
        is_training: otherwise they stay as they are.

    Source: Srivastava et al. 2014, jmlr.org/papers/v15/srivastava14a.html.
    """
    if not (is_training and share):
        return units
    if units.device.type != "cpu":
        return F.dropout(units, share)
    dropped = min(round(share * _VALUES), _VALUES - 1)
    is_kept = _random_numbers(units.numel()).view(units.shape) >= dropped - _VALUES // 2
    return units * is_kept.to(units.dtype).mul_(_VALUES / (_VALUES - dropped))


def _random_numbers(count: int) -> Tensor:
    """Numbers of 16 bits with a sign, each as likely as every other, from PyTorch's generator."""
    words = torch.empty(-(-count // _NUMBERS_IN_WORD), dtype=torch.int64)
    words.random_(-(2**63), None)  # PyTorch's bound for all that 64 bits can hold
    return words.view(torch.int16)[:count]
