"""Trains for one minute and for three, alone and beside a busy process; writes minutes.md.

    python docs/measured/minutes.py CORPUS

CORPUS is `seinfeld.txt`. Nothing else should run on the machine meanwhile; it takes twenty minutes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import torch

from scriptforge import __version__

PAGE = Path(__file__).with_suffix(".md")
RECIPES = {"the default": (), "`--preset classroom`": ("--preset", "classroom")}
MINUTES = (1, 3)


def main(corpus: Path, workspace: Path) -> None:
    """Measure, and write the page."""
    command(workspace, "prepare", corpus, "--name", "script")
    command(workspace, "prepare", corpus, "--name", "plain", "--plain", "--level", "word")
    rows = []
    for minutes in MINUTES:
        for recipe, words in RECIPES.items():
            dataset = "plain" if words else "script"
            for place in ("alone", "beside a busy process"):
                with busy(place != "alone"):
                    rows.append([f"{minutes}", recipe, place, *train(workspace, dataset, minutes, words)])
                sys.stderr.write(f"{rows[-1]}\n")
    PAGE.write_text(page(rows), encoding="utf-8")


def train(workspace: Path, dataset: str, minutes: int, words: tuple[str, ...]) -> list[str]:
    """Train, and return the cells of a row: steps, validations, seconds from start to exit, and beyond."""
    began = perf_counter()
    told = command(workspace, "train", dataset, "--minutes", minutes, "--cpu", "--json", *words)
    seconds = perf_counter() - began
    result: dict[str, Any] = json.loads(told)
    metrics = Path(workspace, "runs", result["run"], "metrics.jsonl").read_text("utf-8").splitlines()
    validations = [line for line in map(json.loads, metrics) if line["nats_per_token"] is not None]
    steps = json.loads(metrics[-1])["step"]
    beyond = seconds - 60 * minutes
    return [f"{steps:,}", f"{len(validations)}", f"{seconds:.1f}", f"{beyond:+.1f}"]


def command(workspace: Path, *words: object) -> str:
    """What a command prints on stdout."""
    line = [sys.executable, "-m", "scriptforge", *map(str, words)]
    return subprocess.run(line, cwd=workspace, stdout=subprocess.PIPE, text=True, check=True).stdout


@contextmanager
def busy(is_there: bool) -> Iterator[None]:
    """Let another process compute meanwhile, or none."""
    if not is_there:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            yield
        finally:
            other.kill()


def page(rows: list[list[str]]) -> str:
    """The page."""
    header = ["minutes", "recipe", "machine", "steps", "validations", "seconds", "beyond the limit, s"]
    table = [header, ["---:", "---", "---", *["---:"] * 4], *rows]
    lines = [f"| {' | '.join(row)} |" for row in table]
    return "\n".join(
        [
            "# Does `--minutes` hold its limit?",
            "",
            "<!-- Written by docs/measured/minutes.py. -->",
            "",
            f"Measured on {datetime.now(UTC):%Y-%m-%d} with scriptforge {__version__}, "
            f"torch {torch.__version__}, on {os.cpu_count()} cores.",
            "",
            "```",
            "python docs/measured/minutes.py seinfeld.txt",
            "```",
            "",
            "`scriptforge train` with `--minutes` on Seinfeld, from the start of the command to its exit. "
            "The other process is `while True: pass`.",
            "",
            *lines,
            "",
        ]
    )


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(Path(sys.argv[1]).resolve(), Path(folder))
