"""Settings that suit a corpus, a machine and the time there is. Knows nothing of torch.

What can be computed in the time decides how large the model is, and how often the text is then read decides
how much dropout it needs. The numbers come from trials on characters and BPE tokens, with texts of 60 KB to
3.5 MB and trainings of one to twenty minutes.
"""

import math
from dataclasses import dataclass
from typing import Any

from scriptforge.config import Accelerator, Precision

_SIZES = (128, 192, 256, 384, 512, 640, 768, 896, 1024)
_LARGE_VOCABULARY = 600
_CHARACTER_EMBEDDING = 64
_LITTLE_TEXT = 150_000
_SIZE_FOR_LITTLE_TEXT = 256
_DEFAULT_SIZE = 512
_TOKENS_PER_WEIGHT = 2.0
_MOST_WEIGHTS_PER_TOKEN = 1.5
_SHARE_OF_STEPS = 0.7
_DROPOUTS = ((3, 0.1, 0.0), (12, 0.25, 0.0), (40, 0.35, 0.1), (math.inf, 0.5, 0.4))
"""Below how many epochs: the share of units dropped, and of recurrent connections."""


@dataclass(frozen=True)
class Machine:
    """What computes, and how fast.

    Attributes:
        accelerator: the kind of device.
        precision: the arithmetic that it trains in fastest.
        operations_per_second: floating-point operations of a training, in that arithmetic.
    """

    accelerator: Accelerator
    precision: Precision
    operations_per_second: float


def operations_per_token(vocabulary_size: int, embedding_size: int, hidden_size: int) -> int:
    """Floating-point operations that an LSTM of one layer takes to learn from a token, forward and back.

    Args:
        vocabulary_size: V.
        embedding_size: E.
        hidden_size: H.
    """
    return 6 * (_recurrent_weights(embedding_size, hidden_size) + hidden_size * vocabulary_size)


def _recurrent_weights(embedding_size: int, hidden_size: int) -> int:
    return 4 * hidden_size * (embedding_size + hidden_size)


def fitted(
    tokens: int,
    vocabulary_size: int,
    machine: Machine,
    *,
    minutes: float | None = None,
    epochs: float | None = None,
) -> dict[str, Any]:
    """Settings that suit a corpus, the time there is, and the machine.

    Args:
        tokens: tokens in the training split.
        vocabulary_size: V.
        machine: what will compute.
        minutes: the time there is.
        epochs: how often the text will be read, where that was asked for instead.
    """
    is_large = vocabulary_size > _LARGE_VOCABULARY
    is_little = tokens < _LITTLE_TEXT
    on_cpu = machine.accelerator == "cpu"
    hidden_size, reachable = _size(tokens, vocabulary_size, minutes, machine)
    epochs = reachable if epochs is None else epochs
    dropout, dropout_recurrent = next(shares for most, *shares in _DROPOUTS if epochs <= most)
    batch_size = 16 if is_little else 32
    return {
        "hidden_size": hidden_size,
        "embedding_size": _embedding(vocabulary_size, hidden_size),
        "tied": is_large,
        "dropout_input": dropout if is_large else 0.0,
        "dropout_recurrent": dropout_recurrent,
        "dropout_output": dropout,
        "batch_size": batch_size if on_cpu else 2 * batch_size,
        "sequence_length": max(1, min(64 if on_cpu else 128, tokens // 16)),
        "learning_rate": (0.01 if is_little else 0.02) if is_large else 0.005,
        "matrix_learning_rate": 0.01 if is_little else 0.03,
        "precision": machine.precision,
    }


def _size(tokens: int, vocabulary_size: int, minutes: float | None, machine: Machine) -> tuple[int, float]:
    """H, and how often the text can then be read.

    The largest size whose recurrent weights still meet enough tokens, and are not too many for the text.
    """
    if tokens < _LITTLE_TEXT:
        return _SIZE_FOR_LITTLE_TEXT, math.inf
    if minutes is None:
        return _DEFAULT_SIZE, math.inf
    operations = minutes * 60 * _SHARE_OF_STEPS * machine.operations_per_second

    def tokens_read(size: int) -> float:
        return operations / operations_per_token(vocabulary_size, _embedding(vocabulary_size, size), size)

    def suits(size: int) -> bool:
        weights = _recurrent_weights(_embedding(vocabulary_size, size), size)
        most = min(tokens_read(size) / _TOKENS_PER_WEIGHT, _MOST_WEIGHTS_PER_TOKEN * tokens)
        return weights <= most

    suitable = [size for size in _SIZES if suits(size)]
    size = suitable[-1] if suitable else _SIZES[0]
    return size, tokens_read(size) / tokens


def _embedding(vocabulary_size: int, hidden_size: int) -> int:
    """E: one that the head of a large vocabulary can share, or a few numbers for a character."""
    return hidden_size if vocabulary_size > _LARGE_VOCABULARY else _CHARACTER_EMBEDDING
