"""`scriptforge convert`: scripts from any format that can be read to any that can be written."""

from pathlib import Path
from typing import Annotated

import typer

from scriptforge.cli.completion import corpus_names
from scriptforge.cli.output import Output
from scriptforge.cli.parameters import AsJSON, Columns, Encoding, Force, Format, Quiet, WorkspacePath
from scriptforge.options import ConvertOptions, OutputFormat


def convert(
    source: Annotated[
        str,
        typer.Argument(
            metavar="IN",
            help="A file or folder; also a card's name, hf:OWNER/NAME, or an https address.",
            autocompletion=corpus_names,
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The file to write; its suffix says the format. With --to, a folder for several scripts.",
        ),
    ],
    to: Annotated[
        OutputFormat | None, typer.Option(help="The format to write; the suffix of OUT says it if left out.")
    ] = None,
    format: Format = None,
    columns: Columns = None,
    encoding: Encoding = None,
    scene_numbers: Annotated[
        bool, typer.Option("--scene-numbers", help="In a PDF, number the scenes at both margins.")
    ] = False,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Write scripts in another format: PDF, Word, Final Draft, Fountain, a page, text, JSON."""
    output = Output(as_json, quiet)

    from scriptforge.corpus.convert import convert as convert_scripts
    from scriptforge.workspace import is_stream

    options = ConvertOptions(
        to=to, format=format, columns=columns, encoding=encoding, scene_numbers=scene_numbers, force=force
    )
    with output.progress() as on_progress:
        done = convert_scripts(source, out, options, workspace=workspace_path, on_progress=on_progress)
    for note in done.notes:
        output.note(note)
    files = [
        {"file": str(file.path), "format": done.format, "scripts": file.scripts, "lines": file.lines}
        for file in done.files
    ]
    if as_json or not is_stream(out):  # which may be stdout
        output.result({"files": files, "notes": list(done.notes)}, lambda: "\n".join(map(_described, files)))


def _described(file: dict[str, object]) -> str:
    scripts = "" if file["scripts"] == 1 else f"{file['scripts']} scripts, "
    return f"{file['file']} ({scripts}{file['lines']:,} lines)"
