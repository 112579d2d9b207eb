"""Results of a study: records of its trials, the events of a search, and plots.

Optuna itself stores the parameters, state and value of a trial. Further notes on a trial or a study are
stored as user attributes, with `TrialNotes` and `StudyNotes` as their schema, since one process reads what
another one wrote, perhaps days before. The events of a search come one by one:

    for each trial of this process:  TrialPrepared  TrialTrained …  TrialEnded
    while other processes finish:    Waiting …

Plots, as SVG and PNG, need the extra `plot`.
"""

import io
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from typing_extensions import TypedDict, Unpack

from scriptforge.errors import StudyError
from scriptforge.training_runs.curves import quiet_matplotlib
from scriptforge.workspace import StudyFolder, atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

State = Literal["running", "complete", "pruned", "failed", "repeated"]


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a study.

    Attributes:
        number: the trial's number, from 0.
        state: `pruned` if it was unpromising, `repeated` if it was interrupted and another one replaced it.
        bits_per_character: result on the validation split; that of the last validation for a pruned trial;
            None if there is none.
        settings: the settings that it chose.
        seconds: its training time; None unless it was completed or pruned.
        is_default: whether it has the settings that `train` would choose.
        reason: why it failed or was interrupted; None for other trials.
    """

    number: int
    state: State
    bits_per_character: float | None
    settings: Mapping[str, Any]
    seconds: float | None
    is_default: bool
    reason: str | None


@dataclass(frozen=True)
class TrialPrepared:
    """A trial has chosen its settings; the dataset that they need is prepared next.

    Attributes:
        number: number of the trial.
        settings: the settings that it chose.
    """

    number: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class TrialTrained:
    """A trial made some steps.

    Attributes:
        number: number of the trial.
        progress: share of its training that is done, 0 … 1.
        bits_per_character: result of its last validation; None before the first.
    """

    number: int
    progress: float
    bits_per_character: float | None


@dataclass(frozen=True)
class Waiting:
    """No trial is left to start, but other processes are still working on some.

    Attributes:
        running: number of those trials.
    """

    running: int


@dataclass(frozen=True)
class TrialEnded:
    """A trial of this process has ended.

    Attributes:
        record: the trial.
        best: the best trial so far, across all processes; None before any is complete.
    """

    record: TrialRecord
    best: TrialRecord | None


TuningEvent: TypeAlias = TrialPrepared | TrialTrained | Waiting | TrialEnded


class TrialNotes(TypedDict, total=False):
    """Notes on a trial.

    Attributes:
        chosen: its choices, by the names in the search space.
        settings: all settings that it was trained with.
        reason: why it failed or was interrupted.
        default: the choices that `train` would make; only for the first trial and its repetitions.
        repeats: number of the trial that it repeats.
        deaths: number of processes that have died while working on it.
        seconds: its training time, by a monotonic clock.
    """

    chosen: dict[str, Any]
    settings: dict[str, Any]
    reason: str
    default: dict[str, Any]
    repeats: int
    deaths: int
    seconds: float


class StudyNotes(TypedDict, total=False):
    """Notes on a study; all but `machine` must stay the same for its trials to be comparable.

    Attributes:
        version: version of scriptforge, which chooses and evaluates settings.
        dataset: fingerprint of the dataset.
        seconds: training time of each trial.
        accelerator: type of device.
        space: the search space, in one line.
        machine: the machine on which the study began, as fields of `Machine`; settings are chosen for it.
    """

    version: str
    dataset: str
    seconds: float
    accelerator: str
    space: str
    machine: dict[str, Any]


def notes_of(trial: "Trial | FrozenTrial") -> TrialNotes:
    """Return the notes on a trial."""
    return cast("TrialNotes", trial.user_attrs)


def note(trial: "Trial", **notes: Unpack[TrialNotes]) -> None:
    """Store notes on a trial that is in progress."""
    for key, value in notes.items():
        trial.set_user_attr(key, value)


_DIED = "its process died"
_BEST_QUANTILE = 0.25
_MIN_TRIALS_FOR_IMPORTANCE = 8


def records_of(study: "Study") -> list[TrialRecord]:
    """Return a record of every trial that has started."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    repeated = {notes["repeats"] for notes in map(notes_of, trials) if "repeats" in notes}
    return [_record(trial, trial.number in repeated) for trial in trials if trial.state != TrialState.WAITING]


