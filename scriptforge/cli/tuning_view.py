"""What a person sees of a search: on a terminal a table that fills, else a line for each trial."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scriptforge.cli.output import Output, safe, sections, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from scriptforge.tuning.results import SearchReport, TrialRecord

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
) -> "Iterator[Callable[[SearchReport], None]]":
    """What to tell of a search: a live table on a terminal, lines on a pipe, nothing when silent.

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
    """A trial's bits per character, if it has any."""
    return "–" if record.bits_per_character is None else f"{record.bits_per_character:.4f}"


def in_short(settings: Mapping[str, Any]) -> str:
    """The choices of a trial in one line."""
    return ", ".join(f"{_SHORT.get(name, name)} {_number(value)}" for name, value in settings.items())


def trial_table(records: "Sequence[TrialRecord]", best: "TrialRecord | None") -> "RenderableType":
    """Trials, a row each, the best one marked."""
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
    """A value in few digits; what is an exact size or a word stays as it is."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class _Lines:
    """A line for each trial that ends."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._is_waiting = False

    def show(self, report: "SearchReport") -> None:
        from scriptforge.tuning.results import Ended, Preparing, Waiting

        match report:
            case Preparing():
                self._output.note(f"Trial {report.number} begins: {in_short(report.settings)}")
            case Ended(record, best):
                mark = " · best" if best and best.number == record.number else ""
                reason = f" · {record.reason}" if record.reason else ""
                self._output.note(
                    f"Trial {record.number} · {record.state} · {bits(record)} bits/char{mark}{reason}"
                )
            case Waiting() if not self._is_waiting:
                self._is_waiting = True
                self._output.note(f"Waiting for {report.running} trial(s) of other processes …")


class _Screen:
    """The trials so far, and below them how the one in progress is going."""

    def __init__(self, live: "Live", records: "Sequence[TrialRecord]", trials: int) -> None:
        self._live = live
        self._records = list(records)
        self._trials = trials
        self._choices = ""

    def show(self, report: "SearchReport") -> None:
        from scriptforge.tuning.results import Ended, Preparing, Training, Waiting

        now = ""
        match report:
            case Preparing():
                self._choices = in_short(report.settings)
                now = f"trial {report.number} begins: {self._choices}"
            case Training():
                so_far = "" if report.bits_per_character is None else f" · {report.bits_per_character:.4f}"
                now = f"trial {report.number} · {report.progress:4.0%}{so_far} · {self._choices}"
            case Waiting():
                now = f"waiting for {report.running} trial(s) of other processes"
            case Ended():
                self._records.append(report.record)
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
