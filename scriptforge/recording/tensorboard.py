"""The log for TensorBoard, in the run's folder.

TensorBoard writes the name of the machine into the names of its files, so they are nothing to give away;
`scriptforge push` leaves them where they are.
"""

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
