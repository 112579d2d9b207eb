"""Training, loading, sampling and evaluating models."""

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from scriptforge.errors import UsageError
from scriptforge.net.client import progress_bars
from scriptforge.options import (
    Device,
    EvaluateOptions,
    GenerateOptions,
    PushOptions,
    Tracker,
    TrainOptions,
    with_fields,
)
from scriptforge.workspace import Workspace, names_a_file

if TYPE_CHECKING:
    from scriptforge.copying import OriginalityReport
    from scriptforge.dataset import Dataset
    from scriptforge.evaluation import EvaluationReport
    from scriptforge.generation.generate import GeneratedText, Session
    from scriptforge.hub.push import PushResult
    from scriptforge.net.client import ProgressCallback
    from scriptforge.run.run import Run
    from scriptforge.training.events import TrainingEvent

_STEPS_OF_A_BAR = 1000


class Model:
    """A trained model: its run, opened, and the workspace of the run.

    Attributes:
        run: the run, with its folder, description, vocabulary and network.
        workspace: the workspace, which may contain the dataset that the model was trained on.
    """

    def __init__(self, run: "Run", workspace: Workspace) -> None:
        self.run = run
        self.workspace = workspace

    def __repr__(self) -> str:
        about = self.run.description
        return f"<Model {self.run.folder.name}: {about.settings.arch}, {about.parameters:,} weights>"

    def open_dataset(self) -> "Dataset":
        """Return the dataset that the model was trained on.

        Raises:
            DatasetError: it is not in the workspace.
            RunError: the dataset of that name was prepared in another way.
        """
        return self.run.description.open_dataset(self.workspace)

    def generate(self, prime: str = "", options: GenerateOptions | None = None, **fields: Any) -> str:
        """Generate one text, a new one each time; with a `seed`, always the same, as on the command line.

        Args:
            prime: how it begins: a speaker, `speaker: words`, or words.
            options: how to generate it.
            fields: fields of `GenerateOptions` to change.

        Raises:
            UsageError: the options do not suit the model, or a value is out of range.
        """
        (text,) = generate(self, options, **{"prime": prime, **fields, "count": 1})
        return text.text

    def push(self, repository: str, options: PushOptions | None = None, **fields: Any) -> "list[PushResult]":
        """Share the model on the Hugging Face Hub, as `scriptforge push` does.

        Args:
            repository: the repository, `OWNER/NAME`.
            options: how to share it.
            fields: fields of `PushOptions` to change.

        Returns:
            The result for the model, and if `space` is set the one for its Space.

        Raises:
            HubError: the run is not finished, or the upload fails.
        """
        from scriptforge.api.sharing import push

        return push(self, options, **{"repository": repository, **fields})


ModelOrName: TypeAlias = "Model | str | Path | None"
"""A model, or the name of its run, its folder or `OWNER/NAME` on the Hub; None is the latest run."""


def load(
    name: str | Path | None = None,
    *,
    workspace: str | Path | None = None,
    progress: bool | None = None,
) -> Model:
    """Load a trained model.

    Args:
        name: its run, by name or folder, or `OWNER/NAME` on the Hub; None is the latest run.
        workspace: the workspace that contains the run, or that it is downloaded to.
        progress: whether to show a bar for a download; None shows one in a notebook.

    Raises:
        ScriptforgeError: the run does not exist, or cannot be used.
    """
    from scriptforge.hub.pull import find_run
    from scriptforge.run.run import Run

    found = Workspace.find(workspace)
    with progress_bars(progress) as on_progress:
        folder, _ = find_run(found, str(name) if name is not None else None, on_progress=on_progress)
    return Model(Run(folder), found)


def train(
    dataset: "Dataset | str | None" = None,
    options: TrainOptions | None = None,
    *,
    name: str | None = None,
    force: bool = False,
    workspace: str | Path | None = None,
    progress: bool | None = None,
    **fields: Any,
) -> Model:
    """Train a new model to the end, and return it with its best weights.

    Args:
        dataset: the dataset or its name; None is the latest.
        options: how to train, and for how long.
        name: name of the run; None takes the dataset's.
        force: whether to replace a run of that name.
        workspace: the workspace of the dataset, in which to create the run.
        progress: whether to show a bar; None shows one in a notebook.
        fields: fields of `TrainOptions` to change.

    Raises:
        UsageError: the options contradict each other.
        TrainingError: the text is too short, memory ran out, or the loss became infinite.
    """
    from scriptforge.dataset import Dataset
    from scriptforge.training_runs.train import train as train_run

    found = Workspace.find(workspace)
    with progress_bars(progress) as on_progress:
        events = train_run(
            dataset if isinstance(dataset, Dataset) else Dataset(found.dataset(dataset)),
            with_fields(options or TrainOptions(), fields),
            found,
            name=name,
            force=force,
            on_progress=on_progress,
        )
        return _trained(events, found, on_progress)


