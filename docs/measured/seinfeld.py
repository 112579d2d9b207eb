"""Trains on Seinfeld for three minutes and measures what comes of it; writes seinfeld.md beside this file.

    python docs/measured/seinfeld.py PATH_OF_THE_TRANSCRIPTS

How much is copied and how much people copy, whether voices are told apart, what a cache is worth, and what
these things cost. The transcripts are those of the card `seinfeld`.
"""

import statistics
import sys
import time
import tracemalloc
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from scriptforge import __version__
from scriptforge.cli.app import run
from scriptforge.copying import (
    ComparedText,
    Index,
    OriginalityReport,
    examine,
    held_out,
    index_training,
    lines_of_script,
)
from scriptforge.dataset import Dataset
from scriptforge.evaluation import SpeakerRecognition, evaluate_cached, evaluate_split, recognition_of_run
from scriptforge.generation.generate import Generation
from scriptforge.generation.neural_cache import CacheParameters
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.workspace import SPLITS, Workspace

PAGE = Path(__file__).with_suffix(".md")
MINUTES = 3
LINES, PIECES = 40, 10
MAX_COPY = 8
CACHE_SHARES = (0.05, 0.1, 0.2)
ROUNDS, TOKENS = 75, 40
REQUESTS = {
    "temperature 0.5": GenerateOptions(seed=1, temperature=0.5),
    "temperature 0.9, the default": GenerateOptions(seed=1),
    "temperature 1, nothing cut off": GenerateOptions(seed=1, temperature=1, min_p=0),
    "temperature 0.5, `--max-copy 8`": GenerateOptions(seed=1, temperature=0.5, max_copy=MAX_COPY),
    "the default, `--cache 0.1`": GenerateOptions(seed=1, cache=0.1),
}


def main(transcripts: str) -> None:
    """Measures everything and writes the page."""
    with TemporaryDirectory() as folder:
        command("prepare", "seinfeld", "--from", transcripts, workspace=folder)
        command("train", "seinfeld", "--minutes", str(MINUTES), workspace=folder)
        workspace = Workspace(Path(folder))
        trained = Run(workspace.run())
        dataset = trained.description.open_dataset(workspace)
        index, people, facts = indexed(dataset)
        reports = {name: originality(trained, request, index, people) for name, request in REQUESTS.items()}
        parts = [
            copies_table(reports),
            voice_table(recognition_of_run(trained, dataset)),
            cache_table(trained, dataset),
            costs_table(trained, index, facts, reports),
        ]
    PAGE.write_text(page(trained, parts), encoding="utf-8")


