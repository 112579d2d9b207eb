"""The cores of this machine: how many this process may use, and how busy they are."""

import os
from time import perf_counter, process_time

_SECONDS_OF_IDLENESS = 1.0
_MIN_SHARE_OF_STEPS = 0.8
"""Seconds over which idle cores are counted, and the share of them that steps must take."""


def usable_cores() -> int:
    """Return how many processor cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


def load_average() -> float:
    """Return the mean number of busy cores over the last minute; 0 if the system does not say."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # not on Windows
        return 0.0


def idle_seconds() -> float | None:
    """Return the idle time of all cores since the machine started, added up; None if unknown."""
    import psutil  # only training needs it

    try:
        return float(psutil.cpu_times().idle)
    except (OSError, RuntimeError):
        return None


class Idleness:
    """A meter of idle cores while a training run makes steps, by the system's counters."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Start a new measurement."""
        self._began: float | None = None

    def after_step(self, seconds: float) -> float | None:
        """Return the mean number of idle cores over a second; None before its end, or if steps were few."""
        now = perf_counter()
        if self._began is None:
            self._began, self._stepped, self._idle = now, 0.0, idle_seconds()
            return None
        self._stepped += seconds
        passed = now - self._began
        if passed < _SECONDS_OF_IDLENESS or self._idle is None:
            return None
        idle = idle_seconds()
        is_stepping = self._stepped > _MIN_SHARE_OF_STEPS * passed
        cores = (idle - self._idle) / passed if idle is not None and is_stepping else None
        self._began, self._stepped, self._idle = now, 0.0, idle
        return cores


class OtherLoad:
    """A meter of cores that other programs keep busy, from its creation on."""

    def __init__(self) -> None:
        self._began, self._own, self._idle = perf_counter(), process_time(), idle_seconds()

    def cores(self) -> float:
        """Return the mean number of cores busy with other programs; 0 if the system does not say."""
        idle, passed = idle_seconds(), perf_counter() - self._began
        if idle is None or self._idle is None or passed <= 0:
            return 0.0
        own = process_time() - self._own
        return max(0.0, usable_cores() - (idle - self._idle + own) / passed)

    def is_passing(self, cores: float) -> bool:
        """Return whether a load of so many cores is less than half a minute old, and so may soon pass."""
        return 0 < load_average() < cores / 2