def best_of(records: Sequence[TrialRecord]) -> TrialRecord | None:
    """Return the best of the trials that were trained to the end, or None."""
    ended = [record for record in records if record.state == "complete"]
    return min(ended, key=bits_of, default=None)


def bits_of(record: TrialRecord) -> float:
    """Return a trial's bits per character, infinite if it has none."""
    return math.inf if record.bits_per_character is None else record.bits_per_character


def counts_of(records: Sequence[TrialRecord]) -> tuple[int, int]:
    """Return how many trials have ended, not counting repeated ones, and how many are in progress."""
    states = [record.state for record in records]
    return sum(state not in ("running", "repeated") for state in states), states.count("running")


def importance_of(study: "Study") -> dict[str, float]:
    """Return how important each setting was for reaching the best quarter of trials: shares, largest first.

    The result is empty after few trials.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    ended = [record for record in records_of(study) if record.state == "complete"]
    if len(ended) < _MIN_TRIALS_FOR_IMPORTANCE:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the low number of trials
        evaluator = PedAnovaImportanceEvaluator(target_quantile=_BEST_QUANTILE)
        shares = get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in shares.items()}


def _record(trial: "FrozenTrial", is_repeated: bool) -> TrialRecord:
    state = "repeated" if is_repeated else _state(trial)
    notes = notes_of(trial)
    return TrialRecord(
        number=trial.number,
        state=state,
        bits_per_character=trial.value if state in ("complete", "pruned") else None,
        settings=notes.get("chosen", {}),
        seconds=notes.get("seconds"),
        is_default="default" in notes,
        reason=notes.get("reason") or (_DIED if state in ("failed", "repeated") else None),
    )


def _state(trial: "FrozenTrial") -> State:
    from optuna.trial import TrialState

    match trial.state:
        case TrialState.COMPLETE if trial.value is not None and math.isfinite(trial.value):
            return "complete"
        case TrialState.RUNNING:
            return "running"
        case TrialState.PRUNED:
            return "pruned"
    return "failed"


_INCHES = (7.2, 4.0)
_BLUE, _GREY, _RED = "#2f6db5", "#9aa0a6", "#c0392b"


def require_matplotlib() -> None:
    """Check that plots can be drawn, before anything that takes long.

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
    """Draw the history of a study and, if known, the importance of settings, into its folder.

    Args:
        folder: the study's folder.
        records: its trials.
        importance: the importance of each setting.

    Returns:
        The paths of the plots.
    """
    paths = _drawn(folder, "history", lambda axes: _draw_history(axes, folder.name, records))
    if importance:
        paths += _drawn(folder, "importance", lambda axes: _draw_importance(axes, folder.name, importance))
    return paths


def _drawn(folder: StudyFolder, what: str, draw: Callable[["Axes"], None]) -> list[Path]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, layout="constrained")
    draw(figure.subplots())
    paths = [folder.picture(what, suffix) for suffix in (".svg", ".png")]
    for path in paths:
        content = io.BytesIO()
        about = {"Date": None, "Creator": None} if path.suffix == ".svg" else {"Software": None}
        figure.savefig(content, format=path.suffix[1:], dpi=144, metadata=about)
        atomic_write(path, content.getvalue())
    return paths


def _draw_history(axes: "Axes", name: str, records: Sequence[TrialRecord]) -> None:
    """Draw bits per character of each trial, with lines for the best so far and for the default settings."""
    from matplotlib.ticker import MaxNLocator

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


def _points(records: Iterable[TrialRecord]) -> tuple[list[int], list[float]]:
    """Return numbers and bits per character of the trials that have a result."""
    found = [
        (each.number, each.bits_per_character) for each in records if each.bits_per_character is not None
    ]
    return [number for number, _ in found], [bits for _, bits in found]


def _draw_importance(axes: "Axes", name: str, importance: Mapping[str, float]) -> None:
    """Draw a bar for each setting, the longest on top."""
    names = list(importance)[::-1]
    bars = axes.barh(names, [importance[each] for each in names], color=_BLUE)
    axes.bar_label(bars, fmt="{:.0%}", padding=3)
    axes.set(title=f"{name}: what decided whether a trial was good", xticks=[])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
