"""`scriptforge pull`: from a repository on the Hub to a run."""

from typing import Annotated

import typer

from scriptforge.characters import command
from scriptforge.cli.output import Output
from scriptforge.cli.parameters import AsJSON, Quiet, WorkspacePath
from scriptforge.cli.tables import facts


def pull(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The model.")],
    revision: Annotated[
        str | None,
        typer.Option(metavar="REVISION", help="A commit, branch or tag; by default the newest."),
    ] = None,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Download a model from the Hugging Face Hub, verified before it becomes a run."""
    output = Output(as_json, quiet)

    from scriptforge.hub.pull import pull as pull_model
    from scriptforge.workspace import Workspace

    with output.progress() as on_progress:
        result = pull_model(Workspace.find(workspace_path), repository, revision, on_progress=on_progress)
    for note in result.notes:
        output.note(note)
    record = result.record
    document = {"run": result.folder.name, "repository": record.repository, "commit": record.revision}
    output.result(document, lambda: facts(document.items()))
    output.note(f"Next: {command('generate', result.folder.name)}")
