"""A: SIGKILL at the system calls with which commands change the disk; each is then gone on with.

After a kill, what was there before or what came of the command can be used. The next command removes what is
hidden, and ends as if nothing had happened.
"""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from support.campaign import Part

from reliability.stage import TARGETS, Call, Stage, Target, orphans, staged

_WRITES = "write"


def calls_of(stage: Stage, target: Target) -> tuple[list[Call], object]:
    """Return the calls of a command that nothing disturbs, and what is there in the end."""
    with stage.copy(target.begin(stage)) as workspace:
        log = workspace.parent / "log"
        said = stage.run(target.words, workspace, log=log)
        assert said.code == 0, said.errors
        return Call.read(log), target.end(workspace)


def titled(name: str, calls: Sequence[Call]) -> str:
    """Return what a part is called: the command, and how many calls it makes, of which `push` makes none."""
    return f"`{name}`, {f'{len(calls)} calls' if calls else 'which changes nothing on the disk'}"


def kill(stage: Stage, target: Target, plan: str, expected: object) -> str | None:
    """Kill a command as planned and go on with it; return what was wrong."""
    with stage.copy(target.begin(stage)) as workspace:
        said = stage.run(target.words, workspace, plan)
        if said.code not in (-9, 0):  # where threads take turns, the call may not come
            return f"it ended with {said.code}: {said.errors}"
        if problem := target.holds(workspace):
            return f"after the kill: {problem}"
        return go_on(stage, target, workspace, expected)


def go_on(stage: Stage, target: Target, workspace: Path, expected: object) -> str | None:
    """Go on with a command that came to no end; return what was wrong."""
    words = target.next_words(workspace)
    said = stage.run(words, workspace)
    if said.code == 0 and (left := orphans(workspace)):
        return f"left behind: {', '.join(left)}"
    if said.code:
        return f"{' '.join(words[:3])} ended with {said.code}: {said.errors}"
    return "it ended otherwise" if target.end(workspace) != expected else None


def plans(calls: Iterable[Call]) -> list[str]:
    """Return every kill there is: before each call, and in the middle of each write."""
    found = []
    for number, call in enumerate(calls, 1):
        found += [f"kill {number}", f"tear {number}"] if _WRITES in call.name else [f"kill {number}"]
    return found


def attack(
    stage: Stage, names: Iterable[str] = TARGETS, most: int | None = None, seed: int = 0
) -> list[Part]:
    """Kill commands.

    Args:
        stage: where.
        names: which ones, of `TARGETS`.
        most: how many kills of each, drawn at random; None is all.
        seed: of the draw.
    """
    parts = []
    for name in names:
        target = TARGETS[name]
        calls, expected = calls_of(stage, target)
        all_plans = plans(calls)
        part = Part(titled(name, calls))
        for plan in random.Random(seed).sample(all_plans, min(most or len(all_plans), len(all_plans))):
            problem = kill(stage, target, plan, expected)
            call = calls[int(plan.split()[1]) - 1]
            place = f"{call.name} {call.path}"
            part.count(problem and f"{plan} ({place}): {problem}")
        parts.append(part)
    return parts


def long(most: int | None = None) -> list[Part]:
    """Make the whole attack, or so much of it for each command."""
    with staged() as stage:
        return attack(stage, most=most)
