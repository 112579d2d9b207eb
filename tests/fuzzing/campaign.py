"""Fuzzes targets one after the other, each in a process of its own, and counts what was tried and found."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from support.campaign import Part, share

from fuzzing.explore import SAYS
from fuzzing.target import FOUND
from fuzzing.targets import TARGETS

SECONDS = int(os.environ.get("FUZZ_SECONDS", 600))
"""For which each target is fuzzed in the long form."""

_TRIED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_SAID = re.compile(rf"^{SAYS} (.*)$", re.MULTILINE)
_BEGINNING = 600
"""Seconds that a target may take until it is fuzzed, and to end."""


def attack(
    names: Iterable[str] = TARGETS, seconds: int = SECONDS, most: int | None = None, found: Path = FOUND
) -> list[Part]:
    """Fuzz targets.

    Args:
        names: which ones.
        seconds: for how long each.
        most: after how many inputs each ends; None leaves that to the time.
        found: below which what is read wrongly is written: beside what was found before, which is left.
    """
    parts = []
    for name in share(names):
        part = Part(f"{name}, {seconds} seconds")
        parts.append(part)
        folder = found / name
        folder.mkdir(parents=True, exist_ok=True)
        before = set(folder.iterdir())
        options = [f"-max_total_time={seconds}", *([f"-runs={most}"] if most else [])]
        with TemporaryDirectory() as empty:
            done = subprocess.run(
                (sys.executable, "-m", "fuzzing.explore", name, str(folder), empty, *options),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=seconds + _BEGINNING,
            )
        counted = _TRIED.search(done.stderr)
        part.tried = int(counted[1]) if counted else 0
        part.failures += _SAID.findall(done.stderr)
        told = " ".join(part.failures)
        part.failures += [path.name for path in set(folder.iterdir()) - before if path.name not in told]
        if not part.failures and (done.returncode or not counted):
            part.failures.append(f"it ended with {done.returncode}: {done.stderr[-500:]}")
        if not any(folder.iterdir()):
            folder.rmdir()
    return parts


def long_attack(most: int | None = None) -> list[Part]:
    """Fuzz every target for so many `SECONDS`, or with so many inputs each."""
    return attack(most=most)
