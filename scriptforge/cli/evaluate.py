"""`scriptforge evaluate`: how well a run knows text that it was not trained on."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from scriptforge.cli.output import AsJSON, Output, Quiet, RunArgument, WorkspacePath, sections
from scriptforge.cli.tables import table
from scriptforge.options import EvaluateOptions, HeldOut

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scriptforge.evaluation import Evaluation, EvaluationReport, Figures, Voice


def evaluate(
    run: RunArgument = None,
    split: Annotated[HeldOut, typer.Option(help="The held-out text to read.")] = EvaluateOptions.split,
    cache: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Measure the stream once more with a cache, as in generate."),
    ] = EvaluateOptions.cache,
    int8: Annotated[
        bool, typer.Option("--int8", help="Measure the model as generate --int8 uses it.")
    ] = EvaluateOptions.int8,
    voice: Annotated[
        bool, typer.Option("--voice", help="Measure how often a classifier recognises who says a line.")
    ] = EvaluateOptions.voice,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Measure a run's loss on held-out text, in nats per token and per character."""
    output = Output(as_json, quiet)
    options = EvaluateOptions(split=split, cache=cache, int8=int8, voice=voice)

    from scriptforge.evaluation import evaluate as measure
    from scriptforge.run.run import Run
    from scriptforge.workspace import Workspace

    workspace = Workspace.find(workspace_path)
    trained = Run(workspace.run(run))
    report = measure(trained, trained.description.open_dataset(workspace), options)
    output.result(report.document(), lambda: _drawn(report))


_FIGURES = ("nats/token", "perplexity", "nats/char", "bits/char")


def _drawn(report: "EvaluationReport") -> "RenderableType":
    parts: dict[str, RenderableType] = {"": _loss_table(report)}
    if report.cached:
        parts["With a cache"] = _figure_table([_row("stream-cached", report.cached.figures)])
    if report.voice:
        parts["Voices: lines whose speaker is recognised from what they say"] = _voice_table(report.voice)
    return sections(parts)


def _loss_table(report: "EvaluationReport") -> "RenderableType":
    """Draw the figures of the split, and below them those of each source of a mix."""
    if not report.by_source:
        return _figure_table(_rows(report.whole))
    parts = [("all", report.whole), *report.by_source.items()]
    return _figure_table(([source, *row] for source, each in parts for row in _rows(each)), "source")


def _figure_table(rows: Iterable[list[str]], *first: str) -> "RenderableType":
    return table((*first, "protocol", *_FIGURES), rows, right=_FIGURES, optional=("nats/char", "perplexity"))


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


def _voice_table(voice: "Voice") -> "RenderableType":
    """Draw how often speakers are recognised, overall and one by one: by guessing, in both texts."""
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
    figures = ("guessed", "held out", "generated")
    return table(("speaker", *figures), rows, right=figures)
