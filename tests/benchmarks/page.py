"""Write `docs/benchmarks.md` and the figures of `docs/explanation/why-it-is-fast.md` from the results.

    python -m benchmarks.page [FOLDER]

No number on those pages is typed by hand; missing ones are called “not measured”. FOLDER replaces `docs/`.
"""

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple, TypeVar

from benchmarks.chart import stacked_bars
from benchmarks.results import (
    RESULTS,
    AnyResult,
    Breakdown,
    Comparison,
    Figure,
    Machine,
    Report,
    Training,
    figure_text,
    last_reports,
)

Kind = TypeVar("Kind", Breakdown, Training)

DOCS = RESULTS.parent
NOTICE = "<!-- Written by `python -m benchmarks.page` from the results in docs/benchmarks/. -->"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
NOT_MEASURED = "not measured"
CHART = Path("images") / "why-it-is-fast.svg"

REPORTS = {
    "machine": "The machine's limits",
    "training": "Training",
    "explanation": "What a target costs",
    "numpy_rnn": "An RNN in NumPy",
    "decoding": "Generating",
    "preparing": "Preparing",
    "starting": "Starting",
    "quality": "Quality",
}
"""The reports that the page shows, and their headings."""

INTRODUCTION = f"""\
Goals and what was measured, on each machine with the code of the day that is given below. Contenders take
turns in one process, and a ratio is the median of the ratios of the rounds. How to repeat it: `make bench`,
or `make bench ONLY=training` for one of
{", ".join(REPORTS)}.
[Why it is fast](explanation/why-it-is-fast.md) says where the time goes.
"""

QUALITY = """\
Nats per character on held-out text, stream / cold-256: the mean of the seeds, and from the best to the worst.
Each row is trained with `--minutes` and no setting made by hand.

"""


class Goal(NamedTuple):
    """A row of the table of goals.

    Attributes:
        row: its name.
        what: what is measured.
        goal: the figure to reach.
        ambitious_goal: a better figure; may be empty.
        measured: returns the figure of a contender in a result, as text.
    """

    row: str
    what: str
    goal: str
    ambitious_goal: str
    measured: Callable[[AnyResult, str], str]


def times(result: AnyResult, contender: str) -> str:
    """Return the ratio to the baseline."""
    assert isinstance(result, Comparison)
    return f"{figure_text(result.ratio(contender))}×"


def share(result: AnyResult, contender: str) -> str:
    """Return the share of the baseline, in whole percent."""
    assert isinstance(result, Comparison)
    return f"{100 * result.ratio(contender):.0f} %"


def fraction(result: AnyResult, contender: str) -> str:
    """Return a small share of the baseline, in percent with one decimal."""
    assert isinstance(result, Comparison)
    return f"{100 * result.ratio(contender):.1f} %"


def amount(result: AnyResult, contender: str) -> str:
    """Return the figure itself, with its unit."""
    if isinstance(result, Figure):
        return f"{figure_text(result.value)} {result.unit}"
    assert isinstance(result, Comparison)
    return f"{figure_text(result.median(contender))} {result.unit}"


GOALS = (
    Goal("T1", "training the course's network, over the course's recipe", "≥ 10×", "≥ 14×", times),
    Goal("T2", "the same, share of the machine's matrix products", "≥ 60 %", "≥ 75 %", share),
    Goal("T3", "with a cheaper head, over the course's recipe", "≥ 20×", "≥ 30×", times),
    Goal("T4", "the default recipe, over the same in PyTorch alone", "≥ 1.25×", "≥ 1.5×", times),
    Goal("T5", "from opening a dataset to the first step of a training", "≤ 1 s", "", amount),
    Goal("T6", "validations, samples and checkpoints, share of a minute's training", "≤ 5 %", "", amount),
    Goal("N1", "training an RNN in NumPy, over the usual exercise", "≥ 5×", "≥ 20×", times),
    Goal("G1", "generating with the course's network, fp32, over the course's loop", "≥ 4×", "≥ 6×", times),
    Goal("G2", "the same with int8 weights", "≥ 15×", "≥ 25×", times),
    Goal("G3", "32 scripts at once, in all; the same in int8", "≥ 60×; ≥ 100×", "", times),
    Goal("G4", "share of the bandwidth's bound at G1", "≥ 85 %", "", share),
    Goal("G5", "1 × 512, characters, one script", "≥ 6,000 characters/s", "≥ 9,000", amount),
    Goal("G5i", "the same in int8, over fp32", "≥ 1.2×", "", times),
    Goal("G6", "speed with all that is held to, over none of it", "≥ 80 %", "≥ 87 %", share),
    Goal("G7", "32 and 128 scripts at once, share of the machine's matrix products", "≥ 70 %", "", share),
    Goal("P1", "tokenising, over `tokenizers` alone", "≥ 80 %", "≥ 95 %", share),
    Goal("P2", "peak memory preparing a long text; the goals are for 1 GB", "≤ 1.5 GB", "≤ 0.8 GB", amount),
    Goal("P3", "`inspect` of a folder, over reading and splitting its files", "≥ 2.4 %", "", fraction),
    Goal("S1", "`generate --lines 1`, a whole process, over `import numpy`", "≤ 3×", "≤ 2×", times),
    Goal("S2", "the same over `import torch`", "≤ 0.3×", "", times),
    Goal("S3", "`inspect` of a small file, `doctor`, `originality`, likewise", "≤ 4.3×", "", times),
    Goal("U1", "`scriptforge --help` over `import typer`", "≤ 4×", "≤ 2.5×", times),
)


