"""Some runs side by side: a column each, then their curves over one another.

Figures are by character, so that runs at different levels can be compared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import cycle
from string import ascii_lowercase
from typing import TYPE_CHECKING, Any, Literal

from scriptforge.cli.line_chart import Curve, LineChart
from scriptforge.cli.output import safe, sections, table
from scriptforge.cli.training_view import clock

if TYPE_CHECKING:
    from rich.console import RenderableType

_NOTHING = "–"
_SAID_ANYWAY = {"arch"}
"""Settings that have a row whether they differ or not."""


def comparison(runs: Sequence[Mapping[str, Any]]) -> "RenderableType":
    """The drawing of a comparison.

    Args:
        runs: at least one, as `run_details` gives them.
    """
    lettered = list(zip(cycle(ascii_lowercase), runs, strict=False))
    headings = [f"{letter} {safe(run['run'])}" for letter, run in lettered]
    columns: dict[str, Literal["left", "right"]] = {"": "left", **dict.fromkeys(headings, "right")}
    parts: dict[str, RenderableType] = {"": table(columns, _rows(runs))}
    curves = [Curve(letter, run["run"], _points(run)) for letter, run in lettered if run["history"]]
    if curves:
        parts["Validation in bits/char over training time"] = LineChart(
            curves, label_x=clock, label_y=lambda bits: f"{bits:.2f}"
        )
    return sections(parts)


def _rows(runs: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """What the runs are, then which settings differ, then what came out."""
    for name, say in _WHAT_IT_IS.items():
        yield [name, *map(say, runs)]
    for name in dict.fromkeys(name for run in runs for name in run["settings"]):
        values = [_setting(run["settings"], name) for run in runs]
        if len(set(values)) > 1 and name not in _SAID_ANYWAY:
            yield [name, *values]
    for name, say in _WHAT_CAME_OUT.items():
        yield [name, *map(say, runs)]


def _setting(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    return _NOTHING if value is None else str(value)


def _points(run: Mapping[str, Any]) -> list[tuple[float, float]]:
    return [(validation["seconds"], validation["bits_per_character"]) for validation in run["history"]]


def _best(protocol: str, figure: str) -> Callable[[Mapping[str, Any]], str]:
    """What says a figure of the best weights."""

    def say(run: Mapping[str, Any]) -> str:
        found = ((run["best"] or {}).get(protocol) or {}).get(figure)
        return _NOTHING if found is None else f"{found:.3f}"

    return say


def _known(key: str, say: Callable[[Any], str]) -> Callable[[Mapping[str, Any]], str]:
    """What says something of a run, if it is known."""
    return lambda run: _NOTHING if run[key] is None else say(run[key])


_WHAT_IT_IS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "corpus": _known("dataset", str),
    "level": lambda run: f"{run['level']}, plain" if run["plain"] else run["level"],
    "arch": _known("arch", str),
    "parameters": _known("parameters", "{:,}".format),
}
_WHAT_CAME_OUT: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "bits/char": _best("stream", "bits_per_character"),
    "nats/char": _best("stream", "nats_per_character"),
    "nats/token": _best("stream", "nats_per_token"),
    "perplexity": _best("stream", "perplexity"),
    "cold-256, bits/char": _best("cold_256", "bits_per_character"),
    "best at step": _known("step", "{:,}".format),
    "time": _known("seconds", clock),
    "tokens/s": _known("tokens_per_second", "{:,.0f}".format),
    "diagnosis": _known("diagnosis", lambda words: words.partition(":")[0]),
}
