"""Trains with three seeds and measures what a reader notices; writes texts.md beside this file.

    python docs/measured/texts.py CORPORA [WORKSPACE]

CORPORA is a folder with the texts of four cards: `seinfeld.txt`, `southpark/`, `tinyshakespeare.txt`,
`biglebowski.txt`. What is in the WORKSPACE already is not made again, so that a measurement that was stopped
goes on. Models are trained side by side, each on a core of its own: on two cores it takes an hour and a half,
and nothing else should run meanwhile. `python -m benchmarks.quality` has the losses after given times.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch

from scriptforge import __version__
from scriptforge.generation.generate import Generation
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.text_statistics import TextStatistics
from scriptforge.workspace import Workspace

PAGE = Path(__file__).with_suffix(".md")
SEEDS = (1, 2, 3)
MINUTES = 6
"""How long the models are trained whose pages are measured."""

PARENT_SEEDS = {2: SEEDS, 1: (1,), 3: (1,)}
"""For how many minutes those of little text are, with the base model and alone, and the seeds of each."""

TENTH = 10
SPEED_ROUNDS = 7
_BUSY = "while True: pass"


class Corpus(NamedTuple):
    """A corpus: its card, its place in the folder of corpora, and how many pieces of its own it has alone."""

    card: str
    source: str | None
    own_pieces: int = 0


CORPORA = {
    "seinfeld": Corpus("seinfeld", "seinfeld.txt"),
    "south-park": Corpus("south-park", "southpark"),
    "shakespeare": Corpus("tiny-shakespeare", "tinyshakespeare.txt"),
    "demo": Corpus("demo", None),
}
LITTLE = {
    "demo": Corpus("demo", None, 1_500),
    "big-lebowski": Corpus("big-lebowski", "biglebowski.txt", 1_000),
    "season": Corpus("south-park", "southpark/Season-1.csv", 2_000),
    "tenth": Corpus("seinfeld", "tenth.txt", 2_000),
}
"""Little text: two whole scripts, a season of South Park, a tenth of Seinfeld.

