"""Makes a large corpus out of small ones, prepares it, and writes large-corpus.md beside this file.

    python docs/measured/large_corpus.py FOLDER CORPUS… --gigabytes 10

CORPUS is a folder or file with scenes, such as `amdracor`; the scripts go into FOLDER, which needs twice the
room that is asked for. Each is put together of scenes drawn at random, so that the same seed makes the same
corpus. `prepare` reads a tenth of it with one process and with two, and all of it with two, so that one can
tell what grows with the text. Nothing else should run on the machine meanwhile. What has been measured stays
in FOLDER: a run that was broken off goes on with what is left.
"""

import argparse
import json
import os
import platform
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import accumulate, groupby
from operator import attrgetter
from pathlib import Path
from textwrap import fill

from scriptforge import __version__
from scriptforge.corpus.fetch import fetch_named
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.net.client import no_progress
from scriptforge.options import InspectOptions
from scriptforge.screenplay.formats import WRITERS
from scriptforge.screenplay.script import Scene, Script
from scriptforge.workspace import Workspace

PAGE = Path(__file__).with_name("large-corpus.md")
FORMAT = "fountain"
SCENES_IN_SCRIPT = (24, 72)
SHORTEST_SCENE, LONGEST_SCENE = 200, 3000
"""Characters. What is shorter is a stage direction more often than a scene. What is longer is cut, so that
two scripts have little in common: no real collection has the same long scene in hundreds of its scripts."""

FILES_IN_FOLDER = 1000
GIGABYTE = 1_000_000_000
MIN_GIGABYTES = 0.1
"""Gigabytes. In less, what grows with the text is hidden by what does not."""

LEARNING = "Learning the vocabulary"
STAGES = ("Opening", "Reading", "Counting", LEARNING, "Tokenising")

PROBE = """
import json, sys, time
from pathlib import Path
from scriptforge.corpus.prepare import prepare
from scriptforge.options import PrepareOptions
from scriptforge.workspace import Workspace

folder, workspace, workers = sys.argv[1:]
stages, stage = {}, "Opening"
last = time.perf_counter(), time.process_time()

def on_progress(doing, done, total):
    global stage, last
    now = time.perf_counter(), time.process_time()
    for number in (0, 1):
        stages.setdefault(stage, [0, 0])[number] += now[number] - last[number]
    stage, last = doing, now

options = PrepareOptions(level="bpe", workers=int(workers))
made = prepare([folder], options, Workspace(Path(workspace)), on_progress=on_progress)
on_progress("", 0, 0)
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "stages": stages,
    "kilobytes": int(status["VmHWM"].split()[0]),
    "fingerprint": made.description.fingerprint,
}))
"""


@dataclass(frozen=True)
class Preparation:
    """What one `prepare` took.

    Attributes:
        gigabytes: of the scripts it read.
        workers: how many processes parsed and encoded.
        stages: of each stage, the seconds it took, and those of a processor in the process that collects.
        megabytes: the most that this process held.
        fingerprint: of the tokens.
    """

    gigabytes: float
    workers: int
    stages: dict[str, tuple[float, float]]
    megabytes: float
    fingerprint: str

    @property
    def seconds(self) -> float:
        """From start to end, a gigabyte."""
        return sum(seconds for seconds, _ in self.stages.values()) / self.gigabytes

    @property
    def learning(self) -> float:
        """To learn the vocabulary, a gigabyte; the more text, the less, as only so much of it is used."""
        return self.stages[LEARNING][0] / self.gigabytes

    @property
    def collecting(self) -> float:
        """Of a processor, in the process that collects, a gigabyte."""
        return sum(seconds for _, seconds in self.stages.values()) / self.gigabytes


