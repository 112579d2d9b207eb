"""Sharing: models that others use, on the Hub, in other programs, and on a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scriptforge.api.models import Model, ModelOrName, opened
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
    workspace: str | Path | None = None,
    **fields: Any,
) -> "list[PushResult]":
    """Share a model on the Hugging Face Hub, with a model card.

    Args:
        model: what is shared; None is the latest run.
        options: where and how.
        workspace: where the run of a named model is.
        fields: fields of `PushOptions` to change.

    Returns:
        What became of the model, and of its page where `space` asks for one.

    Raises:
        HubError: the run is not finished, or cannot be sent.
    """
    from scriptforge.hub.push import push as push_run

    found = opened(model, workspace)
    return push_run(found.workspace, found.run, with_fields(options or PushOptions(), fields))


def export(
    model: ModelOrName = None,
    options: ExportOptions | None = None,
    *,
    workspace: str | Path | None = None,
    **fields: Any,
) -> "list[Exported]":
    """Write a model for other programs, each in a folder of its own, checked against the model itself.

    Args:
        model: what is exported; None is the latest run.
        options: for which programs, and where.
        workspace: where the run of a named model is.
        fields: fields of `ExportOptions` to change.

    Raises:
        UsageError: a folder holds something, or what is needed is not installed.
        ExportError: the model cannot be had in that form.
    """
    from scriptforge.exporting import export as export_run

    chosen = with_fields(options or ExportOptions, fields)
    return export_run(opened(model, workspace).run, chosen)


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
        revision: a commit, branch or tag; None is the newest.
        workspace: where the run goes.
        progress: whether to show a bar; None shows one in a notebook.

    Raises:
        HubError: the model cannot be had, or is not what its commit says.
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
    """Write a page that runs a model in the browser, for any static server; return the names of its files.

    Args:
        model: what writes there; None is the latest run.
        folder: where the files go.
        force: whether to replace an earlier page.
        workspace: where the run of a named model is.

    Raises:
        UsageError: the folder holds a page that may not be replaced, or anything else.
        HubError: a page cannot run a model of its architecture.
    """
    from scriptforge.hub.space import write_page

    found = opened(model, workspace)
    found.run.find_words(found.workspace)
    return write_page(found.run, expand_home(folder), force=force)


def open_room(
    model: ModelOrName = None,
    options: ServeOptions | None = None,
    *,
    workspace: str | Path | None = None,
    **fields: Any,
) -> "Server":
    """Return the writing room, as `scriptforge serve` has it: its `link` leads into it, `notes` say more.

    Its `serve` answers until Ctrl+C is pressed or its `stop` is called; in a `with` a thread does.

    Args:
        model: the only one that is offered; None offers all runs of the workspace.
        options: who may come in, and where.
        workspace: where runs and drafts are.
        fields: fields of `ServeOptions` to change.

    Raises:
        UsageError: others could come in by mistake, no port is free, or what it needs is not installed.
        RunError: no run can write.
    """
    from scriptforge.serve import find_writer, require_libraries

    require_libraries()
    from scriptforge.serve.server import Server

    chosen = with_fields(options or ServeOptions(), fields)
    if isinstance(model, Model):
        return Server(model.workspace, model.run.folder, chosen)
    found = Workspace.find(workspace)
    folder = find_writer(found, None if model is None else str(model))
    return Server(found, folder if model is not None or chosen.read_only else None, chosen)
