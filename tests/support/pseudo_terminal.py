"""A terminal for a process to write to."""

import os
import pty
import re
import subprocess
import sys

_STYLE = re.compile(r"\x1b\[[\d;]*m")


def on_a_terminal(code: str, **environment: str) -> str:
    """What a terminal shows of a process that runs some code: what it receives, without styles."""
    controller, terminal = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=terminal,
        stderr=terminal,
        env={**inherited, "TERM": "xterm", "NO_COLOR": "1", **environment},
    )
    os.close(terminal)
    received = b""
    try:
        while chunk := os.read(controller, 4096):
            received += chunk
    except OSError:  # Linux says so when the other end has closed
        pass
    os.close(controller)
    assert process.wait(60) == 0
    return _STYLE.sub("", received.decode())
