"""Which device computes."""

import platform
from typing import Literal

import torch

from scriptforge.config import Accelerator
from scriptforge.errors import UsageError

Choice = Literal["auto", "cpu", "gpu"]


def choose_device(choice: Choice) -> Accelerator:
    """The device for a choice; `auto` takes a CUDA GPU where there is one, else the CPU.

    Raises:
        UsageError: a GPU is asked for and there is none.
    """
    if choice != "cpu" and torch.cuda.is_available():
        return "cuda"
    if choice == "gpu":
        if torch.backends.mps.is_available():
            return "mps"
        raise UsageError(
            "There is no GPU that PyTorch can use here.",
            "Leave --gpu out: small models train well on the CPU. scriptforge doctor says more.",
        )
    return "cpu"


def is_asynchronous(device: torch.device) -> bool:
    """Whether the host goes on while the device computes: looking at a number then means waiting for it."""
    return device.type == "cuda"


def hardware(device: torch.device) -> str:
    """What computes, in words that are true of many machines."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "the GPU of an Apple computer"
    threads = torch.get_num_threads()
    return f"{threads} {'thread' if threads == 1 else 'threads'} of a CPU ({platform.machine()})"
