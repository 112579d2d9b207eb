from collections.abc import Generator

import pytest

from scriptforge.training.events import Interrupted, Notice, TrainingEvent
from scriptforge.training_runs.trackers import recorded


class Notebook:
    """Notes the steps it hears of; fails at one of them, or when it is closed."""

    def __init__(self, name: str, fails_at: int | None = None, fails_closing: bool = False) -> None:
        self.name = name
        self.steps: list[int] = []
        self.is_closed = False
        self._fails_at = fails_at
        self._fails_closing = fails_closing

    def take(self, event: TrainingEvent) -> None:
        assert isinstance(event, Interrupted)
        if event.step == self._fails_at:
            raise OSError("no room\nat all")
        self.steps.append(event.step)

    def close(self) -> None:
        self.is_closed = True
        if self._fails_closing:
            raise ValueError("stuck")


def interrupted(step: int) -> Interrupted:
    return Interrupted("play", step)


def training(steps: int, fails: bool = False) -> Generator[TrainingEvent, None, None]:
    for step in range(1, steps + 1):
        yield interrupted(step)
    if fails:
        raise RuntimeError("diverged")


def test_a_failing_recorder_is_named_once_and_left_out() -> None:
    good, bad = Notebook("the good one"), Notebook("the bad one", fails_at=2)
    events = list(recorded(training(4), [bad, good]))
    assert (good.steps, bad.steps) == ([1, 2, 3, 4], [1])
    assert good.is_closed and not bad.is_closed
    noted = Notice("Training continues without the bad one: OSError: no room at all", is_warning=True)
    assert events == [interrupted(1), noted, *map(interrupted, (2, 3, 4))]


def test_failing_to_close_is_said_and_hides_no_other() -> None:
    bad, good = Notebook("the bad one", fails_closing=True), Notebook("the good one")
    events = list(recorded(training(1), [bad, good]))
    assert good.is_closed
    assert events[1:] == [
        Notice("Training continues without the bad one: ValueError: stuck", is_warning=True)
    ]


def test_all_are_closed_when_the_training_fails() -> None:
    book = Notebook("one")
    with pytest.raises(RuntimeError, match="diverged"):
        list(recorded(training(2, fails=True), [book]))
    assert book.is_closed and book.steps == [1, 2]


def test_all_are_closed_when_nobody_asks_for_more() -> None:
    book = Notebook("one")
    events = recorded(training(2), [book])
    next(events)
    events.close()
    assert book.is_closed and book.steps == [1]
