"""Suggest settings for a corpus, a machine and the time there is, and measure the machine for them.

How much the machine computes in the time decides how large the model is; how often it then reads the text
decides how much dropout it needs. So the machine is measured first, in a second or a few. What differs
from one architecture to the next is in `scriptforge.architectures`.

Shape letters: V vocabulary, E embedding, H hidden.
"""

import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any, NamedTuple

import torch

from scriptforge.architectures import ARCHITECTURES, Suggestion
from scriptforge.config import DeviceType, Precision, Settings, resolve
from scriptforge.errors import UsageError
from scriptforge.inference import ModelConfig, config_from_settings
from scriptforge.models import build
from scriptforge.run.records import Measured
from scriptforge.training.devices import of_first_process
from scriptforge.training.threads import OtherLoad, fastest, own_number, possible, set_number

_LARGE_VOCABULARY = 600
_CHARACTER_EMBEDDING = 64
_LITTLE_TEXT = 150_000
_TOKENS_PER_WEIGHT = 2.0
_MOST_WEIGHTS_PER_TOKEN = 1.5
_SHARE_OF_STEPS = 0.7
"""Of the time of a training, the part that is not spent on validations and samples."""
_DROPOUTS = ((3, 0.1, 0.0), (16, 0.25, 0.0), (40, 0.35, 0.1), (math.inf, 0.5, 0.4))
"""Up to how many epochs: the share of units dropped, and of recurrent connections."""

_MEMBERS = 2
_EPOCHS_OF_ONE = 8.0
"""How often one network reads the text in the time before it had better be two, each half as often."""

_EPOCHS_TO_ADAPT = 8.0
"""How often little text is read by a model that has learnt from other text; more teaches it by heart."""

_EPOCHS_REMEMBERED = 6.0
"""In how many epochs matrices that take orthogonal steps decay to 1/e, at their average rate."""

_EPOCHS_REMEMBERED_OF_ANOTHER = 16.0
"""The same of a model that has learnt from other text, of which little is to be forgotten."""


@dataclass(frozen=True)
class Machine:
    """What computes, and how fast.

    Attributes:
        accelerator: the type of device.
        precision: the arithmetic in which it trains fastest.
        operations_per_second: floating-point operations of a training, in that arithmetic; 0 where that was
            not measured.
        threads: with how many of a CPU.
        busy: how many processors other programs kept busy meanwhile.
    """

    accelerator: DeviceType
    precision: Precision
    operations_per_second: float = 0.0
    threads: int | None = None
    busy: float = 0.0

    @property
    def measured(self) -> Measured | None:
        """Return what a run records of it; None if it was not measured."""
        if not self.operations_per_second:
            return None
        return Measured(
            operations_per_second=self.operations_per_second, threads=self.threads, busy=self.busy
        )


@dataclass(frozen=True)
class Beginning:
    """What comes before a training.

    Attributes:
        second: since when its minutes count, on the clock of `time.perf_counter`; None counts the time of
            steps and validations alone.
        measured: what was measured of the machine that its settings were chosen for.
    """

    second: float | None = None
    measured: Measured | None = None


