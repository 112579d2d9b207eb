"""C: Ctrl-C and SIGTERM at random moments of each command, and twice in a row.

A command ends with 130 or 143, says nothing that a person would not understand, and leaves a workspace in
which the next command works; a training can then be resumed. Or it was done already, and ends with 0: then
what it is for is there.
"""

import json
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from support.campaign import DRAW, Part, share
from support.command import COMMAND, SMALL
from support.loopback_hub import TOKEN, Hub

from reliability.furnished import add_draft, clean_environment, copied, furnish, unexplained
from reliability.whole import dataset_is_whole, run_can_go_on, run_is_whole
from scriptforge.workspace import RunFolder

_PATIENCE = 120  # seconds
_BIT_OF_SIGTERM = 1 << (signal.SIGTERM - 1)
_NEW_REPOSITORY = "ann/new"


@dataclass(frozen=True)
class Outcome:
    """What there is after a command: its workspace, what it printed, and the Hub."""

    workspace: Path
    printed: str
    hub: Hub

    def has(self, path: str) -> bool:
        """Return whether a file is there, and not empty."""
        file = self.workspace / path
        return file.is_file() and file.stat().st_size > 0

    def has_trained(self, name: str) -> bool:
        """Return whether a run has come to its end, and can be used."""
        config = RunFolder(self.workspace / "runs" / name).config
        has_result = config.is_file() and json.loads(config.read_text())["result"] is not None
        return has_result and run_is_whole(self.workspace, name) is None


@dataclass(frozen=True)
class Interruptible:
    """A command, and what says of what it has left whether its work was done.

    Attributes:
        words: what follows `scriptforge`.
        is_done: says it.
        run: the run that it trains; empty if none.
    """

    words: tuple[str, ...]
    is_done: Callable[[Outcome], bool]
    run: str = ""


def _prints(*words: str, said: str) -> Interruptible:
    return Interruptible(words, lambda outcome: said in outcome.printed)


def _writes(*words: str, path: str) -> Interruptible:
    return Interruptible(words, lambda outcome: outcome.has(path))


def _prepared(outcome: Outcome) -> bool:
    description = outcome.workspace / "data" / "harbour" / "dataset.json"
    is_new = json.loads(description.read_text())["level"] == "bpe"
    return is_new and dataset_is_whole(outcome.workspace, "harbour") is None


def _resumed(outcome: Outcome) -> bool:
    metrics = RunFolder(outcome.workspace / "runs" / "play").metrics
    return outcome.has_trained("play") and len(metrics.read_text().splitlines()) > _VALIDATIONS


def _tuned(outcome: Outcome) -> bool:
    with closing(sqlite3.connect(outcome.workspace / "studies" / "harbour" / "study.db")) as database:
        states = [state for (state,) in database.execute("SELECT state FROM trials")]
    return sum(state not in ("RUNNING", "WAITING") for state in states) >= 2


def _pushed(outcome: Outcome) -> bool:
    repository = outcome.hub.repositories.get(("model", _NEW_REPOSITORY))
    return repository is not None and "model.safetensors" in repository.files


_VALIDATIONS = 2
"""Of the run `play`."""

COMMANDS: Mapping[str, Interruptible] = {
    "help": _prints("help", "train", said="--epochs"),
    "runs": _prints("runs", said="play"),
    "corpora": _prints("corpora", said="demo"),
    "doctor": _prints("doctor", said="python"),
    "inspect": _prints("inspect", "play.csv", said="ELAINE"),
    "evaluate": _prints("evaluate", "play", said="nats"),
    "originality": _prints("originality", "play.txt", "--run", "play", said="this text"),
    "convert": _writes("convert", "play.txt", "play.pdf", path="play.pdf"),
    "generate": _writes(
        "generate", "play", "--lines", "60", "--seed", "1", "-o", "new.txt", path="new.txt"
    ),
    "page": _writes("page", "play", "-o", "page", path="page/space.json"),
    "export": _writes("export", "play", "--onnx", "onnx", path="onnx/README.md"),
    "drafts": _writes("drafts", "--export", "draft.docx", path="draft.docx"),
    "prepare": Interruptible(
        ("prepare", "play.txt", "--name", "harbour", "--level", "bpe", "--force"), _prepared
    ),
    "train": Interruptible(
        ("train", "harbour", "--name", "new", "--epochs", "1", "--from", "none", *SMALL),
        lambda outcome: outcome.has_trained("new"), "new",
    ),
    "resume": Interruptible(("train", "--resume", "play", "--epochs", "1"), _resumed, "play"),
    "demo": Interruptible(
        ("demo", "--minutes", "0.02"), lambda outcome: outcome.has("runs/demo/model.safetensors"), "demo"
    ),
    "tune": Interruptible(("tune", "harbour", "--trials", "2", "--seconds", "1"), _tuned),
    "push": Interruptible(("push", "play", "--repo", _NEW_REPOSITORY), _pushed),
    "pull": Interruptible(
        ("pull", "ann/play"), lambda outcome: run_is_whole(outcome.workspace, "ann--play") is None
    ),
    "rename": Interruptible(
        ("rename", "runs/play", "other"), lambda outcome: run_is_whole(outcome.workspace, "other") is None
    ),
    "remove": Interruptible(
        ("remove", "runs/play", "--yes"), lambda outcome: not (outcome.workspace / "runs" / "play").exists()
    ),
    "serve": Interruptible(("serve", "play", "--no-browser", "--port", "0"), lambda outcome: False),
}  # fmt: skip
"""Every command."""


