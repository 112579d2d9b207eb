"""Local texts, tables and documents, opened so that they can be read repeatedly.

Texts and tables are streamed, except a JSON file that is a single document, which is held in memory. CSV and
parquet files are read through Hugging Face Datasets, without its cache. Texts and JSON are read directly,
because Datasets reads each line whole, however long, does not report the line of a JSON error, and requires
all cells of a column to have one type.
"""

import csv
import glob
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from logging import CRITICAL
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from scriptforge.corpus.json_rows import Row, json_rows
from scriptforge.corpus.order import natural_key
from scriptforge.corpus.text_encoding import Examination
from scriptforge.documents.document import Document
from scriptforge.documents.kinds import DocumentKind
from scriptforge.errors import CorpusError
from scriptforge.net.client import silent_hub
from scriptforge.screenplay.format import LinePart

if TYPE_CHECKING:
    import pyarrow

_BUILDERS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
_ROWS_AT_ONCE = 1024
_ROWS_TO_JUDGE_BY = 100
_LONGEST_LINE = 1 << 16
"""Characters of a line; a longer one is yielded in parts. A paragraph of a book has about a thousand."""

_LONGEST_CELL = 1 << 30
_MAX_COLUMNS = 1000
_MAX_UNPACKED, _MAX_EXPANSION = 64 << 20, 100
"""Limits for parquet files: `_MAX_UNPACKED` bytes of contents are always allowed; beyond them, the ratio
of uncompressed to file size is limited. The same ratio limits the rows per byte of any file."""

