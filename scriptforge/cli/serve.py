"""`scriptforge serve`: the writing room in a browser."""

import sys
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from scriptforge.cli.output import Output
from scriptforge.cli.parameters import Quiet, RunArgument, WorkspacePath
from scriptforge.errors import UsageError
from scriptforge.options import LOOPBACK, ServeOptions


def serve(
    run: RunArgument = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="The port: by default the last one, or 8420; the next free one if it is taken. 0 is any.",
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Where to listen; by default only this machine can connect."),
    ] = LOOPBACK,
    password_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file whose first line is the password; needed with --host."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A host name under which the room is reached from outside, as by a proxy."
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Offer one run to visitors; drafts stay in their browsers.")
    ] = False,
    for_anyone: Annotated[
        bool, typer.Option("--for-anyone", help="With --read-only: let visitors in without a password.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    workspace_path: WorkspacePath = None,
    quiet: Quiet = False,
) -> None:
    """Write together with a model, on a page in the browser.

    Everything stays on this machine and works without a network. Drafts are kept in the workspace. Ctrl+C
    stops the server; a page that is still open continues when it is started again.
    """
    output = Output(as_json=False, quiet=quiet)

    from scriptforge.serve import find_run, require_libraries
    from scriptforge.workspace import Workspace

    workspace = Workspace.find(workspace_path)
    folder = find_run(workspace, run)
    require_libraries()

    from scriptforge.serve.server import Server

    options = ServeOptions(
        host=host,
        port=port,
        password=_password(password_file),
        names=tuple(name or ()),
        read_only=read_only,
        for_anyone=for_anyone,
    )
    server = Server(workspace, folder if run is not None or read_only else None, options)
    for note in server.notes:
        output.warn(note)
    output.result({"link": server.link}, lambda: server.link)
    sys.stdout.flush()
    if host != LOOPBACK:
        output.note("What is typed and read can be intercepted, unless a proxy with TLS is in front.")
    output.note("Press Ctrl+C to stop it; drafts are kept.")
    server.serve(lambda: _open(server.link) if browser else None)


def _password(path: Path | None) -> str | None:
    """Return the password, the first line of a file; None without a file.

    Raises:
        UsageError: the file cannot be read.
    """
    if path is None:
        return None
    from scriptforge.workspace import expand_home

    try:
        return expand_home(path).read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The password file {path} cannot be read.", "Write a password into it.") from error


def _open(link: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(link)
