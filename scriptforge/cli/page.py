"""`scriptforge page`: the writing room as a folder of files, for any static server."""

import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from scriptforge.cli.output import Output
from scriptforge.cli.parameters import AsJSON, Force, Quiet, RunArgument, WorkspacePath


def page(
    run: RunArgument = None,
    path: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to write.")
    ] = Path("page"),
    show: Annotated[
        bool, typer.Option("--show", help="Then show it in the browser, until Ctrl+C is pressed.")
    ] = False,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Write a page that runs a model in the browser, to be served from anywhere.

    It is the page that `push --space` shows, with the model in it; a server only has to send its files.
    Drafts stay in the browser of whoever opens it.
    """
    output = Output(as_json, quiet)

    from scriptforge.hub.space import write_page
    from scriptforge.run.run import Run
    from scriptforge.workspace import Workspace, expand_home

    folder = expand_home(path)
    files = write_page(Run(Workspace.find(workspace_path).run(run)), folder, force=force)
    output.result({"folder": str(folder), "files": files}, lambda: str(folder))
    if not show:
        output.note("Browsers run it only from a server; to see it here, add --show.")
        return
    from scriptforge.cli.page_server import PageServer

    with PageServer(folder) as server, suppress(KeyboardInterrupt):
        address = f"http://127.0.0.1:{server.server_port}/"
        output.note(f"It is at {address}; press Ctrl+C to stop.")
        with suppress(webbrowser.Error, OSError):
            webbrowser.open(address)
        server.serve_forever()
