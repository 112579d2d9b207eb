"""Counts how many generated scripts are well-formed, and what that costs; writes form.md beside this file.

    python docs/measured/form.py [COUNT]

A script counts as well-formed when every way of reading it back, from `name: text`, from Fountain and from
Final Draft's XML, gives exactly the elements that the decoder emitted. COUNT scripts, 3,400 if not said, are
written by each of two models at each of three levels: one barely trained and one trained for a minute.
"""

import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from scriptforge import __version__
from scriptforge.cli.app import run
from scriptforge.generation.automata import Automata
from scriptforge.generation.decoder import ModelDecoder
from scriptforge.generation.decoding import DecodingLoop
from scriptforge.generation.generate import GeneratedText, Session
from scriptforge.generation.grammar import Grammar, Mask, Position
from scriptforge.generation.sampling import Sampler
from scriptforge.options import GenerateOptions
from scriptforge.run.run import Run
from scriptforge.screenplay.formats import read, write
from scriptforge.screenplay.script import Script
from scriptforge.vocabulary import LEVELS
from scriptforge.workspace import Workspace

PAGE = Path(__file__).with_suffix(".md")
COUNT = 3_400
LANES = 250
LINES = 5
TRAININGS = {"barely trained": ("--minutes", "0.02"), "trained for a minute": ("--minutes", "1")}
FORMATS = {"txt": "name-line", "fountain": "fountain", "fdx": "fdx"}
SAMPLING = GenerateOptions(temperature=1, min_p=0)
STEPS = 60
ROUNDS = 75


def main(count: int) -> None:
    """Measures everything and writes the page."""
    rows = []
    with TemporaryDirectory() as folder:
        for level in LEVELS:
            command("prepare", "demo", "--level", level, "--name", level, workspace=folder)
            for number, (training, budget) in enumerate(TRAININGS.items()):
                name = f"{level}-{number}"
                command("train", level, "--name", name, *budget, workspace=folder)
                rows.append(measure(Run(Workspace(Path(folder)).run(name)), level, training, count))
                sys.stderr.write(f"{rows[-1].as_row()}\n")
    PAGE.write_text(page(rows, count), encoding="utf-8")


def command(*words: str, workspace: str) -> None:
    """Runs a command of scriptforge quietly."""
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as said:
        code = run([*words, "--workspace", workspace])
    if code:
        sys.exit(said.getvalue())


@dataclass(frozen=True)
class Row:
    """What was seen of one model."""

    level: str
    training: str
    nats: float
    scripts: int
    well_formed: int
    elements: int
    kinds: str
    alone: float
    together: float

    def as_row(self) -> str:
        """A line of the table."""
        cells = (
            self.level,
            self.training,
            f"{self.nats:.3f}",
            f"{self.well_formed:,} of {self.scripts:,}",
            f"{self.elements:,}",
            self.kinds,
            f"{100 * self.alone:+.1f} %",
            f"{100 * self.together:+.1f} %",
        )
        return f"| {' | '.join(cells)} |"


def measure(trained: Run, level: str, training: str, count: int) -> Row:
    """Lets one model write and reads everything back."""
    well_formed = elements = 0
    kinds: dict[str, int] = {}
    for piece in pieces(trained, count):
        well_formed += is_well_formed(piece)
        elements += len(piece.elements)
        for element in piece.elements:
            kinds[element.kind] = kinds.get(element.kind, 0) + 1
    shares = ", ".join(f"{kind} {100 * number / elements:.0f} %" for kind, number in sorted(kinds.items()))
    result = trained.description.result
    assert result
    nats = result.best.stream.nats_per_character
    return Row(
        level, training, nats, count, well_formed, elements, shares, cost(trained, 1), cost(trained, 32)
    )


def pieces(trained: Run, count: int) -> Iterator[GeneratedText]:
    """So many pieces, in batches."""
    for seed in range(0, count, LANES):
        options = replace(SAMPLING, lines=LINES, count=min(LANES, count - seed), seed=seed)
        yield from Session(trained, options).write()


def is_well_formed(piece: GeneratedText) -> bool:
    """Whether every format reads back what was emitted."""
    script = Script.from_elements("", piece.elements)
    return tuple(read(piece.text.splitlines(), "name-line")) == piece.elements and all(
        tuple(read(write(script, suffix).splitlines(), format)) == piece.elements
        for suffix, format in FORMATS.items()
    )


class _NoGrammar:
    """Stands where the grammar does, and forbids nothing."""

    def __init__(self, size: int, lanes: int) -> None:
        self._nothing_BV = np.zeros((lanes, size), np.bool_)

    def start(self, lanes: int) -> Position:
        return Position([], [], [])

    def forbidden(self, position: Position) -> Mask:
        return self._nothing_BV

    def advance(self, position: Position, ids: list[int]) -> Position:
        return position


def cost(trained: Run, lanes: int) -> float:
    """The share of time that the grammar adds to a step: medians of rounds that alternate."""
    grammar = Grammar(trained.vocabulary)
    nothing = _NoGrammar(trained.vocabulary.size, lanes)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * ROUNDS):
        masked = number % 2 == 0
        seconds[masked].append(time_steps(trained, grammar if masked else nothing, lanes))
    return statistics.median(seconds[True]) / statistics.median(seconds[False]) - 1


def time_steps(trained: Run, grammar: "Grammar | _NoGrammar", lanes: int) -> float:
    """Seconds of the processor that some steps take: other work on the machine counts less in them."""
    is_text_V = trained.vocabulary.is_text
    decoder, sampler = (
        ModelDecoder(trained.inference(), lanes),
        Sampler(SAMPLING, range(lanes), is_text_V),
    )
    is_cue_L = trained.vocabulary.is_cue
    automata = Automata((), (), trained.vocabulary.size, lanes)
    loop = DecodingLoop(decoder, grammar, automata, sampler, is_cue_L, lanes)  # type: ignore[arg-type]
    loop.give([trained.vocabulary.end])
    begun = time.process_time()
    for _ in range(STEPS):
        loop.draw()
    return time.process_time() - begun


def page(rows: list[Row], count: int) -> str:
    """The page."""
    total, good = sum(row.scripts for row in rows), sum(row.well_formed for row in rows)
    versions = f"scriptforge {__version__}, torch {torch.__version__}, {torch.get_num_threads()} threads"
    table = "\n".join(row.as_row() for row in rows)
    return f"""# Every script is well-formed

<!-- Written by docs/measured/form.py. -->

Measured on {datetime.now(UTC):%Y-%m-%d} with {versions}.

```
python docs/measured/form.py {count}
```

**{good:,} of {total:,} generated scripts were well-formed.** A script counts as such when reading it
back, from `name: text`, from Fountain and from Final Draft's XML, gives exactly the elements that the
decoder emitted: each {LINES} lines, drawn at temperature 1 with nothing cut off, from models that know next
to nothing and from models trained for a minute on the demo corpus.

The last columns say what share of time the grammar adds to a step, alone and with 32 scripts at once:
medians, in processor time, of {ROUNDS} rounds that alternate with a loop that forbids nothing.

| level | model | nats/char | well-formed | elements | kinds | cost, alone | cost, 32 at once |
|---|---|---:|---:|---:|---|---:|---:|
{table}
"""


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else COUNT)
