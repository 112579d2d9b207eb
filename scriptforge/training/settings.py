"""Settings that suit an architecture, a corpus, a machine and the time there is. Knows nothing of torch.

What can be computed in the time decides how large the model is, and how often the text is then read decides
how much dropout it needs. The numbers come from trials on characters and BPE tokens, with texts of 60 KB to
3.5 MB and trainings of one to twenty minutes; those of architectures other than `lstm` from a few short ones
on the characters of tiny Shakespeare.

How fast this machine trains, measured in a second or two: what the settings are fitted to.

The settings of a training: those that suit text, machine and time, changed by what was asked for.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch

from scriptforge.config import PRESETS, Accelerator, Architecture, Precision, Preset, Settings, resolve
from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.models import build, config_from_json, refuse_foreign
from scriptforge.run.run import Run
from scriptforge.training.devices import of_first_process
from scriptforge.training.transfer import inherited_settings

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


_STREAMS, _STEPS = 32, 16
_SIZES_MACHINE = {"vocabulary_size": 512, "embedding_size": 128, "hidden_size": 384}
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
    operations = operations_per_token(**_SIZES_MACHINE) * _STREAMS * _STEPS
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
    model = build(config_from_json({"arch": "lstm", **_SIZES_MACHINE})).to(accelerator)
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    ids_BT = torch.zeros((_STREAMS, _STEPS), dtype=torch.int64, device=accelerator)
    state = model.initial_state(_STREAMS)

    def step() -> float:
        began = time.perf_counter()
        with torch.autocast(accelerator, dtype, enabled=precision != "fp32"):
            loss, _ = model.loss(ids_BT, ids_BT, state)
        loss.backward()
        loss.item()
        return time.perf_counter() - began

    return step


DEFAULT_MINUTES = 3.0


def choose_settings(
    dataset: Dataset,
    chosen: dict[str, Any],
    accelerator: Accelerator,
    preset: Preset | None = None,
    init_from: Run | None = None,
) -> Settings:
    """The settings of a new training; the machine is measured for them.

    Args:
        dataset: what it trains on.
        chosen: the settings that a person named.
        accelerator: what computes.
        preset: which group of settings to begin with.
        init_from: the run with whose weights to begin.

    Raises:
        UsageError: the choices do not go together, with the architecture, or with the init_from.
    """
    inherited = inherited_settings(init_from.description, dataset, chosen) if init_from else {}
    asked = {"minutes": DEFAULT_MINUTES}, PRESETS[preset] if preset else {}, inherited, chosen
    known = resolve(*asked)
    refuse_foreign(known.arch, chosen)
    if not is_supported(known.precision, accelerator):
        raise UsageError(
            f"This machine cannot train in {known.precision}.", "Leave precision out, or set precision=fp32."
        )
    return fit_settings(dataset, measure(accelerator), *asked)


def fit_settings(dataset: Dataset, machine: Machine, *asked: Mapping[str, Any]) -> Settings:
    """What suits a dataset and a machine, changed by what was asked for.

    Args:
        dataset: what to train on.
        machine: what computes.
        asked: settings from several sources, the later ones stronger. Where the head is the embedding, its
            size goes with `hidden_size`.

    Raises:
        UsageError: a key is unknown or a value out of bounds.
    """
    known = resolve(*asked)
    suited = fitted(
        dataset.description.splits["train"].tokens,
        dataset.vocabulary.size,
        machine,
        arch=known.arch,
        minutes=known.minutes,
        epochs=known.epochs,
    )
    settings = resolve(suited, *asked)
    if settings.tied and any("hidden_size" in source for source in asked):
        return resolve(suited, {"embedding_size": settings.hidden_size}, *asked)
    return settings
