"""A: SIGKILL at the system calls with which commands change the disk or send; each is then gone on with.

After a kill, what was there before or what came of the command can be used. The next command removes what is
hidden, and ends as if nothing had happened.
"""

import errno
import functools
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from support.campaign import DRAW, Part, share

from reliability.stage import Call, Stage, staged
from reliability.target import Ending, Target, orphans
from reliability.targets import TARGETS

_WRITES = "write"


@functools.cache
def calls_of(stage: Stage, target: Target) -> tuple[list[Call], Ending]:
    """Return the calls of a command that nothing disturbs, and what is there in the end."""
    with stage.copy(target.begin(stage)) as workspace:
        log = workspace.parent / "log"
        said = stage.run(target.words, workspace, log=log, sends=target.sends)
        assert said.code == 0, said.errors
        calls = Call.read(log)
        assert calls, f"no call of {target.words} was counted"
        return calls, target.ending(stage, workspace)


def kill(stage: Stage, target: Target, plan: str, expected: Ending) -> str | None:
    """Kill a command as planned and go on with it; return what was wrong."""
    with stage.copy(target.begin(stage)) as workspace:
        before = target.made(stage, workspace)
        said = stage.run(target.words, workspace, plan, sends=target.sends)
        if said.code not in (-9, 0):  # where threads take turns, the call may not come
            return f"it ended with {said.code}: {said.errors}"
        if problem := target.problem(stage, workspace, before, expected):
            return f"after the kill: {problem}"
        return go_on(stage, target, workspace, expected)


def go_on(stage: Stage, target: Target, workspace: Path, expected: Ending) -> str | None:
    """Go on with a command that came to no end; return what was wrong."""
    words = target.next_words(workspace)
    said = stage.run(words, workspace)
    if said.code == 0 and (left := orphans(workspace)):
        return f"left behind: {', '.join(left)}"
    if said.code:
        return f"{' '.join(words[:3])} ended with {said.code}: {said.errors}"
    return "it ended otherwise" if target.ending(stage, workspace) != expected else None


def plans(target: Target, calls: Iterable[Call]) -> list[str]:
    """Return every kill there is: before each call, and in the middle of each write."""
    found = []
    for number, call in enumerate(calls, 1):
        found += [f"kill {number}", f"tear {number}"] if _WRITES in call.name else [f"kill {number}"]
    return found


def attack_each(
    plans: Callable[[Target, list[Call]], list[str]],
    disturb: Callable[[Stage, Target, str, Ending], str | None],
    stage: Stage,
    names: Iterable[str] = TARGETS,
    most: int | None = None,
    seed: int = 0,
) -> list[Part]:
    """Disturb commands in all the ways that are planned for their calls.

    Args:
        plans: returns the faults, given a command and its calls; as `faults.c` reads them.
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
        every = plans(target, calls)
        part = Part(f"`{name}`", calls=len(calls))
        drawn = random.Random(seed).sample(every, min(most, len(every))) if most else every
        for plan in share(drawn):
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
        return attack(stage, most=most, seed=DRAW)