class Series(NamedTuple):
    """A row of the table of quality: trainings with several seeds.

    Attributes:
        row: its name, as in `Training.series`.
        what: what is trained and for how long.
        goal: the figure to reach, in nats per character.
        ambitious_goal: a better figure.
    """

    row: str
    what: str
    goal: str
    ambitious_goal: str


SERIES = (
    Series("Q1", "tiny Shakespeare, characters, 145 s", "≤ 1.50 / 1.58", "≤ 1.48 / 1.54"),
    Series("Q2", "the same, 6 minutes", "≤ 1.46 stream", "≤ 1.44"),
    Series("Q3", "the same, 20 minutes", "≤ 1.445 / 1.4697", "≤ 1.41 / 1.44"),
    Series("Q4", "Seinfeld, `--plain`, 6 minutes", "≤ 1.14 stream", "≤ 1.10"),
    Series("H1", "tiny Shakespeare on a GPU, 30 s", "≤ 1.4697 stream", "≤ 1.42"),
)

GPU_SPEED = ("H2", "2 × 512, characters, on a GPU", "", "≥ 2,000,000 tokens/s")
GPU_COURSE = ("H3", "5 epochs of the course's network on Seinfeld, on a GPU", "", "≤ 30 s")


def main(folder: Path) -> None:
    """Write the pages."""
    reports = {name: last_reports(name) for name in REPORTS}
    (folder / "benchmarks.md").write_text(page(reports), encoding="utf-8")
    explanation = folder / "explanation" / "why-it-is-fast.md"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    explanation.parent.mkdir(parents=True, exist_ok=True)
    text = (DOCS / "explanation" / "why-it-is-fast.md").read_text(encoding="utf-8")
    latest = sorted(reports["explanation"], key=attrgetter("measured"))[-1:]
    breakdowns = of_kind(Breakdown, latest)
    if breakdowns:
        (folder / CHART).write_text(stacked_bars(breakdowns[0]), encoding="utf-8")
    explanation.write_text(with_figures(text, figures_of(breakdowns)), encoding="utf-8")


def page(reports: Mapping[str, Sequence[Report]]) -> str:
    """Return the page of all results, given the reports of each benchmark, one from each machine."""
    trainings = of_kind(Training, reports["quality"])
    sections = [
        f"# Benchmarks\n\n{NOTICE}\n",
        INTRODUCTION,
        "## Goals and measurements\n\n" + goals_table(reports),
        QUALITY + series_table(trainings),
        chosen_table(trainings),
        cheaper_head(trainings),
        architectures_table(trainings),
        *(section(heading, reports[name]) for name, heading in REPORTS.items()),
    ]
    return "\n\n".join(part.strip("\n") for part in sections) + "\n"


def goals_table(reports: Mapping[str, Sequence[Report]]) -> str:
    """Return the table of goals, with what was measured for each on each machine."""
    by_machine: defaultdict[str, list[Report]] = defaultdict(list)
    for report in chain.from_iterable(reports[name] for name in REPORTS if name != "quality"):
        by_machine[report.machine.name].append(report)
    rows = []
    for goal in GOALS:
        measured = (
            "; ".join(answer for report in on_machine for answer in answers_to(goal, report)) or NOT_MEASURED
            for on_machine in by_machine.values()
        )
        rows.append([goal.row, goal.what, goal.goal, goal.ambitious_goal, *measured])
    header = ("", "what", "goal", "ambitious goal", *by_machine)
    return table(header, rows, text_columns=len(header))


