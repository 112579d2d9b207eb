"""`scriptforge push`: from a run to a repository on the Hub."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.characters import command
from scriptforge.cli.output import Output, lines, sections
from scriptforge.cli.parameters import AsJSON, Quiet, RunArgument, WorkspacePath
from scriptforge.cli.tables import facts

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scriptforge.hub.push import PushResult


def push(
    run: RunArgument = None,
    repository: Annotated[
        str | None,
        typer.Option("--repo", metavar="OWNER/NAME", help="By default, your name and the run's."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="If the repository is created now, make it private.")
    ] = False,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Open a pull request on a repository that exists.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="The branch to change, instead of the main one.")
    ] = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="The message of the commit.")] = None,
    space: Annotated[
        bool, typer.Option("--space", help="Also make a Space: a page that runs the model in the browser.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show the files and the model card, and send nothing; needs no login."
        ),
    ] = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Share a run on the Hugging Face Hub, with a model card."""
    output = Output(as_json, quiet)

    from scriptforge.hub.push import push as push_run
    from scriptforge.options import PushOptions
    from scriptforge.run.run import Run
    from scriptforge.workspace import Workspace

    workspace = Workspace.find(workspace_path)
    options = PushOptions(
        repository=repository,
        private=private,
        create_pr=create_pr,
        revision=revision,
        message=message,
        space=space,
    )
    results = push_run(workspace, Run(workspace.run(run)), options, dry_run=dry_run)
    for note in (note for result in results for note in result.notes):
        output.note(note)
    documents = [_document(result) for result in results]
    if dry_run:
        output.result(documents, lambda: sections(_contents(results)))
        return
    output.result(documents, lambda: "\n".join(str(result.url) for result in results))
    output.note(f"To use it: {command('generate', results[0].payload.repository)}")


def _document(result: "PushResult") -> dict[str, Any]:
    """Return a result for JSON: with the card if nothing was uploaded, else with its address."""
    payload = result.payload
    where = {"url": result.url, "commit": result.commit} if result.url else {"card": payload.card}
    return {"repository": payload.repository, "kind": payload.kind, "files": payload.sizes, **where}


def _contents(results: "list[PushResult]") -> "dict[str, RenderableType]":
    parts: dict[str, RenderableType] = {}
    for payload in (result.payload for result in results):
        title = f"The {payload.kind} {payload.repository}"
        parts[title] = facts((name, f"{size:,} bytes") for name, size in payload.sizes.items())
        parts[f"{title}: README.md"] = lines(payload.card.rstrip().split("\n"))
    return parts
