"""Local texts, tables and documents, opened so that they can be read repeatedly.

Texts and tables are streamed, except a JSON file that is a single document, which is held in memory. CSV and
parquet files are read through Hugging Face Datasets (`streamed_table`). Texts and JSON are read directly,
because Datasets reads each line whole, however long, does not report the line of a JSON error, and requires
all cells of a column to have one type.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TextIO, TypeVar

from scriptforge.corpus.json_rows import Row, json_rows
from scriptforge.corpus.order import natural_key
from scriptforge.corpus.streamed_table import (
    first_line,
    open_csv,
    open_parquet,
    refuse_many_columns,
    without_rows,
)
from scriptforge.corpus.text_encoding import Examination
from scriptforge.documents.document import Document
from scriptforge.documents.kinds import DocumentKind
from scriptforge.errors import CorpusError
from scriptforge.screenplay.format import LinePart

_JSON_SUFFIXES = frozenset({".json", ".jsonl"})
_TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".parquet"}) | _JSON_SUFFIXES
_ROWS_WITH_ALL_KEYS = 1024
"""Rows of a JSON file whose keys are the columns of all its rows."""

_LONGEST_LINE = 1 << 16
"""Characters of a line; a longer one is yielded in parts. A paragraph of a book has about a thousand."""

_MOST_BLANK_LINES = 10_000
"""In a row; further ones are skipped. Each would take as long to read as a line of text."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file.

    Attributes:
        name: the name to show.
        lines: opens the file and yields its lines with their line feeds, which only the last may lack; a very
            long line comes in parts, all but the last of type `LinePart`. Joined, they are the text, but for
            blank lines in runs of more than 10,000. May be called repeatedly.
    """

    name: str
    lines: Callable[[], Iterator[str]]


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table.

    Attributes:
        name: the name to show.
        columns: the names of its columns.
        rows: opens the file and yields its rows, as dictionaries with these columns. May be called
            repeatedly.
    """

    name: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]


@dataclass(frozen=True, slots=True)
class DocumentFile:
    """A document, such as a PDF or a Word file.

    Attributes:
        name: the name to show.
        kind: the name of its kind: "docx".
        read: opens the file and returns the document. May be called repeatedly.
    """

    name: str
    kind: str
    read: Callable[[], Document]


AnyFile = TextFile | TableFile | DocumentFile
Stamp = tuple[int, ...]
ReadT = TypeVar("ReadT")


def is_table(path: Path) -> bool:
    """Return whether a file's suffix is that of a table."""
    return path.suffix.lower() in _TABLE_SUFFIXES


def open_text(path: Path, name: str, examination: Examination) -> TextFile:
    """Return a text file, to be decoded as its examination says, without NUL characters."""
    return TextFile(name, partial(_lines, path, name, examination))


def open_table(
    path: Path, name: str, examination: Examination | None, users: Mapping[str, str] | None = None
) -> TableFile:
    """Return a table, with the columns that its first rows have.

    Args:
        path: a CSV, TSV, JSON, JSONL or parquet file.
        name: the name to show.
        examination: the findings about the file as text; None for parquet, which is binary.
        users: the names of users by id, for a chat exported from Slack as JSON.

    Raises:
        CorpusError: it cannot be read as such a table, has no rows, or is suspiciously large or wide.
    """
    if examination is None:
        table = open_parquet(path, name)
    elif path.suffix.lower() in _JSON_SUFFIXES:
        return _open_json(path, name, examination.encoding, users)
    else:
        table = open_csv(path, name, examination.encoding, has_nuls=examination.nuls > 0)
    return TableFile(name, table.columns(), table.rows)


def _open_json(path: Path, name: str, encoding: str, users: Mapping[str, str] | None) -> TableFile:
    rows = partial(json_rows, path, name, encoding, users)
    try:
        columns = dict.fromkeys(column for row in islice(rows(), _ROWS_WITH_ALL_KEYS) for column in row)
    except RecursionError:
        raise too_deep(name) from None
    if not columns:
        raise without_rows(name)
    refuse_many_columns(name, len(columns))
    # A row that lacks a column gets None there.
    return TableFile(name, tuple(columns), lambda: (columns | row for row in rows()))


