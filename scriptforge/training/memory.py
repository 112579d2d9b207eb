"""Memory: what a training frees stays with the process, and when there is not enough, a person is told so.

Left to itself, the C library hands every large block back to the system when it is freed, and the next
step waits for fresh, zeroed pages: about a quarter of a small model's training time.
"""

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from scriptforge.errors import TrainingError

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
_LARGEST_BLOCK = 1 << 30
_WORDS = re.compile(r"out of memory|can't allocate|not enough memory", re.IGNORECASE)


def keep_freed_memory() -> None:
    """Tells glibc to keep freed blocks of up to a gigabyte; does nothing where the C library is another."""
    if sys.platform == "linux":
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option:
            set_option(_MMAP_THRESHOLD, _LARGEST_BLOCK)
            set_option(_TRIM_THRESHOLD, _LARGEST_BLOCK)


@contextmanager
def memory_explained() -> Iterator[None]:
    """Turns the many errors of memory that runs out into one.

    Raises:
        TrainingError: memory ran out.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _WORDS.search(str(error)):
            raise
        raise TrainingError(
            "There is not enough memory for this model and batch.",
            "Try smaller ones: --set batch_size=8 or --set hidden_size=256; the checkpoints stay.",
        ) from error
