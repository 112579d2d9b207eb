"""A run on its way to the Hub, without the dataset that it was trained on."""

from typing import Any

from scriptforge.hub.push import PushResult, push
from scriptforge.options import PushOptions
from scriptforge.run.run import Run
from scriptforge.workspace import Workspace


def push_run(run: Run, repository: str, **options: Any) -> PushResult:
    """Push a model to a repository, from a workspace that is empty."""
    nowhere = Workspace(run.folder.path / "nowhere")
    (result,) = push(nowhere, run, PushOptions(repository=repository, **options))
    return result
