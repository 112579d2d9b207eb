"""Contenders side by side: they take turns in one process, and what counts is the ratio within a round.

A machine's speed drifts from one minute to the next, so a figure means little without what stood beside it
at the same time. A benchmark is a module with a function `run()` that returns what it measured: `Comparison`s
of contenders, and `Figure`s that stand alone. Knows nothing of what is measured.
"""

import time
from collections.abc import Callable, Mapping

from benchmarks.results import Comparison


def compare(
    title: str,
    unit: str,
    contenders: Mapping[str, Callable[[], float]],
    *,
    rounds: int,
    baseline: str,
    answers: Mapping[str, str] | None = None,
) -> Comparison:
    """Lets contenders take turns and sets their figures side by side.

    Args:
        title: what is compared.
        unit: what the contenders return.
        contenders: as in `turns`.
        rounds: as in `turns`.
        baseline: the contender that the others are compared with.
        answers: which contender answers which row of the table of goals.
    """
    figures = turns(contenders, rounds)
    return Comparison(title=title, unit=unit, baseline=baseline, figures=figures, answers=dict(answers or {}))


def turns(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Lets contenders take turns, every other round in reverse; a first round to warm up does not count.

    Args:
        contenders: for each name a function that does one piece of work, the same each time, and returns
            its figure; a second or two a piece is long enough.
        rounds: how many pieces each does.

    Returns:
        For each name its figures, in the order of the rounds.
    """
    for work in contenders.values():
        work()
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name in list(contenders)[:: 1 if turn % 2 == 0 else -1]:
            figures[name].append(contenders[name]())
    return figures


def rate_of(work: Callable[[], object], amount: float) -> Callable[[], float]:
    """A contender: does a piece of work of so many units, and tells how many a second that is."""

    def rate() -> float:
        begun = time.perf_counter()
        work()
        return amount / (time.perf_counter() - begun)

    return rate
