"""`scriptforge runs`: the training runs of a workspace with the results of each, or some side by side.

A `config.json` is read as a `ListedRun`, not as a `RunDescription`, so that a list also shows the runs of
other versions, and needs no torch. Figures are per character, so that runs at different levels can be
compared. Side by side, each run is a column, and a chart below shows the curves of all.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import cycle
from string import ascii_lowercase
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from scriptforge.characters import command, safe
from scriptforge.cli.completion import run_names
from scriptforge.cli.line_chart import Curve, LineChart
from scriptforge.cli.output import Output, sections
from scriptforge.cli.parameters import AsJSON, Quiet, WorkspacePath
from scriptforge.cli.tables import table
from scriptforge.cli.training_view import clock
from scriptforge.errors import RunError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scriptforge.run.listing import ListedRun
    from scriptforge.workspace import RunFolder


def _details(folder: "RunFolder") -> dict[str, Any]:
    """Return the summary of a run, all its figures, its settings, and every validation."""
    from scriptforge.run.history import read_history
    from scriptforge.run.listing import ListedRun

    listed = ListedRun.load(folder)
    result = listed.result
    return {
        **_summary(folder, listed),
        "best": result and result.best.model_dump(exclude_unset=True),
        "step": result and result.step,
        "tokens_per_second": result and result.tokens_per_second,
        "diagnosis": result and result.diagnosis,
        "settings": listed.settings or {},
        "history": [asdict(validation) for validation in read_history(folder)],
    }


def _summary(folder: "RunFolder", listed: "ListedRun") -> dict[str, Any]:
    """Return the row of a run in the list; figures are None until the training has ended."""
    result = listed.result
    stream = result.best.stream if result else {}
    return {
        "run": folder.name,
        "dataset": listed.dataset.name,
        "level": listed.dataset.level,
        "plain": listed.dataset.plain,
        "arch": (listed.settings or {}).get("arch"),
        "parameters": listed.parameters,
        "nats_per_character": stream.get("nats_per_character"),
        "bits_per_character": stream.get("bits_per_character"),
        "share": result and result.share,
        "seconds": result and result.seconds,
        "created": listed.created,
    }


def _with_last_figures(run: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a run with the figures of its best validation, if it has not ended."""
    history = run["history"]
    if run["best"] or not history:
        return run
    best = min(history, key=lambda each: each["nats_per_token"])
    return {**run, "best": {"stream": best}, "step": best["step"], "seconds": history[-1]["seconds"]}


_NOTHING = "–"
_ESTIMATED = "~"
_SAID_ANYWAY = {"arch"}
"""Settings that always have a row, not only if they differ."""


def _comparison(runs: Sequence[Mapping[str, Any]]) -> "RenderableType":
    lettered = list(zip(cycle(ascii_lowercase), runs, strict=False))
    headings = [f"{letter} {safe(run['run'])}" for letter, run in lettered]
    parts: dict[str, RenderableType] = {"": table(["", *headings], _rows(runs), right=headings)}
    curves = [
        Curve(letter, run["run"], [(each["seconds"], each["bits_per_character"]) for each in run["history"]])
        for letter, run in lettered
        if run["history"]
    ]
    if curves:
        parts["Validation in bits/char over training time"] = LineChart(
            curves, label_x=clock, label_y=lambda bits: f"{bits:.2f}"
        )
    return sections(parts)


