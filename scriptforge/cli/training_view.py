"""What a person sees while a model trains: a live bar with a curve, or a line a validation."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from scriptforge.cli.output import Output

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from scriptforge.run.records import Validation
    from scriptforge.tracking.trackers import Recorder
    from scriptforge.training.events import Finished, Started, StepsDone, TrainingEvent

CURVE_WIDTH = 60
_BLOCKS = "▁▂▃▄▅▆▇█"


class TrainingView(Protocol):
    """Something that shows reports."""

    def show(self, report: "TrainingEvent") -> None:
        """Shows one report."""
        ...


def follow(
    reports: "Iterator[TrainingEvent]", output: Output, recorders: "Sequence[Recorder]" = ()
) -> "Finished | None":
    """Shows a training as it goes, and lets recorders keep what it reports.

    Returns:
        Its end, or None if it was interrupted or another process reports.
    """
    from scriptforge.tracking.trackers import recording
    from scriptforge.training.events import Finished

    with training_view(output) as view, recording(recorders, output.warn) as record:
        for report in reports:
            view.show(report)
            record(report)
            if isinstance(report, Finished):
                return report
    return None


@contextmanager
def training_view(output: Output) -> "Iterator[TrainingView]":
    """The view that suits the output: live on a terminal, lines on a pipe, nothing when silent."""
    if not output.is_live:
        yield _Lines(output)
        return
    from rich.live import Live

    with Live(console=output.error_console(), refresh_per_second=8, transient=True) as live:
        yield _Screen(output, live)


def validation_line(validation: "Validation") -> str:
    """One validation in one line."""
    return (
        f"step {validation.step:,} · epoch {validation.epochs:.2f} · {clock(validation.seconds)} · "
        f"training {validation.training_nats_per_token:.3f} · "
        f"validation {validation.nats_per_token:.3f} nats/token, "
        f"perplexity {validation.perplexity:.1f}, {validation.nats_per_character:.3f} nats/char, "
        f"{validation.bits_per_character:.3f} bits/char{' · best' if validation.is_best else ''}"
    )


def clock(seconds: float) -> str:
    """A span of time as people write it: 1:05, 2:03:04."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def sparkline(values: list[float], width: int) -> str:
    """The course of some values in one line of blocks, the means of neighbours where there are many."""
    if not values:
        return ""
    count = min(width, len(values))
    edges = [len(values) * number // count for number in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((mean - low) * scale)] for mean in means)


def _start_line(report: "Started") -> str:
    begins = "goes on" if report.step else "begins"
    return f"Run “{report.run}” {begins}: {report.parameters:,} parameters on {report.device}."


class _Lines:
    """A line for the start and for each validation."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def show(self, report: "TrainingEvent") -> None:
        from scriptforge.training.events import Interrupted, Started, Validated

        match report:
            case Started():
                self._output.note(_start_line(report))
                for note in report.notes:
                    self._output.warn(note)
            case Validated():
                self._output.note(validation_line(report.validation))
            case Interrupted():
                self._output.note(f"Stopped at step {report.step:,}; go on with scriptforge train --resume")


class _Screen(_Lines):
    """The same lines, and below them a bar, the speed and the loss so far."""

    def __init__(self, output: Output, live: "Live") -> None:
        super().__init__(output)
        self._live = live
        self._losses: list[float] = []

    def show(self, report: "TrainingEvent") -> None:
        from scriptforge.training.events import StepsDone

        if isinstance(report, StepsDone):
            self._losses.append(report.nats_per_token)
            self._live.update(self._panel(report))
        else:
            super().show(report)

    def _panel(self, report: "StepsDone") -> "Table":
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        remaining = report.seconds * (1 - report.progress) / max(report.progress, 1e-6)
        figures = (
            f"{report.progress:4.0%} · {clock(remaining)} to go · epoch {report.epochs:.2f} · "
            f"{report.tokens_per_second:,.0f} tokens/s · loss {report.nats_per_token:.3f}"
        )
        panel = Table.grid()
        panel.add_row(ProgressBar(total=1.0, completed=report.progress, width=CURVE_WIDTH))
        panel.add_row(Text(figures))
        panel.add_row(Text(sparkline(self._losses, CURVE_WIDTH), style="cyan"))
        return panel
