"""Suggest settings for a corpus, a machine and the time there is, and measure the machine for them.

How much the machine computes in the time decides how large the model is; how often it then reads the text
decides how much dropout it needs. So the machine is measured first, in a second or two. What differs from one
architecture to the next is in `scriptforge.architectures`.

Shape letters: V vocabulary, E embedding, H hidden.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

import torch

from scriptforge.architectures import ARCHITECTURES, Suggestion
from scriptforge.config import DeviceType, Precision, Settings, resolve
from scriptforge.errors import UsageError
from scriptforge.inference import ModelConfig, config_from_settings
from scriptforge.models import build
from scriptforge.training.devices import of_first_process
from scriptforge.training.threads import fastest, own_number, possible, set_number

_LARGE_VOCABULARY = 600
_CHARACTER_EMBEDDING = 64
_LITTLE_TEXT = 150_000
_TOKENS_PER_WEIGHT = 2.0
_MOST_WEIGHTS_PER_TOKEN = 1.5
_SHARE_OF_STEPS = 0.7
"""Of the time of a training, the part that is not spent on validations and samples."""
_DROPOUTS = ((3, 0.1, 0.0), (12, 0.25, 0.0), (40, 0.35, 0.1), (math.inf, 0.5, 0.4))
"""Up to how many epochs: the share of units dropped, and of recurrent connections."""

_MEMBERS = 2
_EPOCHS_OF_ONE = 12.0
"""How often one network reads the text in the time before it had better be two, each half as often."""

_EPOCHS_REMEMBERED = 6.0
"""In how many epochs matrices that take orthogonal steps decay to 1/e, at their average rate."""


@dataclass(frozen=True)
class Machine:
    """What computes, and how fast.

    Attributes:
        accelerator: the type of device.
        precision: the arithmetic in which it trains fastest.
        operations_per_second: floating-point operations of a training, in that arithmetic.
    """

    accelerator: DeviceType
    precision: Precision
    operations_per_second: float


def suggest_settings(tokens: int, vocabulary_size: int, machine: Machine, known: Settings) -> dict[str, Any]:
    """Suggest settings for a corpus, a machine, an architecture, and the time there is.

    Args:
        tokens: tokens in the training split.
        vocabulary_size: V.
        machine: what computes.
        known: what was asked for; of it, the architecture and the length of the training decide, and whether
            the number of members was named, or sizes.
    """
    is_large = vocabulary_size > _LARGE_VOCABULARY
    is_little = tokens < _LITTLE_TEXT
    on_cpu = machine.accelerator == "cpu"
    suggestion = ARCHITECTURES[known.arch].suggestion
    members, hidden_size, tokens_read = _suggest_network(suggestion, tokens, vocabulary_size, known, machine)
    epochs = math.inf if is_little and known.epochs is None else tokens_read / tokens
    dropout, dropout_recurrent = next(shares for most, *shares in _DROPOUTS if epochs <= most)
    batch_size = (16 if is_little else 32) * (1 if on_cpu else 2)
    sequence_length = suggestion.sequence_length * (1 if on_cpu else 2)
    sequence_length = max(1, min(sequence_length, tokens // 16))
    matrix_rate = suggestion.learning_rate_multiplier * (0.01 if is_little else 0.03)
    return {
        "members": members,
        "hidden_size": members * hidden_size,
        "embedding_size": members * _embedding_size(vocabulary_size, hidden_size),
        "tied": is_large,
        "dropout_input": dropout if is_large else 0.0,
        "dropout_between": suggestion.dropout_between * dropout,
        "dropout_recurrent": dropout_recurrent,
        "dropout_output": dropout,
        "batch_size": batch_size,
        "sequence_length": sequence_length,
        "learning_rate": (0.01 if is_little else 0.02) if is_large else 0.005,
        "matrix_learning_rate": matrix_rate,
        "matrix_weight_decay": _suggest_decay(matrix_rate, tokens / (batch_size * sequence_length)),
        "precision": machine.precision,
        **suggestion.settings,
    }


def _suggest_network(
    suggestion: Suggestion, tokens: int, vocabulary_size: int, known: Settings, machine: Machine
) -> tuple[int, int, float]:
    """Suggest M, the H of each member, and return them with how many tokens each can then read.

    Where a text is read many times, one network gains nothing more by reading it more often: several ones do,
    each less often.
    """

    def network(members: int) -> tuple[int, int, float]:
        size, tokens_read = _suggest_size(suggestion, tokens, vocabulary_size, known, machine, members)
        return members, size, tokens_read

    if known.model_fields_set & {"members", "hidden_size", "embedding_size"}:
        return network(known.members)
    alone = network(1)
    is_read_often = known.minutes is not None and alone[-1] > _EPOCHS_OF_ONE * tokens
    return network(_MEMBERS) if is_read_often and suggestion.has_members else alone


def _suggest_size(
    suggestion: Suggestion,
    tokens: int,
    vocabulary_size: int,
    known: Settings,
    machine: Machine,
    members: int,
) -> tuple[int, float]:
    """Suggest the H of each of some members, and return it with how many tokens each can then read.

    It is the largest size whose weights before the head read enough tokens in the time to be trained, and
    are not so many that they learn the text by heart.
    """

    def tokens_read(size: int) -> float:
        if known.minutes is None:
            assert known.epochs is not None
            return known.epochs * tokens
        seconds = known.minutes * 60 * _SHARE_OF_STEPS * suggestion.relative_speed / members
        embedding_size = _embedding_size(vocabulary_size, size)
        operations = operations_per_token(suggestion, vocabulary_size, embedding_size, size)
        return seconds * machine.operations_per_second / operations

    def is_suitable(size: int) -> bool:
        weights = suggestion.count_weights(_embedding_size(vocabulary_size, size), size)
        most = min(tokens_read(size) / _TOKENS_PER_WEIGHT, _MOST_WEIGHTS_PER_TOKEN * tokens)
        return weights <= most

    if tokens < _LITTLE_TEXT:
        size = suggestion.little_text_size
    elif known.minutes is None:
        size = suggestion.unknown_time_size
    else:
        suitable = [size for size in suggestion.hidden_sizes if is_suitable(size)]
        size = suitable[-1] if suitable else suggestion.hidden_sizes[0]
    return size, tokens_read(size)


def _suggest_decay(rate: float, steps_per_epoch: float) -> float:
    """Return the weight decay with which steps are forgotten after `_EPOCHS_REMEMBERED`.

    A weight is then a mean over the steps of the last epochs. How many epochs are best depends neither on the
    length of the training nor on the size of the text. The rate is half its peak on average.

    Source: Wang and Aitchison 2024, arXiv:2405.13698.
    """
    decay = 2 / (rate * _EPOCHS_REMEMBERED * max(1.0, steps_per_epoch))
    return float(f"{min(1.0, decay):.2g}")


def _embedding_size(vocabulary_size: int, hidden_size: int) -> int:
    """Return E: one that the head of a large vocabulary can share, or a few numbers for a character."""
    return hidden_size if vocabulary_size > _LARGE_VOCABULARY else _CHARACTER_EMBEDDING


def operations_per_token(
    suggestion: Suggestion, vocabulary_size: int, embedding_size: int, hidden_size: int
) -> int:
    """Return how many floating-point operations it takes to learn from a token, forward and back.

    Each weight takes a multiplication and an addition in the forward pass, and twice that in the backward
    pass: for the gradient of its input, and for its own.

    Args:
        suggestion: that of the architecture.
        vocabulary_size: V.
        embedding_size: E.
        hidden_size: H.
    """
    return 6 * (suggestion.count_weights(embedding_size, hidden_size) + hidden_size * vocabulary_size)


_BATCH_SIZE, _STEPS = 32, 16
_MEASURED = {"vocabulary_size": 512, "embedding_size": 128, "hidden_size": 384}
_HALF_PRECISIONS: dict[DeviceType, Precision] = {"cpu": "bf16", "cuda": "fp16"}
_SECONDS = 0.5
_WORTH_IT = 1.2


def measure(device: DeviceType, threads: int | None = None) -> Machine:
    """Time small training steps of an LSTM in full and in half precision, and choose the clearly faster one.

    Few CPUs compute in half precision; on the others it is emulated, and slower, or missing. On a CPU as many
    threads compute as are fastest at present. Of several processes that train together, all get what the
    first one measured.

    Args:
        device: what computes.
        threads: how many compute on a CPU, if that is fixed.
    """
    with own_number():
        return _measure(device, threads)


def _measure(device: DeviceType, threads: int | None) -> Machine:
    half = _HALF_PRECISIONS.get(device)
    if half and not can_train("lstm", half, device):
        half = None
    config = _small_config("lstm", **_MEASURED)
    steps = {
        precision: _training_step(config, device, precision) for precision in ("fp32", half) if precision
    }
    seconds: dict[Precision, list[float]] = {precision: [] for precision in steps}
    if device == "cpu":
        set_number(fastest(possible(threads), steps["fp32"]))
    for step in steps.values():
        step()
    began = time.perf_counter()
    while time.perf_counter() - began < _SECONDS:
        for precision, step in steps.items():
            seconds[precision].append(step())
    times = {precision: median(each) for precision, each in seconds.items()}
    chosen = half if half and times["fp32"] > _WORTH_IT * times[half] else "fp32"
    operations = operations_per_token(ARCHITECTURES["lstm"].suggestion, **_MEASURED) * _BATCH_SIZE * _STEPS
    is_half, rate = of_first_process([float(chosen == half), operations / times[chosen]], device)
    return Machine(device, half if half and is_half else "fp32", rate)


def check_precision(arch: str, precision: Precision, device: DeviceType) -> None:
    """Raise an error if a device cannot train an architecture in a precision.

    Raises:
        UsageError: it cannot.
    """
    if not can_train(arch, precision, device):
        raise UsageError(
            f"This machine cannot train the architecture {arch} in {precision}.",
            "Train it in fp32: leave precision out, or give --set precision=fp32",
        )


@cache
def can_train(arch: str, precision: Precision, device: DeviceType) -> bool:
    """Return whether a device can train an architecture in a precision, by making a step of a tiny model.

    PyTorch's LSTM on the CPU has no kernel for bf16 where the processor lacks AVX-512, as most laptops' do,
    and raises an error; GRU, plain units and attention are computed all the same, if more slowly.
    """
    if precision == "fp32":
        return True
    if precision == "fp16" and device == "cpu":  # Accelerate scales the small gradients of fp16 on GPUs alone
        return False
    try:
        _training_step(_small_config(arch, 8, hidden_size=8, embedding_size=8), device, precision)()
    except RuntimeError:
        return False
    return True


def _small_config(arch: str, vocabulary_size: int, **sizes: int) -> ModelConfig:
    return config_from_settings(resolve({"arch": arch, "epochs": 1, **sizes}), vocabulary_size)


def _training_step(config: ModelConfig, device: DeviceType, precision: Precision) -> Callable[[], float]:
    """Return a function that makes one training step and returns how long it took, in seconds."""
    model = build(config).to(device)
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    ids_BT = torch.zeros((_BATCH_SIZE, _STEPS), dtype=torch.int64, device=device)
    state = model.initial_state(_BATCH_SIZE)

    def step() -> float:
        began = time.perf_counter()
        with torch.autocast(device, dtype, enabled=precision != "fp32"):
            loss, _ = model.loss(ids_BT, ids_BT, state)
        loss.backward()
        loss.item()
        return time.perf_counter() - began

    return step
