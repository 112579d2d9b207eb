"""A pseudo-terminal that a real command runs in, and what a person sees there."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import pyte

from support.command import COMMAND, FORKS, environment, run_forked

ROWS = 60
_STYLE = re.compile(r"\x1b\[[\d;]*m")


def received(*words: str | Path, **environment: str) -> str:
    """Run Python in a terminal and return all that the terminal receives on both streams.

    Args:
        words: what follows `python`.
        environment: what differs from this process's, in which `NO_COLOR` is not passed on.
    """
    controller, terminal = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdout=terminal,
        stderr=terminal,
        env={**inherited, "TERM": "xterm-256color", **environment},
    )
    os.close(terminal)
    content = b"".join(iter(lambda: _read(controller), b""))
    os.close(controller)
    assert process.wait(60) == 0
    return content.decode()


def without_styles(content: str) -> str:
    """Return what a terminal receives, without colours and the like."""
    return _STYLE.sub("", content)


def frames(*words: str | Path, workspace: Path, columns: int, fresh: bool = False) -> Generator[list[str]]:
    """Run a command in a terminal and yield its lines whenever something new was drawn.

    Args:
        words: what follows `scriptforge`.
        workspace: where it runs.
        columns: width of the terminal, which is `ROWS` high.
        fresh: whether the interpreter starts anew, and not as a fork.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    screen = pyte.Screen(columns, ROWS)
    stream = pyte.ByteStream(screen)
    surroundings = environment() | {"TERM": "xterm-256color", "COLUMNS": str(columns)}
    begin = _begin_forked if FORKS and not fresh else _begin_anew
    end = begin(list(map(str, words)), workspace, slave, surroundings)
    try:
        while chunk := _read(master):
            stream.feed(chunk)
            yield [line.rstrip() for line in screen.display]
    finally:
        os.close(master)
        end()


def drawn(*words: str | Path, workspace: Path, variables: Mapping[str, str], columns: int = 100) -> str:
    """Run a command in a terminal and return all that the terminal receives on both streams.

    Args:
        words: what follows `scriptforge`.
        workspace: where it runs.
        variables: what its environment has besides.
        columns: width of the terminal.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    surroundings = environment() | {"TERM": "xterm-256color", "COLUMNS": str(columns), **variables}
    begin = _begin_forked if FORKS else _begin_anew
    end = begin(list(map(str, words)), workspace, slave, surroundings)
    try:
        return b"".join(iter(lambda: _read(master), b"")).decode(errors="replace")
    finally:
        os.close(master)
        end()


def _begin_anew(
    words: list[str], workspace: Path, terminal: int, surroundings: dict[str, str]
) -> Callable[[], None]:
    """Begin a command in a new interpreter, and return what ends it."""
    process = subprocess.Popen(
        (*COMMAND, *words), cwd=workspace, env=surroundings, stdin=terminal, stdout=terminal, stderr=terminal
    )
    os.close(terminal)

    def end() -> None:
        process.kill()
        process.wait()

    return end


def _begin_forked(
    words: list[str], workspace: Path, terminal: int, surroundings: dict[str, str]
) -> Callable[[], None]:
    """Begin a command as a fork, and return what waits for its end."""

    def run() -> None:
        try:
            run_forked(words, workspace, [terminal] * 3, surroundings)
        finally:
            os.close(terminal)

    thread = threading.Thread(target=run)
    thread.start()
    return thread.join


def _read(master: int) -> bytes:
    """Return what was drawn since, or nothing once the last process has left the terminal."""
    try:
        return os.read(master, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""
