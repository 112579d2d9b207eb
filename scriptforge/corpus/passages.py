"""Passages: stretches of text that stay together when the training text of a mix is put together.

Whoever trains on a mix for a short time should see all sources in proportion. So the passages of the sources
take turns, each source advancing evenly from the beginning of the training text to its end; what a weight
repeats comes a whole round later. Where a passage is followed by the one that continues it, nothing is
put between them, so a corpus alone is read from end to end as it stands. Knows nothing of tokens.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from scriptforge.dataset import ScriptRow

LONGEST_PASSAGE = 30_000
"""Characters. A longer document is taken apart, where a scene begins if one does so in time."""

Placed = tuple[str, ScriptRow]
"""A piece with the split that it is in."""


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
        pieces: what it holds; empty once it has become tokens.
    """

    number: int
    split: str
    source: str
    document: int
    copies: int
    lines: int
    characters: int
    pieces: Sequence[ScriptRow]

    def continues(self, other: "Passage | None") -> bool:
        """Whether it follows another one in the same document, without a gap."""
        return (
            other is not None
            and other.number + 1 == self.number
            and (other.split, other.document) == (self.split, self.document)
        )


def cut_passages(
    placed: Iterable[Placed], sizes: Sequence[int], weights: Mapping[str, float]
) -> Iterator[Passage]:
    """Takes the text of all sources apart; the same text is always taken apart in the same way.

    Args:
        placed: all pieces, in order, each with its split.
        sizes: characters of each document, by number.
        weights: how often the training text of each source is to occur. Of a text with a weight of 1.5 every
            other passage occurs twice, of one with 0.5 every other not at all, longer ones counting more.
    """
    portions = {source: _Portion(weight) for source, weight in weights.items()}
    for number, (split, pieces) in enumerate(_cut(placed, sizes)):
        characters = sum(piece.characters for piece in pieces)
        source = pieces[0].source
        yield Passage(
            number=number,
            split=split,
            source=source,
            document=pieces[0].document,
            copies=portions[source].copies(characters) if split == "train" else 1,
            lines=sum(piece.lines for piece in pieces),
            characters=characters,
            pieces=pieces,
        )


def _cut(placed: Iterable[Placed], sizes: Sequence[int]) -> Iterator[tuple[str, list[ScriptRow]]]:
    for (split, document), group in groupby(placed, key=lambda each: (each[0], each[1].document)):
        longest = LONGEST_PASSAGE if sizes[document] > LONGEST_PASSAGE else math.inf
        passage: list[ScriptRow] = []
        characters = 0
        for _, piece in group:
            begins_scene = piece.kind == "heading" and characters > longest / 2
            if passage and (begins_scene or characters + piece.characters > longest):
                yield split, passage
                passage, characters = [], 0
            passage.append(piece)
            characters += piece.characters
        yield split, passage


class _Portion:
    """How often each passage of a source is to occur, so that together they come to its weight.

    Args:
        weight: above 0.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._owed = 0.0

    def copies(self, characters: int) -> int:
        """The copies of the next passage: the weight rounded, so that what rounding leaves is made up for."""
        self._owed += self._weight * characters
        copies = math.floor(self._owed / max(characters, 1) + 0.5)
        copies = min(max(copies, math.floor(self._weight)), math.ceil(self._weight))
        self._owed -= copies * characters
        return copies


def interleave(sizes: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """An order in which several queues are served evenly, all of them from the beginning to the end.

    Args:
        sizes: of what stands in each queue.

    Returns:
        Queue and place in it, in the order of serving. The middle of each comes where so much of its queue
        has been served.
    """
    middles: list[tuple[float, int, int]] = []
    for queue, waiting in enumerate(sizes):
        total, before = sum(waiting), 0
        for place, size in enumerate(waiting):
            middles.append(((before + size / 2) / max(total, 1), queue, place))
            before += size
    return [(queue, place) for _, queue, place in sorted(middles)]