def command(*words: str, workspace: str) -> None:
    """Runs a command of scriptforge quietly."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as said:
        code = run([*words, "--workspace", workspace])
    if code:
        sys.exit(said.getvalue())


def indexed(dataset: Dataset) -> tuple[Index, ComparedText, list[tuple[str, str]]]:
    """The index of the training text, the held-out text, and what the index took."""
    characters = dataset.description.splits["train"].characters
    begun = time.perf_counter()
    index_training(dataset)
    seconds = time.perf_counter() - begun
    tracemalloc.start()
    index = index_training(dataset)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    facts = [
        ("building the index of the training text", f"{seconds:.2f} s"),
        ("memory of the index, by character of the training text", f"{kept / characters:.1f} bytes"),
    ]
    return index, ComparedText(held_out(dataset), index), facts


def originality(
    trained: Run, request: GenerateOptions, index: Index, people: ComparedText
) -> tuple[OriginalityReport, float]:
    """What is copied in a text of many lines, and how many seconds finding that out took."""
    request = replace(request, lines=LINES, count=PIECES)
    statistics = trained.description.dataset.statistics
    pieces = Generation(trained, trained.vocabulary, request, index=index, statistics=statistics).write()
    lines = list(chain.from_iterable(lines_of_script(piece.elements) for piece in pieces))
    begun = time.perf_counter()
    report = examine(lines, index, people)
    return report, time.perf_counter() - begun


def copies_table(reports: dict[str, tuple[OriginalityReport, float]]) -> str:
    """How much is copied, by the model and by people."""
    rows = [row(name, report) for name, (report, _) in reports.items()]
    people = next(report.human for report, _ in reports.values())
    assert people and people.longest_copy
    rows.append(
        [
            f"people: held-out script, {people.windows} windows of {people.words:,} words",
            f"{people.typical_copy} (median; at most {people.longest_copy.words})",
            *(f"{100 * (share or 0):.1f} %" for share in people.novelty.values()),
        ]
    )
    header = ("text", "longest copy, words", "new 4-grams", "new 6-grams", "new 8-grams")
    return (
        f"## What is copied\n\nEach text has {LINES * PIECES} lines, {LINES} of each of {PIECES} seeds.\n\n"
        + table(header, rows)
    )


def row(name: str, report: OriginalityReport) -> list[str]:
    """The figures of one text."""
    longest = report.longest_copy.words if report.longest_copy else 0
    shares = (f"{100 * (share or 0):.1f} %" for share in report.novelty.values())
    return [f"{name} ({report.words:,} words)", str(longest), *shares]


def voice_table(voice: SpeakerRecognition) -> str:
    """How often the speakers of lines are told."""
    both = (voice.held_out, voice.generated)
    rows = [
        [
            "all, each speaker counting the same",
            f"{100 * voice.chance:.1f} %",
            *(f"{100 * each.balanced_accuracy:.1f} ± {100 * each.margin:.1f} %" for each in both),
        ],
        [
            "all lines",
            "",
            *(
                f"{100 * each.accuracy:.1f} % of {each.lines:,} (majority {100 * each.majority:.1f} %)"
                for each in both
            ),
        ],
        *(
            [speaker, "", *(f"{100 * each.speakers[speaker].share:.0f} %" for each in both)]
            for speaker in voice.held_out.speakers
        ),
    ]
    return "## Whose voice it is\n\n" + table(
        ("speaker", "guessed", "held-out lines", "generated lines"), rows
    )


def cache_table(trained: Run, dataset: Dataset) -> str:
    """Bits per character with a cache and without."""
    rows = []
    for split in SPLITS[1:]:
        plain = evaluate_split(trained.model, dataset, split).stream
        cached = [
            evaluate_cached(trained.model, dataset, split, CacheParameters(share)) for share in CACHE_SHARES
        ]
        rows.append([split, *(f"{figures.bits_per_character:.4f}" for figures in (plain, *cached))])
    header = ("split", "without", *(f"share {share}" for share in CACHE_SHARES))
    return "## What a cache is worth\n\nBits per character, read as a stream.\n\n" + table(header, rows)


def costs_table(
    trained: Run,
    index: Index,
    facts: list[tuple[str, str]],
    reports: dict[str, tuple[OriginalityReport, float]],
) -> str:
    """What the index, a query, and the limit to copies take."""
    slowest = max(seconds for _, seconds in reports.values())
    limited = cost(trained, index, GenerateOptions(seed=1), GenerateOptions(seed=1, max_copy=MAX_COPY))
    cached = cost(trained, index, GenerateOptions(seed=1), GenerateOptions(seed=1, cache=0.1))
    facts = [
        *facts,
        (f"examining a text of {LINES * PIECES} lines, beside people's", f"{slowest:.2f} s"),
        (f"`--max-copy {MAX_COPY}`, of the time a token takes", f"{100 * limited:+.1f} %"),
        ("`--cache 0.1`, of the time a token takes", f"{100 * cached:+.1f} %"),
    ]
    return "## What it costs\n\n" + table(("what", "cost"), facts)


def cost(trained: Run, index: Index, without: GenerateOptions, with_it: GenerateOptions) -> float:
    """The share of time that a request adds to a token, once begun: medians of turns of two writings."""
    writings = [
        iter(Generation(trained, trained.vocabulary, replace(request, length=10**6), index=index))
        for request in (without, with_it)
    ]
    seconds: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for writing, turns in zip(writings, seconds, strict=True):
            begun = time.process_time()
            deque(islice(writing, TOKENS), maxlen=0)
            turns.append(time.process_time() - begun)
    return statistics.median(seconds[1]) / statistics.median(seconds[0]) - 1


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, all but the first column at the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(trained: Run, parts: list[str]) -> str:
    """The page."""
    result = trained.description.result
    assert result
    best = result.best.stream.bits_per_character
    versions = f"scriptforge {__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    body = "\n\n".join(parts)
    return f"""# Seinfeld after three minutes

<!-- Written by docs/measured/seinfeld.py. -->

Measured on {datetime.now(UTC):%Y-%m-%d} with {versions}.

```
python docs/measured/seinfeld.py seinfeld.txt
```

One training run, `scriptforge train --minutes {MINUTES}`, with {trained.description.parameters:,} parameters
and {best:.4f} bits per character on the validation split. What the figures are:
[originality](../explanation/originality.md), [voice](../explanation/voice.md),
[persistence](../explanation/persistence.md).

{body}
"""


if __name__ == "__main__":
    main(sys.argv[1])
