"""The command line as a whole: its commands, and the edge where every failure becomes lines and an exit code.

    0     done
    1     failed; also: whoever read the output stopped reading
    2     the request was wrong
    130   interrupted by Ctrl-C
    143   asked to stop by SIGTERM

A command may let everything fly: no other place catches a failure in order to print it.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from scriptforge.cli.corpora import corpora
from scriptforge.cli.doctor import doctor
from scriptforge.cli.output import Output, discreet, safe
from scriptforge.cli.runs import runs
from scriptforge.errors import ScriptforgeError, unknown_name

DEBUG_VARIABLE = "SCRIPTFORGE_DEBUG"

PANELS: dict[str, list[Callable[..., None]]] = {
    "Begin": [corpora],
    "Look around": [runs, doctor],
}
"""Every command, under the heading it has in `--help`, in the order of a beginner's day."""


class Commands(TyperGroup):
    """The commands, which suggests the nearest name for a mistyped one."""

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:
        """The command of that name.

        Raises:
            UsageError: there is none.
        """
        if cmd_name not in self.commands:
            raise unknown_name("command", cmd_name, self.commands)
        return self.commands[cmd_name]


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for panel, functions in PANELS.items():
    for function in functions:
        app.command(rich_help_panel=panel)(function)


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


def main() -> NoReturn:
    """Runs the command line that the process was started with, and exits."""
    signal.signal(signal.SIGTERM, _stop)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command line and explains whatever stops it.

    Args:
        arguments: the words after `scriptforge`.

    Returns:
        The exit code.
    """
    try:
        with get_command(app).make_context("scriptforge", arguments) as context:
            context.command.invoke(context)
        sys.stdout.flush()
        return 0
    except typer.Exit as request:
        return request.exit_code
    except BaseException as error:
        if os.environ.get(DEBUG_VARIABLE):
            typer.echo(safe(discreet(traceback.format_exc())), err=True)
        return _explain(error)


def _explain(error: BaseException) -> int:
    """Tells a person what stopped the work.

    Returns:
        The exit code.
    """
    output = Output()
    match error:
        case ScriptforgeError():
            output.error(error.message, error.hint)
            return error.exit_code
        case typer.TyperException():
            output.error(error.format_message(), _hint(error))
            return error.exit_code
        case KeyboardInterrupt() | typer.Abort():
            output.warn("Interrupted.")
            return 130
        case SystemExit():
            output.warn("Stopped.")
            return error.code if isinstance(error.code, int) else 1
        case BrokenPipeError():
            _discard_output()
            return 1
        case OSError(filename=str() | bytes() as path):
            output.error(
                f"{error.strerror}: {os.fsdecode(path)}",
                "Check that the path is right and that you may read and write there.",
            )
            return 1
        case _:
            output.error(
                f"Something went wrong that should not: {type(error).__name__}: {error}",
                f"Set {DEBUG_VARIABLE}=1 and run it again to see where; please report what it prints.",
            )
            return 1


def _hint(error: typer.TyperException) -> str:
    """What to do about a command line that cannot be read."""
    close = getattr(error, "possibilities", None)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "scriptforge"
    return f"See {command} --help"


def _discard_output() -> None:
    """Sends to nowhere what is still to be written, so that the interpreter's last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
