"""`scriptforge remove`: the deletion of runs, datasets or studies."""

from typing import Annotated

import typer

from scriptforge.cli.completion import entry_names
from scriptforge.cli.output import Output
from scriptforge.cli.parameters import AsJSON, Quiet, WorkspacePath


def remove(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME",
            help="What is deleted: runs/NAME, data/NAME or studies/NAME; NAME alone if there is only one.",
            autocompletion=entry_names,
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Delete a dataset even if runs were trained on it.")
    ] = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Delete runs, datasets or studies.

    On a terminal it asks first; elsewhere --yes is needed.
    """
    output = Output(as_json, quiet)

    from scriptforge.workspace import Workspace
    from scriptforge.workspace.entries import check_removable, find_entry
    from scriptforge.workspace.entries import remove as remove_entries

    workspace = Workspace.find(workspace_path)
    found = list(dict.fromkeys(find_entry(workspace, name) for name in names))
    check_removable(workspace, found, force=force)
    if not yes:
        listed = ", ".join(f"{entry} ({entry.size / 1e6:,.1f} MB)" for entry in found)
        output.confirm(f"Delete {listed}?", "Add --yes to delete without being asked.")
    removed = remove_entries(list(map(str, found)), force=force, workspace=workspace_path)
    output.result(removed, lambda: f"Deleted: {', '.join(removed)}")
