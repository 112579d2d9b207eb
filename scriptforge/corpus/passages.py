"""Passages: the units that are interleaved to make the training text of a mix.

Even a short training on a mix should see all sources in proportion. So the passages of the sources are
interleaved, each source spread evenly over the training text. Three sources of 600, 200 and 100 characters,
cut into passages of 100, come in the order

    A A B A C A A B A        the middles of A at 1/12, 3/12, 5/12 …, of B at 1/4 and 3/4, of C at 1/2

and a source with a weight of 2 comes twice, the second copy after the first: its queue is A1 A2 A3 A1 A2 A3.
Nothing is inserted between a passage and the one that continues it, so a single corpus is read in its
original order, unchanged. This module does not deal with tokens.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path

from scriptforge.dataset import Division, divide_sources
from scriptforge.net.client import ProgressCallback
from scriptforge.script_rows import ScriptRow, read_rows

LONGEST_PASSAGE = 30_000
"""Characters of a passage; a longer document is split, at the beginning of a scene where possible."""

_ROWS_BETWEEN_REPORTS = 4096


@dataclass(frozen=True, slots=True)
class Passage:
    """A document, or a contiguous part of one.

    Attributes:
        number: its index among the passages of all sources.
        split: its split.
        source: the name of the corpus it is from.
        document: the number of its document.
        copies: how often it occurs, 0 if it is dropped; always 1 outside the training split of a mix with
            weights.
        lines: the number of lines it stands for.
        characters: the number of characters it stands for.
        rows: its rows; empty once it has been encoded.
    """

    number: int
    split: str
    source: str
    document: int
    copies: int
    lines: int
    characters: int
    rows: Sequence[ScriptRow]

    @property
    def is_training(self) -> bool:
        """Return whether it is trained on."""
        return self.split == "train" and self.copies > 0

    def continues(self, other: "Passage | None") -> bool:
        """Return whether it directly follows another passage in the same document and split."""
        return (
            other is not None
            and other.number + 1 == self.number
            and (other.split, other.document) == (self.split, self.document)
        )


def report_rows(
    rows: Iterable[ScriptRow], on_progress: ProgressCallback, doing: str, total: int | None = None
) -> Iterator[ScriptRow]:
    """Yield rows unchanged, and regularly report the task `doing`, the rows so far, and their total."""
    for number, row in enumerate(rows):
        if number % _ROWS_BETWEEN_REPORTS == 0:
            on_progress(doing, number, total)
        yield row


@dataclass(frozen=True)
class ParsedText:
    """The contents of `scripts.parquet`, and their division into splits and weights.

    Attributes:
        path: the path of the file.
        weights: how often the training text of each source occurs, by the source's name, in reading order.
        divisions: the assignment of each source's text to splits, by the source's name.
        sizes: the number of characters of each document of all sources, in order.
        rows: the number of rows.
        on_progress: called with the current task, the rows done, and their total.
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
        """Yield the passages of all splits, source by source; `doing` names the task for progress reports."""
        rows = report_rows(read_rows(self.path), self.on_progress, doing, self.rows)
        yield from cut_passages(divide_sources(rows, self.divisions), self.sizes, self.weights)
        self.on_progress(doing, self.rows, self.rows)

    def training_passages(self, doing: str) -> Iterator[Passage]:
        """Yield the training passages, source by source, each once if it has any copies."""
        return (passage for passage in self.passages(doing) if passage.is_training)


def cut_passages(
    split_rows: Iterable[tuple[str, ScriptRow]], sizes: Sequence[int], weights: Mapping[str, float]
) -> Iterator[Passage]:
    """Cut the text of all sources into passages, deterministically.

    Args:
        split_rows: all rows, in order, each with its split.
        sizes: the number of characters of each document, by its number.
        weights: how often the training text of each source occurs, on average over its characters. With
            passages of one size, 1.5 repeats every other passage, and 0.5 drops every other.
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
    passage: list[ScriptRow] = []
    characters, longest = 0, math.inf
    last_split, last_document = "", -1
    for split, row in split_rows:
        is_other = row.document != last_document or split != last_split
        begins_scene = row.kind == "heading" and characters > longest / 2
        if passage and (is_other or begins_scene or characters + row.characters > longest):
            yield last_split, passage
            passage, characters = [], 0
        if is_other:
            last_split, last_document = split, row.document
            longest = LONGEST_PASSAGE if sizes[row.document] > LONGEST_PASSAGE else math.inf
        passage.append(row)
        characters += row.characters
    if passage:
        yield last_split, passage


class _Portion:
    """Chooses the copies of each passage of a source, so that they match its weight on average."""

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._owed = 0.0

    def copies(self, characters: int) -> int:
        """Return the copies of the next passage: the weight, rounded with the error carried over.

        With a weight of 1.5 and passages of one size, 1.5 rounds to 2, half a passage too much; so the next
        one is due 1 and occurs once; then 2 again.
        """
        self._owed += self._weight * characters
        copies = math.floor(self._owed / max(characters, 1) + 0.5)
        copies = min(max(copies, math.floor(self._weight)), math.ceil(self._weight))
        self._owed -= copies * characters
        return copies


def interleave(sizes: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Interleave several queues so that each is spread evenly over the result.

    Args:
        sizes: the sizes of the items in each queue.

    Returns:
        The queue and the place in it of each item, sorted by the position of the item's middle as a share of
        its queue. Queues of sizes [30, 10] and [20] give (0, 0), (1, 0), (0, 1): the middles are at 0.375 and
        0.875 of the first queue, and at 0.5 of the second.
    """
    middles: list[tuple[float, int, int]] = []
    for queue, waiting in enumerate(sizes):
        ends = list(accumulate(waiting, initial=0))
        for place, (start, end) in enumerate(pairwise(ends)):
            middles.append(((start + end) / 2 / max(ends[-1], 1), queue, place))
    return [(queue, place) for _, queue, place in sorted(middles)]
