"""`scriptforge serve`: the writing room in a browser."""

import sys
import webbrowser
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scriptforge.cli.output import Output, Quiet, RunArgument, WorkspacePath, command
from scriptforge.errors import RunError, UsageError

if TYPE_CHECKING:
    from scriptforge.workspace import RunFolder, Workspace

SHORTEST_PASSWORD = 8
"""Characters; anybody may try."""


def serve(
    run: RunArgument = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="The port; if it is in use, the next free one. 0 is any free one."
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Where to listen; by default only this machine can come in."),
    ] = "127.0.0.1",
    password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A file whose first line others type to come in; needed with --host."
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A name under which the room is called from outside, as by a proxy."
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
    ends the server; a page that is still open goes on when it is started again.
    """
    output = Output(as_json=False, quiet=quiet)

    from scriptforge.workspace import Workspace

    workspace = Workspace.find(workspace_path)
    folder = _usable(workspace, run)
    _check_libraries()

    from scriptforge.serve.server import LOCAL, Options, Server

    options = Options(
        host=host,
        port=port,
        password=_password(password_file),
        names=tuple(name or ()),
        is_read_only=read_only,
        is_for_anyone=for_anyone,
    )
    server = Server(workspace, folder if run is not None or read_only else None, options)
    for note in server.notes:
        output.warn(note)
    output.result({"link": server.link}, lambda: server.link)
    sys.stdout.flush()
    if host != LOCAL:
        output.note("What is typed and read can be seen on the way, unless a proxy with TLS stands in front.")
    output.note("Press Ctrl+C to end it; drafts are kept.")
    server.serve(lambda: _open(server.link) if browser else None)


def _usable(workspace: "Workspace", run: str | None) -> "RunFolder":
    """Return the run that is named, or the latest that can write.

    Raises:
        RunError: there is none, or it has no weights yet.
    """
    able = [folder for folder in workspace.runs() if folder.weights.is_file()]
    folder = able[0] if run is None and able else workspace.run(run)
    if not folder.weights.is_file():
        trains = folder.trainer() is not None
        raise RunError(
            f"Run “{folder.name}” {'is still training and has' if trains else 'has'} no weights yet.",
            "Wait for its first validation."
            if trains
            else f"Train it: {command('train', '--resume', folder.name)}",
        )
    return folder


def _check_libraries() -> None:
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise UsageError(
            "The writing room needs libraries that are not installed.",
            "Install them: pip install 'scriptforge-lm[serve]'",
        )


def _password(path: Path | None) -> str | None:
    """Return the first line of a file.

    Raises:
        UsageError: it cannot be read, or the line is too short for a password.
    """
    if path is None:
        return None
    try:
        first = path.expanduser().read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The password file {path} cannot be read.", "Write a password into it.") from error
    if len(first) < SHORTEST_PASSWORD:
        raise UsageError(
            f"The password in {path} has less than {SHORTEST_PASSWORD} characters.",
            "Write a longer one into its first line.",
        )
    return first


def _open(link: str) -> None:
    with suppress(webbrowser.Error, OSError):
        webbrowser.open(link)
