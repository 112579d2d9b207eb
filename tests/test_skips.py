"""In CI, an unexpected skip is a failure."""

import pytest
from support.skips import NO_CHROMIUM, NO_CUDA, fail_unexpected


def report_of(reason: str) -> pytest.TestReport:
    """Return the report of a test that was skipped."""
    place = ("test_play.py", 3, f"Skipped: {reason}")
    return pytest.TestReport("test_play.py::test_it", ("test_play.py", 3, ""), {}, "skipped", place, "setup")


def outcome(reason: str) -> str:
    report = report_of(reason)
    fail_unexpected(report)
    return report.outcome


def test_only_in_ci_an_unexpected_skip_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    assert outcome("it rains") == "skipped"
    monkeypatch.setenv("CI", "true")
    assert outcome("it rains") == "failed"
    assert outcome(NO_CUDA) == "skipped"


def test_a_program_may_be_missing_only_if_ci_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.delenv("NOT_INSTALLED", raising=False)
    assert outcome(NO_CHROMIUM) == "failed"
    monkeypatch.setenv("NOT_INSTALLED", "postgresql chromium")
    assert outcome(NO_CHROMIUM) == "skipped"


def test_an_expected_failure_is_no_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    report = report_of("")
    report.wasxfail = "known"
    fail_unexpected(report)
    assert report.skipped
