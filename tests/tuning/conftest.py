"""A small study: where it is, and what it tries."""

import tomllib
from pathlib import Path

import pytest
from support.spaces import SMALL_SPACE

from scriptforge.tuning.space import Space
from scriptforge.tuning.study import Plan
from scriptforge.workspace import StudyFolder


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "studies" / "harbour")


@pytest.fixture
def plan() -> Plan:
    space = Space.parsed(tomllib.loads(SMALL_SPACE))
    return Plan(trials=3, seconds=0.01, space=space, pruner="none", accelerator="cpu", seed=1)
