"""How soon the command line answers, compared with a Python process that imports a library it is built on.

Each contender is a process of its own, timed from its start to its end, or to the first thing that a terminal
shows. They take turns.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from support.command import SMALL, scriptforge
from support.terminal import frames
from support.tiny import comedy

from benchmarks.harness import compare, turns
from benchmarks.results import Comparison

ROUNDS, FEWER_ROUNDS = 15, 5
NUMPY, TORCH = "python -c 'import numpy'", "python -c 'import torch'"
GENERATE = "generate --lines 1"
WHOLE = {
    GENERATE: ["generate", "play", "--lines", "1", "--seed", "1"],
    "inspect of a small file": ["inspect", "harbour.txt"],
    "doctor": ["doctor"],
    "originality": ["originality", "harbour.txt", "--run", "play"],
}
PYTHON, TYPER, HELP = "python", "python -c 'import typer'", "scriptforge --help"
COMMANDS = {
    HELP: ["--help"],
    "scriptforge generate --help": ["generate", "--help"],
    "scriptforge runs": ["runs"],
}

WORDS = {
    "demo": (),
    "prepare": ("harbour.txt", "--force"),
    "train": ("harbour", "--name", "other", "--force", "--epochs", "1"),
    "tune": ("harbour", "--trials", "1", "--seconds", "1"),
    "generate": (),
    "evaluate": (),
    "originality": ("harbour.txt",),
    "push": ("ann/play", "--dry-run"),
    "pull": ("ann/play",),
    "runs": (),
    "convert": ("harbour.txt", "harbour.fountain", "--force"),
    "doctor": (),
    "rename": ("play", "play"),
    "remove": ("nothing",),
}
"""The arguments of each command, in a workspace with a text, a dataset and a run."""


def run() -> list[Comparison]:
    """Measure how soon commands answer, their processor time, and how soon they show something."""
    return [*answers(), *whole_commands(), *signs()]


def answers() -> list[Comparison]:
    """Measure the milliseconds until each contender has answered."""
    with TemporaryDirectory() as folder:
        contenders = {
            PYTHON: process(["-c", ""], folder),
            TYPER: process(["-c", "import typer"], folder),
            **{name: process(["-m", "scriptforge", *words], folder) for name, words in COMMANDS.items()},
        }
        return [
            compare(
                "starting", "ms", contenders, rounds=ROUNDS, baseline=TYPER, answers={HELP: "U1"}
            )
        ]  # fmt: skip


def whole_commands() -> list[Comparison]:
    """Measure the processor time of whole commands in milliseconds, compared with importing a library."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "harbour.txt").write_text(comedy(400), encoding="utf-8")
        for words in (("prepare", "harbour.txt"), ("train", "--name", "play", "--epochs", "1", *SMALL)):
            assert scriptforge(*words, workspace=place, fresh=True).returncode == 0
        contenders = {
            NUMPY: processor_time(["-c", "import numpy"], place),
            TORCH: processor_time(["-c", "import torch"], place),
            **{name: processor_time(["-m", "scriptforge", *words], place) for name, words in WHOLE.items()},
        }
        figures = turns(contenders, ROUNDS)
    rows = {name: "S1" if name == GENERATE else "S3" for name in WHOLE}
    one_line = {name: figures[name] for name in (TORCH, GENERATE)}
    return [
        Comparison(title="whole commands", unit="ms", baseline=NUMPY, figures=figures, answers=rows),
        Comparison(title="one line", unit="ms", baseline=TORCH, figures=one_line, answers={GENERATE: "S2"}),
    ]


def processor_time(words: Sequence[str], folder: Path) -> Callable[[], float]:
    """Return a contender: a Python process with these arguments, in milliseconds of processor time.

    Other work on the machine affects it less. Modules are compiled once, as in an installed package.
    """
    command = [str(Path(sys.executable)), *words]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "compiled")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def milliseconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    return milliseconds


def process(words: Sequence[str], folder: str) -> Callable[[], float]:
    """Return a contender: a Python process with these arguments in an empty folder, in milliseconds."""
    command = [str(Path(sys.executable)), *words]

    def milliseconds() -> float:
        begun = time.perf_counter()
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        return 1000 * (time.perf_counter() - begun)

    return milliseconds


def signs() -> list[Comparison]:
    """Measure the milliseconds until each command has shown something in a terminal."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "harbour.txt").write_text(comedy(400), encoding="utf-8")
        for words in (("prepare", "harbour.txt"), ("train", "--name", "play", "--epochs", "1", *SMALL)):
            assert scriptforge(*words, workspace=place, fresh=True).returncode == 0
        contenders = {name: first_sign((name, *words), place) for name, words in WORDS.items()}
        return [compare("first sign in a terminal", "ms", contenders, rounds=FEWER_ROUNDS, baseline="runs")]


def first_sign(words: Sequence[str], workspace: Path) -> Callable[[], float]:
    """Return a contender: a command in a terminal, until it shows anything but blanks, in milliseconds."""

    def milliseconds() -> float:
        begun = time.perf_counter()
        shown = frames(*words, workspace=workspace, columns=80, fresh=True)
        assert any(any(frame) for frame in shown), f"{words[0]} shows nothing"
        seconds = time.perf_counter() - begun
        shown.close()
        return 1000 * seconds

    return milliseconds
