"""The limits of the machine, which bound everything that runs on it.

Matrix products bound training, where each weight is used for many tokens at once. Reading weights bounds
generation, where each weight is read again for every token.
"""

from collections.abc import Callable
from itertools import cycle

import torch

from benchmarks.harness import compare, rate_of
from benchmarks.results import Comparison

ORDER = 2048
ROUNDS = 15
WEIGHT_MEGABYTES = (14, 56, 256)
"""Sizes to read: a character model of 512 units, the course's network, and more than most caches hold."""


def run() -> list[Comparison]:
    """Measure matrix products in two precisions, and the reading of weights of three sizes."""
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
    """Return a contender: square matrix products, in GFLOP/s."""
    left = torch.randn(ORDER, ORDER).to(precision)
    right = torch.randn(ORDER, ORDER).to(precision)
    product = torch.empty(ORDER, ORDER, dtype=precision)

    def multiply() -> None:
        for _ in range(repetitions):
            torch.mm(left, right, out=product)

    return rate_of(multiply, repetitions * 2 * ORDER**3 / 1e9)


def reading_weights(megabytes: float, columns: int = 1024, repetitions: int = 40) -> Callable[[], float]:
    """Return a contender: products of fp32 weights of that size with a vector, in GB/s.

    As in a model, the weights are in several matrices, and all are read before the first is read again. If a
    cache holds them all, the cache is measured, as it would be with a model.
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