def suggest_settings(
    tokens: int, vocabulary_size: int, machine: Machine, known: Settings, *, has_learnt: bool = False
) -> dict[str, Any]:
    """Suggest settings for a corpus, a machine, an architecture, and the time there is.

    Args:
        tokens: tokens in the training split.
        vocabulary_size: V.
        machine: what computes.
        known: what was asked for; of it, the architecture and the length of the training decide, and whether
            the number of members was named, or sizes.
        has_learnt: whether the model begins with the weights of another one.
    """
    is_large = vocabulary_size > _LARGE_VOCABULARY
    is_little = tokens < _LITTLE_TEXT
    on_cpu = machine.accelerator == "cpu"
    suggestion = ARCHITECTURES[known.arch].suggestion
    members, hidden_size, tokens_read = _suggest_network(suggestion, tokens, vocabulary_size, known, machine)
    is_soon_known = has_learnt and is_little and known.minutes is not None
    max_epochs = known.max_epochs or (_EPOCHS_TO_ADAPT if is_soon_known else None)
    epochs = math.inf if is_little and known.epochs is None else tokens_read / tokens
    # What has learnt from other text needs little dropout, however often it reads this one.
    epochs = min(epochs, max_epochs or math.inf, _EPOCHS_TO_ADAPT if has_learnt else math.inf)
    dropout, dropout_recurrent = next(shares for most, *shares in _DROPOUTS if epochs <= most)
    batch_size = (16 if is_little else 32) * (1 if on_cpu else 2)
    sequence_length = suggestion.sequence_length * (1 if on_cpu else 2)
    sequence_length = max(1, min(sequence_length, tokens // 16))
    matrix_rate = suggestion.learning_rate_multiplier * (0.01 if is_little else 0.03)
    remembered = _EPOCHS_REMEMBERED
    if has_learnt and is_little:
        matrix_rate, remembered = matrix_rate / 2, _EPOCHS_REMEMBERED_OF_ANOTHER
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
        "matrix_weight_decay": _suggest_decay(
            matrix_rate, remembered * max(1.0, tokens / (batch_size * sequence_length))
        ),
        "precision": machine.precision,
        **({"max_epochs": max_epochs} if max_epochs else {}),
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


def _suggest_decay(rate: float, steps: float) -> float:
    """Return the weight decay with which a step is forgotten after so many others.

    A weight is then a mean over the steps of the last epochs. How many epochs are best depends neither on the
    length of the training nor on the size of the text. The rate is half its peak on average.

    Source: Wang and Aitchison 2024, arXiv:2405.13698.
    """
    return float(f"{min(1.0, 2 / (rate * steps)):.2g}")


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
_FEWEST_STEPS, _SECONDS = 3, 0.5
"""What is timed in a round, at the least."""
_SHARE_OF_MINUTES, _MOST_SECONDS = 0.02, 4.0
"""How long it may take to find a quiet moment."""
MUCH_LOAD = 0.25
"""Processors that others keep busy where a moment is no quiet one."""
_WORTH_IT = 1.2
_TENSOR_CORES = 7
"""The generation of Nvidia's GPUs from which on half precision has units of its own."""


def machine_for(known: Settings, device: DeviceType) -> Machine:
    """Return what is known of the machine: measured where a training has so many minutes.

    The settings of so many epochs follow from what the machine is, and never from what it does at the moment:
    the same command trains the same model.

    Args:
        known: what was asked for, of which the length of the training and the threads decide.
        device: what computes.
    """
    if known.minutes is None:
        is_half = _has_half_precision(device)
        own = Machine(device, _HALF_PRECISIONS[device] if is_half else "fp32")
        return of_first_process(own, device)
    patience = min(_MOST_SECONDS, _SHARE_OF_MINUTES * 60 * known.minutes)
    return measure(device, known.threads, patience)


def _has_half_precision(device: DeviceType) -> bool:
    """Return whether a device has units for its half precision, and an LSTM that uses them."""
    if device == "cuda":
        return torch.cuda.get_device_capability()[0] >= _TENSOR_CORES
    if device != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    has_units = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return has_units and can_train("lstm", "bf16", device)


def measure(device: DeviceType, threads: int | None = None, patience: float = _MOST_SECONDS) -> Machine:
    """Time small training steps of an LSTM in full and in half precision, and choose the clearly faster one.

    Few CPUs compute in half precision; on the others it is emulated, and slower, or missing. On a CPU as many
    threads compute as are fastest at present. Where other programs compute meanwhile, it is measured again,
    and the fastest round counts; a load that is not older than half a minute is expected to go. Of several
    processes that train together, all get what the first one measured.

    Args:
        device: what computes.
        threads: how many compute on a CPU, if that is fixed.
        patience: for so many seconds a quiet moment is waited for.
    """
    with own_number():
        began = time.perf_counter()
        best = _measure(device, threads)
        while best.busy > MUCH_LOAD and time.perf_counter() - began < patience:
            best = max(best, _measure(device, threads), key=lambda each: each.operations_per_second)
    return of_first_process(best, device)


class _StepTime(NamedTuple):
    """What a step takes: seconds, and how many of them all threads of this process computed, in all."""

    seconds: float
    cost: float


def _time(step: Callable[[], None]) -> _StepTime:
    began, computed = time.perf_counter(), time.process_time()
    step()
    return _StepTime(time.perf_counter() - began, time.process_time() - computed)


def _measure(device: DeviceType, threads: int | None) -> Machine:
    """Time steps for half a second."""
    half = _HALF_PRECISIONS.get(device)
    if half and not can_train("lstm", half, device):
        half = None
    config = _small_config("lstm", **_MEASURED)
    steps = {
        precision: _training_step(config, device, precision) for precision in ("fp32", half) if precision
    }
    times: dict[Precision, list[_StepTime]] = {precision: [] for precision in steps}
    number = None
    if device == "cpu":
        number = fastest(possible(threads), lambda: _time(steps["fp32"]).seconds)
        set_number(number)
    for step in steps.values():
        step()
    load, began = OtherLoad(), time.perf_counter()
    while time.perf_counter() - began < _SECONDS or len(times["fp32"]) < _FEWEST_STEPS:
        for precision, step in steps.items():
            times[precision].append(_time(step))
    busy = load.cores()
    # Other programs hardly change what a step costs a processor; a GPU's time is not counted there.
    cost = {
        precision: median(each.cost if device == "cpu" else each.seconds for each in own)
        for precision, own in times.items()
    }
    chosen = half if half and cost["fp32"] > _WORTH_IT * cost[half] else "fp32"
    seconds = median(each.seconds for each in times[chosen])
    if number is not None and load.is_passing(busy):
        seconds = min(seconds, cost[chosen] / number)
    operations = operations_per_token(ARCHITECTURES["lstm"].suggestion, **_MEASURED) * _BATCH_SIZE * _STEPS
    return Machine(device, chosen, operations / seconds, number, busy)


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


def _training_step(config: ModelConfig, device: DeviceType, precision: Precision) -> Callable[[], None]:
    """Return a function that makes one training step."""
    model = build(config).to(device)
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    ids_BT = torch.zeros((_BATCH_SIZE, _STEPS), dtype=torch.int64, device=device)
    state = model.initial_state(_BATCH_SIZE)

    def step() -> None:
        with torch.autocast(device, dtype, enabled=precision != "fp32"):
            loss, _ = model.loss(ids_BT, ids_BT, state)
        loss.backward()
        loss.item()

    return step
