"""`scriptforge evaluate`: how well a run predicts text that it was not trained on."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scriptforge.cli.output import Output, sections
from scriptforge.cli.parameters import AsJSON, Force, Quiet, RunArgument, WorkspacePath
from scriptforge.cli.tables import table
from scriptforge.errors import UsageError
from scriptforge.options import EvaluateOptions, GenerateOptions, HeldOut, check_fields

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scriptforge.evaluation import Evaluation, EvaluationReport, LossMetrics, Profile, SpeakerRecognition


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
    ngram: Annotated[
        bool, typer.Option("--ngram", help="Also measure an n-gram model, which needs no training.")
    ] = EvaluateOptions.ngram,
    speakers: Annotated[
        bool, typer.Option("--speakers", help="Measure how often a classifier recognises who says a line.")
    ] = EvaluateOptions.speakers,
    profile: Annotated[
        bool,
        typer.Option(
            "--profile", help="Compare the model's pages with those of people: speakers, repeats, variety."
        ),
    ] = EvaluateOptions.profile,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Also draw the profile into a file.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Write the pages of the profile with another option of generate; repeat for more.",
        ),
    ] = None,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Measure a run's loss on held-out text, in nats per token and per character."""
    output = Output(as_json, quiet)
    options = EvaluateOptions(
        split=split,
        cache=cache,
        int8=int8,
        ngram=ngram,
        speakers=speakers,
        profile=profile,
        writing=_writing(assignments or []),
    )

    _check_picture(picture, profile, force)

    from scriptforge.evaluation import draw_profile
    from scriptforge.evaluation import evaluate as measure
    from scriptforge.run.run import Run
    from scriptforge.workspace import Workspace, write_output

    workspace = Workspace.find(workspace_path)
    trained = Run(workspace.run(run))
    report = measure(trained, trained.description.open_dataset(workspace), options)
    if picture is not None and report.profile:
        write_output(picture, draw_profile(report.profile, report.run), force=force)
        output.note(f"{picture} shows the profile.")
    output.result(report.document(), lambda: _drawn(report))


def _check_picture(picture: Path | None, profile: bool, force: bool) -> None:
    if picture is None:
        return
    if not profile:
        raise UsageError("--picture draws a profile.", "Add --profile, or leave --picture out.")
    if picture.suffix.lower() != ".svg":
        raise UsageError(
            f"--picture writes SVG, and {picture} does not end in .svg.", "Name it such as profile.svg."
        )
    from scriptforge.workspace import refuse_existing

    refuse_existing(picture, force)


def _writing(assignments: list[str]) -> GenerateOptions:
    """Return the options of generate with some values changed; they are parsed like those of `train --set`.

    Raises:
        UsageError: an option is unknown, or its value is of the wrong type or out of range.
    """
    from pydantic import TypeAdapter, ValidationError

    from scriptforge.config import parse_assignment
    from scriptforge.validation import first_problem

    changes = dict(map(parse_assignment, assignments))
    check_fields(GenerateOptions, changes)
    try:
        return TypeAdapter(GenerateOptions).validate_python(changes)
    except ValidationError as error:
        problem = first_problem(error)
        raise UsageError(
            f"{problem.key} {problem.words}, not {problem.value!r}.", "See: scriptforge generate --help"
        ) from None


_FIGURES = ("nats/token", "perplexity", "nats/char", "bits/char")


def _drawn(report: "EvaluationReport") -> "RenderableType":
    parts: dict[str, RenderableType] = {"": _loss_table(report)}
    if report.cached:
        parts["With a cache"] = _figure_table([_row("stream-cached", report.cached.metrics)])
    if report.speakers:
        parts["Speakers: how often they are recognised from what they say"] = _speaker_table(report.speakers)
    if report.profile:
        parts[_profile_words(report.profile)] = _profile_table(report.profile)
    return sections(parts)


def _profile_words(profile: "Profile") -> str:
    return (
        f"What a reader notices on a page of {profile.lines} lines:"
        f" {100 * profile.share_within:.0f} % as on pages of people"
    )


def _profile_table(profile: "Profile") -> "RenderableType":
    """Return a table of the figures of people's pages and the model's, marked where they differ."""
    from rich.console import Group
    from rich.text import Text

    shares = (figure.auc for figure in profile.figures.values())
    told_apart = ("" if share is None else f"{100 * share:.0f} %" for share in shares)
    rows = [[*row, share] for row, share in zip(profile.table, told_apart, strict=True)]
    figures = ("people", "nine pages of ten", "model", "told apart")
    drawn = table(("on a page", *figures[:3], "", figures[3]), rows, right=figures, optional=figures[3:])
    return Group(drawn, Text(_TOLD_APART, style="dim"))


_TOLD_APART = "Told apart: how many pairs of a page of each this figure alone tells apart; by chance, 50 %."


def _loss_table(report: "EvaluationReport") -> "RenderableType":
    """Return a table of the losses on the split, followed by those on each source of a mix."""
    ngram = report.ngram
    whole = _rows(report.whole, (ngram.order, ngram.metrics) if ngram else None)
    if not report.by_source:
        return _figure_table(whole)
    rows = [["all", *row] for row in whole]
    for source, each in report.by_source.items():
        beside = (ngram.order, ngram.by_source[source]) if ngram else None
        rows += [[source, *row] for row in _rows(each, beside)]
    return _figure_table(rows, "source")


def _figure_table(rows: Iterable[list[str]], *first: str) -> "RenderableType":
    return table((*first, "protocol", *_FIGURES), rows, right=_FIGURES, optional=("nats/char", "perplexity"))


def _rows(evaluation: "Evaluation", ngram: "tuple[int, LossMetrics] | None") -> list[list[str]]:
    """Return a row for each protocol, and one for an n-gram model, given as its order and loss."""
    rows = [_row("stream", evaluation.stream), _row("cold-256", evaluation.cold_256)]
    return [*rows, _row(f"{ngram[0]}-gram model", ngram[1])] if ngram else rows


def _row(protocol: str, metrics: "LossMetrics") -> list[str]:
    return [
        protocol,
        f"{metrics.nats_per_token:.4f}",
        f"{metrics.perplexity:.2f}",
        f"{metrics.nats_per_character:.4f}",
        f"{metrics.bits_per_character:.4f}",
    ]


def _speaker_table(recognition: "SpeakerRecognition") -> "RenderableType":
    """Return a table of how often speakers are recognised, overall and each: by guessing, in both texts."""
    rows = [
        ["all, each speaker counting the same", f"{100 * recognition.chance:.1f} %"]
        + [
            f"{100 * each.balanced_accuracy:.1f} ± {100 * each.margin:.1f} %"
            for each in (recognition.held_out, recognition.generated)
        ]
    ]
    for speaker, recall in recognition.held_out.speakers.items():
        both = (recall, recognition.generated.speakers[speaker])
        rows.append([speaker, "", *(f"{100 * each.share:.0f} % of {each.lines:,}" for each in both)])
    figures = ("guessed", "held out", "generated")
    return table(("speaker", *figures), rows, right=figures)
