"""`scriptforge evaluate`: how well a run knows text that it was not trained on."""

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.cli.output import AsJSON, Output, Quiet, WorkspacePath, sections, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scriptforge.evaluation import Evaluation, Figures, Voice


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
    cache: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Measure the stream once more with a cache, as of generate."),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="Measure the model as it is with generate --int8.")
    ] = False,
    voice: Annotated[
        bool, typer.Option("--voice", help="Measure how often a classifier tells who says a line.")
    ] = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Measure a run's loss on held-out text, in nats per token and per character."""
    from scriptforge.evaluation import evaluate_cached, evaluate_sources, extent, together, voice_of_run
    from scriptforge.generation import CacheOptions
    from scriptforge.models import pack
    from scriptforge.run.run import Run
    from scriptforge.workspace import Workspace

    options = CacheOptions(cache) if cache is not None else None
    workspace = Workspace.find(workspace_path)
    trained = Run(workspace.run(run))
    dataset = trained.description.open_dataset(workspace)
    model = pack(trained.model, "int8") if int8 else trained.model
    by_source = evaluate_sources(model, dataset, split.value)
    evaluation = together(by_source.values(), extent(dataset, split.value))
    document = {"run": trained.folder.name, "split": split.value, **asdict(evaluation)}
    if int8:
        document["int8"] = True
    sources = by_source if dataset.description.sources else {}
    if sources:
        document["sources"] = {source: asdict(each) for source, each in sources.items()}
    parts: dict[str, RenderableType] = {"": _figures(evaluation, sources)}
    if options:
        cached = evaluate_cached(model, dataset, split.value, options)
        document["stream_cached"] = {**asdict(options), **asdict(cached)}
        parts["With a cache"] = table(_COLUMNS, [_row("stream-cached", cached)])
    if voice:
        voices = voice_of_run(model, dataset)
        document["voice"] = asdict(voices)
        parts["Voices: lines whose speaker is told from what they say"] = _voices(voices)
    Output(as_json, quiet).result(document, lambda: sections(parts))


_COLUMNS: Any = {
    "protocol": "left",
    "nats/token": "right",
    "perplexity": "right",
    "nats/char": "right",
    "bits/char": "right",
}


def _figures(evaluation: "Evaluation", sources: Mapping[str, "Evaluation"]) -> "RenderableType":
    """The figures of the split, and below them those of each source of a mix."""
    if not sources:
        return table(_COLUMNS, _rows(evaluation))
    parts = [("all", evaluation), *sources.items()]
    rows = ([source, *row] for source, each in parts for row in _rows(each))
    return table({"source": "left", **_COLUMNS}, rows)


def _voices(voice: "Voice") -> "RenderableType":
    """How often speakers are told, on the whole and one by one; by guessing, and of people and the model."""
    rows = [
        ["all, each speaker counting the same", f"{100 * voice.chance:.1f} %"]
        + [
            f"{100 * each.balanced_accuracy:.1f} ± {100 * each.margin:.1f} %"
            for each in (voice.held_out, voice.generated)
        ]
    ]
    for speaker, recall in voice.held_out.speakers.items():
        both = (recall, voice.generated.speakers[speaker])
        rows.append([speaker, "", *(f"{100 * each.share:.0f} % of {each.lines:,}" for each in both)])
    columns: Any = {"speaker": "left", "guessed": "right", "held out": "right", "generated": "right"}
    return table(columns, rows)


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
