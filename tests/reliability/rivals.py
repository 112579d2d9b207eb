"""G: two commands at one name. The first stops before one of its calls, and the second runs meanwhile.

Both end: with 0, or with one line that says what is wrong and one that says what to do. At least one of them
succeeds, and what both have left is whole.
"""

import os
import random
import signal
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from support.campaign import DRAW, Part, share

from reliability.killed import calls_of
from reliability.named_files import before_a_push
from reliability.refused import unexplained
from reliability.stage import Call, Said, Stage, staged
from reliability.target import Target, orphans
from reliability.targets import TARGETS
from reliability.whole import dataset_is_whole, draft_is_whole, page_is_whole, run_can_go_on

_CHANGES: Mapping[str, tuple[str, ...]] = {
    "rename a run": ("rename", "runs/play", "other"),
    "remove a run": ("remove", "runs/play", "--yes"),
    "rename a dataset": ("rename", "data/play", "other", "--force"),
    "remove a dataset": ("remove", "data/play", "--force", "--yes"),
}
_LEFT_OUT = (
    "prepare", "train", "pull, known", "rename", "remove", "export --transformers", "evaluate --picture",
)  # fmt: skip
"""What begins with another workspace, or stands in `_CHANGES`; "pull, new" is a pull of a name that two
processes choose."""

RIVALS: Mapping[str, tuple[str, ...]] = {
    "prepare, new": ("prepare", "play.txt", "--level", "word", "--name", "new"),
    "train, without a name": (*TARGETS["train"].words[:2], *TARGETS["train"].words[4:]),
    **{name: target.words for name, target in TARGETS.items() if name not in _LEFT_OUT},
    "generate -o, new": ("generate", "play", "--lines", "3", "--seed", "3", "-o", "new.txt"),
    **_CHANGES,
}
ONE_WINS = (
    "prepare, new", "generate -o, new", "generate -n", "convert", "convert --to", "export --onnx", "page",
    "drafts --export", "originality --html", *_CHANGES,
)  # fmt: skip
"""Of what two processes cannot both do."""

_APPENDS = "generate --append"

_SECONDS_ALONE = 2.0
"""How long the second has before the first goes on: it may be waiting for it."""

_PATIENCE = 120.0


def compete(stage: Stage, first: str, second: str, place: int) -> str | None:
    """Let two commands compete; return what was wrong.

    Args:
        stage: where.
        first: what begins, of `RIVALS`.
        second: what runs while that is stopped.
        place: before which of its calls it is.
    """
    with stage.copy(_workspace(stage)) as workspace, ThreadPoolExecutor(2) as pool:
        log = workspace.parent / "log"
        begun = pool.submit(stage.run, RIVALS[first], workspace, f"stop {place}", log, sends=_sends(first))
        process = _stopped(begun, log, place)
        other = pool.submit(stage.run_beside, RIVALS[second], workspace)
        try:
            other.exception(timeout=_SECONDS_ALONE)
        except TimeoutError:
            pass
        finally:
            if process is not None:
                os.kill(process, signal.SIGCONT)
        said = begun.result(_PATIENCE), other.result(_PATIENCE)
        problem = _judge(first, second, said) or _left_whole(stage, workspace)
        return problem or (_lost(workspace, said) if first == second == _APPENDS else None)


def _sends(name: str) -> bool:
    return name in TARGETS and TARGETS[name].sends


def _workspace(stage: Stage) -> Path:
    _ = stage.with_pulled, before_a_push(stage)
    return stage.with_page


def _stopped(begun: "Future[Said]", log: Path, place: int) -> int | None:
    """Wait until a command is stopped, and return its process; None if it ended before."""
    while not begun.done():
        calls = Call.read(log)
        if len(calls) >= place:
            return calls[0].process
        time.sleep(0.005)
    return None


def _judge(first: str, second: str, said: tuple[Said, Said]) -> str | None:
    for name, each in zip((first, second), said, strict=True):
        if problem := unexplained(each, codes=(0, 1, 2)):
            return f"{name}: {problem}"
    succeeded = sum(each.code == 0 for each in said)
    if not succeeded:
        return f"neither succeeded: {said[0].errors} {said[1].errors}"
    if first == second and first in ONE_WINS and succeeded == 2:
        return "both say that they did it"
    return None


def _lost(workspace: Path, said: tuple[Said, Said]) -> str | None:
    """Return what is wrong with a page at whose end two commands have written."""
    written = (workspace / "page.txt").read_text(encoding="utf-8").count("--- seed 2 ---")
    succeeded = sum(each.code == 0 for each in said)
    return f"{written} texts of {succeeded} that were written" if written != succeeded else None


def _left_whole(stage: Stage, workspace: Path) -> str | None:
    stage.succeed(("runs",), workspace)
    if left := orphans(workspace):
        return f"left behind: {', '.join(left)}"
    datasets = [path.name for path in (workspace / "data").iterdir()]
    runs = [path.name for path in (workspace / "runs").iterdir()]
    problems = [
        *(dataset_is_whole(workspace, name) for name in datasets),
        *(run_can_go_on(workspace, name) for name in runs if "--" not in name),
        page_is_whole(workspace),
        draft_is_whole(workspace),
    ]
    return next((problem for problem in problems if problem), None)


def attack(stage: Stage, pairs: Iterable[tuple[str, str]], most: int, seed: int = 0) -> list[Part]:
    """Let pairs of commands compete.

    Args:
        stage: where.
        pairs: which ones, of `RIVALS`.
        most: before how many calls of the first the second comes, drawn at random.
        seed: of the draw.
    """
    attempts: list[tuple[str, str, int]] = []
    parts: dict[str, Part] = {}
    for first, second in pairs:
        if first not in parts:
            target = Target(RIVALS[first], _workspace, sends=_sends(first))
            count = len(calls_of(stage, target)[0])
            parts[first] = Part(f"`{first}`, and each other command meanwhile", calls=count)
        places = range(1, (parts[first].calls or 0) + 1)
        drawn = random.Random(f"{seed} {first} {second}").sample(places, min(most, len(places)))
        attempts += [(first, second, place) for place in drawn]
    for first, second, place in share(attempts):
        problem = compete(stage, first, second, place)
        parts[first].count(problem and f"before call {place}, {second}: {problem}")
    return list(parts.values())


def all_pairs(firsts: Iterable[str] = RIVALS) -> list[tuple[str, str]]:
    """Return every pair, in both orders, or those with some of the commands first."""
    return [(first, second) for first in firsts for second in RIVALS]


def long_attack(most: int | None = None) -> list[Part]:
    """Make the attack with every pair, or with so many others for each command, drawn at random."""
    draw = random.Random(DRAW)
    with staged() as stage:
        if most is None:
            return attack(stage, all_pairs(), most=3, seed=DRAW)
        drawn = [pair for first in RIVALS for pair in draw.sample(all_pairs([first]), most)]
        return attack(stage, drawn, most=1, seed=DRAW)
