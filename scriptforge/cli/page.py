"""`scriptforge page`: the writing room as a folder of files, for any static server."""

from pathlib import Path
from typing import Annotated

import typer

from scriptforge.cli.output import AsJSON, Force, Output, Quiet, RunArgument, WorkspacePath


def page(
    run: RunArgument = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FOLDER", help="The folder that is written.")
    ] = Path("page"),
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Write a page that runs a model in the browser, to be served from anywhere.

    It is the page that `push --space` shows, with the model in it; a server has nothing to do but to send
    its files. Drafts stay in the browser of whoever opens it.
    """
    output = Output(as_json, quiet)

    from scriptforge.hub.space import write_page
    from scriptforge.run.run import Run
    from scriptforge.workspace import Workspace

    workspace = Workspace.find(workspace_path)
    opened = Run(workspace.run(run))
    opened.find_words(workspace)
    folder = out.expanduser()
    files = write_page(opened, folder, force=force)
    output.result({"folder": str(folder), "files": files}, lambda: str(folder))
    output.note(f"To look at it: python -m http.server -d {folder}")
