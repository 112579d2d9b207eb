"""Passages: stretches of text that stay together when the training text of a mix is put together.

Whoever trains on a mix for a short time should see all sources in proportion. So the passages of the sources
are interleaved, each source advancing evenly from the beginning of the training text to its end. Three
sources of 600, 200 and 100 characters, cut into passages of 100, come in the order

    A A B A C A A B A        the middles of A at 1/12, 3/12, 5/12 …, of B at 1/4 and 3/4, of C at 1/2

and a source with a weight of 2 comes twice, its second round when the first is through: its queue is A1 A2
A3 A1 A2 A3. Where a passage is followed by the one that continues it, nothing is put between them, so a
corpus alone is read from end to end as it stands. Knows nothing of tokens.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise
from pathlib import Path

from scriptforge.dataset import Division, divide_sources
from scriptforge.net.client import ProgressCallback
from scriptforge.script_rows import ScriptRow, read_rows

LONGEST_PASSAGE = 30_000
"""Characters. A longer document is taken apart, where a scene begins if one does so in time."""

_ROWS_BETWEEN_REPORTS = 4096


@dataclass(frozen=True, slots=True)
class Passage:
    """A document, or a stretch of one.

    Attributes:
        number: its place among all passages of all sources, from 0.
        split: which split it is in.
        source: the corpus it is from.
        document: the number of its document.
        copies: how often it is to occur: once, but in the training text of a mix with weights.
        lines: lines it stands for.
        characters: characters it stands for.
        rows: what it holds; empty once it has become tokens.
    """

    number: int
    split: str
    source: str
    document: int
    copies: int
    lines: int
    characters: int
    rows: Sequence[ScriptRow]

    def continues(self, other: "Passage | None") -> bool:
        """Return whether it follows another one in the same document, without a gap."""
        return (
            other is not None
            and other.number + 1 == self.number
            and (other.split, other.document) == (self.split, self.document)
        )


def report_rows(
    rows: Iterable[ScriptRow], on_progress: ProgressCallback, doing: str, total: int | None = None
) -> Iterator[ScriptRow]:
    """Pass rows on; say now and then what is being done, and how many there have been, of how many."""
    for number, row in enumerate(rows):
        if number % _ROWS_BETWEEN_REPORTS == 0:
            on_progress(doing, number, total)
        yield row


@dataclass(frozen=True)
class ParsedText:
    """The contents of `scripts.parquet`, and what has been decided on them.

    Attributes:
        path: the file.
        weights: how often the training text of each source is to occur, by its name, in order.
        divisions: which text of each source is in which split, by its name.
        sizes: characters of each document of all sources, in order.
        rows: how many there are.
        on_progress: called with what is being done, how many rows are done, and of how many.
    """

    path: Path
    weights: Mapping[str, float]
    divisions: Mapping[str, Division]
    sizes: Sequence[int]
    rows: int
    on_progress: ProgressCallback

    @property
    def is_mixed(self) -> bool:
        """Return whether there is more than one source."""
        return len(self.weights) > 1

    def passages(self, doing: str) -> Iterator[Passage]:
        """Yield all of the text, source by source; `doing` says what it is read for, in a word or two."""
        rows = report_rows(read_rows(self.path), self.on_progress, doing, self.rows)
        yield from cut_passages(divide_sources(rows, self.divisions), self.sizes, self.weights)
        self.on_progress(doing, self.rows, self.rows)

    def training_passages(self, doing: str) -> Iterator[Passage]:
        """Yield what is trained on, source by source, each passage once whatever its copies."""
        return (passage for passage in self.passages(doing) if passage.split == "train" and passage.copies)


def cut_passages(
    split_rows: Iterable[tuple[str, ScriptRow]], sizes: Sequence[int], weights: Mapping[str, float]
) -> Iterator[Passage]:
    """Cut the text of all sources into passages; the same text is always cut in the same way.

    Args:
        split_rows: all rows, in order, each with its split.
        sizes: characters of each document, by number.
        weights: how often the training text of each source is to occur. Of a text with a weight of 1.5 every
            other passage occurs twice, of one with 0.5 every other not at all, longer ones counting more.
    """
    portions = {source: _Portion(weight) for source, weight in weights.items()}
    for number, (split, rows) in enumerate(_cut(split_rows, sizes)):
        characters = sum(row.characters for row in rows)
        source = rows[0].source
        yield Passage(
            number=number,
            split=split,
            source=source,
            document=rows[0].document,
            copies=portions[source].copies(characters) if split == "train" else 1,
            lines=sum(row.lines for row in rows),
            characters=characters,
            rows=rows,
        )


def _cut(
    split_rows: Iterable[tuple[str, ScriptRow]], sizes: Sequence[int]
) -> Iterator[tuple[str, list[ScriptRow]]]:
    for (split, document), group in groupby(split_rows, key=lambda each: (each[0], each[1].document)):
        longest = LONGEST_PASSAGE if sizes[document] > LONGEST_PASSAGE else math.inf
        passage: list[ScriptRow] = []
        characters = 0
        for _, row in group:
            begins_scene = row.kind == "heading" and characters > longest / 2
            if passage and (begins_scene or characters + row.characters > longest):
                yield split, passage
                passage, characters = [], 0
            passage.append(row)
            characters += row.characters
        yield split, passage


class _Portion:
    """Counts how often each passage of a source is to occur, so that together they come to its weight."""

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._owed = 0.0

    def copies(self, characters: int) -> int:
        """Return the copies of the next passage: the weight, rounded so that errors cancel out.

        With a weight of 1.5 and passages of one size: 1.5 rounds to 2, half a passage too much; the next is
        owed 1 and occurs once; then 2 again.
        """
        self._owed += self._weight * characters
        copies = math.floor(self._owed / max(characters, 1) + 0.5)
        copies = min(max(copies, math.floor(self._weight)), math.ceil(self._weight))
        self._owed -= copies * characters
        return copies


def interleave(sizes: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Return an order in which several queues are served evenly, all of them from the beginning to the end.

    Args:
        sizes: of what stands in each queue.

    Returns:
        Queue and place in it, in the order of serving: that of the places' middles, as shares of their
        queues. Queues of sizes [30, 10] and [20] are served as (0, 0), (1, 0), (0, 1): the middles are 0.375
        and 0.875 of the first queue, 0.5 of the second.
    """
    middles: list[tuple[float, int, int]] = []
    for queue, waiting in enumerate(sizes):
        ends = list(accumulate(waiting, initial=0))
        for place, (start, end) in enumerate(pairwise(ends)):
            middles.append(((start + end) / 2 / max(ends[-1], 1), queue, place))
    return [(queue, place) for _, queue, place in sorted(middles)]
