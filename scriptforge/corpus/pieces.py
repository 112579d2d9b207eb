"""`scripts.parquet`: the parsed text of a dataset, piece by piece, written and read in constant memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import pyarrow
import pyarrow.parquet

from scriptforge.screenplay.script import Element

PLAIN = "text"
"""The kind of a stretch of plain text."""

_ROWS = 8192
_SCHEMA = pyarrow.schema(
    [
        ("document", pyarrow.int32()),
        ("title", pyarrow.string()),
        ("kind", pyarrow.string()),
        ("speaker", pyarrow.string()),
        ("text", pyarrow.large_string()),
        ("characters", pyarrow.int32()),
    ]
)


@dataclass(frozen=True, slots=True)
class Piece:
    """An element of a script, or a stretch of a plain text, and the document it belongs to.

    Attributes:
        document: the document's number, from 0.
        title: the document's title.
        kind: as of `Element`, or `PLAIN`.
        speaker: as of `Element`.
        text: what it says; of a plain text, exactly as it stands there.
        characters: how many it stands for: of a plain text its own, of an element those of its rendering.
    """

    document: int
    title: str
    kind: str
    speaker: str
    text: str
    characters: int

    @property
    def lines(self) -> int:
        """Lines that it stands for: of a plain text its own, of an element one."""
        return self.text.count("\n") + (not self.text.endswith("\n")) if self.kind == PLAIN else 1

    def cut(self, character: int) -> tuple["Piece", "Piece"]:
        """What stands before a character of a plain text, and the rest."""
        head, tail = self.text[:character], self.text[character:]
        return replace(self, text=head, characters=len(head)), replace(self, text=tail, characters=len(tail))

    @property
    def element(self) -> Element:
        """The piece as an element; not for plain text."""
        return Element(self.kind, self.text, self.speaker)  # type: ignore[arg-type]


def write_pieces(path: Path, pieces: Iterable[Piece]) -> None:
    """Writes all pieces, a block at a time."""
    iterator = iter(pieces)
    with pyarrow.parquet.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        while block := list(islice(iterator, _ROWS)):
            columns = {name: [getattr(piece, name) for piece in block] for name in _SCHEMA.names}
            writer.write_table(pyarrow.table(columns, _SCHEMA))


def read_pieces(path: Path) -> Iterator[Piece]:
    """The pieces in the order in which they were written."""
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS):
            yield from map(Piece, *(column.to_pylist() for column in batch.columns))
