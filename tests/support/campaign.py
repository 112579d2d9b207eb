"""What the attacks on reliability have in common: how one is counted, and which attempts a process makes.

Each attack is a module in `tests/reliability` with a function that tries so many things and returns `Part`s.
Its tests run the short form (`slow`) and the long one (`soak`); `docs/measured/reliability.py` runs the long
one and writes the page.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

Attempt = TypeVar("Attempt")

ATTEMPTS = int(os.environ.get("ATTEMPTS", 0)) or None
"""How many attempts the long form of a test makes at each thing, drawn at random; None is all there are."""

DRAW = int(os.environ.get("DRAW", 0))
"""The seed of what is drawn: other attempts for each number."""

SHARE, SHARES = map(int, os.environ.get("SHARE", "1/1").split("/"))
"""Which of so many equal shares of all attempts this process makes, counted from 1."""


def share(attempts: Iterable[Attempt]) -> list[Attempt]:
    """Return the attempts that fall to this process: one of as many as there are shares."""
    return list(attempts)[SHARE - 1 :: SHARES]


@dataclass
class Part:
    """One line of a report: what was attacked, how often, and what was wrong.

    Attributes:
        what: what was attacked, as it stands in the table: a command, a file, a format.
        tried: how many times.
        failures: of each time that something was wrong, a line that says how to see it again.
        calls: how many calls a command makes that were attacked one by one; None where nothing was counted.
    """

    what: str
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    calls: int | None = None

    def count(self, problem: str | None) -> None:
        """Count an attempt, and what was wrong if anything was."""
        self.tried += 1
        if problem is not None:
            self.failures.append(problem)


def failures(parts: Iterable[Part]) -> list[str]:
    """Return everything that was wrong, for a test to compare with nothing."""
    return [f"{part.what}: {problem}" for part in parts for problem in part.failures]
