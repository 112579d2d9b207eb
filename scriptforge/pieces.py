"""`scripts.parquet`: the parsed text of a dataset, piece by piece, written and read in constant memory."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow
import pyarrow.parquet

from scriptforge.screenplay.script import Element

PLAIN = "text"
"""The kind of a stretch of plain text."""

_PIECES = 8192
_CHARACTERS = 1_000_000
_SCHEMA = pyarrow.schema(
    [
        ("document", pyarrow.int32()),
        ("title", pyarrow.string()),
        ("kind", pyarrow.string()),
        ("speaker", pyarrow.string()),
        ("text", pyarrow.large_string()),
        ("characters", pyarrow.int32()),
        ("source", pyarrow.string()),
    ]
)


class Piece(NamedTuple):
    """An element of a script, or a stretch of a plain text, and the document it belongs to.

    Attributes:
        document: the document's number, from 0.
        title: the document's title.
        kind: as of `Element`, or `PLAIN`.
        speaker: as of `Element`.
        text: what it says; of a plain text, exactly as it stands there.
        characters: how many it stands for: of a plain text its own, of an element those of its rendering.
        source: the name of the corpus that it is from.
    """

    document: int
    title: str
    kind: str
    speaker: str
    text: str
    characters: int
    source: str = ""

    @property
    def lines(self) -> int:
        """Lines that it stands for: of a plain text its own, of an element one."""
        return self.text.count("\n") + (not self.text.endswith("\n")) if self.kind == PLAIN else 1

    def cut(self, character: int) -> tuple["Piece", "Piece"]:
        """What stands before a character of a plain text, and the rest."""
        head, tail = self.text[:character], self.text[character:]
        return self._replace(text=head, characters=len(head)), self._replace(text=tail, characters=len(tail))

    @property
    def element(self) -> Element:
        """The piece as an element; not for plain text."""
        return Element(self.kind, self.text, self.speaker)  # type: ignore[arg-type]


def blocks(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces in blocks: enough of them to be worth the work, few enough characters to take little memory."""
    block: list[Piece] = []
    characters = 0
    for piece in pieces:
        block.append(piece)
        characters += len(piece.text)
        if len(block) == _PIECES or characters > _CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block


def write_pieces(path: Path, pieces: Iterable[Piece]) -> None:
    """Writes all pieces, a block at a time."""
    with pyarrow.parquet.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for block in blocks(pieces):
            values = zip(*block, strict=True)
            columns = [
                pyarrow.array(column, field.type) for field, column in zip(_SCHEMA, values, strict=True)
            ]
            writer.write_table(pyarrow.table(columns, schema=_SCHEMA))


def read_pieces(path: Path) -> Iterator[Piece]:
    """The pieces in the order in which they were written."""
    with pyarrow.parquet.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            block = file.read_row_group(number)
            yield from map(Piece, *(column.to_pylist() for column in block.columns))
