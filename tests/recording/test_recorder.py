import pytest

from scriptforge.tracking.trackers import recording
from scriptforge.training.reports import Interrupted, Report


class Notebook:
    """Notes the steps it hears of; fails at one of them, or when it is closed."""

    def __init__(self, name: str, fails_at: int | None = None, fails_closing: bool = False) -> None:
        self.name = name
        self.steps: list[int] = []
        self.is_closed = False
        self._fails_at = fails_at
        self._fails_closing = fails_closing

    def take(self, report: Report) -> None:
        assert isinstance(report, Interrupted)
        if report.step == self._fails_at:
            raise OSError("no room\nat all")
        self.steps.append(report.step)

    def close(self) -> None:
        self.is_closed = True
        if self._fails_closing:
            raise ValueError("stuck")


def test_a_failing_recorder_is_said_once_and_left_out() -> None:
    said: list[str] = []
    good, bad = Notebook("the good one"), Notebook("the bad one", fails_at=2)
    with recording([bad, good], said.append) as record:
        for step in range(1, 5):
            record(Interrupted(step))
    assert (good.steps, bad.steps) == ([1, 2, 3, 4], [1])
    assert good.is_closed and not bad.is_closed
    assert said == ["The training goes on without the bad one: OSError: no room at all"]


def test_failing_to_close_is_said_and_hides_no_other() -> None:
    said: list[str] = []
    bad, good = Notebook("the bad one", fails_closing=True), Notebook("the good one")
    with recording([bad, good], said.append):
        pass
    assert good.is_closed
    assert said == ["The training goes on without the bad one: ValueError: stuck"]


def test_all_are_closed_when_the_training_fails() -> None:
    book = Notebook("one")
    with pytest.raises(RuntimeError, match="diverged"), recording([book], print):
        raise RuntimeError("diverged")
    assert book.is_closed
