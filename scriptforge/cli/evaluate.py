"""`scriptforge evaluate`: how well a run knows text that it was not trained on."""

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.cli.options import AsJSON, Quiet, WorkspacePath
from scriptforge.cli.output import Output, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scriptforge.evaluation import Evaluation, Figures


class SplitChoice(StrEnum):
    """The splits that a model is not trained on."""

    validation = "validation"
    test = "test"


def evaluate(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="The run, by name or folder; the latest if left out."),
    ] = None,
    split: Annotated[SplitChoice, typer.Option(help="What to read.")] = SplitChoice.test,
    workspace: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Measure a run's loss on held-out text, in nats per token and per character."""
    from scriptforge.dataset import Dataset
    from scriptforge.evaluation import evaluate_sources, extent, together
    from scriptforge.run import Run
    from scriptforge.workspace import Workspace

    place = Workspace.find(workspace)
    trained = Run(place.run(run))
    dataset = Dataset(place.dataset(trained.description.dataset.name))
    trained.description.refuse_other_dataset(dataset)
    by_source = evaluate_sources(trained.model, dataset, split.value)
    evaluation = together(by_source.values(), extent(dataset, split.value))
    document = {"run": trained.folder.name, "split": split.value, **asdict(evaluation)}
    sources = by_source if dataset.description.sources else {}
    if sources:
        document["sources"] = {source: asdict(each) for source, each in sources.items()}
    Output(as_json, quiet).result(document, lambda: _table(evaluation, sources))


_COLUMNS: Any = {
    "protocol": "left",
    "nats/token": "right",
    "perplexity": "right",
    "nats/char": "right",
    "bits/char": "right",
}


def _table(evaluation: "Evaluation", sources: Mapping[str, "Evaluation"]) -> "RenderableType":
    """The figures of the split, and below them those of each source of a mix."""
    if not sources:
        return table(_COLUMNS, _rows(evaluation))
    parts = [("all", evaluation), *sources.items()]
    rows = ([source, *row] for source, each in parts for row in _rows(each))
    return table({"source": "left", **_COLUMNS}, rows)


def _rows(evaluation: "Evaluation") -> list[list[str]]:
    return [_row("stream", evaluation.stream), _row("cold-256", evaluation.cold_256)]


def _row(protocol: str, figures: "Figures") -> list[str]:
    return [
        protocol,
        f"{figures.nats_per_token:.4f}",
        f"{figures.perplexity:.2f}",
        f"{figures.nats_per_character:.4f}",
        f"{figures.bits_per_character:.4f}",
    ]
