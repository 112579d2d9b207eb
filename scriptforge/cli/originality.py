"""`scriptforge originality`: how much of a text is copied from the training text of a run."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scriptforge.characters import safe
from scriptforge.cli.completion import run_names
from scriptforge.cli.output import Output
from scriptforge.cli.parameters import STANDARD_INPUT, AsJSON, Force, Quiet, WorkspacePath, input_as_file
from scriptforge.cli.tables import table

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.text import Text

    from scriptforge.copying import OriginalityReport
    from scriptforge.copying.view import Segment
    from scriptforge.dataset import Dataset

_STYLES = ("black on #fdf0b4", "black on #fbd28a", "black on #f7a77c", "black on #ee8080")
"""The styles of copied text, one for each band of lengths."""


def originality(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="The text, in any format that can be read; - reads standard input."
        ),
    ],
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="The run with the training text; the latest if left out.",
            autocompletion=run_names,
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option("--html", metavar="PATH", help="Write the marked text to a web page instead."),
    ] = None,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Show what a text has copied from a run's training text, beside what people copy."""
    output = Output(as_json, quiet)

    from scriptforge.copying import examine_texts, lines_of_rows
    from scriptforge.copying.view import render_page
    from scriptforge.corpus.parse import parse_file
    from scriptforge.run.records import RunDescription
    from scriptforge.workspace import Workspace, refuse_existing, write_output

    if page is not None:
        refuse_existing(page, force)
    workspace = Workspace.find(workspace_path)
    folder = workspace.run(run)
    dataset = RunDescription.load(folder).open_dataset(workspace)
    with input_as_file(output, [file]) as (path,):
        lines = list(lines_of_rows(parse_file(Path(path), dataset.description.plain)))
    (report,) = examine_texts([lines], dataset)
    if page is not None:
        name = "standard input" if file == STANDARD_INPUT else Path(file).name
        write_output(page, render_page(report, name, _noticed(report, dataset)), force=force)
        output.note(f"{page} shows the text with its copies marked.")
    output.result({"run": folder.name, **report.document()}, lambda: _drawn(report, is_shown=page is None))


def _noticed(report: "OriginalityReport", dataset: "Dataset") -> list[tuple[str, ...]]:
    """Return a table of what a reader notices, in the text and in human pages; empty if it is too short."""
    from scriptforge.evaluation import profile_of_text

    profile = profile_of_text([line.element for line in report.lines], dataset)
    if profile is None:
        return []
    headings = (f"on a page of {profile.lines} lines", "human text", "nine pages of ten", "this text", "")
    return [headings, *profile.table]


def _drawn(report: "OriginalityReport", is_shown: bool) -> "RenderableType":
    """Return the figures, and if `is_shown` the text with its copies marked."""
    from rich.console import Group
    from rich.text import Text

    from scriptforge.copying.view import comparison_words, figure_rows, longest_copy_words

    own, human = "this text", "human"
    figures = table(("", own, human), figure_rows(report), right=(own, human))
    longest = Text(safe(longest_copy_words(report)))
    comparison = Text(comparison_words(report))
    parts: list[RenderableType] = ["", _MarkedText(report)] if is_shown else []
    return Group(figures, "", longest, "", comparison, *parts)


class _MarkedText:
    """The text with its copies marked: in colour, or in brackets if there is no colour."""

    def __init__(self, report: "OriginalityReport") -> None:
        self._report = report

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.text import Text

        from scriptforge.copying.view import marked_lines, sources_named

        is_colourful = not console.no_color
        yield _legend(is_colourful)
        yield ""
        for line, segments in marked_lines(self._report):
            speaker = (f"{safe(line.speaker)}: ", "bold") if line.speaker else ""
            yield Text.assemble(speaker, *(_drawn_segment(each, is_colourful) for each in segments))
            for words in sources_named(segments):
                yield Text(f"    ↑ {safe(words)}", style="dim")


def _legend(is_colourful: bool) -> "Text":
    from rich.text import Text

    from scriptforge.copying.view import BANDS, band_names

    if not is_colourful:
        return Text(f"⟦Also in the training text⟧, {BANDS[0]} words or more in a row")
    names = (Text(f" {name} ", style=style) for name, style in zip(band_names(), _STYLES, strict=True))
    return Text("Also in the training text: ").append_text(Text(" ").join(names))


def _drawn_segment(segment: "Segment", is_colourful: bool) -> tuple[str, str]:
    from scriptforge.copying.view import band

    text = safe(segment.text)
    if segment.copy is None:
        return text, ""
    return (text, _STYLES[band(segment.copy)]) if is_colourful else (f"⟦{text}⟧", "")
