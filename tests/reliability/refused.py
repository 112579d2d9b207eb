"""B: disks that are full, read-only or broken, and connections that break, at every call of commands.

A command ends with 1, in one line that says what is wrong and one that says what to do; or it does without
and ends with 0. What was there before can be used, and the same command succeeds afterwards.
"""

import errno
from collections.abc import Iterable

from support.campaign import DRAW, Part

from reliability.killed import attack_each, go_on
from reliability.stage import Call, Said, Stage, staged
from reliability.target import Ending, Target, orphans
from reliability.targets import TARGETS

_SIZES = 40
_AT_EVERY_CALL = {
    "once": (errno.EIO, errno.EACCES, errno.EDQUOT),
    "from": (errno.EROFS,),
}
_ON_CONNECTIONS = {
    "once": (errno.ECONNRESET, errno.EPIPE, errno.ETIMEDOUT, errno.ECONNREFUSED),
    "from": (errno.ENETUNREACH,),
}


def unexplained(said: Said, codes: tuple[int, ...] = (0, 1)) -> str | None:
    """Return what is wrong with what a command said; None if it succeeded or explains why not."""
    lines = said.errors.strip().splitlines()
    if said.code not in codes or "should not have happened" in said.errors or "Traceback" in said.errors:
        return f"it ended with {said.code}: {said.errors}"
    if said.code and (len(lines) < 2 or not lines[-2].startswith("Error: ") or "Error: " in lines[-1]):
        return f"it ended with {said.code} and does not say why: {said.errors}"
    return None


def refuse(stage: Stage, target: Target, plan: str, expected: Ending) -> str | None:
    """Let the disk fail a command as planned, and go on with it; return what was wrong."""
    with stage.copy(target.begin(stage)) as workspace:
        before = target.made(stage, workspace)
        said = stage.run(target.words, workspace, plan, sends=target.sends)
        if problem := unexplained(said):
            return problem
        if problem := target.problem(stage, workspace, before, expected):
            return f"after {said.errors!r}: {problem}"
        if said.code:
            return go_on(stage, target, workspace, expected)
        if target.ending(stage, workspace) != expected:
            return f"it did not do what it says: {said.errors}"
        stage.succeed(target.next_words(workspace), workspace)
        left = orphans(workspace)
        return f"left behind: {', '.join(left)}" if left else None


def plans(target: Target, calls: list[Call]) -> list[str]:
    """Return every fault: at each call, and a disk that is full after so many bytes."""
    total = 0 if target.sends else sum(call.size for call in calls)
    sizes = sorted({total * part // _SIZES for part in range(_SIZES)} if total else ())
    found = [f"full {size} {errno.ENOSPC}" for size in sizes]
    for number in range(1, len(calls) + 1):
        for kind, errors in (_ON_CONNECTIONS if target.sends else _AT_EVERY_CALL).items():
            found += [f"{kind} {number} {error}" for error in errors]
    return found


def attack(
    stage: Stage, names: Iterable[str] = TARGETS, most: int | None = None, seed: int = 0
) -> list[Part]:
    """Let the disk fail commands; the arguments are those of `reliability.killed.attack_each`."""
    return attack_each(plans, refuse, stage, names, most, seed)


def long_attack(most: int | None = None) -> list[Part]:
    """Make the whole attack, or so much of it for each command."""
    with staged() as stage:
        return attack(stage, most=most, seed=DRAW)
