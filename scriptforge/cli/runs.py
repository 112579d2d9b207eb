"""`scriptforge runs`: the trainings of a workspace with what came out of each, or some side by side."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from scriptforge.cli.options import AsJSON, Quiet, WorkspacePath
from scriptforge.cli.output import Output, table
from scriptforge.cli.run_comparison import comparison
from scriptforge.cli.training_view import clock
from scriptforge.errors import RunError

if TYPE_CHECKING:
    from scriptforge.workspace import RunFolder

_COLUMNS: dict[str, Literal["left", "right"]] = {
    "run": "left",
    "corpus": "left",
    "level": "left",
    "arch": "left",
    "parameters": "right",
    "nats/char": "right",
    "bits/char": "right",
    "time": "right",
    "created": "left",
}


class Order(StrEnum):
    """What a list of runs goes by."""

    created = "created"
    name = "name"
    bits = "bits"
    parameters = "parameters"
    time = "time"


_KEYS = {
    Order.created: "created",
    Order.name: "run",
    Order.bits: "bits_per_character",
    Order.parameters: "parameters",
    Order.time: "seconds",
}


def runs(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Compare these: settings, figures and curves."),
    ] = None,
    sort: Annotated[
        Order | None, typer.Option(help="What the runs go by: the latest, or the least of something, first.")
    ] = None,
    workspace: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """List the runs, the latest first, or put some side by side."""
    from scriptforge.cli.run_records import run_details
    from scriptforge.workspace import Workspace

    output = Output(as_json, quiet)
    place = Workspace.find(workspace)
    if names:
        folders = dict.fromkeys(place.run(name) for name in names)
        compared = _sorted(map(run_details, folders), sort)
        for run in compared:
            if not run["history"]:
                output.note(f"{run['run']} has no metrics.jsonl, and so no curve.")
        output.result(compared, lambda: comparison(compared))
        return
    listed = _sorted(_summaries(place.runs(), output), sort)
    if not listed:
        output.note("There is no run here yet. Train one: scriptforge train")
    output.result(listed, lambda: table(_COLUMNS, map(_cells, listed)))


def _summaries(folders: "Iterable[RunFolder]", output: Output) -> Iterator[dict[str, Any]]:
    """What the list says of each run; of a damaged one there is a warning."""
    from scriptforge.cli.run_records import run_summary

    for folder in folders:
        try:
            yield run_summary(folder)
        except RunError as problem:
            output.warn(problem.message)


def _sorted(records: Iterable[dict[str, Any]], order: Order | None) -> list[dict[str, Any]]:
    """The records as they come, or in an order; those without the figure that it asks for are the last."""
    if order is None:
        return list(records)
    key = _KEYS[order]

    def rank(record: dict[str, Any]) -> tuple[bool, Any]:
        return record[key] is None, record[key]

    return sorted(records, key=rank, reverse=order is Order.created)


def _cells(run: dict[str, Any]) -> list[str]:
    return [
        run["run"],
        run["dataset"],
        f"{run['level']}, plain" if run["plain"] else run["level"],
        run["arch"] or "–",
        f"{run['parameters']:,}",
        _rounded(run["nats_per_character"]),
        _rounded(run["bits_per_character"]),
        "–" if run["seconds"] is None else clock(run["seconds"]),
        run["created"][:16].replace("T", " "),
    ]


def _rounded(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"