def answers_to(goal: Goal, report: Report) -> Iterable[str]:
    """Yield what a report's results say about a goal."""
    for result in report.results:
        if isinstance(result, Comparison):
            for contender, row in result.answers.items():
                if row == goal.row:
                    yield f"{goal.measured(result, contender)} ({result.title}: {contender})"
        elif isinstance(result, Figure) and result.answers == goal.row:
            yield f"{goal.measured(result, '')} ({result.title})"


def series_table(trainings: Sequence[Training]) -> str:
    """Return the table of trainings of a given time, with all seeds of a series in a row."""
    rows = []
    for series in SERIES:
        of_row = [training for training in trainings if training.series == series.row]
        measured = NOT_MEASURED
        if of_row:
            stream, cold = (
                spread_text([figures["nats_per_character"] for figures in protocol])
                for protocol in ([t.stream for t in of_row], [t.cold_256 for t in of_row])
            )
            measured = f"{stream} / {cold}"
        seeds = ", ".join(str(training.seed) for training in of_row)
        rows.append([series.row, series.what, series.goal, series.ambitious_goal, measured, seeds])
    rows.append([*GPU_SPEED, *speed_text([t for t in trainings if t.series == "H2"])])
    rows.append([*GPU_COURSE, *seconds_text([t for t in trainings if t.series == "H3"])])
    return table(("", "what", "goal", "ambitious goal", "measured", "seeds"), rows, text_columns=5)


def speed_text(trainings: Sequence[Training]) -> tuple[str, str]:
    """Return how fast the text was read, and the seeds."""
    measured = [f"{figure_text(training.tokens_per_second)} tokens/s" for training in trainings]
    return ", ".join(measured) or NOT_MEASURED, ", ".join(str(training.seed) for training in trainings)


def seconds_text(trainings: Sequence[Training]) -> tuple[str, str]:
    """Return how long the training took, and the seeds."""
    measured = [f"{figure_text(training.seconds)} s" for training in trainings]
    return ", ".join(measured) or NOT_MEASURED, ", ".join(str(training.seed) for training in trainings)


def spread_text(values: Sequence[float]) -> str:
    """Return the mean, and the range if there are several values."""
    spread = f" ({min(values):.4f} – {max(values):.4f})" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{spread}"


def chosen_table(trainings: Sequence[Training]) -> str:
    """Return the table of Q5: `--minutes` alone, beside the best of several settings made by hand."""
    rows = []
    of_row = sorted((t for t in trainings if t.series == "Q5"), key=_group)
    for (corpus, asked), members in groupby(of_row, key=_group):
        group = list(members)
        chosen = [training for training in group if not training.changed]
        by_hand = [training for training in group if training.changed]
        if chosen and by_hand:
            best = min(by_hand, key=_nats)
            settings = ", ".join(f"{name} {value}" for name, value in best.changed.items())
            over = _nats(chosen[0]) / _nats(best) - 1
            figures = [f"{_nats(chosen[0]):.4f}", f"{_nats(best):.4f}", f"{100 * over:+.1f} %"]
            rows.append(
                [
                    corpus,
                    asked.partition("--minutes ")[2],
                    str(chosen[0].machine.threads),
                    *figures,
                    f"{settings} (of {len(by_hand)})",
                ]
            )
    text = (
        "Q5: `--minutes` alone, beside the best of several settings made by hand; the goal\n"
        "is at most 2 % behind. Nats per character, stream."
    )
    if not rows:
        return f"{text} Q5 is {NOT_MEASURED}."
    return f"{text}\n\n" + table(
        ("corpus", "minutes", "threads", "alone", "by hand", "", "the best by hand"), rows
    )


def _group(training: Training) -> tuple[str, str]:
    return training.corpus, " ".join(training.asked)


def _nats(training: Training) -> float:
    return training.stream["nats_per_character"]


