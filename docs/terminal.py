"""Draw `docs/images/terminal.svg`, the README's picture: what a terminal shows of a real `scriptforge demo`.

    python docs/terminal.py

The demo runs in a pseudo-terminal, in a temporary folder. Of the validations, the first and the last are kept
and a line of dots replaces the others; nothing else is changed.
"""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parent / "images" / "terminal.svg"
WIDTH, HEIGHT = 96, 120
MARGIN = 4
"""Columns left free at the right, since some viewers draw wider letters."""

_WEB_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


def main() -> None:
    """Run the demo and draw what the terminal shows at its end."""
    console = Console(record=True, width=WIDTH + MARGIN, file=io.StringIO(), highlight=False)
    console.print(Text.assemble(("$ ", "green"), ("scriptforge demo", "bold")))
    for line in _shortened(_shown_by_demo()):
        console.print(line)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    code_format = _WEB_FONTS.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code, monospace", "monospace")
    console.save_svg(str(PICTURE), title="scriptforge", code_format=code_format, unique_id="terminal")


def _shown_by_demo() -> list[Text]:
    """Return the lines of the terminal at the end of the demo, with their colours, up to the last one."""
    screen = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.ByteStream(screen)
    ours, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with TemporaryDirectory() as workspace:
        demo = subprocess.Popen(
            [sys.executable, "-m", "scriptforge", "demo"],
            cwd=workspace,
            env={**os.environ, "PATH": path, "TERM": "xterm-256color"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        while chunk := _read(ours):
            stream.feed(chunk)
        os.close(ours)
        if code := demo.wait():
            raise SystemExit(f"The demo ended with {code}.")
    lines = [_line(screen, row) for row in range(HEIGHT)]
    while not lines[-1].plain:
        lines.pop()
    return lines


def _read(terminal: int) -> bytes:
    """Return new output of the demo; empty once it has closed the terminal."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # on Linux: the other side is closed
        return b""


def _line(screen: pyte.Screen, row: int) -> Text:
    """Return a line of the screen with its colours."""
    line = Text()
    for column in range(WIDTH):
        character = screen.buffer[row][column]
        colour = "" if character.fg == "default" else character.fg.replace("brown", "yellow")
        line.append(character.data, " ".join(filter(None, ("bold" if character.bold else "", colour))))
    line.rstrip()
    return line


def _shortened(lines: Sequence[Text]) -> Iterator[Text]:
    """Yield the lines, with only the first and the last of many validations."""
    for is_validation, group in groupby(_joined(lines), lambda lines: lines[0].plain.startswith("step ")):
        same = list(group)
        kept = [same[0], [Text("…")], same[-1]] if is_validation and len(same) > 2 else same
        yield from (line for part in kept for line in part)


def _joined(lines: Sequence[Text]) -> Iterator[list[Text]]:
    """Yield lines of the screen that belong together: a wrapped line, or a whole validation."""
    part: list[Text] = []
    for line in lines:
        is_validation = bool(part) and part[0].plain.startswith("step ")
        goes_on = not line.plain.startswith(("step ", "3. ")) if is_validation else False
        if part and not goes_on and len(part[-1].plain) < WIDTH:
            yield part
            part = []
        part.append(line)
    yield part


if __name__ == "__main__":
    main()
