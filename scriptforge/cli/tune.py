"""`scriptforge tune`: a search for settings that suit a dataset better than those that `train` chooses.

On a terminal a search is shown as a growing table, elsewhere as a line for each trial.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scriptforge.characters import command, safe
from scriptforge.cli.completion import dataset_names, study_names
from scriptforge.cli.output import Output, sections
from scriptforge.cli.parameters import AsJSON, Quiet, WorkspacePath
from scriptforge.cli.signals import Interrupts
from scriptforge.cli.tables import facts, table
from scriptforge.cli.training_view import UseGPU, device_of, follow
from scriptforge.errors import UsageError
from scriptforge.options import DEFAULT_MINUTES, Pruner, TrainOptions, TuneOptions

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from scriptforge.tuning.results import TrialRecord, TuningEvent
    from scriptforge.tuning.search import Outcome
    from scriptforge.tuning.study import Study

_ROWS = 12
_NOT_BETTER = ", whose own settings won; or more trials with --trials"
_FROM_BASE = (
    "Trials start from the model of American plays in the package, as train does;"
    " one of another level, architecture or size starts from scratch."
)
_SHORT = {
    "bpe_vocabulary_size": "vocabulary",
    "word_vocabulary_size": "vocabulary",
    "hidden_size": "hidden",
    "batch_size": "batch",
    "sequence_length": "sequence",
    "learning_rate": "rate",
    "matrix_learning_rate": "matrix rate",
    "dropout_input": "in",
    "dropout_between": "between",
    "dropout_recurrent": "recurrent",
    "dropout_output": "out",
}


def bits(record: "TrialRecord") -> str:
    """Format a trial's bits per character, with a dash if it has none."""
    return "–" if record.bits_per_character is None else f"{record.bits_per_character:.4f}"


def in_short(settings: Mapping[str, Any]) -> str:
    """Format the choices of a trial on one line, floats with three significant digits."""
    return ", ".join(
        f"{_SHORT.get(name, name)} {f'{value:.3g}' if isinstance(value, float) else value}"
        for name, value in settings.items()
    )


def trial_table(records: "Sequence[TrialRecord]", best: "TrialRecord | None") -> "RenderableType":
    """Return a table of trials, the best one marked."""
    rows = [
        [
            str(record.number),
            "best" if best and record.number == best.number else record.state,
            bits(record),
            "–" if record.seconds is None else f"{record.seconds:.0f}",
            _choices(record),
        ]
        for record in records
    ]
    headings = ("trial", "", "bits/char", "seconds", "choices")
    return table(headings, rows, right=("trial", "bits/char", "seconds"), optional=("seconds",))


def _choices(record: "TrialRecord") -> str:
    parts = ["as train does"] if record.is_default else []
    parts += [in_short(record.settings)] if record.settings else []
    parts += [record.reason] if record.reason else []
    return "; ".join(parts)


def _trials(number: int) -> str:
    return "1 trial" if number == 1 else f"{number} trials"