What is trained without the base model has as many pieces of its own as the cards say."""


class Training(NamedTuple):
    """A training run of the page: on what, its name, what is asked, and whether its pages count."""

    dataset: str
    run: str
    asked: tuple[str, ...]
    is_read: bool


ROWS = {
    "lines with a word that does not exist": ("lines_with_an_unknown_word", "{:.1%}"),
    "same speaker again": ("same_speaker_again", "{:.1%}"),
    "share of the busiest speaker": ("share_of_the_busiest_speaker", "{:.1%}"),
    "speakers recognised": ("speakers_recognised", "{:.1%}"),
    "different words in a page's first": ("different_words", "{:.1%}"),
}
"""Figures of the profile that have a row of their own."""


def main(corpora: Path, place: Path) -> None:
    """Measures everything and writes the page.

    Args:
        corpora: the folder of texts.
        place: the workspace.
    """
    cut_tenth(corpora / "seinfeld.txt", place / "tenth.txt")
    for name, corpus in (CORPORA | LITTLE).items():
        prepare(place, corpora, name, corpus)
        if corpus.own_pieces:
            prepare(place, corpora, own(name), corpus, "--vocab-size", corpus.own_pieces)
    train_side_by_side(place)
    parts = [
        profile_table(place),
        base_model_table(place),
        demo_table(place),
        speed_table(place),
    ]
    PAGE.write_text(page(parts), encoding="utf-8")


def command(place: Path, *words: object) -> str:
    """Return what a command prints on stdout."""
    line = [sys.executable, "-m", "scriptforge", *map(str, words)]
    return subprocess.run(line, cwd=place, stdout=subprocess.PIPE, text=True, check=True).stdout


def cut_tenth(whole: Path, tenth: Path) -> None:
    """Write the first tenth of the lines of a text."""
    lines = whole.read_text("utf-8").splitlines(keepends=True)
    tenth.write_text("".join(lines[: len(lines) // TENTH]), encoding="utf-8")


def own(name: str) -> str:
    """Return the name of the dataset of little text with pieces of its own."""
    return f"{name}-own"


def prepare(place: Path, corpora: Path, name: str, corpus: Corpus, *more: object) -> None:
    """Prepare a corpus, unless that was done."""
    if (place / "data" / name).is_dir():
        return
    source = corpus.source and next(
        each / corpus.source for each in (place, corpora) if (each / corpus.source).exists()
    )
    origin = ("--from", source.resolve()) if source else ()
    command(place, "prepare", corpus.card, *origin, "--name", name, *more)


def trainings() -> Iterator[Training]:
    """Yield every training run of the page."""
    for name in CORPORA:
        for seed in SEEDS:
            asked = ("--minutes", str(MINUTES), "--set", f"seed={seed}")
            yield Training(name, f"{name}-{seed}", asked, is_read=True)
    for minutes, seeds in PARENT_SEEDS.items():
        for name, seed, parent in product(LITTLE, seeds, ("parent", "none")):
            asked = ("--minutes", str(minutes), "--set", f"seed={seed}")
            run = f"{name}-{parent}-{minutes}-{seed}"
            if parent == "none":
                yield Training(own(name), run, (*asked, "--from", "none"), is_read=False)
            else:
                yield Training(name, run, asked, is_read=False)


def train_side_by_side(place: Path) -> None:
    """Make the training runs that are not made yet, and read their pages: one at a time on each core."""
    cores = sorted(os.sched_getaffinity(0))

    def take_core() -> None:
        os.sched_setaffinity(0, {cores.pop()})

    # Processes that a thread starts stay on the cores of that thread.
    with ThreadPoolExecutor(len(cores), initializer=take_core) as pool:
        for _ in pool.map(partial(train, place), trainings()):
            pass


def train(place: Path, training: Training) -> None:
    """Make a training run and read its pages, unless that was done to the end."""
    done = place / "done" / training.run
    if done.exists():
        return
    command(place, "train", training.dataset, "--name", training.run, "--cpu", "--force", *training.asked)
    if training.is_read:
        command(place, "evaluate", training.run, "--profile")
    done.parent.mkdir(exist_ok=True)
    done.touch()


def profile(place: Path, run: str) -> dict[str, Any]:
    """Return the profile of a run, which `evaluate --profile` left."""
    return dict(json.loads((place / "runs" / run / "profile.json").read_text("utf-8")))


def bits(place: Path, run: str) -> float:
    """Return the bits per character of a run on the whole validation split.

    A training run whose time was over has read a part of it.
    """
    said = json.loads(command(place, "evaluate", run, "--split", "validation", "--json"))
    return float(said["stream"]["bits_per_character"])


def profile_table(place: Path) -> str:
    """Return what a reader notices on pages of each corpus, the mean and the range of the seeds."""
    table = []
    for name in CORPORA:
        profiles = [profile(place, f"{name}-{seed}") for seed in SEEDS]
        for row, (figure, form) in ROWS.items():
            found = [each["figures"].get(figure) for each in profiles]
            if all(found):
                people = "{people:{f}} ({low:{f}} to {high:{f}})".format(f=form[2:-1], **found[0])
                title = f"{row} {profiles[0]['words']:,}" if figure == "different_words" else row
                table.append([name, title, people, spread([each["model"] for each in found], form)])
        shares = [share_within(each["figures"]) for each in profiles]
        table.append([name, "rows within people's spread", "", spread(shares, "{:.0%}")])
    return f"## What a reader notices\n\nEach model was trained for {MINUTES} minutes.\n\n" + markdown_table(
        ("corpus", "what", "people (nine pages of ten)", "model: mean (seeds)"), table
    )


def share_within(figures: Mapping[str, Mapping[str, float]]) -> float:
    """Return the share of a profile's figures that are within people's spread, as `Figure.is_within` says."""
    from scriptforge.evaluation.profile import Figure

    return statistics.fmean(Figure(**each).is_within for each in figures.values())


def spread(numbers: Sequence[float], form: str) -> str:
    """Return the mean of some numbers, and all of them."""
    each = ", ".join(map(form.format, numbers))
    return f"{form.format(statistics.fmean(numbers))} ({each})"


def base_model_table(place: Path) -> str:
    """Return how many fewer bits a model of little text has that starts from the base model."""
    table = []
    for name, (minutes, seeds) in product(LITTLE, PARENT_SEEDS.items()):
        found = {
            parent: [bits(place, f"{name}-{parent}-{minutes}-{seed}") for seed in seeds]
            for parent in ("parent", "none")
        }
        shares = [1 - with_it / alone for with_it, alone in zip(*found.values(), strict=True)]
        row = [name, str(minutes), *(f"{statistics.fmean(each):.3f}" for each in found.values())]
        table.append([*row, spread(shares, "{:.1%}")])
    return (
        "## What the base model is worth\n\nBits per character on the validation split, read as a stream."
        " Alone, the text has pieces of words of its own, as many as its card says; with the base"
        " model, the base model's, and is read eight times at most, for which all of these minutes"
        " suffice.\n\n"
        + markdown_table(("corpus", "minutes", "with the base model", "alone", "fewer: mean (seeds)"), table)
    )


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Let so many other processes compute meanwhile."""
    others = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def demo_table(place: Path) -> str:
    """Return how long the demo takes, and what a reader notices on its page, alone and beside others."""
    table = []
    cores = len(os.sched_getaffinity(0))
    for title, processes in (("alone", 0), (f"beside {cores} busy processes", cores)):
        with TemporaryDirectory() as folder, busy(processes):
            begun = time.perf_counter()
            command(Path(folder), "demo", "--quiet")
            seconds = time.perf_counter() - begun
            command(Path(folder), "evaluate", "demo", "--profile")
            figures = profile(Path(folder), "demo")["figures"]
            reached = bits(Path(folder), "demo")
        shares = (figures[name]["model"] for name in ("lines_with_an_unknown_word", "same_speaker_again"))
        table.append([title, f"{seconds:.0f} s", f"{reached:.3f}", *(f"{share:.1%}" for share in shares)])
    header = ("the demo", "takes", "bits per character", "lines with an unknown word", "same speaker again")
    return "## The first impression\n\n" + markdown_table(header, table)


