"""`scriptforge train`: from a dataset to a run, or further training of a run."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.characters import command
from scriptforge.cli.completion import architecture_names, run_names, run_or_dataset_names
from scriptforge.cli.message import with_program_name
from scriptforge.cli.output import Output
from scriptforge.cli.parameters import AsJSON, Force, Quiet, WorkspacePath
from scriptforge.cli.signals import Interrupts
from scriptforge.cli.tables import facts
from scriptforge.cli.training_view import UseGPU, clock, device_of, follow
from scriptforge.options import Preset, Tracker, TrainOptions

if TYPE_CHECKING:
    from scriptforge.dataset import Description
    from scriptforge.evaluation import LossMetrics
    from scriptforge.training.events import Finished
    from scriptforge.workspace import RunFolder

COURSE_GOAL = 3.5
_LEFT_TO_STUDENTS = ("batch_size", "sequence_length", "epochs")

DatasetArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="DATASET",
        help="The dataset, or with --resume the run; the latest if left out.",
        autocompletion=run_or_dataset_names,
    ),
]
EpochsOption = Annotated[
    float | None,
    typer.Option(metavar="N", help="Read the text N times; with --resume, N more times."),
]
MinutesOption = Annotated[
    float | None, typer.Option(metavar="M", help="Train for M minutes at most; with --resume, M more.")
]
PresetOption = Annotated[
    Preset | None, typer.Option(help="Settings of the course, for a quick model, or for a better one.")
]
ArchOption = Annotated[
    str | None,
    typer.Option(metavar="A", help="Architecture of the model.", autocompletion=architecture_names),
]
ConfigOption = Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Read settings from a file.")]
AssignmentsOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting; repeat for more."),
]
PatienceOption = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Stop after N validations without a better one.")
]
RunNameOption = Annotated[
    str | None, typer.Option("--name", metavar="RUN", help="Name of the run, instead of the dataset's.")
]
InitFromOption = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="RUN",
        help="Start from the weights of a run or of OWNER/NAME; `none` starts from scratch.",
        autocompletion=run_names,
    ),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Continue a run from its last checkpoint.")]
TrackOption = Annotated[Tracker | None, typer.Option(help="Also write a log for this program.")]


def train(
    name: DatasetArgument = None,
    epochs: EpochsOption = None,
    minutes: MinutesOption = None,
    gpu: UseGPU = None,
    preset: PresetOption = None,
    arch: ArchOption = None,
    config: ConfigOption = None,
    assignments: AssignmentsOption = None,
    patience: PatienceOption = None,
    run_name: RunNameOption = None,
    init_from: InitFromOption = None,
    resume: ResumeOption = False,
    track: TrackOption = None,
    force: Force = False,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Train a model on a dataset."""
    began = time.perf_counter()  # the imports below count towards the minutes
    output = Output(as_json, quiet)

    from scriptforge.config import parse_assignment
    from scriptforge.dataset import Dataset
    from scriptforge.training.process_state import prepare_process
    from scriptforge.training_runs.train import refuse_with_resume
    from scriptforge.training_runs.train import resume as resume_run
    from scriptforge.training_runs.train import train as train_run
    from scriptforge.workspace import Workspace

    options = TrainOptions(
        epochs=epochs,
        minutes=minutes,
        preset=preset,
        arch=arch,
        patience=patience,
        settings=dict(map(parse_assignment, assignments or [])),
        config=config,
        device=device_of(gpu),
        init_from=init_from,
        track=track,
        began=began,
    )
    workspace = Workspace.find(workspace_path)
    prepare_process()
    interrupts = Interrupts()
    if resume:
        refuse_with_resume({"--name": run_name, "--force": force})
        events = resume_run(workspace, name, options, should_stop=interrupts.requested)
    else:
        dataset = Dataset(workspace.dataset(name))
        _warn_of_silence(dataset.description, output)
        with output.progress() as on_progress:
            events = train_run(
                dataset,
                options,
                workspace,
                name=run_name,
                force=force,
                should_stop=interrupts.requested,
                on_progress=on_progress,
            )
    finished = follow(events, output, interrupts)
    output.result(_document(finished), lambda: facts(_facts(finished, workspace.run(finished.run))))
    output.note(f"Next: {command('generate', finished.run)}")


def _warn_of_silence(about: "Description", output: Output) -> None:
    if not (about.plain or about.cast):
        output.warn(
            f"Nobody speaks in “{about.name}”, which was read as {about.text_format}: "
            "a model of it writes no dialogue. Prepare it again with --format NAME or --plain."
        )


def _document(finished: "Finished") -> dict[str, Any]:
    best = {"run": finished.run, "split": "validation", **asdict(finished.best)}
    return {**asdict(finished), "best": best}


def _facts(finished: "Finished", folder: "RunFolder") -> list[tuple[str, str]]:
    stream, cold = finished.best.stream, finished.best.cold_256
    rows = [
        ("run", finished.run),
        ("best", f"step {finished.step:,}"),
        ("validation", _loss(stream)),
        ("cold-256", _loss(cold)),
        ("time", f"{clock(finished.seconds)}, {finished.tokens_per_second:,.0f} tokens/s"),
        ("diagnosis", with_program_name(finished.diagnosis)),
    ]
    if finished.share < 1:
        evaluate = with_program_name(command("evaluate", finished.run, "--split", "validation"))
        part = f"{finished.share:.0%} of the split, since time was short: {evaluate} reads all of it"
        rows.insert(4, ("measured on", part))
    if _is_course_run(folder):
        loss = finished.training_nats_per_token
        goal = f"{loss:.3f} nats/token; the course asks for below {COURSE_GOAL}"
        rows.insert(2, ("training", f"{goal}: {'reached' if loss < COURSE_GOAL else 'not reached'}"))
    return rows


def _is_course_run(folder: "RunFolder") -> bool:
    """Return whether a run has the settings of the preset `classroom`, but for those left to students."""
    from scriptforge.config import PRESETS
    from scriptforge.run.records import RunDescription

    settings = RunDescription.load(folder).settings
    own = {key: value for key, value in PRESETS["classroom"].items() if key not in _LEFT_TO_STUDENTS}
    return settings.model_dump(include=set(own)) == own


def _loss(metrics: "LossMetrics") -> str:
    return (
        f"{metrics.nats_per_token:.4f} nats/token, perplexity {metrics.perplexity:.2f}, "
        f"{metrics.nats_per_character:.4f} nats/char, {metrics.bits_per_character:.4f} bits/char"
    )
