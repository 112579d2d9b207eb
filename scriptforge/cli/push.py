"""`scriptforge push`: from a run to a repository on the Hub."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.cli.output import AsJSON, Output, Quiet, WorkspacePath, facts, lines, sections

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scriptforge.hub import Parcel


def push(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="The run, by name or folder; the latest if left out."),
    ] = None,
    repository: Annotated[
        str | None,
        typer.Option("--repo", metavar="OWNER/NAME", help="Where to, instead of your name and the run's."),
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="If the repository is made now, for your eyes alone.")
    ] = False,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Propose it in a pull request, to a repository that exists.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="The branch to change, instead of the main one.")
    ] = None,
    message: Annotated[str | None, typer.Option(metavar="TEXT", help="What the commit says.")] = None,
    space: Annotated[
        bool, typer.Option("--space", help="Make a page as well that runs it in the browser of its readers.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the files and the model card, and send nothing.")
    ] = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Share a run on the Hugging Face Hub, with a model card that says what it is."""
    from scriptforge.hub import dataset_at_hand, parcel, space_parcel, user_name
    from scriptforge.hub import push as send
    from scriptforge.run.run import Run
    from scriptforge.workspace import Workspace

    output = Output(as_json, quiet)
    workspace = Workspace.find(workspace_path)
    trained = Run(workspace.run(run))
    name = repository or f"{user_name()}/{trained.folder.name}"
    dataset = dataset_at_hand(trained, workspace)
    if dataset is None:
        output.note("What it was trained on is not here, so its card does not say how much it copies.")
    parcels = [parcel(trained, name, dataset), *([space_parcel(trained, name)] if space else [])]
    documents: list[dict[str, Any]] = [
        {"repository": each.repository, "kind": each.kind, "files": each.sizes} for each in parcels
    ]
    if dry_run:
        for document, each in zip(documents, parcels, strict=True):
            document["card"] = each.card
        output.result(documents, lambda: sections(_contents(parcels)))
        return
    for document, each in zip(documents, parcels, strict=True):
        sent = send(each, private=private, create_pr=create_pr, revision=revision, message=message)
        document.update(url=sent.url, commit=sent.commit)
        if not sent.is_new:
            output.note(f"Nothing has changed in the {each.kind} since commit {sent.commit}.")
    output.result(documents, lambda: "\n".join(document["url"] for document in documents))
    output.note(f"To use it: scriptforge generate {name}")


def _contents(parcels: "list[Parcel]") -> "dict[str, RenderableType]":
    """What would be sent, for people."""
    parts: dict[str, RenderableType] = {}
    for each in parcels:
        title = f"The {each.kind} {each.repository}"
        parts[title] = facts((name, f"{size:,} bytes") for name, size in each.sizes.items())
        parts[f"{title}: README.md"] = lines(each.card.rstrip().split("\n"))
    return parts
