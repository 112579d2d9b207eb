"""Makes `docs/images/terminal.svg`, the picture in the README: what a real `scriptforge demo` printed.

    python docs/terminal.py

The demo runs in a folder of its own, which is thrown away. Of the validations the first and the last are kept
and the others are a line of dots; nothing else is changed.
"""

import io
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parent / "images" / "terminal.svg"
WIDTH = 100
MARGIN = 4
"""Columns kept free at the right, since some viewers draw letters wider than others."""

_WEB_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


def main() -> None:
    """Runs the demo and draws what it printed."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), highlight=False)
    console.print(Text.assemble(("$ ", "green"), ("scriptforge demo", "bold")))
    for line in _shortened(_printed_by_demo()):
        console.print(Text(line), width=WIDTH - MARGIN)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    code_format = _WEB_FONTS.sub("", CONSOLE_SVG_FORMAT).replace("Fira Code, monospace", "monospace")
    console.save_svg(str(PICTURE), title="scriptforge", code_format=code_format, unique_id="terminal")


def _printed_by_demo() -> list[str]:
    """The lines of both streams, in the order in which they came."""
    with TemporaryDirectory() as workspace:
        command = [sys.executable, "-m", "scriptforge", "demo"]
        demo = subprocess.run(
            command, cwd=workspace, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
    return demo.stdout.splitlines()


def _shortened(lines: Sequence[str]) -> Iterator[str]:
    for is_validation, group in groupby(lines, lambda line: line.startswith("step ")):
        same = list(group)
        yield from [same[0], "…", same[-1]] if is_validation and len(same) > 2 else same


if __name__ == "__main__":
    main()
