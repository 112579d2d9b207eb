"""`scriptforge demo`: all steps, on the corpus that ships with the package."""

import time
from itertools import chain
from typing import Annotated

import typer

from scriptforge.cli.output import Output
from scriptforge.cli.parameters import Quiet, WorkspacePath
from scriptforge.cli.signals import Interrupts
from scriptforge.cli.training_view import show
from scriptforge.options import GenerateOptions, PrepareOptions, TrainOptions

NAME = "demo"
LINES = 24
SEED = 1
EPOCHS = 8.0
VALIDATIONS = 8
_NEXT = """
That was a small model after a short training run. Next:
  scriptforge generate --prime walt      the same model, another text
  scriptforge prepare my-script.txt      your own text; scriptforge corpora lists others
  scriptforge serve                      write a script together with it, in the browser"""


def demo(
    minutes: Annotated[float, typer.Option(metavar="M", help="How long to train at most.")] = 1.6,
    workspace_path: WorkspacePath = None,
    quiet: Quiet = False,
) -> None:
    """Prepare, train and generate on the built-in sitcom, in about a minute."""
    output = Output(quiet=quiet)

    from scriptforge.corpus.prepare import prepare
    from scriptforge.dataset import Dataset
    from scriptforge.generation.generate import Session
    from scriptforge.run.run import Run
    from scriptforge.training.events import Finished, Interrupted, Started
    from scriptforge.training.process_state import prepare_process
    from scriptforge.training_runs.train import train
    from scriptforge.workspace import Workspace

    workspace = Workspace.find(workspace_path)
    folder = workspace.new_dataset(NAME)
    if not folder.description.is_file():
        output.note("1. Prepare: ten episodes of “Exact Change”, a sitcom about a toll bridge.")
        prepare([], PrepareOptions(), workspace)
    dataset = Dataset(folder)
    lines = dataset.description.splits["train"].lines
    output.note(
        f"2. Train: read {lines:,} lines {EPOCHS:.0f} times, in {minutes * 60:.0f} seconds at most;"
        " what it writes meanwhile:"
    )
    prepare_process()
    interrupts = Interrupts()
    end = time.monotonic() + minutes * 60

    def should_stop() -> bool:
        is_over = time.monotonic() > end and run.weights.is_file()
        return is_over or interrupts.requested()

    training = TrainOptions(epochs=EPOCHS, settings={"validations": VALIDATIONS})
    events = train(dataset, training, workspace, should_stop=should_stop)
    with interrupts:
        started = next(events)
        assert isinstance(started, Started), "the first event"
        run = workspace.run(started.run)
        # If only the time is up, the model is used as it is.
        shown = (each for each in events if interrupts.requested() or not isinstance(each, Interrupted))
        last = show(chain([started], shown), output, samples=True)
    if interrupts.requested():
        raise typer.Exit(interrupts.exit_code)
    if not isinstance(last, Finished):
        output.note(
            f"Time is up before all was read {EPOCHS:.0f} times; the model is used as it is."
            f" To read the rest: {run.command_to_resume()}"
        )
    output.block(f"3. Generate: {LINES} new lines.\n")
    output.stream(Session(Run(run), GenerateOptions(lines=LINES, seed=SEED)).stream())
    output.block(_NEXT)
