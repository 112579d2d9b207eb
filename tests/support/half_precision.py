"""Whether PyTorch itself computes in bf16 on this processor: its own modules are tried, not ours."""

from functools import cache

import torch
from torch import nn


@cache
def has_bf16(arch: str) -> bool:
    """Whether the CPU has the kernels that an architecture needs: only PyTorch's LSTM may lack them."""
    if not arch.startswith("lstm"):
        return True
    lstm, input_TBE = nn.LSTM(8, 8), torch.zeros(4, 2, 8)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            output_TBH, _ = lstm(input_TBE)
        output_TBH.sum().backward()
    except RuntimeError:
        return False
    return True
