"""`scriptforge train`: from a dataset to a run, or on with one."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.cli.errors import Interrupts
from scriptforge.cli.output import AsJSON, Force, Output, Quiet, WorkspacePath, facts
from scriptforge.cli.training_view import clock, follow

if TYPE_CHECKING:
    from scriptforge.config import Accelerator, Preset
    from scriptforge.evaluation import Figures
    from scriptforge.run.run import Run
    from scriptforge.training.events import Finished, TrainingEvent
    from scriptforge.workspace import RunFolder, Workspace

COURSE_GOAL = 3.5
_LEFT_TO_STUDENTS = ("batch_size", "sequence_length", "epochs")


class PresetChoice(StrEnum):
    """Named groups of settings."""

    classroom = "classroom"
    fast = "fast"
    best = "best"


class TrackerChoice(StrEnum):
    """Programs that show the logs of trainings."""

    tensorboard = "tensorboard"
    trackio = "trackio"


@dataclass(frozen=True)
class _Wish:
    """What was asked of a new training.

    Attributes:
        dataset: its name; None is the latest.
        run: what to call the run; None leaves it to the dataset's name.
        init_from: the run or repository with whose weights to begin.
        preset: which group of settings to use.
        chosen: settings named one by one.
        accelerator: what computes.
        force: whether to replace a run of that name.
    """

    dataset: str | None
    run: str | None
    init_from: str | None
    preset: PresetChoice | None
    chosen: dict[str, Any]
    accelerator: "Accelerator"
    force: bool


def train(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[DATASET]", help="The dataset, or with --resume the run; the latest if left out."
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(metavar="N", help="Read the text so many times; with --resume, so many more."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", help="Train for so long; with --resume, for so long again.")
    ] = None,
    gpu: Annotated[
        bool | None, typer.Option("--gpu/--cpu", help="What computes; a GPU if there is one when left out.")
    ] = None,
    preset: Annotated[
        PresetChoice | None, typer.Option(help="The course's recipe, a quick model, or a better one.")
    ] = None,
    arch: Annotated[str | None, typer.Option(metavar="A", help="Architecture of the model.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="Read settings from a file.")
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; repeat for more."),
    ] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Stop after N validations without a better one.")
    ] = None,
    run_name: Annotated[
        str | None, typer.Option("--name", metavar="RUN", help="Name of the run, instead of the dataset's.")
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option("--from", metavar="RUN", help="Begin with the weights of a run, or of OWNER/NAME."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run from its last checkpoint.")
    ] = False,
    track: Annotated[
        TrackerChoice | None, typer.Option(help="Keep a log for this program beside what the run keeps.")
    ] = None,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on a dataset."""
    from scriptforge.config import parse_assignment, read_settings_file
    from scriptforge.errors import UsageError
    from scriptforge.tracking.trackers import recorders
    from scriptforge.training.devices import choose_device
    from scriptforge.workspace import Workspace

    if epochs is not None and minutes is not None:
        raise UsageError("--epochs and --minutes exclude each other.", "Give one of them.")
    output = Output(as_json, quiet)
    workspace = Workspace.find(workspace_path)
    accelerator = choose_device("auto" if gpu is None else "gpu" if gpu else "cpu")
    flags = {"epochs": epochs, "minutes": minutes, "patience": patience, "arch": arch}
    chosen = {
        **(read_settings_file(config) if config else {}),
        **{key: value for key, value in flags.items() if value is not None},
        **dict(map(parse_assignment, assignments or [])),
    }
    if resume:
        _refuse_what_a_new_run_takes(
            {"--from": init_from, "--preset": preset, "--name": run_name, "--force": force}
        )
    with Interrupts() as interrupts:
        if resume:
            folder, reports = _resume(workspace, name, accelerator, chosen, interrupts)
        else:
            wish = _Wish(name, run_name, init_from, preset, chosen, accelerator, force)
            folder, reports = _start(workspace, wish, output, interrupts)
        finished = follow(reports, output, recorders(folder, track.value if track else None))
        if finished is None:
            raise typer.Exit(interrupts.exit_code if interrupts.requested() else 0)
    output.result(_document(finished), lambda: facts(_facts(finished, folder)))
    output.note(f"Next: scriptforge generate {finished.run}")


def _refuse_what_a_new_run_takes(given: dict[str, Any]) -> None:
    from scriptforge.errors import UsageError

    for flag, value in given.items():
        if value:
            raise UsageError(
                f"--resume goes on with a run as it is, and {flag} is for a new one.",
                f"Leave {flag} or --resume out.",
            )