class _Lines:
    """A view with a line for each trial that begins or ends."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._is_waiting = False

    def show(self, event: "TuningEvent") -> None:
        from scriptforge.tuning.results import TrialEnded, TrialPrepared, Waiting

        match event:
            case TrialPrepared():
                self._output.note(f"Trial {event.number} begins: {in_short(event.settings)}")
            case TrialEnded(record, best):
                mark = " · best" if best and best.number == record.number else ""
                reason = f" · {record.reason}" if record.reason else ""
                self._output.note(
                    f"Trial {record.number} · {record.state} · {bits(record)} bits/char{mark}{reason}"
                )
            case Waiting() if not self._is_waiting:
                self._is_waiting = True
                self._output.note(f"Waiting for {_trials(event.running)} of other processes …")


class _Screen:
    """A view of the trials so far, and below them the one in progress."""

    def __init__(self, live: "Live", records: "Sequence[TrialRecord]", trials: int) -> None:
        self._live = live
        self._records = list(records)
        self._trials = trials
        self._choices = ""

    def show(self, event: "TuningEvent") -> None:
        from scriptforge.tuning.results import TrialEnded, TrialPrepared, TrialTrained, Waiting

        now = ""
        match event:
            case TrialPrepared():
                self._choices = in_short(event.settings)
                now = f"trial {event.number} begins: {self._choices}"
            case TrialTrained():
                so_far = "" if event.bits_per_character is None else f" · {event.bits_per_character:.4f}"
                now = f"trial {event.number} · {event.progress:4.0%}{so_far} · {self._choices}"
            case Waiting():
                now = f"waiting for {_trials(event.running)} of other processes"
            case TrialEnded():
                self._records.append(event.record)
        self._live.update(self._drawn(now))

    def _drawn(self, now: str) -> "RenderableType":
        from rich.text import Text

        from scriptforge.tuning.results import best_of

        best = best_of(self._records)
        shown = self._records[-_ROWS:]
        if best and best not in shown:
            shown = [best, *shown[1:]]
        heading = f"{len(self._records)} of {self._trials} trials"
        return sections({heading: trial_table(shown, best), "": Text(safe(now), style="cyan")})


DatasetArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="DATASET",
        help="The dataset; the latest if left out.",
        autocompletion=dataset_names,
    ),
]
TrialsOption = Annotated[int, typer.Option(min=1, metavar="N", help="Total number of trials in the study.")]
SecondsOption = Annotated[float, typer.Option(metavar="S", help="How long each trial trains.")]
SpaceFileOption = Annotated[
    Path | None,
    typer.Option("--space", metavar="FILE.toml", help="Settings to search, with their choices or ranges."),
]
PrintSpaceOption = Annotated[
    bool,
    typer.Option("--print-space", help="Print the default search space, to edit."),
]
PrunerOption = Annotated[Pruner, typer.Option(help="How to stop unpromising trials early.")]
StudyNameOption = Annotated[
    str | None,
    typer.Option(
        "--study",
        metavar="NAME",
        help="Name of the study, instead of the dataset's.",
        autocompletion=study_names,
    ),
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Where the study is kept, instead of a file in its folder: sqlite:///FILE, or "
        "postgresql://USER@HOST/DATABASE for several machines.",
    ),
]
BestOption = Annotated[bool, typer.Option("--best", help="Then train a run with the best settings.")]
EpochsOption = Annotated[float | None, typer.Option(metavar="N", help="With --best, read the text N times.")]
MinutesOption = Annotated[
    float | None,
    typer.Option(metavar="M", help=f"With --best, train for M minutes; {DEFAULT_MINUTES:g} by default."),
]
RunNameOption = Annotated[
    str | None, typer.Option("--name", metavar="RUN", help="With --best, name of the run.")
]
PlotOption = Annotated[
    bool,
    typer.Option("--plot", help="Plot the history and the importance of settings into the study's folder."),
]
SeedOption = Annotated[
    int, typer.Option(min=0, metavar="N", help="Seed of the choices, and of every training run.")
]


def tune(
    name: DatasetArgument = None,
    trials: TrialsOption = TuneOptions.trials,
    seconds: SecondsOption = TuneOptions.seconds,
    space_file: SpaceFileOption = None,
    print_space: PrintSpaceOption = False,
    pruner: PrunerOption = TuneOptions.pruner,
    study_name: StudyNameOption = None,
    storage: StorageOption = None,
    best: BestOption = False,
    epochs: EpochsOption = None,
    minutes: MinutesOption = None,
    run_name: RunNameOption = None,
    plot: PlotOption = False,
    gpu: UseGPU = None,
    seed: SeedOption = TuneOptions.seed,
    workspace_path: WorkspacePath = None,
    as_json: AsJSON = False,
    quiet: Quiet = False,
) -> None:
    """Search for settings that suit a dataset better than those that train chooses by itself.

    The same command continues a study until it has as many trials as asked for. Several processes may work on
    one study.
    """
    output = Output(as_json, quiet)

    from scriptforge.dataset import Dataset
    from scriptforge.training.devices import choose_device
    from scriptforge.training.process_state import prepare_process
    from scriptforge.training_runs.train import train
    from scriptforge.tuning.results import draw_plots, require_matplotlib
    from scriptforge.tuning.search import outcome_of
    from scriptforge.tuning.space import DEFAULT_SPACE, Space
    from scriptforge.tuning.study import Plan, copied_into_workspace, default_space, open_study
    from scriptforge.workspace import Workspace

    prepare_process()
    if print_space:
        output.stream([DEFAULT_SPACE])
        return
    if not best and (epochs is not None or minutes is not None or run_name):
        raise UsageError("--epochs, --minutes and --name are for the run of --best.", "Add --best.")
    options = TuneOptions(trials=trials, seconds=seconds, pruner=pruner, seed=seed, device=device_of(gpu))
    length = TrainOptions(epochs=epochs, minutes=minutes, device=options.device, settings={"seed": seed})
    if plot:
        require_matplotlib()
    workspace = Workspace.find(workspace_path)
    dataset = Dataset(workspace.dataset(name))
    space = Space.read(space_file) if space_file else default_space(dataset)
    plan = Plan(**asdict(options), space=space, accelerator=choose_device(options.device))
    if run_name:
        workspace.refuse_overwriting(workspace.new_run(run_name), force=False)
    folder = workspace.study(study_name or dataset.name)
    interrupts = Interrupts()
    with open_study(folder, storage, dataset, plan) as study:
        _search(study, output, interrupts)
        outcome = outcome_of(study)
    if plot:
        for path in draw_plots(folder, outcome.records, outcome.importance):
            output.note(f"Drawn: {path}")
    document = _document(dataset.name, outcome)
    if best:
        copied, should_stop = copied_into_workspace(outcome.dataset, workspace), interrupts.requested
        events = train(copied, outcome.options_for(length), workspace, name=run_name, should_stop=should_stop)
        finished = follow(events, output, interrupts)
        document["run"] = finished.run
        document["trained"] = asdict(finished.best)
    output.result(document, lambda: _drawn(document, outcome))
    output.note(_next_step(dataset.name, outcome, document.get("run")))


def _search(study: "Study", output: Output, interrupts: Interrupts) -> None:
    """Run the search to its end; exit if it is interrupted."""
    from scriptforge.tuning.results import records_of
    from scriptforge.tuning.search import search

    if study.default_starts_from_base:
        output.note(_FROM_BASE)
    with interrupts, output.live() as live:
        records = records_of(study.backend)
        view = _Screen(live, records, study.plan.trials) if live else _Lines(output)
        search(study, view.show, interrupts.requested)
    if interrupts.requested():
        output.note(f"Stopped; the same command continues study “{study.name}”.")
        raise typer.Exit(interrupts.exit_code)


def _document(dataset_name: str, outcome: "Outcome") -> dict[str, Any]:
    return {
        "study": outcome.study,
        "dataset": dataset_name,
        "trials": [asdict(record) for record in outcome.records],
        "best": asdict(outcome.best),
        "default_bits_per_character": outcome.default,
        "importance": dict(outcome.importance),
    }


def _drawn(document: dict[str, Any], outcome: "Outcome") -> "RenderableType":
    parts: dict[str, RenderableType] = {
        "": facts(_facts(document, outcome)),
        "Trials": trial_table(outcome.records, outcome.best),
    }
    if outcome.importance:
        rows = [[name, f"{share:.0%}"] for name, share in outcome.importance.items()]
        parts["Importance"] = table(("choice", "share"), rows, right=("share",))
    return sections(parts)


def _assignments(settings: Mapping[str, Any]) -> list[str]:
    """Format choices as `--set` takes them."""
    return [
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in settings.items()
    ]


def _next_step(dataset_name: str, outcome: "Outcome", run: str | None) -> str:
    """Return a note on what to do after a search."""
    if run:
        return f"Next: {command('generate', run)}"
    if outcome.dataset.name != dataset_name:  # at another level, or with another vocabulary
        return (
            f"Next: the same command with --best trains a run on {outcome.dataset.name} with these choices."
        )
    options = (word for each in _assignments(outcome.settings) for word in ("--set", each))
    following = f"Next: {command('train', dataset_name, *options)}"
    return f"{following}{'' if outcome.is_better else _NOT_BETTER}"


def _facts(document: dict[str, Any], outcome: "Outcome") -> list[tuple[str, str]]:
    counted = [record.state for record in outcome.records if record.state != "repeated"]
    kinds = ", ".join(f"{counted.count(state)} {state}" for state in dict.fromkeys(counted))
    rows = [
        ("study", outcome.study),
        ("dataset", document["dataset"]),
        ("trials", f"{len(counted)}: {kinds}"),
        ("best", f"{bits(outcome.best)} bits/char, trial {outcome.best.number}"),
        ("its choices", ", ".join(_assignments(outcome.best.settings))),
    ]
    if outcome.default is not None:
        rows.append(("train by itself", f"{outcome.default:.4f} bits/char; {_gain(outcome)}"))
    if "run" in document:
        figure = document["trained"]["stream"]["bits_per_character"]
        rows.append(("run", f"{document['run']}: {figure:.4f} bits/char on {outcome.dataset.name}"))
    return rows


def _gain(outcome: "Outcome") -> str:
    """Say how much better the best trial is than the settings of `train`, of which the loss may be 0."""
    if not (outcome.is_better and outcome.default):
        return "no trial was better"
    return f"the best needs {1 - (outcome.best.bits_per_character or 0.0) / outcome.default:.1%} less"
