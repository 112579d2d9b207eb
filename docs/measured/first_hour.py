"""Does what a newcomer does in the first hour, and keeps what comes of it; writes first-hour.md.

    python docs/measured/first_hour.py CORPORA [WORKSPACE]

CORPORA is a folder with the texts of three cards: `seinfeld.txt`, `southpark/`, `biglebowski.txt`. What is in
the WORKSPACE already is not made again. The folder first-hour/ keeps what docs/making prints from. The page
shows what a model writes after some times.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from scriptforge import __version__
from scriptforge.dataset import Dataset
from scriptforge.options import GenerateOptions
from scriptforge.workspace import Workspace

HERE = Path(__file__).parent
PAGE, RECORD = HERE / "first-hour.md", HERE / "first-hour"
MINUTES = {"seinfeld": 1, "seinfeld-2": 3, "seinfeld-3": 20}
"""How long each run is trained."""

LINES, SEED = 20, 1
TEMPERATURES = (0.5, 0.7, 0.9, 1.0, 1.2)
WINDOW, PIECES = 1000, 10
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def main(corpora: Path, place: Path) -> None:
    """Runs the commands, and writes the record and the page.

    Args:
        corpora: the folder of texts.
        place: the workspace.
    """
    links = {"seinfeld.txt": "seinfeld.txt", "south-park": "southpark", "big-lebowski.txt": "biglebowski.txt"}
    for link, target in links.items():
        if not (place / link).exists():
            (place / link).symlink_to(corpora.resolve() / target)
    make(place, "runs/demo", "demo")
    make(place, "data/seinfeld", "prepare", "seinfeld", "--from", "seinfeld.txt")
    for run, minutes in MINUTES.items():
        make(place, f"runs/{run}", "train", "seinfeld", "--name", run, "--minutes", minutes, "--cpu")
    mixed = ("seinfeld.txt", "./south-park", "big-lebowski.txt=3")
    printed = {"prepare mix": command(place, "prepare", *mixed, "--name", "mix", "--force")}
    make(place, "runs/mix", "train", "mix", "--minutes", 1, "--cpu")
    printed["evaluate mix"] = command(place, "evaluate", "mix")
    record(place, printed)
    parts = [pages(place), words(place, Dataset(Workspace(place).dataset("seinfeld")))]
    PAGE.write_text(page(parts), encoding="utf-8")


def make(place: Path, folder: str, *words: object) -> None:
    """Runs the command that makes a folder of the workspace, unless it is there."""
    if not (place / folder).is_dir():
        command(place, *words)


def command(place: Path, *words: object) -> str:
    """What a command prints on stdout."""
    line = [sys.executable, "-m", "scriptforge", *map(str, words)]
    return subprocess.run(line, cwd=place, stdout=subprocess.PIPE, text=True, check=True).stdout


def record(place: Path, printed: dict[str, str]) -> None:
    """Keeps what docs/making reads: the history of the demo, and what was printed."""
    shutil.rmtree(RECORD, ignore_errors=True)
    (RECORD / "runs" / "demo").mkdir(parents=True)
    shutil.copy(place / "runs" / "demo" / "metrics.jsonl", RECORD / "runs" / "demo")
    kept = json.dumps(printed, ensure_ascii=False, indent=1)
    assert os.fspath(place) not in kept
    (RECORD / "printed.json").write_text(f"{kept}\n", encoding="utf-8")


def pages(place: Path) -> str:
    """What each run writes, with the figures that it reached."""
    parts = ["## The same page after each time"]
    for run, minutes in MINUTES.items():
        result: dict[str, Any] = json.loads((place / "runs" / run / "config.json").read_text("utf-8"))
        bits = result["result"]["best"]["stream"]["bits_per_character"]
        text = command(place, "generate", run, "--lines", LINES, "--seed", SEED, "--quiet")
        parts += [
            f"### After {minutes} minute{'s' if minutes > 1 else ''}",
            f"{result['parameters']:,} parameters, {bits:.3f} bits per character.",
            f"```text\n{text.strip()}\n```",
        ]
    return "\n\n".join(parts)


def words(place: Path, dataset: Dataset) -> str:
    """How many different words a thousand have, and how many words the training text does not have."""
    known = {word.lower() for row in dataset.rows("train") for word in _WORD.findall(row.text)}
    people = [word.lower() for row in dataset.rows("validation") for word in _WORD.findall(row.text)]
    table = [["people, in the validation split", *figures([people], known)]]
    for run, minutes in MINUTES.items():
        for temperature in TEMPERATURES:
            said = command(
                place, "generate", run, "-n", PIECES, "--seed", SEED, "--lines", 200, "--json",
                "--temperature", temperature,
            )  # fmt: skip
            texts = [
                [w.lower() for element in each["elements"] for w in _WORD.findall(element["text"])]
                for each in json.loads(said)
            ]
            default = ", the default" if temperature == GenerateOptions.temperature else ""
            table.append([f"{minutes} min, temperature {temperature}{default}", *figures(texts, known)])
    header = ("text", f"different words in {WINDOW:,}", "of the words, not in the training text")
    return (
        f"## How many words it knows\n\nEach figure is of {PIECES} texts of {200} lines.\n\n"
        + markdown_table(header, table)
    )


def figures(texts: Iterable[Sequence[str]], known: set[str]) -> tuple[str, str]:
    """Different words in a thousand, and the share of words that the training text does not have."""
    different, unknown, count = [], 0, 0
    for text in texts:
        windows = [text[start : start + WINDOW] for start in range(0, len(text) - WINDOW + 1, WINDOW)]
        different += [len(set(window)) for window in windows]
        unknown += sum(word not in known for word in text)
        count += len(text)
    mean = f"{sum(different) / len(different):.0f}" if different else ""
    return mean, f"{100 * unknown / max(count, 1):.1f} %"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, all but the first column at the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(parts: Iterable[str]) -> str:
    """The page."""
    *first, last = MINUTES.values()
    lengths = f"{', '.join(map(str, first))} and {last}"
    body = "\n\n".join(parts)
    return f"""# What a page looks like after {lengths} minutes

<!-- Written by docs/measured/first_hour.py. -->

Measured on {datetime.now(UTC):%Y-%m-%d} with scriptforge {__version__}, torch {torch.__version__},
threads: {torch.get_num_threads()}.

```
python docs/measured/first_hour.py CORPORA
```

Each model was trained by `scriptforge train seinfeld` with so many `--minutes`, and wrote this page with
`scriptforge generate --lines {LINES} --seed {SEED}`. Nothing was chosen or left out.

{body}
"""


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder))
