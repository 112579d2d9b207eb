"""Contenders that take turns in one process; what counts is the ratio of their figures within a round.

A machine's speed drifts from one minute to the next, so a figure means little without another one from the
same time. A benchmark is a module whose function `run()` returns its results: `Comparison`s of contenders,
and `Figure`s that stand alone.
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
    """Let contenders take turns, and compare their figures.

    Args:
        title: what is compared.
        unit: the unit of the figures.
        contenders: as in `turns`.
        rounds: as in `turns`.
        baseline: the contender that the others are compared with.
        answers: rows of the table of goals, by the contender that answers each.
    """
    figures = turns(contenders, rounds)
    return Comparison(title=title, unit=unit, baseline=baseline, figures=figures, answers=dict(answers or {}))


def turns(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Let contenders take turns, every other round in reverse, after a round of warm-up that does not count.

    Args:
        contenders: functions by name; each does one piece of work, the same each time, and returns its
            figure. A second or two per piece is long enough.
        rounds: number of rounds.

    Returns:
        The figures of each contender, in the order of the rounds.
    """
    for work in contenders.values():
        work()
    figures: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(rounds):
        for name in list(contenders)[:: 1 if turn % 2 == 0 else -1]:
            figures[name].append(contenders[name]())
    return figures


def rate_of(work: Callable[[], object], amount: float) -> Callable[[], float]:
    """Return a contender that does a piece of work of `amount` units, and returns the units per second."""

    def rate() -> float:
        begun = time.perf_counter()
        work()
        return amount / (time.perf_counter() - begun)

    return rate