def _start(
    workspace: "Workspace", wish: _Wish, output: Output, interrupts: Interrupts
) -> "tuple[RunFolder, Iterator[TrainingEvent]]":
    from scriptforge.dataset import Dataset
    from scriptforge.training.devices import is_first_process
    from scriptforge.training.settings import choose_settings
    from scriptforge.training.trainer import start

    dataset = Dataset(workspace.dataset(wish.dataset))
    init_from = _init_from(workspace, wish.init_from, output)
    preset: Preset | None = wish.preset.value if wish.preset else None
    settings = choose_settings(dataset, wish.chosen, wish.accelerator, preset, init_from)
    folder = workspace.new_run(wish.run or workspace.free_run_name(dataset.name))
    if is_first_process():
        workspace.refuse_overwriting(folder, wish.force)
    return folder, start(dataset, settings, folder, wish.accelerator, interrupts.requested, init_from)


def _init_from(workspace: "Workspace", name: str | None, output: Output) -> "Run | None":
    """The run with whose weights to begin, pulled if it is on the Hub."""
    if name is None:
        return None
    from scriptforge.hub import find_run
    from scriptforge.run.run import Run

    with output.progress() as progress:
        folder, notes = find_run(workspace, name, on_progress=progress)
    for note in notes:
        output.note(note)
    return Run(folder)


def _resume(
    workspace: "Workspace",
    run_name: str | None,
    accelerator: "Accelerator",
    chosen: dict[str, Any],
    interrupts: Interrupts,
) -> "tuple[RunFolder, Iterator[TrainingEvent]]":
    from scriptforge.config import resolve
    from scriptforge.dataset import Dataset
    from scriptforge.errors import UsageError
    from scriptforge.run.records import RunDescription
    from scriptforge.training.trainer import resume

    fixed = sorted(set(chosen) - {"epochs", "minutes"})
    if fixed:
        raise UsageError(
            f"A run that goes on keeps its settings, {fixed[0]} too.",
            "Give only --epochs or --minutes with --resume, or train a new run.",
        )
    folder = workspace.run(run_name)
    description = RunDescription.load(folder)
    dataset = Dataset(workspace.dataset(description.dataset.name))
    if not chosen:
        return folder, resume(dataset, folder, accelerator, should_stop=interrupts.requested)
    more = resolve(description.settings.model_dump(), chosen)
    return folder, resume(dataset, folder, accelerator, more.epochs, more.minutes, interrupts.requested)


def _document(finished: "Finished") -> dict[str, Any]:
    return {
        "run": finished.run,
        "best": {"run": finished.run, "split": "validation", **asdict(finished.best)},
        "step": finished.step,
        "seconds": finished.seconds,
        "tokens_per_second": finished.tokens_per_second,
        "training_nats_per_token": finished.training_nats_per_token,
        "diagnosis": finished.diagnosis,
    }


def _facts(finished: "Finished", folder: "RunFolder") -> list[tuple[str, str]]:
    stream, cold = finished.best.stream, finished.best.cold_256
    rows = [
        ("run", finished.run),
        ("best", f"step {finished.step:,}"),
        ("validation", _figures(stream)),
        ("cold-256", _figures(cold)),
        ("time", f"{clock(finished.seconds)}, {finished.tokens_per_second:,.0f} tokens/s"),
        ("diagnosis", finished.diagnosis),
    ]
    if _is_course_run(folder):
        loss = finished.training_nats_per_token
        goal = f"{loss:.3f} nats/token; the course asks for below {COURSE_GOAL}"
        rows.insert(2, ("training", f"{goal}: {'reached' if loss < COURSE_GOAL else 'not reached'}"))
    return rows


def _is_course_run(folder: "RunFolder") -> bool:
    """Whether a run has the network of the preset `classroom`, and its rates."""
    from scriptforge.config import PRESETS
    from scriptforge.run.records import RunDescription

    settings = RunDescription.load(folder).settings
    own = {key: value for key, value in PRESETS["classroom"].items() if key not in _LEFT_TO_STUDENTS}
    return settings.model_dump(include=set(own)) == own


def _figures(figures: "Figures") -> str:
    return (
        f"{figures.nats_per_token:.4f} nats/token, perplexity {figures.perplexity:.2f}, "
        f"{figures.nats_per_character:.4f} nats/char, {figures.bits_per_character:.4f} bits/char"
    )
