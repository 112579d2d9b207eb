"""Recorders: they record the events of a training run as plots and logs.

A training run knows nothing of its recorders; `recorded` passes its events to them.

A log has losses, speed and samples under the names below, and the settings, but nothing about the machine or
the user. TensorBoard writes the machine's name into its file names, so its files are never pushed to the Hub.
Trackio's log is written through its storage class, as its importers do: `trackio.init` would ask the Hub who
is logged in, store that name in the log, and print to stdout.
"""

import re
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from operator import methodcaller
from typing import Any, Protocol

from scriptforge.errors import UsageError
from scriptforge.options import Tracker
from scriptforge.training.events import Notice, Started, StepsDone, TrainingEvent, Validated
from scriptforge.training.schedule import share_of_peak
from scriptforge.training_runs.curves import Curves
from scriptforge.workspace import RunFolder


class Recorder(Protocol):
    """A recorder of the events of a training run.

    Attributes:
        name: name of what it records, for messages.
    """

    name: str

    def take(self, event: TrainingEvent) -> None:
        """Record an event, or ignore it."""
        ...

    def close(self) -> None:
        """Write what is pending; called when training has ended, in whatever way."""
        ...


def recorders_of(folder: RunFolder, tracker: Tracker | None = None) -> list[Recorder]:
    """Return the recorders of one training run: its curves if matplotlib is installed, and a tracker's log.

    Args:
        folder: the run that is trained.
        tracker: the tracker, if any.

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
    """Yield the events of a training run after every recorder has taken them; close the recorders at the end.

    A recorder that fails never ends a training run: it is dropped, and a `Notice` event says so.
    """
    working = list(recorders)

    def attempt(work: Callable[[Recorder], None]) -> Iterator[Notice]:
        for recorder in tuple(working):
            try:
                work(recorder)
            except Exception as error:
                working.remove(recorder)
                reason = " ".join(f"{type(error).__name__}: {error}".split())
                yield Notice(f"Training continues without {recorder.name}: {reason}", is_warning=True)

    notes: list[Notice] = []
    try:
        with closing(events):
            for event in events:
                notes += attempt(methodcaller("take", event))
                yield from notes
                notes.clear()
                yield event
    finally:
        notes += attempt(methodcaller("close"))
    yield from notes


def _import(module: str, tracker: str) -> Any:
    """Return a module that only a tracker needs.

    Raises:
        UsageError: the tracker is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UsageError(
            f"--track {tracker} needs {tracker}, which is not installed.",
            "Install it: pip install 'scriptforge-lm[track]'",
        ) from error


def _fenced(text: str) -> str:
    """Return a text as a Markdown code block, with a fence that is longer than any in the text."""
    fence = "`" * (2 + max([1, *map(len, re.findall("`+", text))]))
    return f"{fence}text\n{text}\n{fence}"


class _Log:
    """The log of a tracker: settings, then figures, and a sample with each validation."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def take(self, event: TrainingEvent) -> None:
        """Log settings, figures and samples under their names in the log."""
        match event:
            case Started():
                self._description = event.description
                self._begin(event.step)
            case StepsDone():
                settings = self._description.settings
                figures = {
                    "progress/nats_per_token": event.nats_per_token,
                    "progress/tokens_per_second": event.tokens_per_second,
                    "progress/learning_rate": settings.learning_rate
                    * share_of_peak(event.progress, settings),
                    "progress/epochs": event.epochs,
                }
                self._add(event.step, figures)
            case Validated(validation, sample):
                figures = {
                    "training/nats_per_token": validation.training_nats_per_token,
                    "validation/nats_per_token": validation.nats_per_token,
                    "validation/perplexity": validation.perplexity,
                    "validation/nats_per_character": validation.nats_per_character,
                    "validation/bits_per_character": validation.bits_per_character,
                }
                self._add(validation.step, figures, sample)

    def _facts(self) -> dict[str, Any]:
        """Return the run's dataset, its number of parameters, and every setting."""
        dataset = self._description.dataset
        return {
            "dataset": dataset.name,
            "level": dataset.level,
            "plain": dataset.plain,
            "parameters": self._description.parameters,
            **self._description.settings.model_dump(),
        }

    def _begin(self, step: int) -> None:
        """Begin the log, or continue it after a step."""
        raise NotImplementedError

    def _add(self, step: int, figures: dict[str, float], sample: str | None = None) -> None:
        """Log figures, and a sample at a validation."""
        raise NotImplementedError


