"""A room that most tests of the server share, and workspaces of one's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from support.browser import Desk, chromium, desks
from support.room import ServedRoom, served

from scriptforge.workspace import RunFolder


@pytest.fixture(scope="session")
def room_workspace(tiny_run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run on the play."""
    place = tmp_path_factory.mktemp("room")
    for name in ("data", "runs"):
        shutil.copytree(tiny_run.path.parent.parent / name, place / name)
    return place


@pytest.fixture(scope="session")
def room(room_workspace: Path) -> Iterator[ServedRoom]:
    """A room for writers, on any free port."""
    with served(room_workspace, "harbour", "--port", "0") as found:
        yield found


@pytest.fixture
def workspace(room_workspace: Path, tmp_path: Path) -> Path:
    """A workspace of one's own with the same run."""
    for name in ("data", "runs"):
        shutil.copytree(room_workspace / name, tmp_path / name)
    return tmp_path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of a module."""
    with chromium() as opened:
        yield opened


@pytest.fixture
def desk(browser: Browser, room: ServedRoom) -> Iterator[Desk]:
    """A page of the shared room, on a draft of its own."""
    yield from desks(browser, room.linked())
