"""The real command, as a process of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "scriptforge")
SMALL = (
    "--set=hidden_size=16", "--set=embedding_size=8", "--set=batch_size=4", "--set=sequence_length=16",
)  # fmt: skip
"""Settings of a training that takes a second or two."""


@dataclass(frozen=True)
class Stage:
    """A workspace, and what the commands that filled it said."""

    path: Path
    prepared: dict[str, Any]
    trained: dict[str, Any]


def scriptforge(
    *words: str | Path, workspace: Path, stdin: str | None = None, memory: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs one command to its end.

    Args:
        words: what follows `scriptforge`.
        workspace: where it runs.
        stdin: what is piped in; nothing, from nowhere, if None.
        memory: bytes of address space it may have.
    """
    command = (*COMMAND, *map(str, words))
    if memory is not None:
        command = ("sh", "-c", f'ulimit -v {memory // 1024}; exec "$@"', "sh", *command)
    source = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run(
        command, cwd=workspace, env=environment(), capture_output=True, text=True, timeout=300, **source
    )


def begin(*words: str | Path, workspace: Path) -> subprocess.Popen[str]:
    """Begins a command and waits for the first line on its stderr."""
    process = subprocess.Popen(
        (*COMMAND, *map(str, words)),
        cwd=workspace,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    process.stderr.readline()
    return process


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Wait until what a process does has made a condition true, which fails if the process ends before."""
    while not condition():
        assert process.poll() is None, "the process has ended"
        time.sleep(0.02)


def end(process: subprocess.Popen[str], *signals: signal.Signals) -> tuple[int, str]:
    """Sends signals, waits for the end, and gives exit code and the rest of stderr."""
    for number in signals:
        process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    return process.returncode, errors


def environment() -> dict[str, str]:
    """Return the environment of a command: one thread, no colours, and the program on the path.

    So messages call it `scriptforge`.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PATH": path}
