"""`scriptforge push`: from a run to a repository on the Hub."""

from typing import TYPE_CHECKING, Annotated

import typer

from scriptforge.cli.options import AsJSON, Quiet, WorkspacePath
from scriptforge.cli.output import Output, facts, lines, sections

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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the files and the model card, and send nothing.")
    ] = False,
    workspace: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Share a run on the Hugging Face Hub, with a model card that says what it is."""
    from scriptforge.hub import parcel, user_name
    from scriptforge.hub import push as send
    from scriptforge.run import Run
    from scriptforge.workspace import Workspace

    output = Output(as_json, quiet)
    trained = Run(Workspace.find(workspace).run(run))
    what = parcel(trained, repository or f"{user_name()}/{trained.folder.name}")
    if dry_run:
        document = {"repository": what.repository, "files": what.sizes, "card": what.card}
        output.result(document, lambda: _contents(what))
        return
    sent = send(what, private=private, create_pr=create_pr, revision=revision, message=message)
    if not sent.is_new:
        output.note(f"Nothing has changed since commit {sent.commit}.")
    document = {"repository": what.repository, "url": sent.url, "commit": sent.commit, "files": what.sizes}
    output.result(document, lambda: sent.url)
    output.note(f"Anybody can use it now: scriptforge generate {what.repository}")


def _contents(what: "Parcel") -> "RenderableType":
    """What would be sent, for people."""
    sizes = [(name, f"{size:,} bytes") for name, size in what.sizes.items()]
    return sections({what.repository: facts(sizes), "README.md": lines(what.card.rstrip().split("\n"))})
