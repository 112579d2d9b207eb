"""Recorders: they keep the events of a training for people who want to look at it, as plots and logs.

A training knows nothing of its recorders; `recorded` hands them its events as they pass by.

A log has losses, speed and samples under the names below, and the settings; nothing of the machine or of the
person who trains. TensorBoard writes the name of the machine into the names of its files, so they are never
pushed. Trackio is written through its storage, as its importers do: `trackio.init` would ask the Hub
who is logged in, keep that name in the log, and print on stdout.
"""

import re
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

from scriptforge.config import Settings
from scriptforge.errors import UsageError
from scriptforge.options import Tracker
from scriptforge.run.history import Validation
from scriptforge.run.records import RunDescription
from scriptforge.tracking.curves import Curves
from scriptforge.training.events import Noted, Started, StepsDone, TrainingEvent, Validated
from scriptforge.training.schedule import share_of_peak
from scriptforge.workspace import RunFolder


class Recorder(Protocol):
    """Something that keeps events of a training.

    Attributes:
        name: of what is kept, for people.
    """

    name: str

    def take(self, event: TrainingEvent) -> None:
        """Keep an event, or ignore it."""
        ...

    def close(self) -> None:
        """Write what is still to be written; the training has ended, in whatever way."""
        ...


def recorders_of(folder: RunFolder, tracker: Tracker | None = None) -> list[Recorder]:
    """Return the recorders of one training: its curves if matplotlib is installed, and a tracker's log.

    Args:
        folder: the run that is trained.
        tracker: the program that shows the log, if any.

    Raises:
        UsageError: the tracker is not installed.
    """
    found: list[Recorder] = [Curves(folder)] if find_spec("matplotlib") else []
    match tracker:
        case "tensorboard":
            found.append(TensorBoard(folder))
        case "trackio":
            found.append(Trackio(folder))
    return found


def recorded(
    events: Generator[TrainingEvent, None, None], recorders: Iterable[Recorder]
) -> Generator[TrainingEvent, None, None]:
    """Yield the events of a training after every recorder has taken them, and close the recorders at the end.

    A recorder that fails never ends a training: it is left out from then on, and a `Noted` event says so.
    """
    working = list(recorders)

    def attempt(work: Callable[[Recorder], None]) -> Iterator[Noted]:
        for recorder in tuple(working):
            try:
                work(recorder)
            except Exception as error:
                working.remove(recorder)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                yield Noted(f"The training continues without {recorder.name}: {reason}", is_warning=True)

    def take(event: TrainingEvent) -> Callable[[Recorder], None]:
        return lambda recorder: recorder.take(event)

    notes: list[Noted] = []
    try:
        with closing(events):
            for event in events:
                notes += attempt(take(event))
                yield from notes
                notes.clear()
                yield event
    finally:
        notes += attempt(lambda recorder: recorder.close())
    yield from notes


def facts_of_run(description: RunDescription) -> dict[str, Any]:
    """Return what a run is trained on, how large it is, and every setting."""
    dataset = description.dataset
    return {
        "dataset": dataset.name,
        "level": dataset.level,
        "plain": dataset.plain,
        "parameters": description.parameters,
        **description.settings.model_dump(),
    }


def figures_of_steps(event: StepsDone, settings: Settings) -> dict[str, float]:
    """Return the figures between two validations, by their names in the log."""
    return {
        "progress/nats_per_token": event.nats_per_token,
        "progress/tokens_per_second": event.tokens_per_second,
        "progress/learning_rate": settings.learning_rate * share_of_peak(event.progress, settings),
        "progress/epochs": event.epochs,
    }


def figures_of_validation(validation: Validation) -> dict[str, float]:
    """Return the figures of a validation, by their names in the log."""
    return {
        "training/nats_per_token": validation.training_nats_per_token,
        "validation/nats_per_token": validation.nats_per_token,
        "validation/perplexity": validation.perplexity,
        "validation/nats_per_character": validation.nats_per_character,
        "validation/bits_per_character": validation.bits_per_character,
    }


