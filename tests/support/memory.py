"""The most memory that a process holds at once: a command, or any program."""

import subprocess
import sys
from pathlib import Path

MEGABYTE = 2**20
_COMMAND = """
import sys
from scriptforge.cli.app import run
assert run(sys.argv[1:]) == 0
"""
_SAY_PEAK = """
import resource, sys
if sys.platform == "linux":
    with open("/proc/self/status") as status:
        kilobytes = int(status.read().partition("VmHWM:")[2].split()[0])
else:
    units = 1024 if sys.platform == "darwin" else 1
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // units
print(kilobytes, file=sys.stderr)
"""
"""On Linux, `getrusage` of a new process starts from the memory of the process that started it."""


def peak(*words: str | Path, workspace: Path) -> int:
    """Return the most bytes that a command held at once, which must succeed."""
    return peak_of(_COMMAND, *words, "--quiet", workspace=workspace)


def peak_of(program: str, *words: str | Path, workspace: Path) -> int:
    """Return the most bytes that a program in Python held at once, which must succeed."""
    command = [sys.executable, "-c", f"{program}\n{_SAY_PEAK}", *words]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=True)
    return int(done.stderr.splitlines()[-1]) * 1024