def _rows(runs: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Yield the rows of a comparison: what the runs are, then the settings that differ, then the results."""
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


def _best(protocol: str, figure: str) -> Callable[[Mapping[str, Any]], str]:
    """Return a function that formats a figure of the best weights."""

    def say(run: Mapping[str, Any]) -> str:
        found = ((run["best"] or {}).get(protocol) or {}).get(figure)
        return _NOTHING if found is None else _of_split(run, found)

    return say


def _of_split(run: Mapping[str, Any], figure: float) -> str:
    """Format a figure of the validation split, with a tilde if only a part of the split was measured."""
    return f"{_ESTIMATED if _is_estimated(run) else ''}{figure:.3f}"


def _is_estimated(run: Mapping[str, Any]) -> bool:
    return run["share"] is not None and run["share"] < 1


def _listed_figure(key: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda run: _NOTHING if run[key] is None else _of_split(run, run[key])


def _known(key: str, say: Callable[[Any], str]) -> Callable[[Mapping[str, Any]], str]:
    """Return a function that formats a value of a run, if it is known."""
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

_LISTED: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "run": _known("run", str),
    **_WHAT_IT_IS,
    "nats/char": _listed_figure("nats_per_character"),
    "bits/char": _listed_figure("bits_per_character"),
    "time": _known("seconds", clock),
    "created": lambda run: run["created"][:16].replace("T", " "),
}
_NUMBERS = ("parameters", "nats/char", "bits/char", "time")
_OPTIONAL = ("nats/char", "parameters", "level", "arch", "created", "time")
"""The columns that a list of runs leaves out on a narrow terminal, in this order."""

Order = Literal["created", "name", "bits", "parameters", "time"]
_KEYS: dict[Order, str] = {
    "created": "created",
    "name": "run",
    "bits": "bits_per_character",
    "parameters": "parameters",
    "time": "seconds",
}
"""The key by which each sort order sorts."""


def runs(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN",
            help="Compare these: settings, figures and curves.",
            autocompletion=run_names,
        ),
    ] = None,
    sort: Annotated[Order | None, typer.Option(help="Sort order; by default the latest first.")] = None,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """List the runs, the latest first, or put some side by side."""
    output = Output(as_json, quiet)

    from scriptforge.workspace import Workspace

    workspace = Workspace.find(workspace_path)
    if names:
        folders = dict.fromkeys(workspace.run(name) for name in names)
        compared = _sorted(map(_details, folders), sort)
        for run in compared:
            if not run["history"]:
                output.note(f"{run['run']} has no metrics.jsonl, and so no curve.")
        output.result(compared, lambda: _comparison([_with_last_figures(run) for run in compared]))
        _explain_unfinished([run["run"] for run in compared if run["best"] is None], output)
        _explain_estimates(compared, output)
        return
    listed = _sorted(_summaries(workspace.runs(), output), sort)
    if not listed:
        output.note("There is no run here yet. Train one: scriptforge train")
    rows = ([say(run) for say in _LISTED.values()] for run in listed)
    output.result(listed, lambda: table(_LISTED, rows, right=_NUMBERS, optional=_OPTIONAL))
    _explain_estimates(listed, output)


def _explain_estimates(shown: Iterable[Mapping[str, Any]], output: Output) -> None:
    if estimated := next(filter(_is_estimated, shown), None):
        evaluate = command("evaluate", estimated["run"], "--split", "validation")
        output.note(
            f"{_ESTIMATED} was measured on a part of the validation split, since time was short; {evaluate}"
            " reads all of it."
        )


def _summaries(folders: "Iterable[RunFolder]", output: Output) -> Iterator[dict[str, Any]]:
    """Yield the row of each run, warn of a damaged one, and say what an unfinished one lacks."""
    from scriptforge.run.listing import ListedRun

    unfinished: list[str] = []
    for folder in folders:
        try:
            listed = ListedRun.load(folder)
        except RunError as problem:
            output.warn(f"{problem.message} {problem.hint}")
            continue
        if listed.result is None:
            unfinished.append(folder.name)
        yield _summary(folder, listed)
    _explain_unfinished(unfinished, output)


def _explain_unfinished(names: Sequence[str], output: Output) -> None:
    if names:
        resume = command("train", "--resume", names[0])
        output.note(f"{names[0]} has not been trained to its end; if it was stopped, {resume} continues it.")


def _sorted(records: Iterable[dict[str, Any]], order: Order | None) -> list[dict[str, Any]]:
    """Return the records, sorted if asked; those without the figure come last."""
    if order is None:
        return list(records)
    key = _KEYS[order]
    return sorted(records, key=lambda record: (record[key] is None, record[key]), reverse=order == "created")
