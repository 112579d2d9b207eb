"""A clock that goes by how often it is read, so that a training of some seconds is as long on any machine."""


class TickingClock:
    """Stands in for the module `time`; each time that it is read, two milliseconds have passed."""

    def __init__(self) -> None:
        self._reads = 0

    def perf_counter(self) -> float:
        """Return the seconds since the first reading."""
        self._reads += 1
        return self._reads / 500
