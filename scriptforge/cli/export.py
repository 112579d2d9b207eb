"""`scriptforge export`: from a run to a folder that another program reads."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.cli.output import Output, sections
from scriptforge.cli.parameters import AsJSON, Force, Quiet, RunArgument, WorkspacePath
from scriptforge.cli.tables import facts

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scriptforge.exporting import Exported


def export(
    run: RunArgument = None,
    onnx: Annotated[
        Path | None,
        typer.Option(
            "--onnx",
            metavar="FOLDER",
            help="Make a folder for ONNX Runtime, in which an lstm, gru or rnn writes without scriptforge.",
        ),
    ] = None,
    transformers: Annotated[
        Path | None,
        typer.Option(
            "--transformers",
            metavar="FOLDER",
            help="Make a folder for Hugging Face's transformers, of a transformer that was trained with"
            " speaker_embedding=false.",
        ),
    ] = None,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Write a run for other programs, checked against the run itself.

    The folder has all that they need to write scripts; the README.md in it says how.
    """
    output = Output(as_json, quiet)

    from scriptforge.exporting import export as export_run
    from scriptforge.options import ExportOptions
    from scriptforge.run.run import Run
    from scriptforge.workspace import Workspace

    options = ExportOptions(onnx=onnx, transformers=transformers, force=force)
    done = export_run(Run(Workspace.find(workspace_path).run(run)), options)
    output.result([_document(each) for each in done], lambda: sections(_contents(done)))
    output.note("How to use it: the README.md in the folder.")


def _document(exported: "Exported") -> dict[str, Any]:
    parity = {
        name: {"steps": each.steps, "largest_difference": each.largest, "nats_per_token": each.nats}
        for name, each in exported.parity.items()
    }
    return {
        "target": exported.target,
        "folder": str(exported.folder),
        "files": exported.files,
        "parity": parity,
    }


def _contents(done: "list[Exported]") -> "dict[str, RenderableType]":
    return {str(each.folder): facts(_facts(each)) for each in done}


def _facts(exported: "Exported") -> "list[tuple[str, str]]":
    rows = []
    for name, size in exported.files.items():
        parity = exported.parity.get(name)
        checked = (
            f"; over {parity.steps:,} tokens, scores differ by at most {parity.largest:.1g}" if parity else ""
        )
        rows.append((name, f"{size:,} bytes{checked}"))
    return rows
