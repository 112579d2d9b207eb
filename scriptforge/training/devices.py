"""Devices: the choice of one, what it is called, and the errors of its memory."""

import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from scriptforge.config import DeviceType
from scriptforge.errors import TrainingError, UsageError
from scriptforge.options import Device

_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate|not enough memory", re.IGNORECASE)
"""Matches PyTorch's out-of-memory errors on a CPU, which are plain RuntimeErrors."""


def choose_device(choice: Device) -> DeviceType:
    """Return the device for a choice; `auto` takes a CUDA GPU if there is one, else the CPU.

    An Apple GPU is used only on request, since PyTorch has no fast LSTM for it.

    Raises:
        UsageError: a GPU is requested and there is none.
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
    """Return whether the device computes asynchronously, so that reading a number waits for queued work."""
    return device.type == "cuda"


def hardware(device: torch.device, threads: str) -> str:
    """Return a description of the hardware that identifies no particular machine.

    Args:
        device: the device of the model.
        threads: the threads used on a CPU, as text: `2 threads`.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "the GPU of an Apple computer"
    return f"{threads} of a CPU ({platform.machine()})"


@contextmanager
def translate_memory_errors() -> Iterator[None]:
    """Turn the various out-of-memory errors into one.

    Raises:
        TrainingError: memory ran out.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _OUT_OF_MEMORY.search(str(error)):
            raise
        raise TrainingError(
            "There is not enough memory for this model and batch.",
            "Try smaller ones: --set batch_size=8 or --set hidden_size=256; the checkpoints are kept.",
        ) from error
