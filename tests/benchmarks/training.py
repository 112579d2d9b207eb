"""How many tokens a second are learnt: the course's network, trained the course's way and ours.

The same sizes, every parameter trained, the full softmax unless a row says otherwise. A target is a token
that a step learns to expect. Beside them, in the same rounds, the machine's matrix products: a token's FLOP
are computed from the sizes of the network.
"""

import torch

from benchmarks.harness import rate_of, turns
from benchmarks.learners import Learner, Ours, PlainStreams, Recipe, config, products_of_token
from benchmarks.machine import matrix_products
from benchmarks.results import Comparison
from scriptforge.training.devices import keep_freed_memory

ROUNDS = 9
RECIPE, PLAIN = "the course's recipe", "nn.LSTM, streams of 32 × 35"
SAMPLES = 2048
SAMPLED = f"ours, bf16, {SAMPLES:,} words sampled"
OURS = {precision: f"ours, {precision}" for precision in ("fp32", "bf16")}
MACHINE = {precision: f"matrix products, {precision}" for precision in OURS}


def run() -> list[Comparison]:
    """Tokens learnt in a second, and which share of the matrix products that could be is made use of."""
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
    """The matrix products that our training makes use of, beside those that the machine can do."""
    gigaflop_of_token = sum(products_of_token(config()).values()) / 1e9
    ours, machine = OURS[precision], MACHINE[precision]
    return Comparison(
        title=f"multiplying, {gigaflop_of_token * 1000:.0f} MFLOP a token",
        unit="GFLOP/s",
        baseline=machine,
        figures={ours: [rate * gigaflop_of_token for rate in figures[ours]], machine: figures[machine]},
        answers={ours: "T2"},
    )
