"""Trainings that are killed at any moment, and gone on with, end in the same bits as one that never was.

The kills are SIGKILL on real processes. Weights, recurrent state and generators all matter here: the model
has dropout in every place and forgets now and then.
"""

import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import le
from pathlib import Path

import pytest
from support.checkpoints import left_by
from support.command import SMALL, begin, end, scriptforge
from support.tiny import comedy

from scriptforge.workspace import RunFolder

NAME = "play"
SETTINGS = (
    *SMALL, "--set=layers=2", "--set=dropout_input=0.1", "--set=dropout_between=0.2",
    "--set=dropout_output=0.2", "--set=validations=12",
)  # fmt: skip
TRAIN = ("train", "harbour", "--name", NAME, "--epochs", "3", *SETTINGS)
RESUME = ("train", "--resume", NAME)
MORE = (*RESUME, "--epochs", "2")
_ON_SAVING = re.compile(r"\.step-.*\.tmp")


@dataclass(frozen=True)
class Reference:
    """A training that nothing interrupted.

    Attributes:
        workspace: where it ran.
        seconds: from its first word to its end.
        left: what it left.
    """

    workspace: Path
    seconds: float
    left: dict[str, bytes]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    workspace = tmp_path_factory.mktemp("uninterrupted")
    (workspace / "harbour.txt").write_text(comedy(600), encoding="utf-8")
    assert scriptforge("prepare", "harbour.txt", "--level", "word", workspace=workspace).returncode == 0
    seconds = run_to_the_end(workspace, *TRAIN)
    return Reference(workspace, seconds, left_by(_run(workspace)))


@pytest.fixture(scope="module")
def longer(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """Two epochs more, not interrupted either."""
    workspace = tmp_path_factory.mktemp("longer") / "workspace"
    shutil.copytree(reference.workspace, workspace)
    seconds = run_to_the_end(workspace, *MORE)
    return Reference(workspace, seconds, left_by(_run(workspace)))


@pytest.fixture
def workspace(reference: Reference, tmp_path: Path) -> Iterator[Path]:
    """A workspace with the same dataset and no run, removed after use."""
    shutil.copytree(reference.workspace / "data", tmp_path / "data")
    yield tmp_path
    shutil.rmtree(tmp_path)


def _run(workspace: Path) -> RunFolder:
    return RunFolder(workspace / "runs" / NAME)


def run_to_the_end(workspace: Path, *words: str) -> float:
    """Trains without interruption; gives the seconds from the first word on stderr."""
    process = begin(*words, workspace=workspace)
    began = time.perf_counter()
    code, errors = end(process)
    assert code == 0, errors
    return time.perf_counter() - began


def kill(
    workspace: Path, words: tuple[str, ...], is_time: Callable[[float], bool], while_saving: bool = False
) -> str:
    """Begins a training and kills it.

    Args:
        workspace: where.
        words: the command.
        is_time: whether the moment has come, given the seconds since its first word.
        while_saving: whether to wait from then on for a checkpoint that is being written.

    Returns:
        What was there to be seen: `at 1.23 s`, `while saving`, or `too late` where the training had ended.
    """
    process = begin(*words, workspace=workspace)
    checkpoints = _run(workspace).checkpoints
    began = time.perf_counter()
    with process:
        while not is_time(time.perf_counter() - began) and process.poll() is None:
            time.sleep(0.001)
        while while_saving and process.poll() is None and not is_saving(checkpoints):
            pass
        seconds = time.perf_counter() - began
        process.kill()
        process.communicate()
    if process.returncode != -signal.SIGKILL:
        return "too late"
    return "while saving" if is_saving(checkpoints) else f"at {seconds:.2f} s"


def has_validated(workspace: Path, times: int) -> Callable[[float], bool]:
    """Return what says whether a training has validated so often."""
    metrics = _run(workspace).metrics
    return lambda _: metrics.is_file() and metrics.read_bytes().count(b"\n") >= times


def is_saving(checkpoints: Path) -> bool:
    return any(_ON_SAVING.fullmatch(path.name) for path in checkpoints.iterdir())


def go_on(workspace: Path) -> None:
    """Resumes to the end; a run that had reached it says so."""
    done: subprocess.CompletedProcess[str] = scriptforge(*RESUME, workspace=workspace)
    assert done.returncode == 0 or "has finished" in done.stderr, done.stderr


@pytest.mark.slow
def test_three_kills(reference: Reference, workspace: Path) -> None:
    """Each later than the one before, the second in the middle of a save."""
    seen = [
        kill(workspace, TRAIN, has_validated(workspace, 2)),
        kill(workspace, RESUME, has_validated(workspace, 4), while_saving=True),
        kill(workspace, RESUME, has_validated(workspace, 7)),
    ]
    assert "too late" not in seen, seen
    go_on(workspace)
    assert left_by(_run(workspace)) == reference.left, f"killed {seen}"


@pytest.mark.soak
@pytest.mark.parametrize("trial", range(30))
def test_thirty_trainings_killed_at_random(
    reference: Reference,
    longer: Reference,
    workspace: Path,
    trial: int,
    record_property: Callable[[str, object], None],
) -> None:
    """Each is killed somewhere in 0 … 100 % of its duration, every third one in the middle of a save.

    From the 21st on, the kill comes within `--resume --epochs 2` on a finished run.
    """
    words, expected = (TRAIN, reference) if trial < 20 else (MORE, longer)
    share = random.Random(trial).random()
    seen = "too late"
    while seen == "too late":
        shutil.rmtree(workspace / "runs", ignore_errors=True)
        if words is MORE:
            shutil.copytree(reference.workspace / "runs", workspace / "runs")
        is_time = partial(le, share * expected.seconds)
        seen = kill(workspace, words, is_time, while_saving=trial % 3 == 2)
        planned, share = f"{share:.0%} of {expected.seconds:.1f} s", share * 0.9
    record_property("planned", planned)
    record_property("killed", seen)
    record_property("newest checkpoint", _run(workspace).checkpoint_steps()[0])
    go_on(workspace)
    assert left_by(_run(workspace)) == expected.left
