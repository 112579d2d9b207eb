"""Workspaces in which the real commands have prepared a dataset and trained a run."""

import json

import pytest
from support.command import SMALL, TrainedWorkspace, scriptforge
from support.tiny import comedy


@pytest.fixture(scope="session")
def first_stage(tmp_path_factory: pytest.TempPathFactory) -> TrainedWorkspace:
    """The workspace that the others are copies of."""
    path = tmp_path_factory.mktemp("stage")
    (path / "harbour.txt").write_text(comedy(400), encoding="utf-8")
    prepared = scriptforge("prepare", "harbour.txt", "--level", "word", "--json", workspace=path)
    trained = scriptforge(
        "train", "--epochs", "2", "--name", "play", *SMALL, "--set=validations=2", "--json", workspace=path
    )
    for done in (prepared, trained):
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return TrainedWorkspace(path, json.loads(prepared.stdout), json.loads(trained.stdout))


@pytest.fixture
def stage(first_stage: TrainedWorkspace, tmp_path_factory: pytest.TempPathFactory) -> TrainedWorkspace:
    """A workspace of the test's own with the dataset `harbour` and the run `play`, which is the latest."""
    return first_stage.copied(tmp_path_factory.mktemp("stage") / "workspace")
