"""`scriptforge help`: the same pages as `--help`."""

from typing import Annotated

import typer

from scriptforge.cli.completion import command_names


def help(
    context: typer.Context,
    command: Annotated[
        str | None,
        typer.Argument(
            metavar="COMMAND", help="The command; all of them if left out.", autocompletion=command_names
        ),
    ] = None,
) -> None:
    """Show what a command does and which options it has, as COMMAND --help does."""
    group = context.find_root()
    if command is None:
        typer.echo(group.get_help())
        return
    found = group.command.get_command(group, command)  # type: ignore[attr-defined]
    with found.make_context(command, [], parent=group, resilient_parsing=True) as own:
        typer.echo(own.get_help())
