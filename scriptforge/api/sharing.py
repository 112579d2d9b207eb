"""Sharing models: on the Hub, with other programs, and on web pages."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scriptforge.api.models import Model, ModelOrName, as_model
from scriptforge.net.client import progress_bars
from scriptforge.options import ExportOptions, PushOptions, ServeOptions, with_fields
from scriptforge.workspace import Workspace, expand_home

if TYPE_CHECKING:
    from scriptforge.exporting import Exported
    from scriptforge.hub.push import PushResult
    from scriptforge.serve.server import Server


def push(
    model: ModelOrName = None,
    options: PushOptions | None = None,
    *,
    dry_run: bool = False,
    workspace: str | Path | None = None,
    **fields: Any,
) -> "list[PushResult]":
    """Share a model on the Hugging Face Hub, with a model card.

    Args:
        model: the model; None is the latest run.
        options: how to share it, and where.
        dry_run: whether to build the files and send nothing; this needs neither a login nor a network.
        workspace: the workspace that contains the run of a model given by name.
        fields: fields of `PushOptions` to change.

    Returns:
        The result for the model, and if `space` is set the one for its Space.

    Raises:
        HubError: the run is not finished, or the upload fails.
    """
    from scriptforge.hub.push import push as push_run

    found = as_model(model, workspace)
    chosen = with_fields(options or PushOptions(), fields)
    return push_run(found.workspace, found.run, chosen, dry_run=dry_run)


def export(
    model: ModelOrName = None,
    options: ExportOptions | None = None,
    *,
    workspace: str | Path | None = None,
    **fields: Any,
) -> "list[Exported]":
    """Export a model for other programs, a folder for each, and check the result against the model.

    Args:
        model: the model; None is the latest run.
        options: the programs and folders.
        workspace: the workspace that contains the run of a model given by name.
        fields: fields of `ExportOptions` to change.

    Raises:
        UsageError: a folder is not empty, or a required package is not installed.
        ExportError: the model cannot be exported for that program.
    """
    from scriptforge.exporting import export as export_run

    chosen = with_fields(options or ExportOptions, fields)
    return export_run(as_model(model, workspace).run, chosen)


def pull(
    repository: str,
    revision: str | None = None,
    *,
    workspace: str | Path | None = None,
    progress: bool | None = None,
) -> Model:
    """Download a model from the Hub as a run of the workspace, unless it is there already.

    Args:
        repository: `OWNER/NAME`.
        revision: a commit, branch or tag; None is the newest commit.
        workspace: the workspace to download to.
        progress: whether to show a bar; None shows one in a notebook.

    Raises:
        HubError: the model cannot be downloaded, or does not match its commit.
        ScriptforgeError: it is not a model that scriptforge wrote.
    """
    from scriptforge.hub.pull import pull as pull_run
    from scriptforge.run.run import Run

    found = Workspace.find(workspace)
    with progress_bars(progress) as on_progress:
        result = pull_run(found, repository, revision, on_progress=on_progress)
    return Model(Run(result.folder), found)


def page(
    model: ModelOrName = None,
    folder: str | Path = "page",
    *,
    force: bool = False,
    workspace: str | Path | None = None,
) -> list[str]:
    """Write a web page that runs a model in the browser, for any static server; return its file names.

    Args:
        model: the model; None is the latest run.
        folder: the folder to write to.
        force: whether to replace an earlier page.
        workspace: the workspace that contains the run of a model given by name.

    Raises:
        UsageError: the folder contains a page and `force` is not set, or it contains other files.
        HubError: a page cannot run models of this architecture.
    """
    from scriptforge.hub.space import write_page

    return write_page(as_model(model, workspace).run, expand_home(folder), force=force)


def open_room(
    model: ModelOrName = None,
    options: ServeOptions | None = None,
    *,
    workspace: str | Path | None = None,
    **fields: Any,
) -> "Server":
    """Return the server of the writing room, the one that `scriptforge serve` runs.

    Its `link` opens the room, and its `notes` are for the user. `serve` blocks until Ctrl+C is pressed or
    `stop` is called; as a context manager, the server runs in a thread instead.

    Args:
        model: the only model that is offered; None offers all runs of the workspace.
        options: the address, and who has access.
        workspace: the workspace with the runs and drafts.
        fields: fields of `ServeOptions` to change.

    Raises:
        UsageError: others could connect without a password, no port is free, or a required package is not
            installed.
        RunError: there is no run that can generate.
    """
    from scriptforge.serve import find_run, require_libraries

    require_libraries()
    from scriptforge.serve.server import Server

    chosen = with_fields(options or ServeOptions(), fields)
    if isinstance(model, Model):
        return Server(model.workspace, model.run.folder, chosen)
    found = Workspace.find(workspace)
    folder = find_run(found, None if model is None else str(model))
    return Server(found, folder if model is not None or chosen.read_only else None, chosen)