def speed_table(place: Path) -> str:
    """Return the speed of writing with all that is on by default, and without."""
    opened = Run(Workspace(place).run("seinfeld-1"))
    table = []
    for count, lines in ((1, 60), (32, 20)):
        options = GenerateOptions(lines=lines, count=count)
        without = replace(options, voice=0.0, invent_words=True)
        kinds: dict[str, tuple[GenerateOptions, TextStatistics | None]] = {
            "with all": (options, None),
            "without": (without, TextStatistics()),
        }
        rates: dict[str, list[float]] = {kind: [] for kind in kinds}
        for seed in range(1, SPEED_ROUNDS + 1):
            for kind, (chosen, text_statistics) in kinds.items():
                generation = writing(opened, replace(chosen, seed=seed), text_statistics)
                begun = time.process_time()
                characters = sum(len(text.text) for text in generation.write())
                rates[kind].append(characters / (time.process_time() - begun))
        with_all, alone = map(statistics.median, rates.values())
        table.append([str(count), f"{with_all:,.0f}", f"{alone:,.0f}", f"{with_all / alone:.2f}"])
    return (
        "## What it costs\n\nCharacters per second of processor time, medians of"
        f" {SPEED_ROUNDS} writings, in turns. Without: no voices, words as they come, no habits.\n\n"
        + markdown_table(("texts at once", "with all defaults", "without", "share"), table)
    )


def writing(
    opened: Run, options: GenerateOptions, text_statistics: TextStatistics | None = None
) -> Generation:
    """Begin the writing of some texts."""
    text_statistics = opened.description.dataset.statistics if text_statistics is None else text_statistics
    return Generation(opened, opened.vocabulary, options, statistics=text_statistics)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown, all but the first two columns at the right."""
    lines = [header, ["---", "---", *["---:"] * (len(header) - 2)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(parts: Iterable[str]) -> str:
    """Return the page."""
    body = "\n\n".join(parts)
    return f"""# What a reader notices

<!-- Written by docs/measured/texts.py. -->

Measured on {datetime.now(UTC):%Y-%m-%d} with scriptforge {__version__}, torch {torch.__version__},
cores: {len(os.sched_getaffinity(0))}, one for each training run, seeds {", ".join(map(str, SEEDS))}.

```
python docs/measured/texts.py CORPORA
```

What the figures are: [the profile](../explanation/profile.md), [voice](../explanation/voice.md).

{body}
"""


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder))
