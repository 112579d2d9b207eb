"""Parameters of a test that make it slow."""

from collections.abc import Iterable

import pytest
from _pytest.mark.structures import ParameterSet


def slow(values: Iterable[object]) -> list[ParameterSet]:
    """Return values as parameters of a test, which is marked `slow` with each of them."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]