class TensorBoard(_Log):
    """TensorBoard's event files; a resumed run continues its log from the step of its checkpoint.

    While a run that is to be replaced is still in the folder, rows are held back.

    Raises:
        UsageError: TensorBoard is not installed.
    """

    name = "TensorBoard's log"

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self._new_writer = _import("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self._writer: Any = None
        self._rows: list[tuple[int, dict[str, float], str | None]] = []

    def close(self) -> None:
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()

    def _begin(self, step: int) -> None:
        self._first_step = step
        self._write()

    def _add(self, step: int, figures: dict[str, float], sample: str | None = None) -> None:
        self._rows.append((step, figures, sample))
        self._write()

    def _write(self) -> None:
        """Write the rows held back, if the run is in its final folder."""
        if self._folder.latest != self._folder:
            return
        if self._writer is None:
            self._open(self._first_step)
        for row in self._rows:
            self._write_row(*row)
        self._rows.clear()

    def _open(self, step: int) -> None:
        self._writer = self._new_writer(str(self._folder.tensorboard), purge_step=step + 1)
        rows = (f"| {name} | {fact} |" for name, fact in self._facts().items())
        self._writer.add_text("settings", "\n".join(("| | |", "| --- | --- |", *rows)), step)

    def _write_row(self, step: int, figures: dict[str, float], sample: str | None) -> None:
        for name, figure in figures.items():
            self._writer.add_scalar(name, figure, step)
        if sample is not None:
            preformatted = "\n".join(f"    {line}" for line in sample.splitlines())
            self._writer.add_text("sample", preformatted, step)
            self._writer.flush()


PROJECT = "scriptforge"
"""The project of all runs; its charts can be grouped by `dataset`."""

_ROWS_AT_ONCE = 20


class Trackio(_Log):
    """Rows in Trackio's database; a resumed run continues its log from the step of its checkpoint.

    Raises:
        UsageError: Trackio is not installed.
    """

    name = "Trackio's log"

    def __init__(self, folder: RunFolder) -> None:
        super().__init__(folder)
        self._storage = _import("trackio.sqlite_storage", "trackio").SQLiteStorage
        self._markdown = _import("trackio", "trackio").Markdown.TYPE
        self._rows: list[tuple[int, str, dict[str, Any]]] = []

    def close(self) -> None:
        """Write the last rows."""
        if self._rows:
            self._write()

    def _begin(self, step: int) -> None:
        """Delete the rows after the checkpoint that training continues from: they will be logged again."""
        self._id = re.sub(r"\D", "", self._description.created)
        path = self._storage.get_project_db_path(PROJECT)
        if path.exists():
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("DELETE FROM metrics WHERE run_id = ? AND step > ?", (self._id, step))

    def _add(self, step: int, figures: dict[str, float], sample: str | None = None) -> None:
        row: dict[str, Any] = dict(figures)
        if sample is not None:
            row["sample"] = {"_type": self._markdown, "_value": _fenced(sample)}
        self._rows.append((step, datetime.now(UTC).isoformat(), row))
        if sample is not None or len(self._rows) >= _ROWS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        steps, moments, figures = zip(*self._rows, strict=True)
        self._storage.bulk_log(
            PROJECT,
            self._description.name,
            list(figures),
            list(steps),
            list(moments),
            config=self._facts(),
            run_id=self._id,
        )
        self._rows.clear()
