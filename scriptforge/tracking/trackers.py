"""Recorders, and how reports reach them without a failure of theirs reaching the training.

What a tracker's log says of a training, under which names; nothing of the machine or of who trains.

The log for TensorBoard, in the run's folder.

TensorBoard writes the name of the machine into the names of its files, so they are nothing to give away;
`scriptforge push` leaves them where they are.

The log for Trackio, in the database from which `trackio show` reads.

It is written through Trackio's storage, as its importers do. `trackio.init` would ask the Hub who is logged
in, keep that name in the log, and print on stdout; here nothing leaves the machine and nobody is named.

What is kept of a training while it goes on, for those who want to look at it: pictures and logs.

A training knows nothing of its recorders; whoever drives it hands them its reports.
"""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, Protocol

from scriptforge.config import Settings
from scriptforge.errors import UsageError
from scriptforge.run.records import RunDescription, Validation
from scriptforge.training.reports import Progress, Report, Started, Validated
from scriptforge.training.schedule import share_of_peak
from scriptforge.workspace import RunFolder


class Recorder(Protocol):
    """Something that keeps what a training reports.

    Attributes:
        name: what a person calls the thing that is kept.
    """

    name: str

    def take(self, report: Report) -> None:
        """Keeps what it cares for in a report."""
        ...

    def close(self) -> None:
        """Writes what is still to be written; the training has ended, in whatever way."""
        ...


@contextmanager
def recording(
    recorders: Iterable[Recorder], warn: Callable[[str], None]
) -> Iterator[Callable[[Report], None]]:
    """Yields what hands a report to every recorder, and closes them in the end.

    A recorder that fails is warned of in a line and left out from then on: no training dies of it.
    """
    going = list(recorders)

    def attempt(recorder: Recorder, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            going.remove(recorder)
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            warn(f"The training goes on without {recorder.name}: {reason}")

    def record(report: Report) -> None:
        for recorder in tuple(going):
            attempt(recorder, partial(recorder.take, report))

    try:
        yield record
    finally:
        for recorder in tuple(going):
            attempt(recorder, recorder.close)


def circumstances(description: RunDescription) -> dict[str, Any]:
    """What a run was trained on, how large it is, and every setting."""
    dataset = description.dataset
    return {
        "dataset": dataset.name,
        "level": dataset.level,
        "plain": dataset.plain,
        "parameters": description.parameters,
        **description.settings.model_dump(),
    }


def figures_of_progress(report: Progress, settings: Settings) -> dict[str, float]:
    """The figures of a moment between two validations, by their names in the log."""
    return {
        "progress/nats_per_token": report.nats_per_token,
        "progress/tokens_per_second": report.tokens_per_second,
        "progress/learning_rate": settings.learning_rate * share_of_peak(report.progress, settings),
        "progress/epochs": report.epochs,
    }


def figures_of_validation(validation: Validation) -> dict[str, float]:
    """The figures of a validation, by their names in the log."""
    return {
        "training/nats_per_token": validation.training_nats_per_token,
        "validation/nats_per_token": validation.nats_per_token,
        "validation/perplexity": validation.perplexity,
        "validation/nats_per_character": validation.nats_per_character,
        "validation/bits_per_character": validation.bits_per_character,
    }


def imported(module: str, tracker: str) -> Any:
    """A module that only a tracker needs.

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
    """Writes event files; a run that goes on does so in the same log, from the step where it stood.

    Raises:
        UsageError: TensorBoard is not installed.
    """

    name = "TensorBoard's log"

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._new_writer = imported("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self._writer: Any = None

    def take(self, report: Report) -> None:
        """Logs settings, figures and samples."""
        match report:
            case Started():
                self._description = RunDescription.load(self._folder)
                self._writer = self._new_writer(str(self._folder.tensorboard), purge_step=report.step + 1)
                self._writer.add_text("settings", _table(circumstances(self._description)), report.step)
            case Progress():
                self._add(figures_of_progress(report, self._description.settings), report.step)
            case Validated():
                step = report.validation.step
                self._add(figures_of_validation(report.validation), step)
                self._writer.add_text("sample", _as_it_stands(report.sample), step)
                self._writer.flush()

    def close(self) -> None:
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()

    def _add(self, figures: dict[str, float], step: int) -> None:
        for name, figure in figures.items():
            self._writer.add_scalar(name, figure, step)


def _table(facts: dict[str, Any]) -> str:
    """Facts as a table in Markdown."""
    rows = (f"| {name} | {fact} |" for name, fact in facts.items())
    return "\n".join(("| | |", "| --- | --- |", *rows))


def _as_it_stands(text: str) -> str:
    """A text as Markdown that keeps its lines."""
    return "\n".join(f"    {line}" for line in text.splitlines())


PROJECT = "scriptforge"
"""The project that all runs are in; its charts can be grouped by `dataset`."""

_ROWS_AT_ONCE = 20


class Trackio:
    """Writes rows into Trackio's database; a run that goes on does so from the step where it stood.

    Raises:
        UsageError: Trackio is not installed.
    """

    name = "Trackio's log"

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._storage = imported("trackio.sqlite_storage", "trackio").SQLiteStorage
        self._markdown = imported("trackio", "trackio").Markdown.TYPE
        self._rows: list[tuple[int, str, dict[str, Any]]] = []

    def take(self, report: Report) -> None:
        """Logs settings, figures and samples."""
        match report:
            case Started():
                self._description = RunDescription.load(self._folder)
                self._id = re.sub(r"\D", "", self._description.created)
                self._forget_after(report.step)
            case Progress():
                self._add(figures_of_progress(report, self._description.settings), report.step)
                if len(self._rows) >= _ROWS_AT_ONCE:
                    self._write()
            case Validated():
                sample = {"_type": self._markdown, "_value": f"```text\n{report.sample}\n```"}
                figures = figures_of_validation(report.validation)
                self._add({**figures, "sample": sample}, report.validation.step)
                self._write()

    def close(self) -> None:
        """Writes the last rows."""
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
            config=circumstances(self._description),
            run_id=self._id,
        )
        self._rows.clear()

    def _forget_after(self, step: int) -> None:
        """Removes what was logged after the checkpoint that the training goes on from: it comes again."""
        path = self._storage.get_project_db_path(PROJECT)
        if path.exists():
            with closing(sqlite3.connect(path)) as database, database:
                database.execute("DELETE FROM metrics WHERE run_id = ? AND step > ?", (self._id, step))


__all__ = ["Recorder", "Tracker", "recorders", "recording"]

Tracker = Literal["tensorboard", "trackio"]


def recorders(folder: RunFolder, tracker: Tracker | None = None) -> list[Recorder]:
    """The recorders of one training: its curves, where matplotlib is there to draw them, and a tracker's log.

    Args:
        folder: the run that is trained.
        tracker: whose log is kept, if any.

    Raises:
        UsageError: the tracker is not installed.
    """
    from scriptforge.tracking.curves import Curves

    found: list[Recorder] = [Curves(folder)] if find_spec("matplotlib") else []
    match tracker:
        case "tensorboard":
            from scriptforge.tracking.trackers import TensorBoard

            found.append(TensorBoard(folder))
        case "trackio":
            from scriptforge.tracking.trackers import Trackio

            found.append(Trackio(folder))
    return found
