"""The machine that trains: how fast it computes, and in which precision.

It is measured with a small LSTM, for one to a few seconds, before settings are suggested for it.

Shape letters: V vocabulary, E embedding, H hidden, B streams, T steps.
"""

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import NamedTuple

import torch

from scriptforge.architectures import ARCHITECTURES, Suggestion
from scriptforge.config import DeviceType, Precision, Settings, resolve
from scriptforge.cores import OtherLoad
from scriptforge.errors import UsageError
from scriptforge.inference import ModelConfig, config_from_settings
from scriptforge.models import build
from scriptforge.run.records import MachineSpeed
from scriptforge.training.processes import broadcast_from_first
from scriptforge.training.thread_chooser import MIN_GAIN, trimmed_mean
from scriptforge.training.threads import candidate_thread_counts, restore_thread_count, set_threads

_BATCH_SIZE, _STEPS = 32, 16
_MEASURED = {"vocabulary_size": 512, "embedding_size": 128, "hidden_size": 384}
_HALF_PRECISIONS: dict[DeviceType, Precision] = {"cpu": "bf16", "cuda": "fp16"}
_MIN_STEPS, _SECONDS = 3, 0.5
"""Minimum number of steps and of seconds in a round of measurement."""
_STEPS_FOR_EACH_NUMBER = 5
"""Steps that are timed with each number of threads."""
_SHARE_OF_MINUTES, _MAX_SECONDS = 0.02, 4.0
"""Limits of the wait for a quiet moment: a share of the training time, and seconds."""
MUCH_LOAD = 0.25
"""Number of cores kept busy by other programs above which the machine is not quiet."""
_WORTH_IT = 1.2
_TENSOR_CORES = 7
"""Compute capability of the first Nvidia GPUs with hardware for half precision."""


@dataclass(frozen=True)
class Machine:
    """A device, and how fast it trains.

    Attributes:
        accelerator: the type of device.
        precision: the precision in which it trains fastest.
        operations_per_second: floating-point operations per second of training in that precision; 0 if they
            were not measured.
        threads: number of CPU threads in the measurement; None on a GPU, or if nothing was measured.
        busy: mean number of cores that other programs kept busy meanwhile.
    """

    accelerator: DeviceType
    precision: Precision
    operations_per_second: float = 0.0
    threads: int | None = None
    busy: float = 0.0

    @property
    def measured(self) -> MachineSpeed | None:
        """Return the measurement as a run records it, or None if there was none."""
        if not self.operations_per_second:
            return None
        return MachineSpeed(
            operations_per_second=self.operations_per_second, threads=self.threads, busy=self.busy
        )


def machine_for(requested: Settings, device: DeviceType) -> Machine:
    """Return the machine, measured only if the training is limited by minutes.

    For a number of epochs, settings depend on the type of machine but never on its current load, so that the
    same command always chooses the same settings. The number of threads still follows the load if it is not
    fixed, and with it the last bits of the model.

    Args:
        requested: the requested settings, of which the training length and the threads are used.
        device: the type of device to train on.
    """
    if requested.minutes is None:
        is_half = broadcast_from_first(_has_half_precision(device), device)
        return Machine(device, _HALF_PRECISIONS[device] if is_half else "fp32")
    wait_seconds = min(_MAX_SECONDS, _SHARE_OF_MINUTES * 60 * requested.minutes)
    return measure(device, requested.threads, wait_seconds)


def _has_half_precision(device: DeviceType) -> bool:
    """Return whether a device has hardware for half precision, and an LSTM that uses it."""
    if device == "cuda":
        return torch.cuda.get_device_capability()[0] >= _TENSOR_CORES
    return device == "cpu" and _is_x86() and _has_units_for_bf16() and can_train("lstm", "bf16", device)


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _has_units_for_bf16() -> bool:
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def _half_precision_to_try(device: DeviceType) -> Precision | None:
    """Return the half precision that may be faster on a device; None if it has none, or only emulates it."""
    half = _HALF_PRECISIONS.get(device)
    if half is None or not can_train("lstm", half, device):
        return None
    is_emulated = device == "cpu" and _is_x86() and not _has_units_for_bf16()
    return None if is_emulated else half


