"""The parsed text of all corpora of a dataset in the making, read back as often as it is needed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scriptforge.corpus.passages import Passage, Placed, cut_passages
from scriptforge.dataset import Division, divide_sources
from scriptforge.net.client import Progress
from scriptforge.pieces import read_pieces

PIECES_BETWEEN_REPORTS = 4096


@dataclass(frozen=True)
class ParsedText:
    """What is in `scripts.parquet`, and what has been decided on it.

    Attributes:
        path: the file.
        weights: how often the training text of each source is to occur, by its name, in order.
        divisions: which text of each source is in which split, by its name.
        sizes: characters of each document of all sources, in order.
        pieces: how many there are.
        progress: told what is being done, how many pieces are done, and of how many.
    """

    path: Path
    weights: Mapping[str, float]
    divisions: Mapping[str, Division]
    sizes: Sequence[int]
    pieces: int
    progress: Progress

    @property
    def is_mixed(self) -> bool:
        """Whether there is more than one source."""
        return len(self.weights) > 1

    def passages(self, doing: str) -> Iterator[Passage]:
        """All of it, source by source.

        Args:
            doing: what it is read for, in a word or two.
        """
        yield from cut_passages(self._placed(doing), self.sizes, self.weights)
        self.progress(doing, self.pieces, self.pieces)

    def training_passages(self, doing: str) -> Iterator[Passage]:
        """What is trained on, source by source, each passage once whatever its copies."""
        return (passage for passage in self.passages(doing) if passage.split == "train" and passage.copies)

    def _placed(self, doing: str) -> Iterator[Placed]:
        for number, placed in enumerate(divide_sources(read_pieces(self.path), self.divisions)):
            if number % PIECES_BETWEEN_REPORTS == 0:
                self.progress(doing, number, self.pieces)
            yield placed
