"""The most memory that a process holds at once: a command, or any program."""

import subprocess
import sys
from pathlib import Path

MEGABYTE = 2**20
_UNIT = 1 if sys.platform == "darwin" else 1024
_COMMAND = """
import sys
from scriptforge.cli.app import run
assert run(sys.argv[1:]) == 0
"""
_SAY_PEAK = """
import resource, sys
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def peak(*words: str | Path, workspace: Path) -> int:
    """Return the most bytes that a command held at once, which must succeed."""
    return peak_of(_COMMAND, *words, "--quiet", workspace=workspace)


def peak_of(program: str, *words: str | Path, workspace: Path) -> int:
    """Return the most bytes that a program in Python held at once, which must succeed."""
    command = [sys.executable, "-c", f"{program}\n{_SAY_PEAK}", *words]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=True)
    return int(done.stderr.splitlines()[-1]) * _UNIT