def measure(device: DeviceType, threads: int | None = None, wait_seconds: float = _MAX_SECONDS) -> Machine:
    """Time small training steps of an LSTM in full and in half precision, and choose the clearly faster one.

    Few CPUs compute in half precision; where it is known to be missing or emulated, it is not timed. On a
    CPU, the number of threads that is fastest at present is found first. While other programs keep cores
    busy, the measurement is repeated, and the fastest round counts; a load that began less than half a minute
    ago is expected to pass. If several processes train together, all use the measurement of the first.

    Args:
        device: the type of device to train on.
        threads: the number of CPU threads, if it is fixed.
        wait_seconds: how long to wait for a quiet moment.
    """
    with restore_thread_count():
        began = time.perf_counter()
        best = _measure(device, threads)
        while best.busy > MUCH_LOAD and time.perf_counter() - began < wait_seconds:
            best = max(best, _measure(device, threads), key=lambda each: each.operations_per_second)
    return broadcast_from_first(best, device)


class _StepTime(NamedTuple):
    """Time of a step in seconds, and its cost in seconds of CPU time over all threads of this process."""

    seconds: float
    cost: float


def _time(step: Callable[[], None]) -> _StepTime:
    began, computed = time.perf_counter(), time.process_time()
    step()
    return _StepTime(time.perf_counter() - began, time.process_time() - computed)


def _measure(device: DeviceType, threads: int | None) -> Machine:
    """Make one round of measurement, of at least half a second."""
    half = _half_precision_to_try(device)
    config = _small_config("lstm", **_MEASURED)
    steps = {
        precision: _training_step(config, device, precision) for precision in ("fp32", half) if precision
    }
    times: dict[Precision, list[_StepTime]] = {precision: [] for precision in steps}
    number = None
    if device == "cpu":
        number = fastest(candidate_thread_counts(threads), lambda: _time(steps["fp32"]).seconds)
        set_threads(number)
    for step in steps.values():
        step()
    load, began = OtherLoad(), time.perf_counter()
    while time.perf_counter() - began < _SECONDS or len(times["fp32"]) < _MIN_STEPS:
        for precision, step in steps.items():
            times[precision].append(_time(step))
    busy = load.cores()
    # CPU time is hardly affected by other programs, but does not include the time of a GPU.
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


def fastest(numbers: Sequence[int], time_step: Callable[[], float]) -> int:
    """Return the number of threads with which a step is fastest, counting up while more threads help.

    Args:
        numbers: the numbers to choose from, ascending.
        time_step: makes a step and returns its seconds.
    """
    best, least = numbers[0], float("inf")
    for number in numbers if len(numbers) > 1 else ():
        set_threads(number)
        time_step()
        seconds = trimmed_mean([time_step() for _ in range(_STEPS_FOR_EACH_NUMBER)])
        if seconds > (1 - MIN_GAIN) * least:
            break
        best, least = number, seconds
    return best


def operations_per_token(
    suggestion: Suggestion, vocabulary_size: int, embedding_size: int, hidden_size: int
) -> int:
    """Return how many floating-point operations it takes to train on a token, forward and backward.

    Each weight takes a multiplication and an addition in the forward pass, and twice as many operations in
    the backward pass: for the gradient of its input, and for its own.

    Args:
        suggestion: the architecture's entry.
        vocabulary_size: V.
        embedding_size: E.
        hidden_size: H.
    """
    return 6 * (suggestion.count_weights(embedding_size, hidden_size) + hidden_size * vocabulary_size)


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
    """Return whether a device can train an architecture in a precision, by trying a step of a tiny model.

    On CPUs without AVX-512, as in most laptops, PyTorch's LSTM has no bf16 kernel and raises an error; GRU,
    plain units and attention still work, if more slowly.
    """
    if precision == "fp32":
        return True
    if precision == "fp16" and device == "cpu":  # Accelerate scales gradients, as fp16 needs, on GPUs only
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