def cheaper_head(trainings: Sequence[Training]) -> str:
    """Return what is said of T3: what sampled softmax costs in perplexity after the same number of tokens."""
    of_row = {t.changed["sampled_softmax"]: t for t in trainings if t.series == "T3"}
    text = "T3 may cost at most 1 % of validation perplexity after as many tokens:"
    if 0 not in of_row or len(of_row) < 2:
        return f"{text} {NOT_MEASURED}."
    full = of_row.pop(0)
    perplexity = full.stream["perplexity"]
    costs = ", ".join(
        f"{100 * (sampled.stream['perplexity'] / perplexity - 1):+.2f} % with {samples:,} words"
        for samples, sampled in sorted(of_row.items())
    )
    return f"{text} {costs} (perplexity {perplexity:.2f} with all)."


def architectures_table(trainings: Sequence[Training]) -> str:
    """Return the table of architectures: what each reaches in the same time, over all seeds."""
    text = (
        "Architectures: tiny Shakespeare, characters, 145 s each, no setting made by hand;\n"
        "`python -m benchmarks.quality A`. Bits per character, stream and cold-256: the mean of the seeds,\n"
        "and from the best to the worst; of the rest the median."
    )
    by_arch: dict[str, list[Training]] = {}
    for training in trainings:
        if training.series == "A":
            by_arch.setdefault(training.settings["arch"], []).append(training)
    if not by_arch:
        return f"{text} {NOT_MEASURED.capitalize()}."
    rows = [
        [
            arch,
            f"{statistics.median(training.parameters or 0 for training in group):,.0f}",
            spread_text([training.stream["bits_per_character"] for training in group]),
            spread_text([training.cold_256["bits_per_character"] for training in group]),
            f"{statistics.median(training.tokens_per_second for training in group):,.0f}",
            f"{statistics.median(training.written_per_second or 0 for training in group):,.0f}",
            ", ".join(str(training.seed) for training in group),
            ", ".join(sorted({str(training.machine.threads) for training in group})),
        ]
        for arch, group in sorted(by_arch.items(), key=lambda item: statistics.fmean(map(_nats, item[1])))
    ]
    heads = (
        "",
        "parameters",
        "stream",
        "cold-256",
        "learnt, characters/s",
        "written, characters/s",
        "seeds",
        "threads",
    )
    return f"{text}\n\n" + table(heads, rows)


def section(heading: str, reports: Sequence[Report]) -> str:
    """Return the results of one benchmark on all machines under a heading."""
    parts = [part for report in reports for part in (f"### {report.machine.name}", *tables_of(report))]
    return "\n\n".join([f"## {heading}", *(parts or [f"{NOT_MEASURED.capitalize()}."])])


def tables_of(report: Report) -> Iterator[str]:
    """Yield the day and the machine of a report, and the tables of its results."""
    yield machine_text(report.machine, report.measured)
    trainings = of_kind(Training, [report])
    for result in report.results:
        if not isinstance(result, Training):
            yield table(*result.table())
    if trainings:
        header, _ = trainings[0].table()
        yield table(header, [row for training in trainings for row in training.table()[1]])


def machine_text(machine: Machine, measured: str) -> str:
    """Return a sentence on the day and what the machine has, and the versions."""
    versions = ", ".join(f"{name} {number}" for name, number in machine.versions.items())
    accelerator = machine.accelerator or "no GPU"
    return (
        f"Measured on {measured}: {', '.join(machine.features) or 'features unknown'}; "
        f"{machine.cores} cores, {machine.threads} threads, {accelerator}.\n{versions}."
    )


def figures_of(breakdowns: Sequence[Breakdown]) -> str:
    """Return the chart and the table of what a target costs."""
    if not breakdowns:
        return f"The figures are {NOT_MEASURED}."
    breakdown = breakdowns[0]
    names = list(breakdown.parts)
    first, last = breakdown.whole(names[0]), breakdown.whole(names[-1])
    return "\n\n".join(
        [
            f"![What a target costs, part by part](../{CHART.as_posix()})",
            table(*breakdown.table()),
            f"From {names[0]} to the last row a target's time falls to 1/{figure_text(first / last)}.",
        ]
    )


def with_figures(text: str, figures: str) -> str:
    """Return a page with the part between its two marks replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{figures}\n\n{END}{after}"


def of_kind(kind: type[Kind], reports: Iterable[Report]) -> list[Kind]:
    """Return the results of one kind in several reports."""
    return [result for report in reports for result in report.results if isinstance(result, kind)]


def table(header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Return a table in Markdown, with all columns after the first `text_columns` aligned right."""
    rule = ["---" if place < text_columns else "---:" for place in range(len(header))]
    return "\n".join(f"| {' | '.join(line)} |" for line in [header, rule, *rows])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS)
