"""Results of benchmarks and their files: raw figures, from which everything else is computed."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks"
"""The last results: a folder for each machine, with a file for each benchmark. `page.py` makes the pages."""


class Machine(BaseModel):
    """The machine and the software of a measurement, without names of people or places.

    Attributes:
        processor: its name.
        features: the features of the processor that affect speed.
        cores: number of cores that a process may use.
        threads: number of threads that torch uses.
        accelerator: the name of a GPU, if there is one.
        versions: versions of the system, Python and the libraries that compute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    processor: str
    features: list[str]
    cores: int
    threads: int
    accelerator: str | None
    versions: dict[str, str]

    @property
    def name(self) -> str:
        """Return the name of the processor, and of the GPU if there is one."""
        return f"{self.processor}, {self.accelerator}" if self.accelerator else self.processor

    @property
    def folder(self) -> Path:
        """Return the folder of the results from machines of this name."""
        return RESULTS / re.sub("[^a-z0-9]+", "-", self.name.lower()).strip("-")

    @classmethod
    def here(cls) -> "Machine":
        """Return this machine."""
        processor, flags = _processor()
        return cls(
            processor=processor,
            features=[name for name in FEATURES if name in flags],
            cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
            threads=torch.get_num_threads(),
            accelerator=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            versions={
                "scriptforge": version("scriptforge-lm"),
                "torch": torch.__version__,
                "tokenizers": version("tokenizers"),
                "Python": platform.python_version(),
                platform.system(): platform.release().partition("-")[0],
            },
        )


FEATURES = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
    "asimddp",
    "i8mm",
    "bf16",
)
"""The features of processors to look for."""


def _processor() -> tuple[str, set[str]]:
    """Return the processor's name and features, as far as the system tells."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    family = f" (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else ""
    name = facts.get("model name") or platform.processor() or platform.machine()
    return name + family, set(facts.get("flags", facts.get("Features", "")).split())


class Result(BaseModel):
    """A result of a benchmark."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str


class Comparison(Result):
    """The figures of several contenders, round by round.

    Attributes:
        unit: the unit of the figures, such as `tokens/s`.
        baseline: the contender that the others are compared with.
        figures: for each contender one figure per round, in the order of the rounds.
        answers: rows of the table of goals, such as `T1`, by the contender that answers each.
    """

    kind: Literal["comparison"] = "comparison"
    unit: str
    baseline: str
    figures: dict[str, list[float]]
    answers: dict[str, str] = {}

    def median(self, contender: str) -> float:
        """Return the median of a contender's figures."""
        return statistics.median(self.figures[contender])

    def spread(self, contender: str) -> tuple[float, float]:
        """Return the least and the greatest of a contender's figures."""
        return min(self.figures[contender]), max(self.figures[contender])

    def ratio(self, contender: str) -> float:
        """Return the ratio to the baseline: the median of the ratios within each round."""
        pairs = zip(self.figures[contender], self.figures[self.baseline], strict=True)
        return statistics.median(figure / against for figure, against in pairs)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return a header, and a row for each contender."""
        rows = []
        for name in self.figures:
            least, greatest = self.spread(name)
            rows.append(
                [
                    name,
                    figure_text(self.median(name)),
                    f"{figure_text(least)} – {figure_text(greatest)}",
                    f"{figure_text(self.ratio(name))}×",
                ]
            )
        return [self.title, self.unit, "least – greatest", f"over {self.baseline}"], rows


class Breakdown(Result):
    """The costs of the parts of some work, for several contenders.

    Attributes:
        unit: the unit of the figures, such as `ms`.
        parts: for each contender and part one figure per round; all have the same parts in the same order.
    """

    kind: Literal["breakdown"] = "breakdown"
    unit: str
    parts: dict[str, dict[str, list[float]]]

    def medians(self, contender: str) -> dict[str, float]:
        """Return the median of the figures of each part."""
        return {part: statistics.median(figures) for part, figures in self.parts[contender].items()}

    def whole(self, contender: str) -> float:
        """Return the sum of all parts."""
        return sum(self.medians(contender).values())

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return a header, and a row for each contender."""
        medians = {contender: self.medians(contender) for contender in self.parts}
        rows = [
            [contender, *map(figure_text, parts.values()), figure_text(sum(parts.values()))]
            for contender, parts in medians.items()
        ]
        return [f"{self.title}, {self.unit}", *next(iter(medians.values())), "all"], rows


