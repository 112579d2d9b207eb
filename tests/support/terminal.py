"""A pseudo-terminal that a real command runs in, and what a person sees there."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pyte

from support.command import COMMAND, environment

ROWS = 60


def frames(*words: str | Path, workspace: Path, columns: int) -> Iterator[list[str]]:
    """Run a command in a terminal and yield its lines whenever something new was drawn.

    Args:
        words: what follows `scriptforge`.
        workspace: where it runs.
        columns: width of the terminal, which is `ROWS` high.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    screen = pyte.Screen(columns, ROWS)
    stream = pyte.ByteStream(screen)
    process = subprocess.Popen(
        (*COMMAND, *map(str, words)),
        cwd=workspace,
        env=environment() | {"TERM": "xterm-256color", "COLUMNS": str(columns)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    try:
        while chunk := _read(master):
            stream.feed(chunk)
            yield [line.rstrip() for line in screen.display]
    finally:
        os.close(master)
        process.kill()
        process.wait()


def _read(master: int) -> bytes:
    """Return what was drawn since, or nothing once the last process has left the terminal."""
    try:
        return os.read(master, 65536)
    except OSError:  # how Linux says that the other side is closed
        return b""
