"""Models: made of texts, opened, and what they write and are worth."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from scriptforge.net.client import progress_bars
from scriptforge.options import (
    Device,
    EvaluateOptions,
    GenerateOptions,
    PrepareOptions,
    PushOptions,
    TrainOptions,
    with_fields,
)
from scriptforge.workspace import Workspace

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
    """A trained model: a run, opened, and the workspace that it stands in.

    Attributes:
        run: the run, with its folder, description, vocabulary and network.
        workspace: where the dataset that it was trained on may be.
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
            RunError: the one of its name was prepared in another way.
        """
        return self.run.description.open_dataset(self.workspace)

    def generate(self, prime: str = "", options: GenerateOptions | None = None, **fields: Any) -> str:
        """Return one text, another one each time; with a `seed` always the same, that of the command line.

        Args:
            prime: how it begins: a speaker, `speaker: words`, or words.
            options: what to write.
            fields: fields of `GenerateOptions` to change.

        Raises:
            UsageError: this model cannot write that, or a value is out of its range.
        """
        (text,) = generate(self, options, **{"prime": prime, **fields, "count": 1})
        return text.text

    def push(self, repository: str, options: PushOptions | None = None, **fields: Any) -> "PushResult":
        """Share the model on the Hugging Face Hub, as `scriptforge push` does.

        Args:
            repository: where to, `OWNER/NAME`.
            options: how.
            fields: fields of `PushOptions` to change.

        Raises:
            HubError: it cannot be sent.
        """
        from scriptforge.api.sharing import push

        return push(self, options, **{"repository": repository, **fields})[0]


ModelOrName: TypeAlias = "Model | str | Path | None"
"""A model, or the name of its run, its folder or `OWNER/NAME` on the Hub; None is the latest run."""


def load(
    name: str | Path | None = None,
    *,
    workspace: str | Path | None = None,
    progress: bool | None = None,
) -> Model:
    """Return a trained model.

    Args:
        name: its run, by name or folder, or `OWNER/NAME` on the Hub; None is the latest run.
        workspace: the folder of runs.
        progress: whether to show a bar while it is downloaded; None shows one in a notebook.

    Raises:
        ScriptforgeError: there is none, or it cannot be used.
    """
    from scriptforge.hub.pull import find_run
    from scriptforge.run.run import Run

    found = Workspace.find(workspace)
    with progress_bars(progress) as on_progress:
        folder, _ = find_run(found, str(name) if name is not None else None, on_progress=on_progress)
    return Model(Run(folder), found)


def prepare(
    corpora: str | Path | Sequence[str | Path] = "demo",
    options: PrepareOptions | None = None,
    *,
    name: str | None = None,
    force: bool = False,
    workspace: str | Path | None = None,
    progress: bool | None = None,
    **fields: Any,
) -> "Dataset":
    """Make a dataset of a corpus, or of several, and return it.

    Args:
        corpora: a file or folder, a card's name, `hf:OWNER/NAME` or an https address; several are mixed,
            `NAME=2` reads the text of one twice.
        options: how they become tokens.
        name: of the dataset; None is that of the corpora.
        force: whether to replace a dataset of that name.
        workspace: where the dataset goes.
        progress: whether to show bars; None shows them in a notebook.
        fields: fields of `PrepareOptions` to change.

    Raises:
        ScriptforgeError: a corpus cannot be had or read, or holds too little text, or there is a dataset of
            that name.
    """
    from scriptforge.corpus.prepare import prepare as prepare_corpora

    several = [corpora] if isinstance(corpora, str | Path) else corpora
    with progress_bars(progress) as on_progress:
        return prepare_corpora(
            [str(corpus) for corpus in several],
            with_fields(options or PrepareOptions(), fields),
            Workspace.find(workspace),
            name=name,
            force=force,
            on_progress=on_progress,
        )


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
    """Train a new model to its end, and return it with its best weights.

    Args:
        dataset: what to train on; None is the latest.
        options: for how long, and how.
        name: of the run; None is the dataset's.
        force: whether to replace a run of that name.
        workspace: where the run goes.
        progress: whether to show a bar; None shows one in a notebook.
        fields: fields of `TrainOptions` to change.

    Raises:
        UsageError: the options do not go together.
        TrainingError: the text is too short, memory ran out, or the loss became infinite.
    """
    from scriptforge.dataset import Dataset
    from scriptforge.tracking.train import train as train_run

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
    workspace: str | Path | None = None,
    progress: bool | None = None,
) -> Model:
    """Continue a training run from its last checkpoint as if it had not stopped, and return the model.

    Args:
        run: its name or folder; None is the latest.
        epochs: how many more; with neither this nor `minutes`, to the end that was planned.
        minutes: how many more.
        device: what computes.
        workspace: where the run is.
        progress: as of `train`.

    Raises:
        RunError: the run has finished, has no checkpoint, or its dataset has changed.
        TrainingError: as of `train`.
    """
    from scriptforge.tracking.train import resume as resume_run

    found = Workspace.find(workspace)
    options = TrainOptions(epochs=epochs, minutes=minutes, device=device)
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
    """Write texts, all at once; the same options with a seed give the same, and those of the command line.

    Without a `seed` there are other texts each time, and each has its `seed`. Names that are probably
    misspelled, and a model that has hardly been trained, are told as a `UserWarning`.

    Args:
        model: what writes; None is the latest run.
        options: what to write, what to continue, and where to save how it ends.
        workspace: where the run of a named model is.
        fields: fields of `GenerateOptions` to change.

    Raises:
        UsageError: this model cannot write that, or a value is out of its range.
    """
    return _session(model, options, workspace, fields).write()


def stream(
    model: ModelOrName = None,
    options: GenerateOptions | None = None,
    *,
    workspace: str | Path | None = None,
    **fields: Any,
) -> Iterator[str]:
    """Write one text, and yield it as it comes; what was yielded is never taken back.

    Takes and raises what `generate` does.
    """
    return _session(model, options, workspace, fields).stream()


def evaluate(
    model: ModelOrName = None,
    options: EvaluateOptions | None = None,
    *,
    workspace: str | Path | None = None,
    **fields: Any,
) -> "EvaluationReport":
    """Measure a model on held-out text of the dataset that it was trained on.

    Args:
        model: what is measured; None is the latest run.
        options: on which text, and what else.
        workspace: where the run of a named model is.
        fields: fields of `EvaluateOptions` to change.

    Raises:
        DatasetError: the dataset is not in the workspace, or the split is empty.
    """
    from scriptforge.evaluation import evaluate as evaluate_run

    found = opened(model, workspace)
    return evaluate_run(found.run, found.open_dataset(), with_fields(options or EvaluateOptions(), fields))


def originality(
    text: str | Path, model: ModelOrName = None, *, workspace: str | Path | None = None
) -> "OriginalityReport":
    """Compare a text with what a model was trained on, and both with what people wrote.

    Args:
        text: the text, or the path of a file in any format that can be read.
        model: whose training text may have been copied; None is the latest run.
        workspace: where the run of a named model is.

    Raises:
        DatasetError: the dataset is not in the workspace.
        CorpusError: the file cannot be read.
    """
    from scriptforge.copying import examine_texts, lines_of_rows, lines_of_script, lines_of_text
    from scriptforge.corpus.parse import parse_file
    from scriptforge.screenplay.formats import read

    dataset = opened(model, workspace).open_dataset()
    is_plain = dataset.description.plain
    if isinstance(text, Path):
        lines = list(lines_of_rows(parse_file(text, is_plain)))
    else:
        lines = list(lines_of_text(text) if is_plain else lines_of_script(read(text.splitlines())))
    (report,) = examine_texts([lines], dataset)
    return report


def opened(model: ModelOrName, workspace: str | Path | None) -> Model:
    """Return a model that is given as such or by name."""
    return model if isinstance(model, Model) else load(model, workspace=workspace)


def _trained(
    events: "Iterable[TrainingEvent]", workspace: Workspace, on_progress: "ProgressCallback"
) -> Model:
    """Train to the end, and return the model."""
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

    found, options = opened(model, workspace), with_fields(options or GenerateOptions(), fields)
    if not options.invent_words:
        found.run.find_words(found.workspace)
    session = Session(found.run, options, dataset=found.open_dataset() if options.max_copy else None)
    for note in session.notes:
        warnings.warn(note, stacklevel=3)
    return session
