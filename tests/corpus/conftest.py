"""A web server of the tests' own."""

from collections.abc import Iterator
from pathlib import Path

import datasets
import huggingface_hub
import pytest
from support.web_server import Web


@pytest.fixture
def web(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """The server, with an empty cache of what was downloaded."""
    server = Web()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", own_home / "datasets")
    yield server
    server.stop()
    huggingface_hub.close_session()
