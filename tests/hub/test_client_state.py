"""A program that uses the Hub's client itself finds it, after a push and a pull, as it was."""

from collections.abc import Iterator
from logging import WARNING
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import get_session
from huggingface_hub.utils import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
    logging,
)
from support.loopback_hub import Fault, Hub
from support.pushing import push_run

from scriptforge.errors import HubError
from scriptforge.hub.pull import pull
from scriptforge.run.run import Run
from scriptforge.workspace import RunFolder, Workspace


@pytest.fixture(autouse=True)
def with_bars(hub: Hub, tiny_run: RunFolder) -> Iterator[None]:
    """Draw bars and warn, as the client does until somebody forbids it."""
    level, are_bars_disabled = logging.get_verbosity(), are_progress_bars_disabled()
    enable_progress_bars()
    logging.set_verbosity(WARNING)
    yield
    logging.set_verbosity(level)
    if are_bars_disabled:
        disable_progress_bars()


def state() -> dict[str, Any]:
    hooks = {kind: list(each) for kind, each in get_session().event_hooks.items()}
    return {"no bars": are_progress_bars_disabled(), "level": logging.get_verbosity(), "hooks": hooks}


def test_a_push_and_a_pull_leave_the_client_as_it_was(hub: Hub, tiny_run: RunFolder, tmp_path: Path) -> None:
    before = state()
    push_run(Run(tiny_run), "ann/harbour")
    pull(Workspace(tmp_path), "ann/harbour")
    assert state() == before


def test_so_does_a_pull_that_fails(hub: Hub, tmp_path: Path) -> None:
    before = state()
    hub.misbehave(Fault(status=403))
    with pytest.raises(HubError):
        pull(Workspace(tmp_path), "ann/harbour")
    assert state() == before
