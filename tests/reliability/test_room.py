"""The writing room, attacked; the long forms are those of the page."""

from pathlib import Path

import pytest
from support.campaign import failures

from reliability import edited, hostile, visited
from reliability.furnished import copied

_RUN = "play"


@pytest.fixture
def workspace(furnished: Path, tmp_path: Path) -> Path:
    return copied(furnished, tmp_path / "workspace")


@pytest.mark.slow
def test_hostile_requests(workspace: Path) -> None:
    assert failures([hostile.attack(workspace, _RUN, 200)]) == []


@pytest.mark.slow
def test_what_was_acknowledged_survives(workspace: Path) -> None:
    assert edited.edit_and_kill(workspace, _RUN, 2) > 0


@pytest.mark.slow
def test_two_tabs(workspace: Path) -> None:
    assert failures([edited.attack_tabs(workspace, _RUN, 60)]) == []


@pytest.mark.slow
def test_many_clients(workspace: Path) -> None:
    assert failures([visited.many(workspace, 50, 200)]) == []


@pytest.mark.slow
def test_slow_clients(workspace: Path) -> None:
    assert failures([visited.slow(workspace, 20, is_patient=False)]) == []


@pytest.mark.soak
def test_visits_without_end() -> None:
    assert failures(visited.long_attack()) == []
