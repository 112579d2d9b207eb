"""`scriptforge pull`: from a repository on the Hub to a run."""

from typing import Annotated

import typer

from scriptforge.cli.output import AsJSON, Output, Quiet, WorkspacePath, facts


def pull(
    repository: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The model.")],
    revision: Annotated[
        str | None, typer.Option(metavar="REVISION", help="A commit, branch or tag, instead of the newest.")
    ] = None,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Bring a model from the Hugging Face Hub here, once it proves to be one."""
    from scriptforge.hub import pull as bring
    from scriptforge.workspace import Workspace

    output = Output(as_json, quiet)
    with output.progress() as progress:
        arrival = bring(Workspace.find(workspace_path), repository, revision, progress=progress)
    for note in arrival.notes:
        output.note(note)
    record = arrival.record
    document = {"run": arrival.folder.name, "repository": record.repository, "commit": record.revision}
    output.result(document, lambda: facts(document.items()))
    output.note(f"Next: scriptforge generate {arrival.folder.name}")
