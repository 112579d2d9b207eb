"""Views of a search: on a terminal a table that fills, elsewhere a line for each trial."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scriptforge.cli.output import Output, safe, sections, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from scriptforge.tuning.events import TuningEvent
    from scriptforge.tuning.results import TrialRecord

_ROWS = 12
_SHORT = {
    "bpe_vocabulary_size": "vocabulary",
    "word_vocabulary_size": "vocabulary",
    "hidden_size": "hidden",
    "batch_size": "batch",
    "sequence_length": "sequence",
    "learning_rate": "rate",
    "matrix_learning_rate": "matrix rate",
    "dropout_input": "in",
    "dropout_between": "between",
    "dropout_recurrent": "recurrent",
    "dropout_output": "out",
}


@contextmanager
def tuning_view(
    output: Output, records: "Sequence[TrialRecord]", trials: int
) -> "Iterator[Callable[[TuningEvent], None]]":
    """Yield what shows events of a search: a live table on a terminal, lines on a pipe, nothing when silent.

    Args:
        output: where it goes.
        records: the trials that there are already.
        trials: how many there will be.
    """
    if not output.is_live:
        yield _Lines(output).show
        return
    from rich.live import Live

    with Live(console=output.error_console(), refresh_per_second=8, transient=True) as live:
        yield _Screen(live, records, trials).show


def bits(record: "TrialRecord") -> str:
    """Return a trial's bits per character, if it has any."""
    return "–" if record.bits_per_character is None else f"{record.bits_per_character:.4f}"


def in_short(settings: Mapping[str, Any]) -> str:
    """Return the choices of a trial in one line."""
    return ", ".join(f"{_SHORT.get(name, name)} {_number(value)}" for name, value in settings.items())


def trial_table(records: "Sequence[TrialRecord]", best: "TrialRecord | None") -> "RenderableType":
    """Return a table of trials, the best one marked."""
    return table(
        {"trial": "right", "": "left", "bits/char": "right", "seconds": "right", "choices": "left"},
        [
            [
                str(record.number),
                _state(record, best),
                bits(record),
                "–" if record.seconds is None else f"{record.seconds:.0f}",
                _choices(record),
            ]
            for record in records
        ],
    )


def _state(record: "TrialRecord", best: "TrialRecord | None") -> str:
    return "best" if best and record.number == best.number else record.state


def _choices(record: "TrialRecord") -> str:
    parts = ["as train does"] if record.is_default else []
    parts += [in_short(record.settings)] if record.settings else []
    parts += [record.reason] if record.reason else []
    return "; ".join(parts)


def _number(value: Any) -> str:
    """Return a value in few digits; exact sizes and words stay as they are."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class _Lines:
    """Show a line for each trial that begins or ends."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._is_waiting = False

    def show(self, event: "TuningEvent") -> None:
        from scriptforge.tuning.events import TrialEnded, TrialPrepared, Waiting

        match event:
            case TrialPrepared():
                self._output.note(f"Trial {event.number} begins: {in_short(event.settings)}")
            case TrialEnded(record, best):
                mark = " · best" if best and best.number == record.number else ""
                reason = f" · {record.reason}" if record.reason else ""
                self._output.note(
                    f"Trial {record.number} · {record.state} · {bits(record)} bits/char{mark}{reason}"
                )
            case Waiting() if not self._is_waiting:
                self._is_waiting = True
                self._output.note(f"Waiting for {event.running} trial(s) of other processes …")


class _Screen:
    """Show the trials so far, and below them the one in progress."""

    def __init__(self, live: "Live", records: "Sequence[TrialRecord]", trials: int) -> None:
        self._live = live
        self._records = list(records)
        self._trials = trials
        self._choices = ""

    def show(self, event: "TuningEvent") -> None:
        from scriptforge.tuning.events import TrialEnded, TrialPrepared, TrialTrained, Waiting

        now = ""
        match event:
            case TrialPrepared():
                self._choices = in_short(event.settings)
                now = f"trial {event.number} begins: {self._choices}"
            case TrialTrained():
                so_far = "" if event.bits_per_character is None else f" · {event.bits_per_character:.4f}"
                now = f"trial {event.number} · {event.progress:4.0%}{so_far} · {self._choices}"
            case Waiting():
                now = f"waiting for {event.running} trial(s) of other processes"
            case TrialEnded():
                self._records.append(event.record)
        self._live.update(self._drawn(now))

    def _drawn(self, now: str) -> "RenderableType":
        from rich.text import Text

        from scriptforge.tuning.results import best_of

        best = best_of(self._records)
        shown = self._records[-_ROWS:]
        if best and best not in shown:
            shown = [best, *shown[1:]]
        heading = f"{len(self._records)} of {self._trials} trials"
        return sections({heading: trial_table(shown, best), "": Text(safe(now), style="cyan")})
