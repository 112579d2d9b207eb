"""`scriptforge demo`: the whole way on the corpus that ships with the package."""

from typing import Annotated

import typer

from scriptforge.cli.errors import Interrupts
from scriptforge.cli.output import Output, Quiet, WorkspacePath
from scriptforge.cli.training_view import follow
from scriptforge.options import GenerateOptions, PrepareOptions, TrainOptions

NAME = "demo"
LINES = 24
SEED = 1
TEMPERATURE, REPETITION_PENALTY = 0.7, 1.1  # bolder it loses words, and colder it says the same again
_NEXT = """
That was a small model after a short training. Next:
  scriptforge generate --prime walt      the same model, another text
  scriptforge prepare my-script.txt      your own text; scriptforge corpora lists others
  scriptforge train --minutes 5          a better model of it"""


def demo(
    minutes: Annotated[float, typer.Option(metavar="M", help="How long to train.")] = 0.7,
    workspace_path: WorkspacePath = None,
    quiet: Quiet = False,
) -> None:
    """Prepare, train and generate on the built-in sitcom, in about a minute."""
    output = Output(quiet=quiet)

    from scriptforge.corpus.prepare import prepare
    from scriptforge.dataset import Dataset
    from scriptforge.generation.generate import stream
    from scriptforge.run.run import Run
    from scriptforge.tracking.train import train
    from scriptforge.training.devices import keep_freed_memory
    from scriptforge.workspace import Workspace

    workspace = Workspace.find(workspace_path)
    folder = workspace.new_dataset(NAME)
    if not folder.description.is_file():
        output.note("1. Prepare: ten episodes of “Exact Change”, a sitcom about a toll bridge.")
        prepare([], PrepareOptions(), workspace)
    dataset = Dataset(folder)
    output.note(
        f"2. Train for {minutes * 60:.0f} seconds on {dataset.description.splits['train'].lines:,} lines."
    )
    keep_freed_memory()
    with Interrupts() as interrupts:
        training = TrainOptions(minutes=minutes)
        events = train(dataset, training, workspace, should_stop=interrupts.requested)
        finished = follow(events, output, interrupts)
    output.note(f"3. Generate: {LINES} new lines.\n")
    trained = Run(workspace.run(finished.run))
    options = GenerateOptions(
        lines=LINES, seed=SEED, temperature=TEMPERATURE, repetition_penalty=REPETITION_PENALTY
    )
    output.stream(stream(trained.model, trained.vocabulary, options))
    output.note(_NEXT)
