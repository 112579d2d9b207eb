"""Settings that suit an architecture, a corpus, a machine and the time there is. Knows nothing of torch.

What can be computed in the time decides how large the model is, and how often the text is then read decides
how much dropout it needs. The numbers come from trials on characters and BPE tokens, with texts of 60 KB to
3.5 MB and trainings of one to twenty minutes; those of architectures other than `lstm` from a few short ones
on the characters of tiny Shakespeare.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from scriptforge.config import Accelerator, Architecture, Precision

_SIZES = (128, 192, 256, 384, 512, 640, 768, 896, 1024)
_LARGE_VOCABULARY = 600
_CHARACTER_EMBEDDING = 64
_LITTLE_TEXT = 150_000
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


@dataclass(frozen=True)
class _Kind:
    """What there is to know of an architecture before it is built.

    Attributes:
        gates: matrices of (E + H, H).
        squares: matrices of (H, H), taken together, beside those.
        speed: how many operations it makes in the time that an LSTM takes for one.
        boldness: how many times as long as those of an LSTM its orthogonal steps are.
        between: the share of units dropped between layers, as a part of that before the head.
        sizes: what H may be.
        little_text: H where there is little text.
        unknown_time: H where the time is not known.
        steps: T on a CPU; on a GPU it is twice that.
        settings: what else it needs.
    """

    gates: int
    squares: int = 0
    speed: float = 1.0
    boldness: float = 1.0
    between: float = 0.0
    sizes: tuple[int, ...] = _SIZES
    little_text: int = 256
    unknown_time: int = 512
    steps: int = 64
    settings: dict[str, Any] = field(default_factory=dict)

    def weights(self, embedding_size: int, hidden_size: int) -> int:
        """Those that a token is multiplied with before the head."""
        return hidden_size * (self.gates * (embedding_size + hidden_size) + self.squares * hidden_size)


_TRANSFORMER_LAYERS = 4
_KINDS: dict[Architecture, _Kind] = {
    "lstm": _Kind(gates=4),
    "gru": _Kind(gates=3, speed=0.5),
    "rnn": _Kind(gates=1, speed=0.3),
    "lstm-attention": _Kind(gates=4, squares=2, speed=0.8, settings={"memory": 128}),
    "transformer": _Kind(
        gates=0,
        squares=12 * _TRANSFORMER_LAYERS,
        speed=0.6,
        boldness=2.0,
        between=0.4,
        sizes=(64, 96, 128, 192, 256, 320, 384, 512),
        little_text=128,
        unknown_time=192,
        settings={"layers": _TRANSFORMER_LAYERS, "memory": 64},
    ),
    "numpy-rnn": _Kind(
        gates=1,
        sizes=(100,),
        little_text=100,
        unknown_time=100,
        steps=25,
        settings={"optimizer": "adagrad", "learning_rate": 0.1, "batch_size": 16, "precision": "fp32"},
    ),
}


def operations_per_token(vocabulary_size: int, embedding_size: int, hidden_size: int) -> int:
    """Floating-point operations that an LSTM of one layer takes to learn from a token, forward and back.

    Args:
        vocabulary_size: V.
        embedding_size: E.
        hidden_size: H.
    """
    return _operations_per_token(_KINDS["lstm"], vocabulary_size, embedding_size, hidden_size)


def _operations_per_token(kind: _Kind, vocabulary_size: int, embedding_size: int, hidden_size: int) -> int:
    return 6 * (kind.weights(embedding_size, hidden_size) + hidden_size * vocabulary_size)


def fitted(
    tokens: int,
    vocabulary_size: int,
    machine: Machine,
    *,
    arch: Architecture = "lstm",
    minutes: float | None = None,
    epochs: float | None = None,
) -> dict[str, Any]:
    """Settings that suit an architecture, a corpus, the time there is, and the machine.

    Args:
        tokens: tokens in the training split.
        vocabulary_size: V.
        machine: what will compute.
        arch: what will be trained.
        minutes: the time there is.
        epochs: how often the text will be read, where that was asked for instead.
    """
    is_large = vocabulary_size > _LARGE_VOCABULARY
    is_little = tokens < _LITTLE_TEXT
    on_cpu = machine.accelerator == "cpu"
    kind = _KINDS[arch]
    hidden_size, reachable = _size(kind, tokens, vocabulary_size, minutes, machine)
    epochs = reachable if epochs is None else epochs
    dropout, dropout_recurrent = next(shares for most, *shares in _DROPOUTS if epochs <= most)
    batch_size = 16 if is_little else 32
    return {
        "hidden_size": hidden_size,
        "embedding_size": _embedding(vocabulary_size, hidden_size),
        "tied": is_large,
        "dropout_input": dropout if is_large else 0.0,
        "dropout_between": kind.between * dropout,
        "dropout_recurrent": dropout_recurrent,
        "dropout_output": dropout,
        "batch_size": batch_size if on_cpu else 2 * batch_size,
        "sequence_length": max(1, min(kind.steps if on_cpu else 2 * kind.steps, tokens // 16)),
        "learning_rate": (0.01 if is_little else 0.02) if is_large else 0.005,
        "matrix_learning_rate": kind.boldness * (0.01 if is_little else 0.03),
        "precision": machine.precision,
        **kind.settings,
    }


def _size(
    kind: _Kind, tokens: int, vocabulary_size: int, minutes: float | None, machine: Machine
) -> tuple[int, float]:
    """H, and how often the text can then be read.

    The largest size whose weights before the head meet enough tokens, and are not too many for the text.
    """
    if tokens < _LITTLE_TEXT:
        return kind.little_text, math.inf
    if minutes is None:
        return kind.unknown_time, math.inf
    operations = minutes * 60 * _SHARE_OF_STEPS * kind.speed * machine.operations_per_second

    def tokens_read(size: int) -> float:
        embedding_size = _embedding(vocabulary_size, size)
        return operations / _operations_per_token(kind, vocabulary_size, embedding_size, size)

    def suits(size: int) -> bool:
        weights = kind.weights(_embedding(vocabulary_size, size), size)
        most = min(tokens_read(size) / _TOKENS_PER_WEIGHT, _MOST_WEIGHTS_PER_TOKEN * tokens)
        return weights <= most

    suitable = [size for size in kind.sizes if suits(size)]
    size = suitable[-1] if suitable else kind.sizes[0]
    return size, tokens_read(size) / tokens


def _embedding(vocabulary_size: int, hidden_size: int) -> int:
    """E: one that the head of a large vocabulary can share, or a few numbers for a character."""
    return hidden_size if vocabulary_size > _LARGE_VOCABULARY else _CHARACTER_EMBEDDING
