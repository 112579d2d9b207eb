"""How fast this machine trains, measured in a second or two: what the settings are fitted to."""

import time
from collections.abc import Callable
from statistics import median

import torch

from scriptforge.config import Accelerator, Precision
from scriptforge.fitting import Machine, operations_per_token
from scriptforge.models import build, config_from_json
from scriptforge.training.memory import keep_freed_memory
from scriptforge.training.processes import of_first_process

_STREAMS, _STEPS = 32, 16
_SIZES = {"vocabulary_size": 512, "embedding_size": 128, "hidden_size": 384}
_HALF_FORMATS: dict[Accelerator, Precision] = {"cpu": "bf16", "cuda": "fp16"}
_SECONDS = 0.5
_WORTH_IT = 1.2


def measure(accelerator: Accelerator) -> Machine:
    """Times small training steps in full and in half precision, and takes what is clearly faster.

    Few CPUs compute in half precision; on the others it is emulated, and slower. Of several processes that
    train together, all get what the first one measured.

    Args:
        accelerator: what will compute.
    """
    keep_freed_memory()
    half = _HALF_FORMATS.get(accelerator)
    if half and not is_supported(half, accelerator):
        half = None
    steps = {precision: _step(accelerator, precision) for precision in ("fp32", half) if precision}
    seconds: dict[Precision, list[float]] = {precision: [] for precision in steps}
    for step in steps.values():
        step()
    began = time.perf_counter()
    while time.perf_counter() - began < _SECONDS:
        for precision, step in steps.items():
            seconds[precision].append(step())
    times = {precision: median(each) for precision, each in seconds.items()}
    chosen = half if half and times["fp32"] > _WORTH_IT * times[half] else "fp32"
    operations = operations_per_token(**_SIZES) * _STREAMS * _STEPS
    is_half, rate = of_first_process([float(chosen == half), operations / times[chosen]], accelerator)
    return Machine(accelerator, half if half and is_half else "fp32", rate)


def is_supported(precision: Precision, accelerator: Accelerator) -> bool:
    """Return whether a device has kernels for an LSTM in a precision.

    PyTorch's LSTM on the CPU has none in bf16 where the processor lacks AVX-512, as most laptops' do: it
    raises an error, where other operations convert and go on.

    Args:
        precision: the arithmetic.
        accelerator: what will compute.
    """
    if precision == "fp32":
        return True
    try:
        _step(accelerator, precision)()
    except RuntimeError:
        return False
    return True


def _step(accelerator: Accelerator, precision: Precision) -> Callable[[], float]:
    """A function that makes one training step and says how long it took, in seconds."""
    model = build(config_from_json({"arch": "lstm", **_SIZES})).to(accelerator)
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    ids_BT = torch.zeros((_STREAMS, _STEPS), dtype=torch.int64, device=accelerator)
    state = model.initial_state(_STREAMS)

    def step() -> float:
        began = time.perf_counter()
        with torch.autocast(accelerator, dtype, enabled=precision != "fp32"):
            loss, _ = model.loss(ids_BT, ids_BT, state)
        loss.backward()  # type: ignore[no-untyped-call]
        loss.item()
        return time.perf_counter() - began

    return step
