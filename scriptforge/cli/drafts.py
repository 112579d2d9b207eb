"""`scriptforge drafts`: the drafts of the writing room, without a browser."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.cli.output import Output
from scriptforge.cli.parameters import AsJSON, Force, Quiet, WorkspacePath
from scriptforge.cli.tables import table
from scriptforge.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scriptforge.serve.drafts import Drafts
    from scriptforge.workspace import Workspace


def drafts(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DRAFT", help="Drafts, by title or by the beginning of their id; all if left out."
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Write them into this file, whose suffix says the format, or into a folder."
        ),
    ] = None,
    to: Annotated[
        str, typer.Option(metavar="FORMAT", help="The format of the files in a folder.")
    ] = "fountain",
    remove: Annotated[bool, typer.Option("--remove", help="Delete the named drafts.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """List the drafts of the writing room, write them into files, or delete them.

    They can be read whatever has happened to the run that they were written with.
    """
    output = Output(as_json, quiet)

    from scriptforge.workspace import Workspace, is_stream

    found = _open(Workspace.find(workspace_path), output)
    chosen = _chosen(found.summaries() if found else [], names or [])
    if export is not None and found:
        written = _export(found, chosen, export, to, force=force)
        if as_json or not is_stream(export):  # which may be stdout
            output.result(written, lambda: "\n".join(written))
        return
    if remove and found:
        if not names:
            raise UsageError("Say which drafts to delete.", "List them: scriptforge drafts")
        listed = ", ".join(f"“{each['title']}”" for each in chosen)
        if not yes:
            output.confirm(f"Delete {listed}?", "Add --yes to delete without being asked.")
        for each in chosen:
            found.remove(each["id"])
        output.result([each["id"] for each in chosen], lambda: f"Deleted: {listed}")
        return
    if not chosen:
        output.note("There is no draft here yet. Start one: scriptforge serve")
    output.result(chosen, lambda: _table(chosen))


def _open(workspace: "Workspace", output: Output) -> "Drafts | None":
    """Return the drafts of a workspace; None if its writing room was never opened."""
    from scriptforge.serve.drafts import Drafts

    path = workspace.room.drafts
    if not path.is_file():
        return None
    found = Drafts(path)
    for note in found.notes:
        output.warn(note)
    return found


def _chosen(summaries: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return the named drafts, or all of them if there are no names.

    Raises:
        UsageError: a name is that of no draft, or of several.
    """
    if not names:
        return summaries
    chosen: dict[str, dict[str, Any]] = {}
    for name in names:
        found = [each for each in summaries if each["title"] == name or each["id"] == name]
        alike = name.casefold()
        found = found or [each for each in summaries if each["title"].casefold() == alike]
        found = found or [each for each in summaries if len(name) >= 4 and each["id"].startswith(name)]
        if not found:
            raise unknown_name("draft", name, [each["title"] for each in summaries])
        if len(found) > 1:
            ids = " or ".join(each["id"][:8] for each in found)
            raise UsageError(f"There are {len(found)} drafts named “{name}”.", f"Say which one: {ids}")
        chosen[found[0]["id"]] = found[0]
    return list(chosen.values())


def _export(found: "Drafts", chosen: list[dict[str, Any]], path: Path, to: str, *, force: bool) -> list[str]:
    """Write drafts into a file, a stream or a folder, and return the names of the files."""
    from scriptforge.serve.files import ExportRequest, write_file
    from scriptforge.workspace import expand_home, is_stream, write_output

    path = expand_home(path)
    is_folder = path.is_dir() or not (path.suffix or is_stream(path))
    if not is_folder and len(chosen) != 1:
        raise UsageError(f"One file holds one draft, not {len(chosen)}.", "Name one draft, or a folder.")
    format = to if is_folder or not path.suffix else path.suffix.removeprefix(".").lower()
    written: list[str] = []
    for each in chosen:
        lines = [{"kind": own["kind"], "text": own["text"]} for own in found.get(each["id"])["elements"]]
        request = ExportRequest.model_validate({"title": each["title"], "elements": lines})
        content, _, name = write_file(request, format)
        target = path / name if is_folder else path
        if str(target).casefold() in map(str.casefold, written):
            target = target.with_stem(f"{target.stem} {each['id'][:8]}")
        write_output(target, content, force=force)
        written.append(str(target))
    return written


def _table(chosen: list[dict[str, Any]]) -> "RenderableType":
    rows = [
        (
            each["id"][:8],
            each["title"] or "(untitled)",
            each["run"],
            f"{each['elements']:,}",
            each["updated"][:16].replace("T", " "),
        )
        for each in chosen
    ]
    return table(("id", "title", "run", "elements", "changed"), rows, right=("elements",))