class Scene:
    """Where commands are interrupted: a workspace that they get copies of, and a Hub.

    Args:
        workspace: a furnished one, which is added to.
    """

    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        add_draft(workspace)
        self.hub = Hub()
        self.hub.enrol("ann", TOKEN)
        run = RunFolder(workspace / "runs" / "play")
        self.hub.publish("model", "ann/play", {name: (run.path / name).read_bytes() for name in run.needed})

    def environment(self, home: Path) -> dict[str, str]:
        """Return the environment of a command: that of Ann, who has a token for the Hub."""
        return {
            **clean_environment(home), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": self.hub.address,
            "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        }  # fmt: skip

    def begin(self, words: Sequence[str], workspace: Path) -> subprocess.Popen[str]:
        """Begin a command."""
        return subprocess.Popen(
            (*COMMAND, *words), cwd=workspace, env=self.environment(workspace.parent),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@contextmanager
def staged(furnished: Path) -> Iterator[Scene]:
    """Yield a scene as long as the block lasts."""
    with TemporaryDirectory(prefix="interrupted-") as folder:
        scene = Scene(copied(furnished, Path(folder) / "workspace"))
        try:
            yield scene
        finally:
            scene.hub.stop()


def interrupt(scene: Scene, command: Interruptible, longest: float, draw: random.Random) -> str | None:
    """Interrupt one command in a copy of a workspace; return what was wrong.

    Args:
        scene: where.
        command: which one.
        longest: seconds after which the signal comes at the latest.
        draw: decides when, by which signal, and whether another one follows.
    """
    first, second = draw.choice((signal.SIGINT, signal.SIGTERM)), draw.choice((signal.SIGINT, signal.SIGTERM))
    delay, pause = draw.random() * longest, draw.choice((None, 0.0, 0.02, 0.3))
    scene.hub.repositories.pop(("model", _NEW_REPOSITORY), None)
    with TemporaryDirectory(prefix="interrupted-") as folder:
        workspace = copied(scene.workspace, Path(folder) / "workspace")
        process = scene.begin(command.words, workspace)
        while process.poll() is None and not _listens(process.pid):
            time.sleep(0.005)
        time.sleep(delay)
        process.send_signal(first)
        if pause is not None:
            time.sleep(pause)
            process.send_signal(second)
        try:
            printed, errors = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return f"{first.name} after {delay:.2f} s, then {pause}: it did not end in {_PATIENCE} seconds"
        outcome = Outcome(workspace, printed, scene.hub)
        # Once the interpreter clears up, the system answers: a shell calls it 130 and 143, too.
        codes = (0, *(128 + number for number in (first, second)), *(-number for number in (first, second)))
        problem = unexplained(process.returncode, errors, codes)
        problem = problem or _not_done(command, process.returncode, outcome, was_asked_once=pause is None)
        looked = scene.begin(("runs",), workspace)
        _, errors = looked.communicate(timeout=_PATIENCE)
        problem = problem or unexplained(looked.returncode, errors, (0,))
    return problem and f"{first.name} after {delay:.2f} s, then {pause}: {problem}"


def _not_done(command: Interruptible, code: int, outcome: Outcome, *, was_asked_once: bool) -> str | None:
    """Return what is missing: of a command that says it has done its work, or a training that was stopped."""
    if code == 0:
        return None if command.is_done(outcome) else "it ended with 0 and is not done"
    if not command.run or not RunFolder(outcome.workspace / "runs" / command.run).config.is_file():
        return None
    # Whoever asks twice does not want to wait until it is saved.
    problem = run_can_go_on(outcome.workspace, command.run) if was_asked_once else None
    return problem and f"it ended with {code} and was not saved: {problem}"


def attack(furnished: Path, times: int, names: Sequence[str] = (*COMMANDS,), seed: int = 0) -> list[Part]:
    """Interrupt each command so many times."""
    parts = []
    with staged(furnished) as scene:
        for name in names:
            part = Part(f"`{name}`")
            parts.append(part)
            longest = _duration(scene, COMMANDS[name].words)
            for number in share(range(seed, seed + times)):
                draw = random.Random(f"{name} {number}")
                part.count(interrupt(scene, COMMANDS[name], longest, draw))
    return parts


def long_attack(most: int | None = None) -> list[Part]:
    """Interrupt each command 300 times, or so many."""
    with TemporaryDirectory(prefix="interrupted-") as folder:
        return attack(furnish(Path(folder) / "furnished"), most or 300, seed=DRAW)


def _listens(process: int) -> bool:
    """Return whether a process has taken SIGTERM, as scriptforge does before it imports anything."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")), "0")
    return bool(int(caught, 16) & _BIT_OF_SIGTERM)


def _duration(scene: Scene, words: Sequence[str]) -> float:
    """Return how many seconds a command takes that nobody interrupts."""
    with TemporaryDirectory(prefix="interrupted-") as folder:
        began = time.monotonic()
        process = scene.begin(words, copied(scene.workspace, Path(folder) / "workspace"))
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=10)
        process.kill()
        process.communicate()
        return time.monotonic() - began
