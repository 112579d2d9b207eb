"""`curves.svg`: a plot of training and validation loss, redrawn at every validation.

It is drawn from all of `metrics.jsonl`, so it is complete after a resumed training too. The same history
gives the same bytes. matplotlib is imported at the first validation, and its `pyplot` never, since that would
choose a GUI backend for the process.
"""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from scriptforge.characters import shown
from scriptforge.run.history import Validation, read_history
from scriptforge.training.events import TrainingEvent, Validated
from scriptforge.workspace import RunFolder, atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAINING, VALIDATION = "#c4702b", "#3b82c4"
"""The colours of the two curves, which stand out on a light and on a dark background."""

_INCHES = (7.6, 4.2)
_FEW = 40
_LABEL_HEIGHT = 0.06  # as a share of the axes' height
_INK, _PALE, _RULE = "#24292f", "#57606a", "#8a8f98"
_LOOKS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that no plot depends on installed fonts
    "font.size": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "scriptforge",
    "text.color": _INK,
    "axes.labelcolor": _PALE,
    "axes.edgecolor": _RULE,
    "xtick.color": _RULE,
    "ytick.color": _RULE,
    "xtick.labelcolor": _PALE,
    "ytick.labelcolor": _PALE,
}
_STYLE = f"""<style>
text{{font-family:system-ui,sans-serif!important}}
@media(prefers-color-scheme:dark){{
#ground path{{fill:#0d1117!important}}
text{{fill:#c9d1d9!important}}
#training-label text{{fill:{TRAINING}!important}}
#validation-label text{{fill:{VALIDATION}!important}}
}}
</style>"""


class Curves:
    """The recorder that draws the curves of one run."""

    name = "the plot of its curves"

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    def take(self, event: TrainingEvent) -> None:
        """Draw the curves if the event is a validation."""
        if isinstance(event, Validated):
            curves = draw_curves(self._folder.name, read_history(self._folder))
            atomic_write(self._folder.curves, curves, makes_parents=False)

    def close(self) -> None:
        """Do nothing: no file stays open."""


@contextmanager
def quiet_matplotlib() -> Iterator[None]:
    """Silence matplotlib's messages below errors within the block; it reports on its font cache."""
    logger = logging.getLogger("matplotlib")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@quiet_matplotlib()
def draw_curves(title: str, history: list[Validation]) -> str:
    """Return a plot of the losses over the epochs as SVG, with the best validation marked.

    Args:
        title: the run's name, which may be untrusted text.
        history: its validations, at least one.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    title = shown(title.replace("\t", " "))
    with rc_context(_LOOKS):
        figure = Figure(figsize=_INCHES)
        figure.patch.set_gid("ground")
        figure.text(0.03, 0.93, title, size=14, weight="bold", parse_math=False)
        figure.text(0.03, 0.865, _best_in_words(history), color=_PALE)
        axes = figure.add_axes((0.075, 0.125, 0.8, 0.63), facecolor="none")
        _lay_out(axes)
        _draw_losses(axes, history)
        page = io.StringIO()
        about = {"Title": f"{title}: training and validation loss", "Creator": None, "Date": None}
        figure.savefig(page, format="svg", metadata=about)
    return page.getvalue().replace("</metadata>", f"</metadata>\n{_STYLE}", 1)


def _best_in_words(history: list[Validation]) -> str:
    best = _best(history)
    return (
        f"best at epoch {best.epochs:.2f} of {history[-1].epochs:.2f}: "
        f"{best.nats_per_token:.3f} nats/token, {best.bits_per_character:.3f} bits/char"
    )


def _best(history: list[Validation]) -> Validation:
    return min(history, key=lambda validation: validation.nats_per_token)


def _lay_out(axes: "Axes") -> None:
    """Draw horizontal grid lines and the axis at the bottom, and nothing else."""
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=_RULE, alpha=0.3, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("epochs")
    axes.set_title("nats/token", loc="left", size=10, color=_PALE, x=-0.056, pad=8)


def _draw_losses(axes: "Axes", history: list[Validation]) -> None:
    epochs = [validation.epochs for validation in history]
    training = [validation.training_nats_per_token for validation in history]
    validation = [validation.nats_per_token for validation in history]
    point = "o" if len(history) <= _FEW else ""
    curves = ("training", training, TRAINING, 1.4), ("validation", validation, VALIDATION, 2.0)
    for name, losses, colour, width in curves:
        axes.plot(epochs, losses, color=colour, linewidth=width, marker=point, markersize=3.5, gid=name)
    axes.set_xlim(0, epochs[-1] * 1.015)
    best = _best(history)
    axes.plot(
        best.epochs,
        best.nats_per_token,
        color=VALIDATION,
        marker="o",
        markersize=10,
        markerfacecolor="none",
        markeredgewidth=1.4,
        gid="best",
    )
    for (name, _, colour, _), height in zip(curves, _apart(axes, training[-1], validation[-1]), strict=True):
        axes.text(
            1.01, height, name, transform=axes.transAxes, color=colour, va="center", gid=f"{name}-label"
        )


def _apart(axes: "Axes", *ends: float) -> list[float]:
    """Return the heights of two labels, as shares of the axes: next to their curves, but not overlapping."""
    bottom, top = axes.get_ylim()
    first, second = ((end - bottom) / (top - bottom) for end in ends)
    middle, distance = (first + second) / 2, max(abs(first - second), _LABEL_HEIGHT)
    sign = 1 if first > second else -1
    return [middle + sign * distance / 2, middle - sign * distance / 2]
