"""A command that is attacked: what it starts from, and what must be there whatever happens to it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from reliability.stage import Stage
from scriptforge.errors import ScriptforgeError

LOOK = ("runs",)
"""A command that only looks; like all others it clears away what a kill has left."""

Made = Mapping[str, str | None]
"""What is under each name: a hash, None if nothing."""


class Ending(NamedTuple):
    """What is there after a command that nothing has disturbed."""

    state: object
    made: Made


def nothing_wrong(workspace: Path) -> None:
    """Find nothing wrong with a workspace."""


def nothing_made(stage: Stage, workspace: Path) -> Made:
    """Return that a command makes nothing that is whole or not."""
    return {}


@dataclass(frozen=True)
class Target:
    """A command that writes.

    Attributes:
        words: what it is called with.
        begin: the workspace that it starts from.
        holds: says what is wrong with what it has left, at whatever moment it ended; None if nothing is.
        end: what must be the same in the end, whatever happened before.
        go_on: the command that goes on after a kill; by default the same.
        made: what it makes: at any moment each is as it was before or as it is in the end.
        sends: whether what it sends is attacked, too: each connection, and each part of a message.
    """

    words: tuple[str, ...]
    begin: Callable[[Stage], Path]
    holds: Callable[[Path], str | None] = nothing_wrong
    end: Callable[[Path], object] = nothing_wrong
    go_on: Callable[[Path], tuple[str, ...]] | None = None
    made: Callable[[Stage, Path], Made] = nothing_made
    sends: bool = False

    def next_words(self, workspace: Path) -> tuple[str, ...]:
        """Return the command that brings it to its end."""
        return self.go_on(workspace) if self.go_on else self.words

    def ending(self, stage: Stage, workspace: Path) -> Ending:
        """Return what is there in the end."""
        return Ending(self.end(workspace), self.made(stage, workspace))

    def problem(self, stage: Stage, workspace: Path, before: Made, ending: Ending) -> str | None:
        """Return what is wrong with what it has left, at whatever moment it ended."""
        now = self.made(stage, workspace)
        torn = [name for name, found in now.items() if found not in (before.get(name), ending.made[name])]
        return self.holds(workspace) or (f"half of {', '.join(torn)}" if torn else None)


def files(*names: str) -> Callable[[Stage, Path], Made]:
    """Return what says what is in files, and in folders that are written as a whole."""
    return lambda stage, workspace: {name: _hash_of(workspace / name) for name in names}


def _hash_of(path: Path) -> str | None:
    if not path.exists():
        return None
    found = hashlib.sha256()
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        content = each.read_bytes() if each.is_file() else b""
        found.update(f"{each.relative_to(path)} {len(content)} ".encode() + content)
    return found.hexdigest()


def orphans(workspace: Path) -> list[str]:
    """Return what is hidden in a workspace: nothing, where no command runs."""
    return sorted(path.relative_to(workspace).as_posix() for path in workspace.rglob(".*"))


def reason(work: Callable[[], object]) -> str | None:
    """Return why something fails, if it does for a reason that a person would be told."""
    try:
        work()
    except ScriptforgeError as error:
        return error.message
    return None
