"""`scriptforge runs`: the trainings of a workspace, with what came out of each.

Each run's `config.json` is read key by key and not as this version's `RunDescription`: a list should show
the runs of other versions too, and without waiting for torch.
"""

from typing import Any, Literal

from scriptforge.cli.options import AsJSON, Quiet, WorkspacePath
from scriptforge.cli.output import Output, table
from scriptforge.errors import RunError

_COLUMNS: dict[str, Literal["left", "right"]] = {
    "run": "left",
    "corpus": "left",
    "level": "left",
    "parameters": "right",
    "nats/char": "right",
    "bits/char": "right",
    "seconds": "right",
    "created": "left",
}


def runs(workspace: WorkspacePath = None, as_json: AsJSON = False, quiet: Quiet = False) -> None:
    """List the runs, the latest first."""
    from scriptforge.workspace import Workspace, read_json

    output = Output(as_json, quiet)
    rows = []
    for folder in Workspace.find(workspace).runs():
        try:
            rows.append({"run": folder.name, **_summary(read_json(folder.config))})
        except RunError as problem:
            output.warn(problem.message)
        except (KeyError, TypeError, ValueError):
            output.warn(f"{folder.name}/config.json is not one that scriptforge writes.")
    if not rows:
        output.note("There is no run here yet. Train one: scriptforge train")
    output.result(rows, lambda: table(_COLUMNS, map(_cells, rows)))


def _summary(config: dict[str, Any]) -> dict[str, Any]:
    """What the list says of a run; figures are None until the training has ended."""
    result = config["result"] or {"best": {"stream": {}}}
    stream = result["best"]["stream"]
    return {
        "dataset": str(config["dataset"]["name"]),
        "level": str(config["dataset"]["level"]),
        "plain": bool(config["dataset"]["plain"]),
        "parameters": int(config["parameters"]),
        "nats_per_character": _figure(stream.get("nats_per_character")),
        "bits_per_character": _figure(stream.get("bits_per_character")),
        "seconds": _figure(result.get("seconds")),
        "created": str(config["created"]),
    }


def _cells(run: dict[str, Any]) -> list[str]:
    return [
        run["run"],
        run["dataset"],
        f"{run['level']}, plain" if run["plain"] else run["level"],
        f"{run['parameters']:,}",
        _rounded(run["nats_per_character"], 3),
        _rounded(run["bits_per_character"], 3),
        _rounded(run["seconds"], 0),
        run["created"][:16].replace("T", " "),
    ]


def _rounded(figure: float | None, digits: int) -> str:
    return "–" if figure is None else f"{figure:.{digits}f}"


def _figure(value: Any) -> float | None:
    return None if value is None else float(value)
