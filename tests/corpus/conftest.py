"""The loopback server, with the clients turned towards it."""

from collections.abc import Iterator
from pathlib import Path

import datasets
import huggingface_hub.constants
import pytest
from loopback import Web


@pytest.fixture
def web(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """The server, with both clients' caches empty and the Hub at its address."""
    server = Web()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.address)
    template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(own_home / "hub"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", own_home / "datasets")
    yield server
    server.stop()
    huggingface_hub.close_session()