class Figure(Result):
    """One number that stands alone.

    Attributes:
        unit: its unit.
        value: the number.
        answers: the row of the table of goals that it answers, if any.
    """

    kind: Literal["figure"] = "figure"
    unit: str
    value: float
    answers: str | None = None

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return a header and one row."""
        return ["", self.unit], [[self.title, figure_text(self.value)]]


class Training(Result):
    """The result of one training by the command line.

    Attributes:
        series: the row of the table of goals that it belongs to, such as `Q1`.
        corpus: what it was trained on.
        asked: its length and other options, as given on the command line.
        changed: settings made by hand; the command chose all others.
        seed: the seed of its weights.
        seconds: how long it trained, validations included.
        process_seconds: how long the command took, from its start to its end.
        tokens_per_second: how fast the text was read.
        stream: the figures of the validation split, with the state carried through, as `evaluate` names them.
        cold_256: the same in windows of 256 tokens from a zero state.
        settings: its final settings, as the run's config.json names them.
        parameters: number of parameters; None if it was not recorded.
        written_per_second: characters per second that the model then writes; None if it was not measured.
        measured: the day.
        machine: the machine; a series may be continued on another one.
    """

    kind: Literal["training"] = "training"
    series: str
    corpus: str
    asked: list[str]
    changed: dict[str, Any]
    seed: int
    seconds: float
    process_seconds: float
    tokens_per_second: float
    stream: dict[str, float]
    cold_256: dict[str, float]
    settings: dict[str, Any]
    parameters: int | None = None
    written_per_second: float | None = None
    measured: str
    machine: Machine

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """Return what distinguishes it from other trainings."""
        return self.series, self.corpus, str(self.asked), str(self.changed), self.seed

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return a header and one row."""
        header = ["training", "seed", "seconds", "stream, nats/char", "cold-256, nats/char"]
        figures = [f"{protocol['nats_per_character']:.4f}" for protocol in (self.stream, self.cold_256)]
        return header, [[self.title, str(self.seed), f"{self.seconds:.0f}", *figures]]


AnyResult = Annotated[Comparison | Breakdown | Figure | Training, Field(discriminator="kind")]


class Report(BaseModel):
    """The results of a benchmark, with the day and the machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    benchmark: str
    measured: str
    machine: Machine
    results: list[AnyResult]

    @property
    def path(self) -> Path:
        """Return the file of this benchmark's last report on this machine."""
        return self.machine.folder / f"{self.benchmark}.json"

    def save(self) -> None:
        """Save the report in place of the last one on this machine."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(self.path)


def report_of(benchmark: str, results: Sequence[AnyResult]) -> Report:
    """Return a report of today, on this machine."""
    return Report(
        benchmark=benchmark,
        measured=today(),
        machine=Machine.here(),
        results=list(results),
    )


def today() -> str:
    """Return the date."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def last_reports(benchmark: str) -> list[Report]:
    """Return the last report of a benchmark on each machine, sorted by the machine's name."""
    paths = sorted(RESULTS.glob(f"*/{benchmark}.json"))
    return [Report.model_validate_json(path.read_text(encoding="utf-8")) for path in paths]


def figure_text(value: float) -> str:
    """Return a number with about three significant digits, and commas between thousands."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3g}"


def printed(results: Sequence[AnyResult]) -> str:
    """Return tables for a terminal; results with the same header share one."""
    blocks: list[tuple[list[str], list[list[str]]]] = []
    for result in results:
        header, rows = result.table()
        if blocks and blocks[-1][0] == header:
            blocks[-1][1].extend(rows)
        else:
            blocks.append((header, list(rows)))
    return "\n\n".join(_aligned(header, rows) for header, rows in blocks)


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in plain text, with all but the first column aligned right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, *rows)
    ]
    return "\n".join([lines[0], "─" * max(map(len, lines)), *lines[1:]])
