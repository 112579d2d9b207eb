"""Searching for better settings."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scriptforge.net.client import progress_bars
from scriptforge.options import TuneOptions, with_fields
from scriptforge.workspace import Workspace, expand_home

if TYPE_CHECKING:
    from scriptforge.dataset import Dataset
    from scriptforge.tuning.results import TuningEvent
    from scriptforge.tuning.search import Outcome


def tune(
    dataset: "Dataset | str | None" = None,
    options: TuneOptions | None = None,
    *,
    space: str | Path | None = None,
    study: str | None = None,
    storage: str | None = None,
    workspace: str | Path | None = None,
    progress: bool | None = None,
    **fields: Any,
) -> "Outcome":
    """Search for settings that suit a dataset better than those that `train` chooses; continue a study.

    Train with what was found: `train(outcome.dataset, outcome.options_for(TrainOptions(minutes=3)))`.

    Args:
        dataset: the dataset or its name; None is the latest.
        options: how many trials, how long each of them trains, and where.
        space: a TOML file with the settings to search; None is the default space.
        study: the name of the study; None takes the dataset's.
        storage: the address where its trials are kept; None is a file in the study's folder.
        workspace: the workspace of the dataset, the study, and the dataset of the best trial.
        progress: whether to show a bar; None shows one in a notebook.
        fields: fields of `TuneOptions` to change.

    Raises:
        UsageError: the existing study is of something else.
        StudyError: the storage cannot be used, or Optuna is not installed.
        TrainingError: no trial was trained to the end.
    """
    from scriptforge.dataset import Dataset
    from scriptforge.training.devices import choose_device
    from scriptforge.tuning.results import TrialEnded
    from scriptforge.tuning.search import outcome_of, search
    from scriptforge.tuning.space import Space
    from scriptforge.tuning.study import Plan, copied_into_workspace, default_space, open_study

    found = Workspace.find(workspace)
    chosen = with_fields(options or TuneOptions(), fields)
    opened = dataset if isinstance(dataset, Dataset) else Dataset(found.dataset(dataset))
    tried = Space.read(expand_home(space)) if space else default_space(opened)
    plan = Plan(**asdict(chosen), space=tried, accelerator=choose_device(chosen.device))
    with (
        progress_bars(progress) as on_progress,
        open_study(found.study(study or opened.name), storage, opened, plan) as searched,
    ):

        def show(event: "TuningEvent") -> None:
            if isinstance(event, TrialEnded):
                on_progress("Tuning", event.record.number + 1, plan.trials)

        search(searched, show)
        outcome = outcome_of(searched)
    return replace(outcome, dataset=copied_into_workspace(outcome.dataset, found))
