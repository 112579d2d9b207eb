"""The log for Trackio, in the database from which `trackio show` reads.

It is written through Trackio's storage, as its importers do. `trackio.init` would ask the Hub who is logged
in, keep that name in the log, and print on stdout; here nothing leaves the machine and nobody is named.
"""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from scriptforge.recording.measures import (
    circumstances,
    figures_of_progress,
    figures_of_validation,
    imported,
)
from scriptforge.run.records import RunDescription
from scriptforge.training.reports import Progress, Report, Started, Validated
from scriptforge.workspace import RunFolder

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
