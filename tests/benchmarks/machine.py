"""The machine's own limits, which nothing that runs on it can pass.

Matrix products bound a training: every weight meets many tokens at once. The reading of weights bounds the
drawing of single tokens: every weight is read for each, and meets only that one.
"""

from collections.abc import Callable
from itertools import cycle

import torch

from benchmarks.harness import compare, rate_of
from benchmarks.results import Comparison

ORDER = 2048
ROUNDS = 15
WEIGHT_MEGABYTES = (14, 56, 256)
"""What is read: a character model of 512 units, the course's network, and more than most caches hold."""


def run() -> list[Comparison]:
    """Matrix products in two precisions, and reading weights of three sizes."""
    reading = {f"{size} MB of weights": reading_weights(size) for size in WEIGHT_MEGABYTES}
    return [
        compare(
            f"matrix products, {ORDER}³",
            "GFLOP/s",
            {"fp32": matrix_products(torch.float32), "bf16": matrix_products(torch.bfloat16)},
            rounds=ROUNDS,
            baseline="fp32",
        ),
        compare("matrix times vector", "GB/s", reading, rounds=ROUNDS, baseline=next(iter(reading))),
    ]


def matrix_products(precision: torch.dtype, repetitions: int = 5) -> Callable[[], float]:
    """A contender: square matrix products, in GFLOP/s."""
    left = torch.randn(ORDER, ORDER).to(precision)
    right = torch.randn(ORDER, ORDER).to(precision)
    product = torch.empty(ORDER, ORDER, dtype=precision)

    def multiply() -> None:
        for _ in range(repetitions):
            torch.mm(left, right, out=product)

    return rate_of(multiply, repetitions * 2 * ORDER**3 / 1e9)


def reading_weights(megabytes: float, columns: int = 1024, repetitions: int = 40) -> Callable[[], float]:
    """A contender: fp32 weights of that size, each met once by a vector and then the next, in GB/s.

    The weights are in several matrices, as those of a model are, and each is read once before the first is
    read again; where a cache holds them all, it is the cache that is measured, as it is for a model.
    """
    matrices = 4
    rows = round(megabytes * 1e6 / 4 / columns / matrices)
    weights = [torch.randn(rows, columns) for _ in range(matrices)]
    vector = torch.randn(columns)
    outcome = torch.empty(rows)

    def read() -> None:
        for _, weight in zip(range(matrices * repetitions), cycle(weights), strict=False):
            torch.mv(weight, vector, out=outcome)

    return rate_of(read, repetitions * matrices * rows * columns * 4 / 1e9)
