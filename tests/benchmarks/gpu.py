"""All checks that need a GPU, in at most eight minutes, with one command on a machine that has one.

    make gpu-check CORPORA=FOLDER                   or, with PYTHONPATH=tests:
    python -m benchmarks.gpu --corpora FOLDER       measures the rows H1, H2 and H3 of docs/benchmarks.md, too
    python -m benchmarks.gpu --rehearse             the same steps on the CPU with little text; saves nothing

The most important steps come first. Each is stopped when the time is up. Steps that failed or did not finish
are listed at the end, and make the exit code 1. H3 trains with the preset `classroom`. The folder holds
`tinyshakespeare.txt` and `seinfeld.txt`; without it only the first three steps run.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from benchmarks.quality import CORPORA_VARIABLE, SEINFELD_WORDS, SHAKESPEARE, missing_corpora
from scriptforge.config import resolve
from scriptforge.errors import UsageError
from scriptforge.inference import config_from_settings
from scriptforge.models import build
from scriptforge.training.devices import choose_device, hardware
from scriptforge.training.parity import TOLERANCE, compare

MINUTES = 8.0
LEARNT_ALIKE = 0.02
"""Largest relative difference of the losses after one epoch on the CPU and on the GPU."""

_ARCHITECTURES = ("lstm", "gru", "rnn", "lstm-attention", "transformer")
_VOCABULARY, _STREAMS, _STEPS = 512, 16, 64
_ALIKE = ("precision=fp32", "hidden_size=128", "batch_size=16", "sequence_length=64")
_TESTS = Path(__file__).resolve().parent.parent


class Failed(Exception):
    """A step failed; the message says why."""


@dataclass(frozen=True)
class Check:
    """The settings that all steps share.

    Attributes:
        device: the device to check: `cuda`, `mps`, or `cpu` in a rehearsal.
        corpora: the folder of the corpora.
        ends: when the time is up, on the clock `time.monotonic`.
        is_rehearsal: whether to try out the steps only, with trainings of a second.
    """

    device: str
    corpora: str
    ends: float
    is_rehearsal: bool

    @property
    def flag(self) -> str:
        """Return the option by which a training uses the device."""
        return "--cpu" if self.device == "cpu" else "--gpu"

    def run(self, *words: str) -> str:
        """Run Python in a process of its own until the time is up, and return its output.

        Raises:
            Failed: it exits with an error, or does not end in time.
        """
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_TESTS), str(_TESTS.parent)])}
        left = self.ends - time.monotonic()
        try:
            done = subprocess.run(
                [sys.executable, *words],
                env=environment,
                capture_output=True,
                text=True,
                encoding="utf-8",
                timeout=max(left, 0.001),
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed("not done in time") from None
        if done.returncode:
            raise Failed("\n".join((done.stdout + done.stderr).strip().splitlines()[-12:]))
        return done.stdout


Step = Callable[[Check], None]


def parity(check: Check) -> None:
    """Compare the loss and the gradients of one step on the device and on the CPU, for each architecture."""
    off = []
    for arch in _ARCHITECTURES:
        torch.manual_seed(1)
        settings = resolve(
            {"arch": arch, "epochs": 1, "hidden_size": 128, "embedding_size": 128, "layers": 2}
        )
        model = build(config_from_settings(settings, _VOCABULARY))
        ids_BT = torch.randint(_VOCABULARY, (_STREAMS, _STEPS))
        found = compare(model, ids_BT, ids_BT.roll(-1, 1), torch.device(check.device))
        print(f"  {arch}: loss {found.loss:.1e}, gradient {found.gradient:.1e} ({found.weight})", flush=True)
        if max(found.loss, found.gradient) > TOLERANCE:
            off.append(arch)
    if off:
        raise Failed(f"off by more than {TOLERANCE:.0%}: {', '.join(off)}")


def learning(check: Check) -> None:
    """Compare the losses after an epoch of the demo on the device and on the CPU, in fp32 without dropout."""
    with TemporaryDirectory() as workspace:
        check.run("-m", "scriptforge", "prepare", "demo", "--workspace", workspace)
        nats = []
        for flag in ("--cpu", check.flag):
            changes = [
                *_ALIKE,
                *(f"dropout_{name}=0" for name in ("input", "output", "between", "recurrent")),
            ]
            settings = [word for change in changes for word in ("--set", change)]
            asked = ("demo", flag, "--epochs", "0.2" if check.is_rehearsal else "1", "--from", "none")
            told = check.run(
                "-m", "scriptforge", "train", *asked, *settings,
                "--json", "--force", "--name", "alike", "--workspace", workspace,
            )  # fmt: skip
            nats.append(float(json.loads(told)["best"]["stream"]["nats_per_character"]))
    print(f"  {nats[0]:.4f} nats per character on the CPU, {nats[1]:.4f} on the device", flush=True)
    if abs(nats[1] / nats[0] - 1) > LEARNT_ALIKE:
        raise Failed(f"more than {LEARNT_ALIKE:.0%} apart")


def tests(check: Check) -> None:
    """Run the tests that a machine without a GPU skips."""
    files = [str(_TESTS / "training" / f"test_{name}.py") for name in ("devices", "parity")]
    told = check.run("-m", "pytest", "-n", "0", "-q", "-m", "slow or not slow", *files)
    print(f"  {told.strip().splitlines()[-1]}", flush=True)


def row(series: str) -> Step:
    """Return the step that measures one row of the table of goals."""

    def measure(check: Check) -> None:
        shortened = ("--minutes", "0.02", "--on", "cpu") if check.is_rehearsal else ("--again",)
        told = check.run(
            "-m", "benchmarks.quality", series, "--seeds", "1", "--corpora", check.corpora, *shortened
        )
        print("\n".join(f"  {line}" for line in told.strip().splitlines()), flush=True)

    measure.__doc__ = f"Row {series}."
    return measure


WITHOUT_CORPORA: dict[str, Step] = {"parity": parity, "learning": learning, "tests": tests}
WITH_CORPORA: dict[str, Step] = {series: row(series) for series in ("H1", "H2", "H3")}


def run(steps: dict[str, Step], check: Check) -> list[str]:
    """Run steps until the time is up, and return the names of those that failed."""
    failed = []
    for name, step in steps.items():
        print(f"{name}: {step.__doc__}", flush=True)
        try:
            if time.monotonic() >= check.ends:
                raise Failed("not done in time")
            step(check)
        except Failed as problem:
            print(f"  FAILED: {problem}", flush=True)
            failed.append(name)
    return failed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the steps that the command line asks for, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--corpora", default=os.environ.get(CORPORA_VARIABLE), metavar="FOLDER")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU and on little text")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="after which everything stops")
    asked = parser.parse_args(arguments)
    try:
        device = "cpu" if asked.rehearse else choose_device("gpu")
    except UsageError as problem:
        print(problem.message, "Try the steps on the CPU with --rehearse.")
        return 1
    print(
        f"{hardware(torch.device(device), f'{torch.get_num_threads()} threads')}, torch {torch.__version__}"
    )
    with TemporaryDirectory() as folder:
        corpora = _little_corpora(Path(folder)) if asked.rehearse else asked.corpora
        check = Check(device, corpora or "", time.monotonic() + 60 * asked.minutes, asked.rehearse)
        steps = WITHOUT_CORPORA
        if missing := missing_corpora(corpora, [SHAKESPEARE, SEINFELD_WORDS]):
            print(f"{missing} So H1, H2 and H3 are left out.")
        else:
            steps = WITHOUT_CORPORA | WITH_CORPORA
        failed = run(steps, check)
    print(f"Not passed: {', '.join(failed)}." if failed else "All passed.")
    return int(bool(failed))


def _little_corpora(folder: Path) -> str:
    """Write small stand-ins for the corpora, for a rehearsal, and return their folder."""
    from support.tiny import comedy

    for name in ("tinyshakespeare", "seinfeld"):
        (folder / f"{name}.txt").write_text(comedy(2000), encoding="utf-8")
    return str(folder)


if __name__ == "__main__":
    sys.exit(main())
