"""Views of a training run: on a terminal a live bar with a curve, elsewhere a line for each validation."""

from collections.abc import Iterable
from itertools import pairwise
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated

import typer

from scriptforge.characters import command, safe
from scriptforge.cli.output import Output
from scriptforge.cli.signals import Interrupts
from scriptforge.options import Device

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from scriptforge.run.history import Validation
    from scriptforge.training.events import Finished, StepsDone, TrainingEvent

UseGPU = Annotated[
    bool | None,
    typer.Option("--gpu/--cpu", help="Use a GPU or the CPU; by default a CUDA GPU if there is one."),
]

CURVE_WIDTH = 60
SAMPLE_WIDTH = 160
_BLOCKS = "▁▂▃▄▅▆▇█"


def device_of(gpu: bool | None) -> Device:
    """Return the device that `--gpu`, `--cpu` or neither asks for."""
    return "auto" if gpu is None else "gpu" if gpu else "cpu"


def follow(events: "Iterable[TrainingEvent]", output: Output, interrupts: Interrupts) -> "Finished":
    """Show a training run to its end, and return its last event; from here on, a signal only asks it to stop.

    Raises:
        Exit: the training was interrupted, or another process of a distributed training reports it.
    """
    from scriptforge.training.events import Finished

    with interrupts:
        last = show(events, output)
    if not isinstance(last, Finished):
        raise typer.Exit(interrupts.exit_code)
    return last


def show(
    events: "Iterable[TrainingEvent]", output: Output, *, samples: bool = False
) -> "TrainingEvent | None":
    """Show a training run as far as it goes, and return its last event.

    There is none if another process of a distributed training reports it.

    Args:
        events: the events of the training.
        output: where to show them.
        samples: whether to show a sample of the model after each validation; a terminal always does.
    """
    last = None
    with output.live() as live:
        view = _Screen(output, live) if live else _Lines(output, samples=samples)
        for event in events:
            view.show(event)
            last = event
    return last


def validation_line(validation: "Validation") -> str:
    """Format a validation as one line."""
    return (
        f"step {validation.step:,} · epoch {validation.epochs:.2f} · {clock(validation.seconds)} · "
        f"training {validation.training_nats_per_token:.3f} · "
        f"validation {validation.nats_per_token:.3f} nats/token, "
        f"perplexity {validation.perplexity:.1f}, {validation.nats_per_character:.3f} nats/char, "
        f"{validation.bits_per_character:.3f} bits/char{' · best' if validation.is_best else ''}"
    )


def clock(seconds: float) -> str:
    """Format a duration: 1:05, 2:03:04."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def sparkline(values: list[float], width: int) -> str:
    """Return values as a line of up to `width` blocks; if there are more values, each block is a mean."""
    if not values:
        return ""
    count = min(width, len(values))
    edges = [len(values) * number // count for number in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    scale = (len(_BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BLOCKS[round((mean - low) * scale)] for mean in means)


def threads_text(number: int) -> str:
    """Format a number of threads."""
    return f"{number} {'thread' if number == 1 else 'threads'}"


def beginning(sample: str) -> str:
    """Return the beginning of a sample, on one line."""
    return shorten(" / ".join(sample.split("\n")), SAMPLE_WIDTH, placeholder=" …")


class _Lines:
    """A view with a line for the start, for each validation, and for each change of the threads."""

    def __init__(self, output: Output, *, samples: bool = False) -> None:
        self._output = output
        self._shows_samples = samples
        self._threads: int | None = None

    def show(self, event: "TrainingEvent") -> None:
        from scriptforge.training.events import Interrupted, Notice, Started, StepsDone, Validated

        match event:
            case StepsDone(threads=int(threads)):
                if self._threads not in (None, threads):
                    self._output.note(
                        f"Computing with {threads_text(threads)} now, which is faster at present."
                    )
                self._threads = threads
            case Started():
                begins = "continues" if event.step else "begins"
                parameters = f"{event.parameters:,} parameters on {event.device}"
                self._output.note(f"Run “{event.run}” {begins}: {parameters}.")
                for note in event.notes:
                    self._output.warn(note)
            case Validated():
                self._output.note(validation_line(event.validation))
                if self._shows_samples:
                    self._output.note(f"  writes: {beginning(event.sample)}")
            case Notice(message, is_warning):
                (self._output.warn if is_warning else self._output.note)(message)
            case Interrupted():
                resume = command("train", "--resume", event.run)
                self._output.note(f"Stopped at step {event.step:,}; continue with {resume}")


class _Screen(_Lines):
    """A view with the same lines, and below them a progress bar, the speed and the loss so far."""

    def __init__(self, output: Output, live: "Live") -> None:
        super().__init__(output)
        self._live = live
        self._losses: list[float] = []
        self._sample = ""

    def show(self, event: "TrainingEvent") -> None:
        from scriptforge.training.events import StepsDone, Validated

        if isinstance(event, StepsDone):
            self._losses.append(event.nats_per_token)
            self._live.update(self._panel(event))
        else:
            super().show(event)
        if isinstance(event, Validated):
            self._sample = event.sample

    def _panel(self, event: "StepsDone") -> "Table":
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        remaining = event.seconds * (1 - event.progress) / max(event.progress, 1e-6)
        figures = (
            f"{event.progress:4.0%} · {clock(remaining)} to go · epoch {event.epochs:.2f} · "
            f"{event.tokens_per_second:,.0f} tokens/s · loss {event.nats_per_token:.3f}"
        )
        if event.threads:
            figures += f" · {threads_text(event.threads)}"
        panel = Table.grid()
        panel.add_row(ProgressBar(total=1.0, completed=event.progress, width=CURVE_WIDTH))
        panel.add_row(Text(figures))
        panel.add_row(Text(sparkline(self._losses, CURVE_WIDTH), style="cyan"))
        if self._sample:
            sample = safe(beginning(self._sample))
            panel.add_row(Text(sample, style="dim", no_wrap=True, overflow="ellipsis"))
        return panel
