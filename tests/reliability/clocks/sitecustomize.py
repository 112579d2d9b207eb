"""Lets the clocks that nobody can set misbehave, as `CLOCK_FORWARD` says; Python imports this as it starts.

coarse  they tick every 16 ms, as they do on some systems
still   they never tick
jump    a year passes between two readings of the first twenty, as if the machine had slept
"""

import os
import time
from collections.abc import Callable
from itertools import count

_YEAR = 365 * 86400 * 10**9
_TICK = 16 * 10**6


def _misbehaving(read: Callable[[], int], how: str) -> Callable[[], int]:
    """Return a clock in nanoseconds in place of another one."""
    began, readings = read(), count()
    if how == "coarse":
        return lambda: read() // _TICK * _TICK
    if how == "jump":
        return lambda: read() + (_YEAR if next(readings) >= 20 else 0)
    return lambda: began


if _how := os.environ.get("CLOCK_FORWARD"):
    for _name in ("monotonic", "perf_counter"):
        _clock = _misbehaving(getattr(time, f"{_name}_ns"), _how)
        setattr(time, f"{_name}_ns", _clock)
        setattr(time, _name, lambda clock=_clock: clock() / 1e9)
