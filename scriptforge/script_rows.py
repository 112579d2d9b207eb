"""The rows of `scripts.parquet`: the parsed text, an element of a script or a stretch of plain text in each.

They are written and read a block at a time, so the size of a text does not matter.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scriptforge.screenplay.script import KINDS, Element

if TYPE_CHECKING:
    import pyarrow

PLAIN = "text"
"""The kind of a stretch of plain text."""

_ROWS_IN_BLOCK = 8192
_CHARACTERS = 1_000_000
_COLUMN_TYPES = ("int32", "string", "string", "string", "large_string", "int32", "string")
_KINDS = frozenset({*KINDS, PLAIN})


class ScriptRow(NamedTuple):
    """An element of a script, or a stretch of a plain text, and the document it belongs to: a row on disk.

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
        """Return how many lines it stands for: of a plain text its own, of an element one."""
        return self.text.count("\n") + (not self.text.endswith("\n")) if self.kind == PLAIN else 1

    def cut(self, character: int) -> tuple["ScriptRow", "ScriptRow"]:
        """Split a plain text before a character; return both parts."""
        head, tail = self.text[:character], self.text[character:]
        return self._replace(text=head, characters=len(head)), self._replace(text=tail, characters=len(tail))

    @property
    def element(self) -> Element:
        """Return the row as an element; not for plain text."""
        return Element(self.kind, self.text, self.speaker)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Location:
    """A line in a document.

    Attributes:
        document: the document's title.
        line: the line's number within the document, from 1; of a script, that of the element.
    """

    document: str
    line: int


class LineNumbering:
    """Finds the document of a line of a text whose lines are numbered from 0 through all its documents."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self._starts: list[int] = []

    def begin_document(self, title: str, start: int) -> None:
        """Add one more document, by its title and the number of its first line."""
        self.titles.append(title)
        self._starts.append(start)

    def locate(self, number: int) -> Location:
        """Return where the line of a number stands."""
        document = bisect_right(self._starts, number) - 1
        return Location(self.titles[document], number - self._starts[document] + 1)


def blocks(rows: Iterable[ScriptRow]) -> Iterator[list[ScriptRow]]:
    """Yield rows in blocks: enough of them to be worth the work, few enough to take little memory."""
    block: list[ScriptRow] = []
    characters = 0
    for row in rows:
        block.append(row)
        characters += len(row.text)
        if len(block) == _ROWS_IN_BLOCK or characters > _CHARACTERS:
            yield block
            block, characters = [], 0
    if block:
        yield block


def write_rows(path: Path, rows: Iterable[ScriptRow]) -> None:
    """Write all rows to a parquet file, a block at a time."""
    import pyarrow
    import pyarrow.parquet

    schema = _schema()
    # Arrow takes a file under any name, but only names that are UTF-8.
    with path.open("wb") as file, pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for block in blocks(rows):
            values = zip(*block, strict=True)
            writer.write_table(pyarrow.table(list(values), schema=schema))


def read_rows(path: Path) -> Iterator[ScriptRow]:
    """Yield the rows of a parquet file in the order in which they were written.

    Raises:
        OSError: it is missing or damaged.
        ValueError: it is damaged, or holds what `write_rows` does not write.
    """
    import pyarrow
    import pyarrow.parquet

    last = 0
    try:
        with path.open("rb") as raw, pyarrow.parquet.ParquetFile(raw) as file:
            if not file.schema_arrow.equals(_schema()):
                raise ValueError("its columns are other ones")
            for number in range(file.num_row_groups):
                block = file.read_row_group(number)
                rows = list(map(ScriptRow, *(column.to_pylist() for column in block.columns)))
                _check(rows, last, has_gaps=any(column.null_count for column in block.columns))
                yield from rows
                last = rows[-1].document if rows else last
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error


def _schema() -> "pyarrow.Schema":
    import pyarrow

    return pyarrow.schema([*zip(ScriptRow._fields, _COLUMN_TYPES, strict=True)])


def _check(rows: list[ScriptRow], last: int, *, has_gaps: bool) -> None:
    """Raise a `ValueError` for rows that cannot follow those of document number `last`."""
    numbers = [last, *(row.document for row in rows)] if not has_gaps else []
    if (
        has_gaps
        or numbers != sorted(numbers)
        or not _KINDS.issuperset(row.kind for row in rows)
        or any(row.characters < 0 for row in rows)
    ):
        raise ValueError("it holds rows that nobody wrote")
