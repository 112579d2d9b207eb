"""Recorders, and how reports reach them without a failure of theirs reaching the training."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Protocol

from scriptforge.training.reports import Report


class Recorder(Protocol):
    """Something that keeps what a training reports.

    Attributes:
        name: what a person calls the thing that is kept.
    """

    name: str

    def take(self, report: Report) -> None:
        """Keeps what it cares for in a report."""
        ...

    def close(self) -> None:
        """Writes what is still to be written; the training has ended, in whatever way."""
        ...


@contextmanager
def recording(
    recorders: Iterable[Recorder], warn: Callable[[str], None]
) -> Iterator[Callable[[Report], None]]:
    """Yields what hands a report to every recorder, and closes them in the end.

    A recorder that fails is warned of in a line and left out from then on: no training dies of it.
    """
    going = list(recorders)

    def attempt(recorder: Recorder, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            going.remove(recorder)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            warn(f"The training goes on without {recorder.name}: {reason}")

    def record(report: Report) -> None:
        for recorder in tuple(going):
            attempt(recorder, partial(recorder.take, report))

    try:
        yield record
    finally:
        for recorder in tuple(going):
            attempt(recorder, recorder.close)