def main() -> None:
    """Make the corpus, prepare it three times, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--page", type=Path, default=PAGE)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    size = round(asked.gigabytes * GIGABYTE)
    free = shutil.disk_usage(asked.folder).free
    if free < 2 * size:
        sys.exit(f"{asked.folder} has {free / GIGABYTE:.1f} GB free, {2 * size / GIGABYTE:.1f} are needed.")
    scenes = [scene for corpus in asked.corpora for scene in scenes_of(corpus)]
    names = [Path(corpus).name for corpus in asked.corpora]
    tenth, whole = (size // 10, asked.seed + 1), (size, asked.seed)
    rows = []
    for (most, seed), workers in ((tenth, 1), (tenth, 2), (whole, 2)):
        kept = "-".join(map(str, (*names, most, seed, workers)))  # all that a row depends on
        rows.append(row(scenes, asked.folder / f"{kept}.json", most, seed, workers))
    asked.page.write_text(page(rows, names, len(scenes)), encoding="utf-8")


def scenes_of(corpus: str) -> list[str]:
    """Return the scenes of a corpus, each laid out as text."""
    source = fetch_named(corpus, InspectOptions(), Workspace.find(None), no_progress)
    rows = parse(source, plain=False, parsing=Parsing())
    found = []
    for _, document in groupby(rows, key=attrgetter("document")):
        for scene in Script.from_elements("", (row.element for row in document)).scenes:
            for part in parts(scene):
                text = "\n".join(WRITERS[FORMAT](Script("", (part,))))
                if len(text) >= SHORTEST_SCENE:
                    found.append(f"{text.strip()}\n\n")
    return found


def parts(scene: Scene) -> Iterator[Scene]:
    """Yield the parts of a scene, all with its heading."""
    ends = accumulate(len(element.text) for element in scene.elements)
    of_part = groupby(zip(ends, scene.elements, strict=True), key=lambda each: each[0] // LONGEST_SCENE)
    for _, elements in of_part:
        yield Scene(scene.heading or "A ROOM", tuple(element for _, element in elements))


def write_scripts(scenes: Sequence[str], folder: Path, size: int, seed: int) -> None:
    """Write scripts of scenes drawn at random until they have so many bytes together."""
    shutil.rmtree(folder, ignore_errors=True)
    draw = random.Random(seed)
    written = number = 0
    while written < size:
        path = folder / f"{number // FILES_IN_FOLDER:05}" / f"{number:08}.{FORMAT}"
        path.parent.mkdir(parents=True, exist_ok=True)
        written += path.write_bytes("".join(script(scenes, draw)).encode())
        number += 1


def script(scenes: Sequence[str], draw: random.Random) -> Iterator[str]:
    """Yield one script, scene by scene."""
    for _ in range(draw.randint(*SCENES_IN_SCRIPT)):
        yield draw.choice(scenes)


def row(scenes: Sequence[str], kept: Path, size: int, seed: int, workers: int) -> Preparation:
    """Return what is kept of a preparation; if nothing is, prepare new scripts, and keep what it took."""
    if kept.exists():
        return Preparation(**json.loads(kept.read_text("utf-8")))
    scripts = kept.with_name("scripts")
    write_scripts(scenes, scripts, size, seed)
    taken = prepared(scripts, workers)
    kept.write_text(json.dumps(asdict(taken), indent=1), encoding="utf-8")
    return taken


def prepared(folder: Path, workers: int) -> Preparation:
    """Prepare the scripts of a folder in a process of its own."""
    workspace = folder.parent / "workspace"
    words = [f"{folder}", f"{workspace}", f"{workers}"]
    done = subprocess.run([sys.executable, "-c", PROBE, *words], capture_output=True, text=True, check=True)
    shutil.rmtree(workspace)
    said = json.loads(done.stdout)
    return Preparation(
        gigabytes=sum(path.stat().st_size for path in folder.rglob(f"*.{FORMAT}")) / GIGABYTE,
        workers=workers,
        stages={stage: (seconds, own) for stage, (seconds, own) in said["stages"].items()},
        megabytes=said["kilobytes"] / 1000,
        fingerprint=said["fingerprint"],
    )


def page(rows: Sequence[Preparation], corpora: Sequence[str], scenes: int) -> str:
    """The page, in Markdown."""
    one, two, whole = rows
    same = "the same" if one.fingerprint == two.fingerprint else "**other ones**"
    paragraphs = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with scriptforge {__version__} ({platform.system()}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores), by",
        f"    python docs/measured/large_corpus.py FOLDER {' '.join(corpora)}"
        f" --gigabytes {whole.gigabytes:.3g}",
        f"Scripts of {SCENES_IN_SCRIPT[0]} to {SCENES_IN_SCRIPT[1]} scenes, drawn from the {scenes} of "
        f"{', '.join(corpora)}, in Fountain, are prepared at the bpe level: a tenth of them by one process "
        f"and by two, and all by two. The tokens of one process and of two are {same}.",
        table(
            ["GB", "processes", "seconds a GB", "of a processor, collecting", "most memory, collecting"],
            [figures(row) for row in rows],
        ),
        f"*Collecting* is the process that puts the dataset together. Two processes take "
        f"{100 * two.seconds / one.seconds:.0f} % of the time of one. {memory(two, whole, 1)}",
        "Seconds a GB by stage, and in brackets those of a processor in the process that collects:",
        table(["GB", "processes", *map(str.lower, STAGES)], [stages(row) for row in rows]),
        "## On paper: 1 TB on 100 machines",
        on_paper(one, two, whole),
    ]
    head = "# Preparing a large corpus\n\n<!-- Written by docs/measured/large_corpus.py. -->\n"
    return "\n\n".join([head.rstrip("\n"), *map(wrapped, paragraphs)]) + "\n"


def on_paper(one: Preparation, two: Preparation, whole: Preparation) -> str:
    """What a terabyte would take, and where it would break first."""
    seconds_alone = one.seconds - one.learning + whole.learning
    alone, collecting = (1000 * seconds / 86_400 for seconds in (seconds_alone, whole.collecting))
    return (
        f"One process would take {alone:,.0f} days. A cluster takes parsing and encoding off it. What is "
        "left to the process that collects is its own time above: it writes the rows that it is sent, reads "
        "them again to count, to learn the vocabulary and to hand them out, and writes the ids. That is "
        f"{collecting:,.0f} days however many machines there are, so a cluster is at most "
        f"{alone / collecting:.1f} times as fast, and **here it breaks first**. {memory(two, whole, 1000)} "
        "Third is the list of files in `dataset.json`. What would help: let workers write their rows and "
        "count them themselves."
    )


def memory(tenth: Preparation, whole: Preparation, gigabytes: int) -> str:
    """How memory grows with the text, if the text is long enough to tell."""
    if whole.gigabytes < MIN_GIGABYTES:
        return f"Below {MIN_GIGABYTES} GB it cannot be told how memory grows."
    growth = gigabytes * (whole.megabytes - tenth.megabytes) / (whole.gigabytes - tenth.gigabytes)
    if gigabytes == 1:
        return f"Memory grows by {growth:,.1f} MB a GB: the names, hashes and sketches of the scripts."
    return f"Memory is second: {growth / 1000:,.0f} GB for scripts of this size."


def figures(row: Preparation) -> list[str]:
    """What stands in the first table."""
    of_each = (f"{row.seconds:,.0f}", f"{row.collecting:,.0f}", f"{row.megabytes:,.0f} MB")
    return [f"{row.gigabytes:.3g}", f"{row.workers}", *of_each]


def stages(row: Preparation) -> list[str]:
    """What each stage took."""
    took = [row.stages.get(stage, (0.0, 0.0)) for stage in STAGES]
    each = (f"{seconds / row.gigabytes:,.0f} ({own / row.gigabytes:,.0f})" for seconds, own in took)
    return [f"{row.gigabytes:.3g}", f"{row.workers}", *each]


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of numbers."""
    lines = [headings, ["---:"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def wrapped(paragraph: str) -> str:
    """Return a paragraph in lines; a table, code or a heading as it is."""
    return paragraph if paragraph.startswith(("|", " ", "#")) else fill(paragraph, 120)


if __name__ == "__main__":
    main()
