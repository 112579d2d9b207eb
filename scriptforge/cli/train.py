"""`scriptforge train`: from a dataset to a run, or on with one."""

from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.cli.interrupts import Interrupts
from scriptforge.cli.options import AsJSON, Force, Quiet, WorkspacePath
from scriptforge.cli.output import Output, facts
from scriptforge.cli.training_view import clock, training_view

if TYPE_CHECKING:
    from scriptforge.config import Accelerator, Preset, Settings
    from scriptforge.dataset import Dataset
    from scriptforge.evaluation import Figures
    from scriptforge.training.reports import Finished, Report
    from scriptforge.workspace import Workspace

DEFAULT_MINUTES = 3.0
COURSE_GOAL = 3.5


class PresetChoice(StrEnum):
    """Named groups of settings."""

    classroom = "classroom"
    fast = "fast"
    best = "best"


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
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run from its last checkpoint.")
    ] = False,
    force: Force = False,
    workspace: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on a dataset."""
    from scriptforge.config import parse_assignment, read_settings_file
    from scriptforge.errors import UsageError
    from scriptforge.training.devices import choose_device
    from scriptforge.workspace import Workspace

    if epochs is not None and minutes is not None:
        raise UsageError("--epochs and --minutes exclude each other.", "Give one of them.")
    output = Output(as_json, quiet)
    place = Workspace.find(workspace)
    accelerator = choose_device("auto" if gpu is None else "gpu" if gpu else "cpu")
    flags = {"epochs": epochs, "minutes": minutes, "patience": patience, "arch": arch}
    chosen = {
        **(read_settings_file(config) if config else {}),
        **{key: value for key, value in flags.items() if value is not None},
        **dict(map(parse_assignment, assignments or [])),
    }
    with Interrupts() as interrupts:
        if resume:
            reports = _resume(place, name, accelerator, chosen, interrupts)
        else:
            reports = _start(place, name, run_name, accelerator, preset, chosen, force, interrupts)
        finished = follow(reports, output)
        if finished is None:
            raise typer.Exit(interrupts.exit_code if interrupts.requested() else 0)
    output.result(_document(finished), lambda: facts(_facts(finished, preset)))
    output.note(f"Next: scriptforge generate {finished.run}")


def _start(
    place: "Workspace",
    dataset_name: str | None,
    run_name: str | None,
    accelerator: "Accelerator",
    preset: PresetChoice | None,
    chosen: dict[str, Any],
    force: bool,
    interrupts: Interrupts,
) -> "Iterator[Report]":
    from scriptforge.dataset import Dataset
    from scriptforge.training.processes import is_first_process
    from scriptforge.training.trainer import start

    dataset = Dataset(place.dataset(dataset_name))
    settings = resolve_settings(dataset, preset.value if preset else None, chosen, accelerator)
    folder = place.new_run(run_name or place.free_run_name(dataset.name))
    if is_first_process():
        place.refuse_overwriting(folder, force)
    return start(dataset, settings, folder, accelerator, interrupts.requested)


def resolve_settings(
    dataset: "Dataset", preset: "Preset | None", chosen: dict[str, Any], accelerator: "Accelerator"
) -> "Settings":
    """What suits dataset and device, changed by the preset, changed by what was chosen."""
    from scriptforge.config import PRESETS, resolve
    from scriptforge.fitting import fitted
    from scriptforge.training.machine import measure

    named = {"minutes": DEFAULT_MINUTES}, PRESETS[preset] if preset else {}, chosen
    lengths = [source for source in named if source.keys() & {"epochs", "minutes"}]
    length = {key: lengths[-1].get(key) for key in ("epochs", "minutes")}
    tokens = dataset.description.splits["train"].tokens
    suited = fitted(tokens, dataset.vocabulary.size, measure(accelerator), **length)
    return resolve(suited, *named)


def _resume(
    place: "Workspace",
    run_name: str | None,
    accelerator: "Accelerator",
    chosen: dict[str, Any],
    interrupts: Interrupts,
) -> "Iterator[Report]":
    from scriptforge.config import resolve
    from scriptforge.dataset import Dataset
    from scriptforge.errors import UsageError
    from scriptforge.run_description import RunDescription
    from scriptforge.training.trainer import resume

    fixed = sorted(set(chosen) - {"epochs", "minutes"})
    if fixed:
        raise UsageError(
            f"A run that goes on keeps its settings, {fixed[0]} too.",
            "Give only --epochs or --minutes with --resume, or train a new run.",
        )
    folder = place.run(run_name)
    description = RunDescription.load(folder)
    dataset = Dataset(place.dataset(description.dataset.name))
    if not chosen:
        return resume(dataset, folder, accelerator, should_stop=interrupts.requested)
    more = resolve(description.settings.model_dump(), chosen)
    return resume(dataset, folder, accelerator, more.epochs, more.minutes, interrupts.requested)


def follow(reports: "Iterator[Report]", output: Output) -> "Finished | None":
    """Shows a training as it goes.

    Returns:
        Its end, or None if it was interrupted or another process reports.
    """
    from scriptforge.training.reports import Finished

    with training_view(output) as view:
        for report in reports:
            if isinstance(report, Finished):
                return report
            view.show(report)
    return None


def _document(finished: "Finished") -> dict[str, Any]:
    return {
        "run": finished.run,
        "best": {"run": finished.run, "split": "validation", **asdict(finished.best)},
        "step": finished.step,
        "seconds": finished.seconds,
        "tokens_per_second": finished.tokens_per_second,
        "training_nats_per_token": finished.training_nats_per_token,
        "verdict": finished.verdict,
    }


def _facts(finished: "Finished", preset: PresetChoice | None) -> list[tuple[str, str]]:
    stream, cold = finished.best.stream, finished.best.cold_256
    rows = [
        ("run", finished.run),
        ("best", f"step {finished.step:,}"),
        ("validation", _figures(stream)),
        ("cold-256", _figures(cold)),
        ("time", f"{clock(finished.seconds)}, {finished.tokens_per_second:,.0f} tokens/s"),
        ("verdict", finished.verdict),
    ]
    if preset is PresetChoice.classroom:
        loss = finished.training_nats_per_token
        goal = f"{loss:.3f} nats/token; the course asks for below {COURSE_GOAL}"
        rows.insert(2, ("training", f"{goal}: {'reached' if loss < COURSE_GOAL else 'not reached'}"))
    return rows


def _figures(figures: "Figures") -> str:
    return (
        f"{figures.nats_per_token:.4f} nats/token, perplexity {figures.perplexity:.2f}, "
        f"{figures.nats_per_character:.4f} nats/char, {figures.bits_per_character:.4f} bits/char"
    )
