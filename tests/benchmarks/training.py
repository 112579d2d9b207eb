"""Tokens learnt from per second: the course's network, trained the course's way and ours.

All contenders have the same sizes, train every parameter, and use the full softmax unless a row says
otherwise. A target is a token that a step learns to predict. The machine's matrix products are measured in
the same rounds; the FLOP of a token follow from the sizes of the network.
"""

import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from support.command import scriptforge

from benchmarks.harness import compare, rate_of, turns
from benchmarks.learners import Default, Learner, Ours, PlainStreams, Recipe, config, products_of_token
from benchmarks.machine import matrix_products
from benchmarks.results import Comparison, Figure
from scriptforge.run.history import read_history
from scriptforge.run.records import RunDescription
from scriptforge.training.process_state import keep_freed_memory
from scriptforge.workspace import Workspace

ROUNDS, FEWER_ROUNDS = 9, 5
RECIPE, PLAIN = "the course's recipe", "nn.LSTM, streams of 32 × 35"
SAMPLES = 2048
SAMPLED = f"ours, bf16, {SAMPLES:,} words sampled"
OURS = {precision: f"ours, {precision}" for precision in ("fp32", "bf16")}
MACHINE = {precision: f"matrix products, {precision}" for precision in OURS}


DEFAULT = "orthogonal steps in the kernel"
TIMED = ("train", "demo", "--minutes", "1", "--cpu", "--from", "none", "--name", "timed")
START = """
import sys, time
from pathlib import Path
from scriptforge import TrainOptions
from scriptforge.dataset import Dataset
from scriptforge.training_runs.train import train
from scriptforge.training.process_state import prepare_process
from scriptforge.workspace import Workspace
prepare_process()
workspace = Workspace(Path(sys.argv[1]))
began = time.perf_counter()
dataset = Dataset(workspace.dataset("demo"))
options = TrainOptions(minutes=3, device="cpu", init_from="none")
seconds = []
def stop():  # after the first step
    seconds.append(time.perf_counter() - began)
    return True
list(train(dataset, options, workspace, should_stop=stop))
print(seconds[0])
"""
"""Prints the seconds from opening a dataset to the end of the first step."""


def run() -> list[Comparison | Figure]:
    """Measure tokens per second, the share of the machine's matrix products, and time outside the steps."""
    return [*course(), recipe(), *around_the_steps()]


def recipe() -> Comparison:
    """Measure the characters per second of the default recipe, with and without the kernel."""
    learners = {name: Default(has_kernel=name == DEFAULT) for name in ("PyTorch alone", DEFAULT)}
    contenders = {name: rate_of(learner.step, learner.targets) for name, learner in learners.items()}
    return compare(
        "the default recipe, 1 × 384, characters",
        "characters/s",
        contenders,
        rounds=ROUNDS,
        baseline="PyTorch alone",
        answers={DEFAULT: "T4"},
    )


def around_the_steps() -> list[Figure]:
    """Measure how soon a training begins, and the share of a minute that is not spent on steps."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        scriptforge("prepare", "demo", workspace=place)
        command = [sys.executable, "-c", START, folder]
        seconds = [
            float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            for _ in range(FEWER_ROUNDS)
        ]
        scriptforge(*TIMED, workspace=place)
        run = Workspace(place).run("timed")
        description, history = RunDescription.load(run), read_history(run)
    result, settings = description.result, description.settings
    assert result is not None
    steps = history[-1].step * settings.batch_size * settings.sequence_length / result.tokens_per_second
    share = 100 * (1 - steps / result.seconds)
    return [
        Figure(title="from a dataset to the first step", unit="s", value=median(seconds), answers="T5"),
        Figure(title="validations, samples and checkpoints of a minute", unit="%", value=share, answers="T6"),
    ]


def course() -> list[Comparison]:
    """Measure the course's network in tokens per second, and as a share of the machine's matrix products."""
    keep_freed_memory()  # as every training does; the others gain from it, too
    learners: dict[str, Learner] = {
        RECIPE: Recipe(),
        PLAIN: PlainStreams(32, 35),
        **{name: Ours(precision) for precision, name in OURS.items()},
        SAMPLED: Ours("bf16", SAMPLES),
    }
    machine = {
        MACHINE["fp32"]: matrix_products(torch.float32),
        MACHINE["bf16"]: matrix_products(torch.bfloat16),
    }
    figures = turns(
        {name: rate_of(learner.step, learner.targets) for name, learner in learners.items()} | machine, ROUNDS
    )
    speed = Comparison(
        title="training the course's network",
        unit="tokens/s",
        baseline=RECIPE,
        figures={name: figures[name] for name in learners},
        answers=dict.fromkeys(OURS.values(), "T1") | {SAMPLED: "T3"},
    )
    return [speed, *(reached(figures, precision) for precision in OURS)]


def reached(figures: dict[str, list[float]], precision: str) -> Comparison:
    """Compare the matrix products that our training does with those that the machine can do."""
    gigaflop_of_token = sum(products_of_token(config()).values()) / 1e9
    ours, machine = OURS[precision], MACHINE[precision]
    return Comparison(
        title=f"multiplying, {gigaflop_of_token * 1000:.0f} MFLOP a token",
        unit="GFLOP/s",
        baseline=machine,
        figures={ours: [rate * gigaflop_of_token for rate in figures[ours]], machine: figures[machine]},
        answers={ours: "T2"},
    )
