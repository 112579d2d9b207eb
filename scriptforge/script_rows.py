"""The rows of `scripts.parquet`: the parsed text, one element of a script or stretch of plain text in each.

They are written and read in blocks, so that memory use does not depend on the size of a text.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from scriptforge.screenplay.script import KINDS, Element

if TYPE_CHECKING:
    import pyarrow

PLAIN = "text"
"""The kind of a row of plain text."""

_ROWS_IN_BLOCK = 8192
_CHARACTERS = 1_000_000
_COLUMN_TYPES = ("int32", "string", "string", "string", "large_string", "int32", "string")
_KINDS = frozenset({*KINDS, PLAIN})


class ScriptRow(NamedTuple):
    """A row on disk: an element of a script or a stretch of plain text, and the document it belongs to.

    Attributes:
        document: number of the document, from 0.
        title: title of the document.
        kind: as in `Element`, or `PLAIN`.
        speaker: as in `Element`.
        text: as in `Element`; plain text is unchanged.
        characters: length in characters: of plain text as it is, of an element as it is rendered.
        source: name of the corpus that it is from.
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
        """Return the number of lines: those of plain text, or one for an element."""
        return self.text.count("\n") + (not self.text.endswith("\n")) if self.kind == PLAIN else 1

    def cut(self, character: int) -> tuple["ScriptRow", "ScriptRow"]:
        """Split plain text before the character at an index, and return both parts."""
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
        document: title of the document.
        line: number of the line within the document, from 1; in a script, of the element.
    """

    document: str
    line: int


class LineNumbering:
    """An index that finds the document of a line in a text whose lines are numbered through, from 0."""

    def __init__(self) -> None:
        self.titles: list[str] = []
        self._starts: list[int] = []

    def begin_document(self, title: str, start: int) -> None:
        """Add the next document, given its title and the number of its first line."""
        self.titles.append(title)
        self._starts.append(start)

    def locate(self, number: int) -> Location:
        """Return the location of a line, given its number."""
        document = bisect_right(self._starts, number) - 1
        return Location(self.titles[document], number - self._starts[document] + 1)


def blocks(rows: Iterable[ScriptRow]) -> Iterator[list[ScriptRow]]:
    """Yield rows in blocks that are large enough to be efficient and small enough for memory."""
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
    # Arrow cannot open paths that are not UTF-8, but it accepts an open file.
    with path.open("wb") as file, pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for block in blocks(rows):
            values = zip(*block, strict=True)
            writer.write_table(pyarrow.table(list(values), schema=schema))


def read_rows(path: Path) -> Iterator[ScriptRow]:
    """Yield the rows of a parquet file in the order in which they were written.

    Raises:
        OSError: the file is missing or damaged.
        ValueError: the file is damaged, or was not written by `write_rows`.
    """
    import pyarrow
    import pyarrow.parquet

    last = 0
    try:
        with path.open("rb") as raw, pyarrow.parquet.ParquetFile(raw) as file:
            if not file.schema_arrow.equals(_schema()):
                raise ValueError("its columns differ")
            for number in range(file.num_row_groups):
                # A thread of Arrow's that is only starting when the process exits aborts it.
                block = file.read_row_group(number, use_threads=False)
                if any(column.null_count for column in block.columns):
                    raise ValueError("it lacks values")
                columns = [column.to_pylist() for column in block.columns]
                _check(columns, last)
                yield from map(ScriptRow, *columns)
                last = columns[0][-1] if columns[0] else last
    except pyarrow.ArrowException as error:
        raise ValueError(str(error)) from error


def _schema() -> "pyarrow.Schema":
    import pyarrow

    return pyarrow.schema([*zip(ScriptRow._fields, _COLUMN_TYPES, strict=True)])


def _check(columns: list[list[Any]], last: int) -> None:
    """Raise a `ValueError` if `write_rows` cannot have written the rows after those of document `last`."""
    documents, _, kinds, _, _, characters, _ = columns
    numbers = [last, *documents]
    if numbers != sorted(numbers) or not _KINDS.issuperset(kinds) or min(characters, default=0) < 0:
        raise ValueError("it holds invalid rows")
