"""A: SIGKILL at the system calls with which commands change the disk; each is then gone on with.

After a kill, what was there before or what came of the command can be used. The next command removes what is
hidden, and ends as if nothing had happened.
"""

import errno
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from support.campaign import Part

from reliability.stage import Call, Stage, staged
from reliability.targets import TARGETS, Target, orphans

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


def attack_each(
    plans: Callable[[list[Call]], list[str]],
    disturb: Callable[[Stage, Target, str, object], str | None],
    stage: Stage,
    names: Iterable[str] = TARGETS,
    most: int | None = None,
    seed: int = 0,
) -> list[Part]:
    """Disturb commands in all the ways that are planned for their calls.

    Args:
        plans: returns the faults, given the calls of a command; as `faults.c` reads them.
        disturb: runs a command with a fault and goes on with it; returns what was wrong.
        stage: where.
        names: which commands, of `TARGETS`.
        most: how many faults for each, drawn at random; None is all.
        seed: of the draw.
    """
    parts = []
    for name in names:
        target = TARGETS[name]
        calls, expected = calls_of(stage, target)
        every = plans(calls)
        part = Part(titled(name, calls))
        for plan in random.Random(seed).sample(every, min(most or len(every), len(every))):
            problem = disturb(stage, target, plan, expected)
            part.count(problem and f"{described(plan, calls)}: {problem}")
        parts.append(part)
    return parts


def described(plan: str, calls: Sequence[Call]) -> str:
    """Return what a fault is and where it comes: at a call, or after so many bytes."""
    kind, place, *error = plan.split()
    what = " ".join([kind, *(errno.errorcode[int(number)] for number in error)])
    if kind == "full":
        return f"{what} after {place} bytes"
    call = calls[int(place) - 1]
    return f"{what} at {place} ({call.name} {call.path})"


def attack(
    stage: Stage, names: Iterable[str] = TARGETS, most: int | None = None, seed: int = 0
) -> list[Part]:
    """Kill commands; the arguments are those of `attack_each`."""
    return attack_each(plans, kill, stage, names, most, seed)


def long_attack(most: int | None = None) -> list[Part]:
    """Make the whole attack, or so much of it for each command."""
    with staged() as stage:
        return attack(stage, most=most)
