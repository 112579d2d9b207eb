"""`scriptforge inspect`: what a file or folder parses to, before it becomes a dataset."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.cli.completion import corpus_names
from scriptforge.cli.output import Output, lines, sections
from scriptforge.cli.parameters import (
    AsJSON,
    Cluster,
    Columns,
    Encoding,
    Format,
    Quiet,
    Workers,
    WorkspacePath,
    input_as_file,
)
from scriptforge.cli.tables import facts, table
from scriptforge.options import InspectOptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scriptforge.corpus.inspect import Duplicates, Inspection, ScriptName, Speaker
    from scriptforge.script_rows import Location

_CAST_SHOWN = 20
_SHOWN = 10
_WIDTH = 120


def inspect(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A file or folder, a card's name, hf:OWNER/NAME, an https address, or - for a pasted text.",
            autocompletion=corpus_names,
        ),
    ],
    format: Format = None,
    columns: Columns = None,
    encoding: Encoding = None,
    workers: Workers = None,
    cluster: Cluster = None,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Show what a text parses to: format, scenes, cast, repeats, problems and a sample."""
    output = Output(as_json, quiet)

    from scriptforge.cores import usable_cores
    from scriptforge.corpus.inspect import inspect as inspect_corpus
    from scriptforge.workspace import Workspace

    options = InspectOptions(
        format=format,
        columns=columns,
        encoding=encoding,
        workers=workers or usable_cores(),
        cluster=cluster,
    )
    with input_as_file(output, [path]) as (name,), output.progress() as on_progress:
        found = inspect_corpus(name, options, Workspace.find(workspace_path), on_progress)
    output.result(found, lambda: _drawn(found))
    for warning in found.warnings:
        output.warn(warning)


def _drawn(found: "Inspection") -> Any:
    """Return all sections that are not empty."""
    parts: dict[str, Any] = {"": facts(_facts(found))}
    if found.cast:
        parts[_heading("Cast", len(found.cast), _CAST_SHOWN)] = _cast(found)
    if found.close_names:
        parts[_heading("Names one letter apart", len(found.close_names), _SHOWN)] = _close_names(found)
    if found.unparsed:
        parts["Kept as action, for example"] = lines(map(_cut, found.unparsed))
    if repeats := _repeats(found.duplicates, found.documents > 1):
        parts["Repeated, for example"] = lines(repeats)
    if found.near_duplicates:
        heading = _heading("Nearly the same", len(found.near_duplicates), _SHOWN)
        parts[heading] = lines(map(_alike, found.near_duplicates[:_SHOWN]))
    if found.problems:
        parts[_heading("Problems", len(found.problems), _SHOWN)] = lines(found.problems[:_SHOWN])
    parts["Sample"] = lines(map(_cut, found.sample))
    return sections(parts)


def _facts(found: "Inspection") -> list[tuple[str, str]]:
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.lines.items() if count)
    repeats = found.duplicates
    return [
        *(("format", f"{_files(met.name, met.files)}. {met.reason}") for met in found.formats),
        ("documents", f"{found.documents:,}"),
        ("scenes", f"{found.scenes:,}"),
        ("lines", f"{sum(found.lines.values()):,}: {kinds}"),
        ("words", f"{found.words:,}"),
        ("kept as action", f"{100 * found.unparsed_share:.1f} % of the text, for which no rule was found"),
        (
            "repeated",
            f"documents {repeats.documents.count:,}, scenes {repeats.scenes.count:,}, "
            f"long lines {repeats.lines.count:,}",
        ),
    ]


def _files(format: str, count: int) -> str:
    return format if count == 1 else f"{format}, {count:,} files"


def _cast(found: "Inspection") -> Any:
    shown = found.cast[:_CAST_SHOWN]
    has_spellings = any(len(member.spellings) > 1 for member in shown)
    headings = ["speaker", "lines", "words", "first", *(["also spelt"] if has_spellings else [])]
    rows = [_row(member, found.documents > 1, has_spellings) for member in shown]
    return table(headings, rows, right=("lines", "words"), optional=("words", "first"))


def _row(member: "Speaker", in_many: bool, has_spellings: bool) -> list[str]:
    row = [member.speaker, f"{member.lines:,}", f"{member.words:,}", _place(member.first, in_many)]
    return [*row, ", ".join(member.spellings[1:])] if has_spellings else row


def _close_names(found: "Inspection") -> Any:
    return table(
        ("speaker", "lines", "may be"),
        [(close.speaker, f"{close.lines:,}", close.close_to) for close in found.close_names[:_SHOWN]],
        right=("lines",),
    )


def _place(location: "Location", in_many: bool) -> str:
    line = f"parsed line {location.line:,}"
    return f"{_cut(location.document, 50)}, {line}" if in_many else line


def _repeats(duplicates: "Duplicates", in_many: bool) -> list[str]:
    sorts = {"document": duplicates.documents, "scene": duplicates.scenes, "line": duplicates.lines}
    return [
        f"{sort}, {repeat.times:,} times: “{_cut(repeat.text, 70)}” "
        f"({_place(repeat.first, in_many)}; {_place(repeat.again, in_many)})"
        for sort, repeats in sorts.items()
        for repeat in repeats.examples
    ]


def _alike(group: "Sequence[ScriptName]") -> str:
    shown = "; ".join(f"“{_cut(script.title, 50)}” ({script.file})" for script in group[:_SHOWN])
    return f"{shown}; and {len(group) - _SHOWN:,} more" if len(group) > _SHOWN else shown


def _heading(name: str, count: int, shown: int) -> str:
    return f"{name}, {shown:,} of {count:,}" if count > shown else name


def _cut(text: str, width: int = _WIDTH) -> str:
    """Return a text on one line with its indent kept, truncated to `width` characters."""
    indent = text[: len(text) - len(text.lstrip(" "))]
    line = indent + " ".join(text.split())
    return line if len(line) <= width else line[: width - 2].rstrip() + " …"
