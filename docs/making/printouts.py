"""Printouts on hand-written pages, each made by the code that it shows.

A page marks the place of a printout, in a line or around a block. Nobody edits between the marks:

    <!-- made: NAME -->
    …
    <!-- end -->

Printouts of commands that take minutes are made from a record of docs/measured/first_hour.py: the files that
the commands left, or their output where the files do not suffice.
"""

import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from examples import CURVES
from printing import printed
from rich.console import Console

from scriptforge.cli.line_chart import WIDEST, Curve, LineChart
from scriptforge.cli.training_view import clock, validation_line
from scriptforge.corpus.cards import builtin_cards_path
from scriptforge.run.history import read_history
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.name_line import write
from scriptforge.workspace import RunFolder

ROOT = Path(__file__).resolve().parent.parent.parent
MEASURED = ROOT / "docs" / "measured"
RECORD = MEASURED / "first-hour"
COURSE_GOAL = 3.5
_PLACE = re.compile(r"(<!-- made: ([\w-]+) -->)(\n?).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, made: Mapping[str, str]) -> str:
    """Return a page with its printouts filled in."""

    def fill(place: re.Match[str]) -> str:
        begin, name, line_break, end = place.groups()
        return f"{begin}{line_break}{made[name]}{line_break}{end}"

    return _PLACE.sub(fill, page)


def printouts(root: Path) -> dict[str, str]:
    """Return every printout, by its name on pages.

    Args:
        root: an empty folder for a workspace.
    """
    recorded: dict[str, str] = json.loads((RECORD / "printed.json").read_text("utf-8"))
    return {
        "demo-page": _demo_page(),
        "prepare-transcript": _prepared_transcript(root),
        "demo-step": _demo_step(),
        "seinfeld-figures": _seinfeld_figures(),
        "runs-chart": _block(_chart()),
        "course-times": _course_times(),
        "mix-sources": _block("".join(re.findall(r"^of .*\n", recorded["prepare mix"], re.MULTILINE))),
        "mix-evaluation": _block(f"$ scriptforge evaluate mix\n{recorded['evaluate mix']}", "console"),
    }


def _block(text: str, language: str = "text") -> str:
    return f"```{language}\n{text.strip()}\n```"


def _demo_page() -> str:
    """Return the script that the README opens with."""
    opening = re.search(
        r"^```text\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert opening, "README.md shows no script"
    return _block(opening[1])


def _prepared_transcript(root: Path) -> str:
    """Return what `prepare` prints for the demo's episodes in a single file of `name: line`."""
    episodes = sorted((builtin_cards_path() / "demo").glob("*.fountain"))
    lines = [line for each in episodes for line in write(read(each.read_text("utf-8").splitlines()))]
    transcript = root / "exact-change.txt"
    transcript.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    said = printed(["prepare", str(transcript), "--workspace", str(root)])
    return _block(f"$ scriptforge prepare exact-change.txt\n{said}", "console")


def _demo_step() -> str:
    """Return a validation from the middle of the demo, and what it means."""
    history = read_history(RunFolder(RECORD / "runs" / "demo"))
    shown = history[len(history) // 2]
    best = "`best` means that these weights were kept." if shown.is_best else "These weights were not kept."
    words = (
        f"The model has made {shown.step:,} steps and read the text {shown.epochs:.0f} times. Its loss per"
        f" token is {shown.training_nats_per_token:.3f} nats on the training text, and"
        f" {shown.nats_per_token:.3f} on text that it is never trained on. Lower is better. If the training"
        " loss falls while the validation loss rises, the model is overfitting: it memorises its text."
        f" {best}"
    )
    return f"{_block(validation_line(shown))}\n\n{words}"


def _seinfeld_figures() -> str:
    """Return the loss after three minutes on Seinfeld, from the page on the first hour."""
    (bits,) = re.findall(
        r"^### After 3 minutes\n\n[\d,]+ parameters, ([\d.]+) bits per character",
        (MEASURED / "first-hour.md").read_text("utf-8"),
        re.MULTILINE,
    )
    return f"{float(bits):.3f} bits per character ({float(bits) * math.log(2):.3f} nats)"


def _chart() -> str:
    """Return the chart that `scriptforge runs` draws of two runs."""
    console = Console(file=io.StringIO(), width=WIDEST, no_color=True, highlight=False)
    curves = [
        Curve(letter, name, points) for letter, (name, points) in zip("ab", CURVES.items(), strict=True)
    ]
    with console.capture() as capture:
        console.print(LineChart(curves, label_x=clock, label_y=lambda bits: f"{bits:.2f}"))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _course_times() -> str:
    """Return how long the course's recipe takes to reach which loss, from the page on recipes."""
    rows = list(_course_rows())
    goal = next(row for row in rows if row["training"] < COURSE_GOAL)
    best = min(rows, key=lambda row: row["validation"])
    return (
        f"On two cores its five epochs take {rows[-1]['minutes']:.0f} minutes, [as"
        f" measured](../measured/recipes.md). The training loss is below {COURSE_GOAL} after"
        f" {goal['minutes']:.0f} minutes, and {rows[-1]['training']:.2f} at the end. The best validation"
        f" comes after {best['minutes']:.0f} minutes, when the training loss is {best['training']:.2f}."
    )


def _course_rows() -> Iterator[dict[str, float]]:
    """Yield the validations of the course's recipe."""
    page = (
        (MEASURED / "recipes.md")
        .read_text("utf-8")
        .partition("## The course's recipe")[2]
        .partition("\n## ")[0]
    )
    for row in re.findall(r"^\| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE):
        yield dict(zip(("epochs", "minutes", "training", "validation"), map(float, row), strict=True))
