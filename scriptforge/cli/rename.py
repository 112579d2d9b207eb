"""`scriptforge rename`: another name for a run, a dataset or a study."""

from typing import Annotated

import typer

from scriptforge.cli.completion import entry_names
from scriptforge.cli.output import Output
from scriptforge.cli.parameters import AsJSON, Quiet, WorkspacePath


def rename(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="What is renamed: runs/NAME, data/NAME or studies/NAME; NAME alone if there is only one.",
            autocompletion=entry_names,
        ),
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The new name.")],
    force: Annotated[
        bool, typer.Option("--force", help="Rename a dataset even if runs were trained on it.")
    ] = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Give a run, dataset or study another name."""
    output = Output(as_json, quiet)

    from scriptforge.workspace import Workspace
    from scriptforge.workspace.entries import find_entry
    from scriptforge.workspace.entries import rename as rename_entry

    before = find_entry(Workspace.find(workspace_path), name)
    path = rename_entry(str(before), new, force=force, workspace=workspace_path)
    after = f"{before.kind}/{path.name}"
    document = {"renamed": str(before), "to": after}
    output.result(document, lambda: f"{before} is now {after}.")
