"""The command line as a whole: the table of commands, and the dispatch of arguments to one of them.

A command is a plain function in a module of its own name, imported when it is used. Settings of the whole
process are made here, so that the library changes nothing in a process that imports it.
"""

import atexit
import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from scriptforge.cli.completion import VARIABLE
from scriptforge.cli.errors import run_and_exit, run_in_boundary
from scriptforge.errors import unknown_name

THREAD_SPINS = "3000"
"""How many iterations torch's threads spin while they wait for each other, before they sleep.

By default they spin far longer. On an idle machine that gains nothing; on a busy one, where other programs
use the same cores, training almost stops.
"""

_GC_THRESHOLD = 100_000
"""How many more objects there may be before Python searches the new ones for unused cycles; 700 by default.

While modules are imported there are only ever more, and none is unused. The searches take a tenth of a short
command's time.
"""

COMMANDS = {
    "Begin": {
        "demo": "Prepare, train and generate on the built-in sitcom, in about a minute.",
        "corpora": "List the corpora that can be prepared by name, built-in and your own.",
        "inspect": "Show what a text parses to: format, scenes, cast, repeats, problems and a sample.",
        "convert": "Write scripts in another format: PDF, Word, Final Draft, Fountain, a page, text, JSON.",
        "prepare": "Make a dataset of one corpus or more: fetch, parse, split, learn a vocabulary, encode.",
    },
    "Train and write": {
        "train": "Train a model on a dataset.",
        "tune": "Search for settings that suit a dataset better than those that train chooses by itself.",
        "generate": "Write new scripts in the voice of a run.",
        "serve": "Write together with a model, on a page in the browser.",
        "drafts": "List the drafts of the writing room, write them into files, or delete them.",
    },
    "Share": {
        "push": "Share a run on the Hugging Face Hub, with a model card.",
        "page": "Write a page that runs a model in the browser, to be served from anywhere.",
        "pull": "Download a model from the Hugging Face Hub, verified before it becomes a run.",
        "export": "Write a run for other programs, checked against the run itself.",
    },
    "Look around": {
        "evaluate": "Measure a run's loss on held-out text, in nats per token and per character.",
        "originality": "Show what a text has copied from a run's training text, beside what people copy.",
        "runs": "List the runs, the latest first, or put some side by side.",
        "doctor": "Check this machine: versions, memory, accelerator, disk, caches and login.",
        "help": "Show what a command does and which options it has, as COMMAND --help does.",
    },
    "Tidy up": {
        "rename": "Give a run, dataset or study another name.",
        "remove": "Delete runs, datasets or studies.",
    },
}
"""Every command with its summary, by heading of `--help`, in the order in which a beginner needs them.

A summary is the first paragraph of the command's own help, repeated so that `--help` imports no command.
"""

_FORMER_OPTIONS = {"page": {"out": "output"}, "evaluate": {"voice": "speakers"}}
"""By command, former names of options, which still work, but are not in the help."""

COMMAND_NAMES = [name for commands in COMMANDS.values() for name in commands]

_CONTEXT = {"help_option_names": ["-h", "--help"]}


def main() -> NoReturn:
    """Run the command in `sys.argv`, and exit."""
    os.environ.setdefault("GOMP_SPINCOUNT", THREAD_SPINS)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")  # there are none, and searching for them is slow
    gc.set_threshold(_GC_THRESHOLD)
    atexit.register(gc.freeze)  # spares a final garbage collection over all of PyTorch
    if VARIABLE in os.environ:
        _complete()
    run_and_exit(lambda: _invoke(sys.argv[1:]))


def _complete() -> NoReturn:
    """Answer a shell that requests completions, and exit; errors are ignored."""
    with suppress(Exception):
        get_command(app).main(prog_name="scriptforge")
    sys.exit(1)


def run(arguments: list[str]) -> int:
    """Run one command line within this process, as `main` does.

    Args:
        arguments: the words after `scriptforge`.

    Returns:
        The exit code.
    """
    return run_in_boundary(lambda: _invoke(arguments))


def _invoke(arguments: list[str]) -> None:
    words = tuple(arguments)  # for commands that print how to repeat themselves
    with get_command(app).make_context("scriptforge", arguments, obj=words) as context:
        context.command.invoke(context)


class Commands(TyperGroup):
    """A group that lists commands by heading, imports only the one used, and suggests similar names."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands."""
        return COMMAND_NAMES

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command by name, and return it.

        Raises:
            UsageError: there is no such command.
        """
        if cmd_name not in COMMAND_NAMES:
            raise unknown_name("command", cmd_name, COMMAND_NAMES)
        function = getattr(import_module(f"scriptforge.cli.{cmd_name}"), cmd_name)
        former = _FORMER_OPTIONS.get(cmd_name, {})
        settings = {**_CONTEXT, "token_normalize_func": lambda token: former.get(token, token)}
        command = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=settings)
        command.command(cmd_name)(function)
        return get_command(command)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands into the help, heading by heading."""
        width = max(map(len, COMMAND_NAMES))
        for heading, commands in COMMANDS.items():
            with formatter.section(heading):
                formatter.write_dl([(f"{name:{width}}", summary) for name, summary in commands.items()])


app = typer.Typer(
    cls=Commands,
    context_settings=_CONTEXT,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich would double the time that help takes
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from scriptforge import __version__

        typer.echo(f"scriptforge {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _scriptforge(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version."),
    ] = False,
) -> None:
    """Turn scripts into a small language model on a laptop, and write new ones in the same voice."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