def resume(
    run: str | Path | None = None,
    *,
    epochs: float | None = None,
    minutes: float | None = None,
    device: Device = "auto",
    track: Tracker | None = None,
    workspace: str | Path | None = None,
    progress: bool | None = None,
) -> Model:
    """Continue a training run from its last checkpoint as if it had not stopped, and return the model.

    Args:
        run: its name or folder; None is the latest.
        epochs: number of further epochs; with neither this nor `minutes`, training continues to its planned
            end.
        minutes: number of further minutes.
        device: where to train.
        track: a tracker that records the rest of the training, too.
        workspace: the workspace that contains the run.
        progress: as in `train`.

    Raises:
        RunError: the run has finished, has no checkpoint, or its dataset has changed.
        TrainingError: as for `train`.
    """
    from scriptforge.training_runs.train import resume as resume_run

    found = Workspace.find(workspace)
    options = TrainOptions(epochs=epochs, minutes=minutes, device=device, track=track)
    with progress_bars(progress) as on_progress:
        events = resume_run(found, str(run) if run is not None else None, options)
        return _trained(events, found, on_progress)


def generate(
    model: ModelOrName = None,
    options: GenerateOptions | None = None,
    *,
    workspace: str | Path | None = None,
    **fields: Any,
) -> "list[GeneratedText]":
    """Generate texts, all in one batch.

    With a `seed`, the same options give the same texts, here and on the command line. Without one, the texts
    are new each time, and each records its own `seed`. A `UserWarning` reports names that are probably
    misspelled, and a model that has hardly been trained.

    Args:
        model: the model; None is the latest run.
        options: what to generate or continue, and where to save the final state.
        workspace: the workspace that contains the run of a model given by name.
        fields: fields of `GenerateOptions` to change.

    Raises:
        UsageError: the options do not suit the model, a value is out of range, or the prime is the name of a
            file.
    """
    return _session(model, options, workspace, fields).write()


def stream(
    model: ModelOrName = None,
    options: GenerateOptions | None = None,
    *,
    workspace: str | Path | None = None,
    **fields: Any,
) -> Iterator[str]:
    """Generate one text, and yield it in pieces; what was yielded is never taken back.

    The arguments and errors are those of `generate`.
    """
    return _session(model, options, workspace, fields).stream()


def evaluate(
    model: ModelOrName = None,
    options: EvaluateOptions | None = None,
    *,
    workspace: str | Path | None = None,
    **fields: Any,
) -> "EvaluationReport":
    """Evaluate a model on held-out text of the dataset that it was trained on.

    Args:
        model: the model; None is the latest run.
        options: what to evaluate, and on which split.
        workspace: the workspace that contains the run of a model given by name.
        fields: fields of `EvaluateOptions` to change.

    Raises:
        DatasetError: the dataset is not in the workspace, or the split is empty.
    """
    from scriptforge.evaluation import evaluate as evaluate_run

    found = as_model(model, workspace)
    return evaluate_run(found.run, found.open_dataset(), with_fields(options or EvaluateOptions(), fields))


def originality(
    text: str | Path, model: ModelOrName = None, *, workspace: str | Path | None = None
) -> "OriginalityReport":
    """Measure how much of a text is copied from a model's training text, beside human text for comparison.

    Args:
        text: the text as a `str`, or the `Path` of a file in any format that can be read.
        model: the model with whose training text to compare; None is the latest run.
        workspace: the workspace that contains the run of a model given by name.

    Raises:
        UsageError: the text is the name of a file.
        DatasetError: the dataset is not in the workspace.
        CorpusError: the file cannot be read.
    """
    from scriptforge.copying import examine_texts, lines_of_rows, lines_of_script, lines_of_text
    from scriptforge.corpus.parse import parse_file
    from scriptforge.screenplay.formats import read

    if isinstance(text, str):
        _refuse_file_name(text, f"Give its path: originality(Path({text!r}))")
    dataset = as_model(model, workspace).open_dataset()
    is_plain = dataset.description.plain
    if isinstance(text, Path):
        lines = list(lines_of_rows(parse_file(text, is_plain)))
    else:
        lines = list(lines_of_text(text) if is_plain else lines_of_script(read(text.splitlines())))
    (report,) = examine_texts([lines], dataset)
    return report


def _refuse_file_name(text: str, hint: str) -> None:
    if names_a_file(text):
        raise UsageError(f"“{text}” is a file, and would be read as text.", hint)


def as_model(model: ModelOrName, workspace: str | Path | None) -> Model:
    """Return a model, loading it unless it is given as such."""
    return model if isinstance(model, Model) else load(model, workspace=workspace)


def _trained(
    events: "Iterable[TrainingEvent]", workspace: Workspace, on_progress: "ProgressCallback"
) -> Model:
    """Run a training to its end, and return the model."""
    from scriptforge.training.events import Finished, StepsDone

    for event in events:
        match event:
            case StepsDone(progress=share):
                on_progress("Training", round(share * _STEPS_OF_A_BAR), _STEPS_OF_A_BAR)
            case Finished(run=name):
                on_progress("Training", _STEPS_OF_A_BAR, _STEPS_OF_A_BAR)
                return load(name, workspace=workspace.root)
    raise AssertionError("a training run that nobody stops ends with Finished")


def _session(
    model: ModelOrName,
    options: GenerateOptions | None,
    workspace: str | Path | None,
    fields: dict[str, Any],
) -> "Session":
    from scriptforge.generation.generate import Session

    found, options = as_model(model, workspace), with_fields(options or GenerateOptions(), fields)
    _refuse_file_name(options.prime, f"Give its text: prime=Path({options.prime!r}).read_text()")
    session = Session(found.run, options, dataset=found.open_dataset() if options.max_copy else None)
    for note in session.notes:
        warnings.warn(note, stacklevel=3)
    return session
