"""Training time, which goes on across interruptions."""

import time


class Clock:
    """A clock that starts at the seconds an earlier one had reached."""

    def __init__(self, seconds_before: float = 0.0) -> None:
        self._began = time.perf_counter() - seconds_before
        self._rang = time.perf_counter()

    def seconds(self) -> float:
        """Training time so far."""
        return time.perf_counter() - self._began

    def rings(self, interval: float) -> bool:
        """Whether `interval` seconds passed since this was last true."""
        if time.perf_counter() - self._rang < interval:
            return False
        self._rang = time.perf_counter()
        return True