_DAMAGE = (
    ValueError, OSError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, MemoryError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text file.

    Attributes:
        name: the name to show.
        lines: opens the file and yields its lines with their line feeds, which only the last may lack; a very
            long line comes in parts, all but the last of type `LinePart`. Joined, they are the text. May be
            called repeatedly.
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
    return path.suffix.lower() in _BUILDERS


def open_text(path: Path, name: str, examination: Examination) -> TextFile:
    """Return a text file, to be decoded as its examination says, without NUL characters."""
    return TextFile(name, partial(_lines, path, name, examination))


def open_table(path: Path, name: str, examination: Examination | None) -> TableFile:
    """Return a table, with the columns that its first rows have.

    Args:
        path: a CSV, TSV, JSON, JSONL or parquet file.
        name: the name to show.
        examination: the findings about the file as text; None for parquet, which is binary.

    Raises:
        CorpusError: it cannot be read as such a table, has no rows, or is suspiciously large or wide.
    """
    builder = _BUILDERS[path.suffix.lower()]
    if builder == "json" and examination:
        rows = partial(json_rows, path, name, examination.encoding)
        try:
            columns = dict.fromkeys(column for row in islice(rows(), _ROWS_AT_ONCE) for column in row)
        except RecursionError:
            raise too_deep(name) from None
        if not columns:
            raise _without_rows(name)
        _refuse_many(name, len(columns))
        # A row that lacks a column gets None there.
        return TableFile(name, tuple(columns), lambda: (columns | row for row in rows()))
    options = _csv_options(path, name, examination.encoding) if examination else {"batch_size": _ROWS_AT_ONCE}
    if builder == "parquet":
        _check_expansion(path, name)
    tables = partial(_arrow_tables, path, name, builder, options)
    first, _ = next(tables(), (None, ()))
    if first is None:
        raise _without_rows(name)
    _refuse_many(name, len(first))
    has_nuls = examination is not None and examination.nuls > 0
    return TableFile(name, tuple(first), partial(_rows, tables, has_nuls))


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
            f"“{name}” changed while it was read.", "Run the same command again once nobody writes to it."
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


def _without_rows(name: str) -> CorpusError:
    return CorpusError(f"“{name}” has no rows.", "Give a table with a script in it.")


def _refuse_many(name: str, columns: int) -> None:
    if columns > _MAX_COLUMNS:
        raise CorpusError(
            f"“{name}” has {columns:,} columns, as no table of scripts does.",
            f"Give a table with {_MAX_COLUMNS:,} columns or fewer.",
        )


def too_deep(name: str) -> CorpusError:
    """Return the error for a file whose contents are nested deeper than the recursion limit allows."""
    return CorpusError(f"“{name}” is nested more deeply than any script.", "Export it anew, or as text.")


def _lines(path: Path, name: str, examination: Examination) -> Iterator[str]:
    try:
        with path.open(encoding=examination.encoding) as file:
            lines = _lines_in_parts(file) if examination.longest_line > _LONGEST_LINE else file
            yield from (type(line)(line.replace("\0", "")) for line in lines) if examination.nuls else lines
    except (OSError, UnicodeError) as error:
        raise CorpusError(
            f"“{name}” cannot be read as text: {_first_line(error)}.", "Open the file and correct it there."
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


@contextmanager
def _quiet_datasets() -> Iterator[Any]:
    """Yield the module of Hugging Face Datasets, silenced for the duration of the block.

    Within the block, the progress bars and log messages of Datasets and of the Hub's client are off, as are
    the download counter, which uses the network, and torch, which a streaming dataset would import to act as
    a torch dataset.
    """
    import datasets

    with silent_hub(CRITICAL), ExitStack() as restoring:
        if not datasets.are_progress_bars_disabled():
            restoring.callback(datasets.enable_progress_bars)
            datasets.disable_progress_bars()
        restoring.callback(datasets.logging.set_verbosity, datasets.logging.get_verbosity())
        datasets.logging.set_verbosity(CRITICAL)
        for name in ("HF_UPDATE_DOWNLOAD_COUNTS", "TORCH_AVAILABLE"):
            restoring.callback(setattr, datasets.config, name, getattr(datasets.config, name))
            setattr(datasets.config, name, False)
        yield datasets


@contextmanager
def _reading(path: Path, name: str, builder: str, options: Row) -> Iterator[None]:
    """Turn the many errors that reading a table may raise into a `CorpusError`."""
    from datasets.exceptions import DatasetsError

    try:
        yield
    except (Warning, DatasetsError, *_DAMAGE) as error:
        raise CorpusError(
            f"“{name}” cannot be read as {builder}: {_reason(error, path, options)}.",
            "Open the file and correct it there.",
        ) from error


def _check_expansion(path: Path, name: str) -> None:
    """Raise an error for a parquet file that claims to contain implausibly much data for its size."""
    from pyarrow.parquet import read_metadata

    with _reading(path, name, "parquet", {}):
        size, found = path.stat().st_size, read_metadata(path)
        unpacked = sum(found.row_group(number).total_byte_size for number in range(found.num_row_groups))
        is_swollen = found.num_rows > _MAX_EXPANSION * size or unpacked > max(
            _MAX_UNPACKED, _MAX_EXPANSION * size
        )
    if is_swollen:
        raise CorpusError(
            f"“{name}” has {size:,} bytes and says to hold {found.num_rows:,} rows of {unpacked:,} bytes.",
            "It may hide an attack; ask for another copy, as .csv or .json.",
        )


def _arrow_tables(
    path: Path, name: str, builder: str, options: Row
) -> Iterator[tuple[Sequence[str], list[Row]]]:
    """Yield the columns and up to `_ROWS_AT_ONCE` rows of a CSV or parquet file at a time."""
    with _reading(path, name, builder, options):
        with _quiet_datasets() as datasets, TemporaryDirectory(prefix="scriptforge-") as cache:
            rows = datasets.load_dataset(  # creates its cache folder even though nothing is cached
                builder,
                data_files=[glob.escape(str(path))],
                split="train",
                streaming=True,
                cache_dir=cache,
                **options,
            )
            tables = rows.with_format("arrow").iter(batch_size=_ROWS_AT_ONCE)
        while (table := _next_table(tables)) is not None:
            yield table.column_names, table.to_pylist()


def _next_table(tables: Iterator["pyarrow.Table"]) -> "pyarrow.Table | None":
    """Return the next table, if there is one; raise for a row with too many cells, not only warn.

    Each call silences Datasets anew instead of holding the block open across a `yield`, since the caller may
    stop iterating at any row.
    """
    from pandas.errors import ParserWarning

    with _quiet_datasets(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", ParserWarning)
        return next(tables, None)


def _rows(tables: Callable[[], Iterator[tuple[Sequence[str], list[Row]]]], has_nuls: bool) -> Iterator[Row]:
    for _, rows in tables():
        yield from map(_without_nuls, rows) if has_nuls else rows


def _without_nuls(row: Row) -> Row:
    return {key: cell.replace("\0", "") if isinstance(cell, str) else cell for key, cell in row.items()}


def _reason(error: BaseException, path: Path, options: Row) -> str:
    """Return what is wrong with a file, as a clause: in a CSV, its first row with too many cells, if any."""
    if "sep" in options:
        with _long_cells(), path.open(encoding=options["encoding"], newline="") as file:
            rows = csv.reader(file, delimiter=options["sep"], skipinitialspace=options["skipinitialspace"])
            names = options["column_names"]
            ragged = next((row for row in rows if len(row) > len(names) and any(row[len(names) :])), None)
            if ragged:
                return f"line {rows.line_num:,} has {len(ragged)} cells, and there are {len(names)} columns"
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


@contextmanager
def _long_cells() -> Iterator[None]:
    """Raise the csv module's global limit on the length of a cell for the duration of the block."""
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _csv_options(path: Path, name: str, encoding: str) -> Row:
    """Return options for Datasets that read every cell as text, without converting numbers or dates."""
    from datasets import Features, Value

    with path.open(encoding=encoding) as file:
        header = next((line for line in iter(partial(file.readline, _LONGEST_LINE), "") if line.strip()), "")
    if len(header) >= _LONGEST_LINE:
        raise CorpusError(
            f"“{name}” is not a table: its first line has more than {_LONGEST_LINE:,} characters.",
            "Name it .txt if it is a text.",
        )
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=header.count)
    with _long_cells(), path.open(encoding=encoding, newline="") as file:
        rows = filter(any, csv.reader(file, delimiter=delimiter, skipinitialspace=True))
        first, *more = [*islice(rows, _ROWS_TO_JUDGE_BY)] or [[]]
    is_headed = not _is_pair_of_speech(first, more)
    _refuse_many(name, len(first))
    names = _unique(first) if is_headed else ["speaker", "line"]
    return {
        "sep": delimiter,
        "header": 0 if is_headed else None,
        "column_names": names,
        "index_col": False,
        "keep_default_na": False,
        "skipinitialspace": f"{delimiter} " in header,
        "encoding": encoding,
        "features": Features({name: Value("string") for name in names}),
    }


def _is_pair_of_speech(first: list[str], more: list[list[str]]) -> bool:
    """Return whether the first row of a table is not a header but already a speaker and a line."""
    speakers = [row[0] for row in more if row]
    return len(first) == 2 and len(speakers) > 1 and first[0] in speakers and " " in first[1].strip()


def _unique(header: list[str]) -> list[str]:
    """Return the column names of a header, with empty ones filled in and repeated ones numbered."""
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = cell.replace("\0", "").strip() or f"column {number}"
        while name in names:
            name = f"{name} {number}"
        names.append(name)
    return names
