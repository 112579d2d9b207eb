"""A workspace in which the real commands have prepared a dataset and trained a run."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command import scriptforge
from tiny import comedy

SMALL = (
    "--set=hidden_size=16", "--set=embedding_size=8", "--set=batch_size=4", "--set=sequence_length=16",
)  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """A workspace, and what the commands that filled it said."""

    path: Path
    prepared: dict[str, Any]
    trained: dict[str, Any]


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    path = tmp_path_factory.mktemp("stage")
    (path / "harbour.txt").write_text(comedy(400), encoding="utf-8")
    prepared = scriptforge("prepare", "harbour.txt", "--level", "word", "--json", workspace=path)
    trained = scriptforge(
        "train", "--epochs", "2", "--name", "play", *SMALL, "--set=validations=2", "--json", workspace=path
    )
    for done in (prepared, trained):
        assert (done.returncode, done.stderr) == (0, "")
    return Stage(path, json.loads(prepared.stdout), json.loads(trained.stdout))
