"""The command line as a whole: the table of commands, and how arguments reach one of them.

A command is a plain function in a module of its own name, listed in `COMMANDS`. What the process as a whole
is set to is set here, so that the library changes nothing in a process that imports it.
"""

import os
import sys
from collections.abc import Callable
from itertools import chain
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from scriptforge.cli.corpora import corpora
from scriptforge.cli.demo import demo
from scriptforge.cli.doctor import doctor
from scriptforge.cli.errors import run_and_exit, run_in_boundary
from scriptforge.cli.evaluate import evaluate
from scriptforge.cli.generate import generate
from scriptforge.cli.inspect import inspect
from scriptforge.cli.originality import originality
from scriptforge.cli.prepare import prepare
from scriptforge.cli.pull import pull
from scriptforge.cli.push import push
from scriptforge.cli.runs import runs
from scriptforge.cli.train import train
from scriptforge.cli.tune import tune
from scriptforge.errors import unknown_name

THREAD_SPINS = "3000"
"""How long torch's threads spin while they wait for each other, before they sleep.

By default they spin far longer. On an idle machine that gains nothing; on a busy one, where other programs
use the same cores, training almost stops.
"""

COMMANDS: dict[str, list[Callable[..., None]]] = {
    "Begin": [demo, corpora, inspect, prepare],
    "Train and write": [train, tune, generate],
    "Share": [push, pull],
    "Look around": [evaluate, originality, runs, doctor],
}
"""Every command, under its heading in `--help`, in the order in which a beginner needs them."""


def main() -> NoReturn:
    """Run the command line that the process was started with, and exit."""
    os.environ.setdefault("GOMP_SPINCOUNT", THREAD_SPINS)
    run_and_exit(lambda: _invoke(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line within this process, as `main` does.

    Args:
        arguments: the words after `scriptforge`.

    Returns:
        The exit code.
    """
    return run_in_boundary(lambda: _invoke(arguments))


def _invoke(arguments: list[str]) -> None:
    with get_command(app).make_context("scriptforge", arguments) as context:
        context.command.invoke(context)


class Commands(TyperGroup):
    """List the commands under their headings, and answer a mistyped name with the nearest."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of a name.

        Raises:
            UsageError: there is none.
        """
        if cmd_name not in self.commands:
            raise unknown_name("command", cmd_name, self.commands)
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands into the help, heading by heading."""
        width = max(map(len, self.commands))
        for heading, functions in COMMANDS.items():
            with formatter.section(heading):
                names = [function.__name__ for function in functions]
                formatter.write_dl([(f"{name:{width}}", _summary(self.commands[name])) for name in names])


def _summary(command: Any) -> str:
    """Return the first paragraph of a command's help."""
    return str(command.help).partition("\n\n")[0]


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # help drawn by rich would take as long again to import as all else
)
for function in chain.from_iterable(COMMANDS.values()):
    app.command()(function)


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