def open_document(path: Path, name: str, kind: DocumentKind, encoding: str | None) -> DocumentFile:
    """Return a document of a kind; `encoding` is the codec that the user gave for its text, if any."""
    return DocumentFile(name, kind.name, partial(kind.read, path, encoding))


def stamp(path: Path) -> Stamp:
    """Return values that change whenever a file does: its device, inode, size and time of modification.

    Raises:
        OSError: there is no such file.
    """
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def raising_if_changed(file: AnyFile, path: Path, seen: Stamp) -> AnyFile:
    """Return a file that raises `CorpusError` once it has been read, if it has changed since it was recorded.

    Otherwise the recorded hash would be that of another text.

    Args:
        file: the open file.
        path: its path.
        seen: its stamp from before its hash was taken.
    """
    check = partial(_refuse_changed, path, file.name, seen)
    match file:
        case TextFile():
            return replace(file, lines=partial(_and_then, file.lines, check))
        case TableFile():
            return replace(file, rows=partial(_and_then, file.rows, check))
        case DocumentFile():
            return replace(file, read=partial(_read_and_then, file.read, check))


def _and_then(opened: Callable[[], Iterator[ReadT]], check: Callable[[], None]) -> Iterator[ReadT]:
    yield from opened()
    check()


def _read_and_then(read: Callable[[], Document], check: Callable[[], None]) -> Document:
    document = read()
    check()
    return document


def _refuse_changed(path: Path, name: str, seen: Stamp) -> None:
    try:
        is_same = stamp(path) == seen
    except OSError:
        is_same = False
    if not is_same:
        raise CorpusError(
            f"“{name}” changed while it was being read.",
            "Run the same command again once nothing writes to it.",
        )


def sorted_table(tables: Sequence[TableFile], name: str, columns: tuple[str, ...]) -> TableFile:
    """Return the rows of several tables as one table, sorted by some columns.

    Args:
        tables: the tables, at least one; each pass over the rows holds all of them in memory.
        name: the name of the sorted table.
        columns: the columns to sort by, the most significant first; numbers within text sort as numbers.

    Raises:
        CorpusError: a table lacks one of the columns.
    """
    for table in tables:
        missing = [column for column in columns if column not in table.columns]
        if missing:
            raise CorpusError(
                f"“{table.name}” has no column “{missing[0]}” to sort by.",
                f"Its columns are {', '.join(table.columns)}: correct “sort” in the card.",
            )

    def rows() -> Iterator[Row]:
        every = [row for table in tables for row in table.rows()]
        return iter(sorted(every, key=lambda row: tuple(natural_key(row[column]) for column in columns)))

    return TableFile(name, tables[0].columns, rows)


def too_deep(name: str) -> CorpusError:
    """Return the error for a file whose contents are nested deeper than the recursion limit allows."""
    return CorpusError(f"“{name}” is nested more deeply than any script.", "Export it again, or as text.")


def _lines(path: Path, name: str, examination: Examination) -> Iterator[str]:
    try:
        with path.open(encoding=examination.encoding) as file:
            is_long = examination.longest_line > _LONGEST_LINE
            lines: Iterator[str] = _lines_in_parts(file) if is_long else file
            if examination.nuls:
                lines = (type(line)(line.replace("\0", "")) for line in lines)
            blank = 0
            for line in lines:
                blank = blank + 1 if line.isspace() else 0
                if blank <= _MOST_BLANK_LINES:
                    yield line
    except (OSError, UnicodeError) as error:
        raise CorpusError(
            f"“{name}” cannot be read as text: {first_line(error)}.", "Open the file and correct it there."
        ) from error


def _lines_in_parts(file: TextIO) -> Iterator[str]:
    """Yield the lines of a text, splitting long ones after a space where there is one."""
    begun = ""
    while line := file.readline(_LONGEST_LINE):
        begun += line
        if begun.endswith("\n"):
            yield begun
            begun = ""
        elif len(begun) >= _LONGEST_LINE:
            end = begun.rfind(" ") + 1 or len(begun)
            yield LinePart(begun[:end])
            begun = begun[end:]
    if begun:
        yield begun
