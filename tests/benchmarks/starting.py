"""How soon the command line answers, beside a Python that imports what every command line here is made with.

Each is a process of its own, from its start to its end, and they take turns.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import compare
from benchmarks.results import Comparison

ROUNDS = 15
PYTHON, TYPER, HELP = "python", "python -c 'import typer'", "scriptforge --help"
COMMANDS = {
    HELP: ["--help"],
    "scriptforge generate --help": ["generate", "--help"],
    "scriptforge runs": ["runs"],
}


def run() -> list[Comparison]:
    """Milliseconds until each has answered."""
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


def process(words: Sequence[str], folder: str) -> Callable[[], float]:
    """A contender: a Python with these arguments, in an empty folder, in milliseconds."""
    command = [str(Path(sys.executable)), *words]

    def milliseconds() -> float:
        begun = time.perf_counter()
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        return 1000 * (time.perf_counter() - begun)

    return milliseconds
