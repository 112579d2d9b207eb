"""What is kept of a training while it goes on, for those who want to look at it: pictures and logs.

A training knows nothing of its recorders; whoever drives it hands them its reports.
"""

from importlib.util import find_spec
from typing import Literal

from scriptforge.recording.recorder import Recorder, recording
from scriptforge.workspace import RunFolder

__all__ = ["Recorder", "Tracker", "recorders", "recording"]

Tracker = Literal["tensorboard", "trackio"]


def recorders(folder: RunFolder, tracker: Tracker | None = None) -> list[Recorder]:
    """The recorders of one training: its curves, where matplotlib is there to draw them, and a tracker's log.

    Args:
        folder: the run that is trained.
        tracker: whose log is kept, if any.

    Raises:
        UsageError: the tracker is not installed.
    """
    from scriptforge.recording.curves import Curves

    found: list[Recorder] = [Curves(folder)] if find_spec("matplotlib") else []
    match tracker:
        case "tensorboard":
            from scriptforge.recording.tensorboard import TensorBoard

            found.append(TensorBoard(folder))
        case "trackio":
            from scriptforge.recording.trackio import Trackio

            found.append(Trackio(folder))
    return found
