"""The real command, as a process of its own."""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

from support import prefork

COMMAND = (sys.executable, "-m", "scriptforge")
SMALL = (
    "--set=hidden_size=16", "--set=embedding_size=8", "--set=batch_size=4", "--set=sequence_length=16",
)  # fmt: skip
"""Settings of a training that takes a second or two."""

_PATIENCE = 300  # seconds

FORKS = sys.platform == "linux"
"""Whether commands are forks of one process (`prefork`); macOS lacks the kind of socket that this takes."""


@dataclass(frozen=True)
class TrainedWorkspace:
    """A workspace, and what the commands that filled it said."""

    path: Path
    prepared: dict[str, Any]
    trained: dict[str, Any]

    def copied(self, path: Path) -> "TrainedWorkspace":
        """Return a copy, which may be changed."""
        return replace(self, path=shutil.copytree(self.path, path))


def heed_interrupts() -> None:
    """Let Ctrl+C end what this process starts: a shell makes jobs in the background ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def scriptforge(
    *words: str | Path,
    workspace: Path,
    stdin: str | None = None,
    memory: int | None = None,
    fresh: bool = False,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end.

    Args:
        words: what follows `scriptforge`.
        workspace: where it runs.
        stdin: what is piped in; nothing, from nowhere, if None.
        memory: bytes of address space it may have.
        fresh: whether the interpreter starts anew, which takes seconds, and not as a fork (`prefork`).
        variables: what its environment has besides.
    """
    surroundings = {**environment(), **variables}
    if memory is None and not fresh and FORKS:
        return _forked(list(map(str, words)), workspace, stdin, surroundings)
    command = (*COMMAND, *map(str, words))
    if memory is not None:
        command = ("sh", "-c", f'ulimit -v {memory // 1024}; exec "$@"', "sh", *command)
    source = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run(
        command, cwd=workspace, env=surroundings, capture_output=True, text=True, timeout=_PATIENCE, **source
    )


@functools.cache
def _server() -> prefork.Server:
    return prefork.Server()


def run_forked(words: list[str], workspace: Path, files: list[int], surroundings: dict[str, str]) -> int:
    """Run a command as a fork, with these files as stdin, stdout and stderr; return its exit code."""
    return _server().run("scriptforge", words, workspace, surroundings, files, _PATIENCE)


def _forked(
    words: list[str], workspace: Path, stdin: str | None, surroundings: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    said = functools.partial(tempfile.TemporaryFile, "w+", encoding="utf-8")
    with said() as output, said() as errors, _piped(stdin) as source:
        files = [source, output.fileno(), errors.fileno()]
        code = run_forked(words, workspace, files, surroundings)
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(words, code, output.read(), errors.read())


@contextlib.contextmanager
def _piped(text: str | None) -> Iterator[int]:
    """Yield a descriptor to read a text from: a pipe that somebody writes to, or nothing at all."""
    if text is None:
        with Path(os.devnull).open("rb") as nothing:
            yield nothing.fileno()
        return
    reading, writing = os.pipe()
    with os.fdopen(writing, "w", encoding="utf-8") as pipe, os.fdopen(reading, "rb") as source:
        writer = threading.Thread(target=_write_and_close, args=(pipe, text))
        writer.start()
        yield source.fileno()
        source.close()
        writer.join()


def _write_and_close(pipe: TextIO, text: str) -> None:
    with contextlib.suppress(BrokenPipeError), pipe:
        pipe.write(text)


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
