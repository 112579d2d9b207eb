"""Trains beside a busy process that comes and goes, with fixed and adaptive threads; writes threads.md.

    python docs/measured/threads.py CORPUS WORKSPACE

CORPUS is `seinfeld.txt`. Nothing else should run on the machine meanwhile; it takes seven minutes. The three
training runs take turns, each with the same phases, in which the other process is there or not.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from scriptforge.cli.app import THREAD_SPINS

os.environ.pop("OMP_NUM_THREADS", None)
os.environ.setdefault("GOMP_SPINCOUNT", THREAD_SPINS)  # as the command line does, before torch is imported

import torch

import scriptforge
from scriptforge.config import Settings
from scriptforge.dataset import Dataset
from scriptforge.options import TrainOptions
from scriptforge.training.process_state import keep_freed_memory
from scriptforge.training.trainer import start
from scriptforge.training_runs.train import choose_settings
from scriptforge.workspace import RunFolder, Workspace

PAGE = Path(__file__).with_suffix(".md")
SECONDS = 20.0
PLANS = ((False, True, False), (True, False, True))
"""Of each phase, whether the other process is there."""

CONTENDERS: Mapping[str, int | None] = {"1 thread": 1, "2 threads": 2, "adaptive": None}


class Schedule:
    """Phases of a training run; asked after every step, it lets the other process come and go, and counts.

    Args:
        plan: of each phase, whether the other process is there.
    """

    def __init__(self, plan: tuple[bool, ...]) -> None:
        self._plan = plan
        self._other: subprocess.Popen[bytes] | None = None
        self._phase = -1
        self._began = 0.0
        self.steps = 0
        self.rates: list[float] = []

    def should_stop(self) -> bool:
        """Count a step, and return whether the last phase is over."""
        now = perf_counter()
        self.steps += 1
        if self._phase >= 0 and now - self._began < SECONDS:
            return False
        if self._phase >= 0:
            self.rates.append(self.steps / (now - self._began))
        self._phase += 1
        is_over = self._phase == len(self._plan)
        self._let(not is_over and self._plan[self._phase])
        self._began, self.steps = perf_counter(), 0
        return is_over

    def _let(self, is_there: bool) -> None:
        if is_there and self._other is None:
            self._other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        elif not is_there and self._other is not None:
            self._other.kill()
            self._other.wait()
            self._other = None


def rates(dataset: Dataset, settings: Settings, folder: RunFolder, plan: tuple[bool, ...]) -> list[float]:
    """Tokens a second in each phase of a training run."""
    schedule = Schedule(plan)
    for _ in start(dataset, settings, folder, "cpu", schedule.should_stop):
        pass
    return [rate * settings.batch_size * settings.sequence_length for rate in schedule.rates]


def main(corpus: Path, workspace: Path) -> None:
    """Measure, and write the page."""
    keep_freed_memory()
    dataset = scriptforge.prepare(corpus, name="seinfeld", force=True, workspace=workspace)
    found = choose_settings(dataset, TrainOptions(minutes=3), "cpu").settings
    settings = found.model_copy(update={"minutes": None, "epochs": 1000.0, "validations": 1})
    measured: dict[str, list[list[float]]] = {name: [] for name in CONTENDERS}
    for number, plan in enumerate(PLANS):
        names = list(CONTENDERS)
        for name in names[number:] + names[:number]:
            own = settings.model_copy(update={"threads": CONTENDERS[name]})
            measured[name].append(rates(dataset, own, Workspace(workspace).new_run("threads"), plan))
            sys.stderr.write(f"{name} {plan} {[round(rate) for rate in measured[name][-1]]}\n")
    PAGE.write_text(page(measured, settings), encoding="utf-8")


def page(measured: Mapping[str, list[list[float]]], settings: Settings) -> str:
    """The page."""
    lines = [
        "# Training beside a busy process",
        "",
        "<!-- Written by docs/measured/threads.py. -->",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with scriptforge {scriptforge.__version__}, "
        f"torch {torch.__version__}, on {os.cpu_count()} cores.",
        "",
        "```",
        "python docs/measured/threads.py seinfeld.txt WORKSPACE",
        "```",
        "",
        f"The model that `train --minutes 3` chooses for Seinfeld here ({settings.hidden_size} units, "
        f"{settings.precision}), trained with one thread, with two, and with as many as are fastest at "
        f"present. Each phase has {SECONDS:.0f} seconds, with the seconds in which the adaptive training "
        "notices that the other process has come or gone. That process is `while True: pass`.",
        "",
        f"| phase | {' | '.join(f'{name}, tokens/s' for name in CONTENDERS)} | adaptive, of the better one |",
        f"| --- |{' ---: |' * (len(CONTENDERS) + 1)}",
    ]
    for number, plan in enumerate(PLANS):
        for phase, is_there in enumerate(plan):
            row = [measured[name][number][phase] for name in CONTENDERS]
            share = row[-1] / max(row[:-1])
            figures = " | ".join(f"{rate:,.0f}" for rate in row)
            lines.append(f"| {_words(phase, is_there)} | {figures} | {share:.0%} |")
    return "\n".join([*lines, ""])


def _words(phase: int, is_there: bool) -> str:
    if not phase:
        return "begins beside the other process" if is_there else "begins alone"
    return "the other process comes" if is_there else "it leaves"


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
