"""The writing room: a local server and a web page on which a person and a model write a script together."""

from importlib.util import find_spec

from scriptforge.errors import RunError, UsageError
from scriptforge.workspace import RunFolder, Workspace


def require_libraries() -> None:
    """Check that the libraries of the writing room are installed.

    Raises:
        UsageError: one of them is missing.
    """
    if find_spec("starlette") is None or find_spec("uvicorn") is None:
        raise UsageError(
            "The writing room needs libraries that are not installed.",
            "Install them: pip install 'scriptforge-lm[serve]'",
        )


def find_run(workspace: Workspace, run: str | None) -> RunFolder:
    """Return the named run, or the latest one that has weights.

    Raises:
        UsageError: there is no run of that name.
        RunError: there is no run at all, or it has no weights yet.
    """
    runs = workspace.runs()
    if run is None and not runs:
        raise RunError("There is no run here yet.", "Make one in a minute, to try the room: scriptforge demo")
    usable = [folder for folder in runs if folder.weights.is_file()]
    folder = usable[0] if run is None and usable else workspace.run(run)
    if not folder.weights.is_file():
        trains = folder.training_process() is not None
        raise RunError(
            f"Run “{folder.name}” {'is still training and has' if trains else 'has'} no weights yet.",
            "Wait for its first validation." if trains else f"Train it: {folder.command_to_resume()}",
        )
    return folder
