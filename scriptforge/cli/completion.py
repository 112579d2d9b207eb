"""Shell completion: the names that an argument can be completed to.

`scriptforge --install-completion` enables it. Completion must be fast and silent: nothing heavy is imported,
and errors give no names. A shell inserts names without quotes, so names that need quotes are left out.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from scriptforge.workspace import Workspace

VARIABLE = "_SCRIPTFORGE_COMPLETE"
"""The environment variable by which a shell requests completions."""

_PLAIN = re.compile(r"[\w@%+:,./][\w@%+=:,./-]*")


def command_names(context: typer.Context) -> list[str]:
    """Return the names of all commands."""
    group = context.find_root()
    return list(group.command.list_commands(group))  # type: ignore[attr-defined]


def run_names(context: typer.Context) -> list[str]:
    """Return the names of the runs of the workspace, the latest first."""
    return _plain(folder.name for folder in _workspace(context).runs())


def dataset_names(context: typer.Context) -> list[str]:
    """Return the names of the datasets of the workspace, the latest first."""
    return _plain(folder.name for folder in _workspace(context).datasets())


def study_names(context: typer.Context) -> list[str]:
    """Return the names of the studies of the workspace."""
    return _plain(folder.name for folder in _workspace(context).studies())


def run_or_dataset_names(context: typer.Context) -> list[str]:
    """Return the names of datasets, or with `--resume` those of runs."""
    return run_names(context) if context.params.get("resume") else dataset_names(context)


def architecture_names() -> list[str]:
    """Return the names of all architectures."""
    from scriptforge.architectures import ARCHITECTURES

    return list(ARCHITECTURES)


def entry_names(context: typer.Context) -> list[str]:
    """Return the names of everything that can be renamed or removed, such as `runs/play`."""
    from scriptforge.workspace.entries import entries

    return _plain(map(str, entries(_workspace(context))))


def corpus_names(context: typer.Context) -> list[str]:
    """Return the names of the corpora that have a card."""
    from scriptforge.corpus.cards import builtin_cards_path

    return _cards([builtin_cards_path(), _workspace(context).cards])


def _cards(folders: Iterable[Path]) -> list[str]:
    return sorted(set(_plain(path.stem for folder in folders for path in folder.glob("*.toml"))))


def _plain(names: Iterable[str]) -> list[str]:
    """Return the names that a shell reads as one word without quotes, and that are not options."""
    return [name for name in names if _PLAIN.fullmatch(name)]


def _workspace(context: typer.Context) -> "Workspace":
    """Return the workspace that is named on the command line so far, or else the default one."""
    from scriptforge.workspace import Workspace

    return Workspace.locate(context.params.get("workspace_path"))
