"""The entries of a search space: one value, some values, or a range of numbers.

Knows nothing of what they are values of, and of Optuna only the three questions that a trial can be asked.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from scriptforge.errors import UsageError


class Asked(Protocol):
    """A trial of Optuna, which draws what it is asked for."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """One of some choices."""
        ...

    def suggest_int(self, name: str, low: int, high: int, *, step: int, log: bool) -> int:
        """A whole number."""
        ...

    def suggest_float(self, name: str, low: float, high: float, *, step: float | None, log: bool) -> float:
        """A number."""
        ...


@dataclass(frozen=True)
class Fixed:
    """A value that every trial has."""

    value: Any


@dataclass(frozen=True)
class Choices:
    """Some values, in no order."""

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        return value in self.values

    def draw(self, name: str, trial: Asked) -> Any:
        """One of them."""
        return trial.suggest_categorical(name, self.values)


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included; whole ones if these are.

    Attributes:
        low: the least.
        high: the greatest.
        log: whether to draw evenly on a logarithmic scale.
        step: the distance from one to the next; None for 1, or where they are dense.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its numbers are whole ones."""
        return isinstance(self.low, int)

    def __contains__(self, value: Any) -> bool:
        return self.low <= value <= self.high and self._is_on_the_way(value)

    def draw(self, name: str, trial: Asked) -> float:
        """One of them."""
        if self.is_whole:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def check(self, name: str) -> None:
        """Refuses what is no range.

        Raises:
            UsageError: it is empty, has a step that does not lead through it, or no logarithms.
        """
        if self.low >= self.high:
            raise UsageError(
                f"{name}: low is {self.low}, which is not below high, {self.high}.",
                f"Write a plain value to fix it: {name} = {self.low}",
            )
        if self.log and self.low <= 0:
            raise UsageError(
                f"{name}: low is {self.low}, of which there is no logarithm.",
                "Let low be above 0, or leave log out.",
            )
        if self.log and self.step is not None:
            raise UsageError(f"{name}: log and step exclude each other.", "Give one of them.")
        if self.step is not None and (self.step <= 0 or not self._is_on_the_way(self.high)):
            raise UsageError(
                f"{name}: steps of {self.step} do not lead from {self.low} to {self.high}.",
                "Let the step be above 0 and go into their distance without a rest.",
            )

    def _is_on_the_way(self, value: float) -> bool:
        """Whether steps lead there; in decimals, as a person wrote them."""
        if self.step is None:
            return True
        return not (Decimal(str(value)) - Decimal(str(self.low))) % Decimal(str(self.step))


Drawn: TypeAlias = Choices | Range
Entry: TypeAlias = Fixed | Drawn
