"""Plots of a study, as SVG and PNG: how its trials went, and what mattered. Needs the extra `plot`."""

import io
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

from scriptforge.errors import StudyError
from scriptforge.tracking.curves import quiet_matplotlib
from scriptforge.tuning.results import TrialRecord
from scriptforge.workspace import StudyFolder, atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INCHES = (7.2, 4.0)
_BLUE, _GREY, _RED = "#2f6db5", "#9aa0a6", "#c0392b"


def require_matplotlib() -> None:
    """Make sure that plots can be drawn, before anything takes long.

    Raises:
        StudyError: Matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        raise StudyError(
            "Matplotlib, which draws the plots, is not installed here.",
            "Install it: pip install 'scriptforge-lm[plot]'; or leave --plot out.",
        )


@quiet_matplotlib()
def draw_plots(
    folder: StudyFolder, records: Sequence[TrialRecord], importance: Mapping[str, float]
) -> list[Path]:
    """Draw the history of a study and, if it is known, what mattered.

    Args:
        folder: of the study, where the plots go.
        records: its trials.
        importance: what each choice mattered.

    Returns:
        The files.
    """
    figures = {"history": _history(folder.name, records)}
    if importance:
        figures["importance"] = _importance(folder.name, importance)
    return [
        _save(figure, folder.picture(what, suffix))
        for what, figure in figures.items()
        for suffix in (".svg", ".png")
    ]


def _history(name: str, records: Sequence[TrialRecord]) -> "Figure":
    """Draw bits per character of each trial, the best so far as a line, and what `train` does as another."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.subplots()
    for state, colour, marker in (("complete", _BLUE, "o"), ("pruned", _GREY, "x")):
        numbers, bits = _points(record for record in records if record.state == state)
        axes.scatter(numbers, bits, color=colour, marker=marker, label=state)
    numbers, bits = _points(record for record in records if record.state == "complete")
    axes.step(numbers, list(accumulate(bits, min)), where="post", color=_BLUE, label="best so far")
    _, default = _points(record for record in records if record.is_default)
    for height in default:
        axes.axhline(height, color=_RED, linestyle=":", label="train by itself")
    axes.set(title=name, xlabel="trial", ylabel="bits per character")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _points(records: Iterable[TrialRecord]) -> tuple[list[int], list[float]]:
    """Return numbers and bits per character of the trials that have any."""
    found = [
        (each.number, each.bits_per_character) for each in records if each.bits_per_character is not None
    ]
    return [number for number, _ in found], [bits for _, bits in found]


def _importance(name: str, importance: Mapping[str, float]) -> "Figure":
    """Draw a bar for each choice, the longest on top."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    axes = figure.subplots()
    names = list(importance)[::-1]
    bars = axes.barh(names, [importance[each] for each in names], color=_BLUE)
    axes.bar_label(bars, fmt="{:.0%}", padding=3)
    axes.set(title=f"{name}: what decided whether a trial was good", xticks=[])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    return figure


def _save(figure: "Figure", path: Path) -> Path:
    content = io.BytesIO()
    about = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
    figure.savefig(content, format=path.suffix[1:], dpi=144, metadata=about)
    atomic_write(path, content.getvalue())
    return path
