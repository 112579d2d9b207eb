"""A workspace for the attacks, which they copy."""

from pathlib import Path

import pytest

from reliability.furnished import furnish


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which there is something of everything."""
    return furnish(tmp_path_factory.mktemp("furnished") / "workspace")