def _import(module: str, tracker: str) -> Any:
    """Return a module that only a tracker needs.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(
            f"--track {tracker} needs {tracker}, which is not installed.",
            "Install it: pip install 'scriptforge-lm[track]'",
        ) from error


class TensorBoard:
    """Write event files; a resumed run continues in the same log, from the step of its checkpoint.

    Raises:
        UsageError: TensorBoard is not installed.
    """

    name = "TensorBoard's log"

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._new_writer = _import("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self._writer: Any = None

    def take(self, event: TrainingEvent) -> None:
        """Log settings, figures and samples."""
        match event:
            case Started():
                self._description = RunDescription.load(self._folder)
                self._writer = self._new_writer(str(self._folder.tensorboard), purge_step=event.step + 1)
                self._writer.add_text("settings", _table(facts_of_run(self._description)), event.step)
            case StepsDone():
                self._add(figures_of_steps(event, self._description.settings), event.step)
            case Validated():
                step = event.validation.step
                self._add(figures_of_validation(event.validation), step)
                self._writer.add_text("sample", _preformatted(event.sample), step)
                self._writer.flush()

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()

    def _add(self, figures: dict[str, float], step: int) -> None:
        for name, figure in figures.items():
            self._writer.add_scalar(name, figure, step)


def _table(facts: dict[str, Any]) -> str:
    """Return facts as a table in Markdown."""
    rows = (f"| {name} | {fact} |" for name, fact in facts.items())
    return "\n".join(("| | |", "| --- | --- |", *rows))


def _preformatted(text: str) -> str:
    """Return a text as Markdown that keeps its lines."""
    return "\n".join(f"    {line}" for line in text.splitlines())


PROJECT = "scriptforge"
"""The project that all runs are in; its charts can be grouped by `dataset`."""

_ROWS_AT_ONCE = 20


class Trackio:
    """Write rows into Trackio's database; a resumed run continues from the step of its checkpoint.

    Raises:
        UsageError: Trackio is not installed.
    """

    name = "Trackio's log"

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._storage = _import("trackio.sqlite_storage", "trackio").SQLiteStorage
        self._markdown = _import("trackio", "trackio").Markdown.TYPE
        self._rows: list[tuple[int, str, dict[str, Any]]] = []

    def take(self, event: TrainingEvent) -> None:
        """Log settings, figures and samples."""
        match event:
            case Started():
                self._description = RunDescription.load(self._folder)
                self._id = re.sub(r"\D", "", self._description.created)
                self._delete_after(event.step)
            case StepsDone():
                self._add(figures_of_steps(event, self._description.settings), event.step)
                if len(self._rows) >= _ROWS_AT_ONCE:
                    self._write()
            case Validated():
                sample = {"_type": self._markdown, "_value": f"```text\n{event.sample}\n```"}
                figures = figures_of_validation(event.validation)
                self._add({**figures, "sample": sample}, event.validation.step)
                self._write()

    def close(self) -> None:
        """Write the last rows."""
        if self._rows:
            self._write()

    def _add(self, figures: dict[str, Any], step: int) -> None:
        self._rows.append((step, datetime.now(UTC).isoformat(), figures))

    def _write(self) -> None:
        steps, moments, figures = zip(*self._rows, strict=True)
        self._storage.bulk_log(
            PROJECT,
            self._description.name,
            list(figures),
            list(steps),
            list(moments),
            config=facts_of_run(self._description),
            run_id=self._id,
        )
        self._rows.clear()

    def _delete_after(self, step: int) -> None:
        """Remove what was logged after the checkpoint that the training continues from: it comes again."""
        path = self._storage.get_project_db_path(PROJECT)
        if path.exists():
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("DELETE FROM metrics WHERE run_id = ? AND step > ?", (self._id, step))
