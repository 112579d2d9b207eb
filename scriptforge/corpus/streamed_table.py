"""CSV and parquet files, streamed through Hugging Face Datasets without its cache.

Datasets is silenced while it works, and the many errors that it may raise become a `CorpusError`. What it
does not check is checked here: the width of a table, the claims of a parquet file, the cells of a CSV row.
"""

import csv
import glob
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from logging import CRITICAL
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from scriptforge.corpus.json_rows import Row
from scriptforge.errors import CorpusError
from scriptforge.net.client import silent_hub

if TYPE_CHECKING:
    import pyarrow

_ROWS_IN_BATCH = 1024

_ROWS_TO_JUDGE_BY = 100
"""Rows of a CSV that are compared with its first one, to see whether that is a header."""

_MAX_COLUMNS = 1000
_LONGEST_HEADER = 1 << 16
"""Characters of the first line of a CSV, at most."""

_LONGEST_CELL = 1 << 30
"""Characters of a cell of a CSV, at most; by default, the csv module allows 131,072."""

_MAX_EXPANSION = 100
"""Largest ratio of uncompressed size to file size of a parquet file, and of its rows to its bytes."""

_ANY_EXPANSION = 64 << 20
"""Uncompressed bytes up to which the contents of a parquet file may have any ratio to its size."""

_DAMAGE = (
    ValueError, OSError, TypeError, LookupError, ArithmeticError, AttributeError, RuntimeError, MemoryError,
    csv.Error,
)  # fmt: skip
"""Exceptions that Datasets may raise for a damaged file, besides its own."""


class _Batch(NamedTuple):
    columns: Sequence[str]
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class StreamedTable:
    """A table that Datasets reads.

    Attributes:
        path: the path of the file.
        name: the name to show.
        builder: what reads it in Datasets; also the name of its kind.
        options: options of the builder.
        has_nuls: whether cells may contain NUL characters, which are left out.
    """

    path: Path
    name: str
    builder: Literal["csv", "parquet"]
    options: Row
    has_nuls: bool = False

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns.

        Raises:
            CorpusError: it cannot be read, or has no rows or far too many columns.
        """
        first = next(self._batches(), None)
        if first is None:
            raise without_rows(self.name)
        refuse_many_columns(self.name, len(first.columns))
        return tuple(first.columns)

    def rows(self) -> Iterator[Row]:
        """Yield the rows, in order.

        Raises:
            CorpusError: it cannot be read.
        """
        for batch in self._batches():
            yield from map(_without_nuls, batch.rows) if self.has_nuls else batch.rows

    def _batches(self) -> Iterator[_Batch]:
        with _naming_damage(self.path, self.name, self.builder, self.options):
            tables = self._arrow_tables()
            while (table := _next_table(tables)) is not None:
                yield _Batch(table.column_names, table.to_pylist())

    def _arrow_tables(self) -> Iterator["pyarrow.Table"]:
        with _quiet_datasets() as datasets, TemporaryDirectory(prefix="scriptforge-") as cache:
            rows = datasets.load_dataset(  # creates its cache folder even though nothing is cached
                self.builder,
                data_files=[glob.escape(str(self.path))],
                split="train",
                streaming=True,
                cache_dir=cache,
                **self.options,
            )
            tables: Iterator[pyarrow.Table] = rows.with_format("arrow").iter(batch_size=_ROWS_IN_BATCH)
            return tables


def open_csv(path: Path, name: str, encoding: str, has_nuls: bool) -> StreamedTable:
    """Return the table in a CSV or TSV file, of which every cell is read as text.

    Raises:
        CorpusError: it is suspiciously wide, or its first line far too long for a header.
    """
    options = _csv_options(path, name, encoding)
    if has_nuls:  # where the faster parser of Pandas before 3.1 ends a cell
        options["engine"] = "python"
    return StreamedTable(path, name, "csv", options, has_nuls)


def open_parquet(path: Path, name: str) -> StreamedTable:
    """Return the table in a parquet file.

    Raises:
        CorpusError: it is damaged, or claims to contain implausibly much data for its size.
    """
    _check_expansion(path, name)
    return StreamedTable(path, name, "parquet", {"batch_size": _ROWS_IN_BATCH})


def without_rows(name: str) -> CorpusError:
    """Return the error for a table that is empty."""
    return CorpusError(f"“{name}” has no rows.", "Give a table with a script in it.")


def refuse_many_columns(name: str, count: int) -> None:
    """Raise an error if a table has far too many columns."""
    if count > _MAX_COLUMNS:
        raise CorpusError(
            f"“{name}” has {count:,} columns, too many for a table of scripts.",
            f"Give a table with {_MAX_COLUMNS:,} columns or fewer.",
        )


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message as a clause, or the name of its type if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


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


@contextmanager
def _naming_damage(path: Path, name: str, builder: str, options: Row) -> Iterator[None]:
    """Turn the many errors that reading a table may raise into a `CorpusError`."""
    from datasets.exceptions import DatasetsError

    try:
        yield
    except (Warning, DatasetsError, *_DAMAGE) as error:
        ragged = _ragged_row(path, options) if builder == "csv" else None
        raise CorpusError(
            f"“{name}” cannot be read as {builder}: {ragged or first_line(error)}.",
            "Open the file and correct it there.",
        ) from error


def _ragged_row(path: Path, options: Row) -> str | None:
    """Return a clause about the first row of a CSV with too many cells, if there is one."""
    with _long_cells(), path.open(encoding=options["encoding"], newline="") as file:
        rows = csv.reader(file, delimiter=options["sep"], skipinitialspace=options["skipinitialspace"])
        width = len(options["column_names"])
        ragged = next((row for row in rows if len(row) > width and any(row[width:])), None)
        if ragged is None:
            return None
        return f"line {rows.line_num:,} has {len(ragged)} cells, and there are {width} columns"


def _check_expansion(path: Path, name: str) -> None:
    """Raise an error for a parquet file that claims to contain implausibly much data for its size."""
    from pyarrow.parquet import read_metadata

    with _naming_damage(path, name, "parquet", {}):
        size, found = path.stat().st_size, read_metadata(path)
        unpacked = sum(found.row_group(number).total_byte_size for number in range(found.num_row_groups))
    most = _MAX_EXPANSION * size
    if found.num_rows > most or unpacked > max(_ANY_EXPANSION, most):
        raise CorpusError(
            f"“{name}” has {size:,} bytes and claims to hold {found.num_rows:,} rows of {unpacked:,} bytes.",
            "It may hide an attack; ask for another copy, as .csv or .json.",
        )


def _without_nuls(row: Row) -> Row:
    return {key: cell.replace("\0", "") if isinstance(cell, str) else cell for key, cell in row.items()}


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

    header = _first_written_line(path, name, encoding)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=header.count)
    with _long_cells(), path.open(encoding=encoding, newline="") as file:
        rows = filter(any, csv.reader(file, delimiter=delimiter, skipinitialspace=True))
        first, *more = [*islice(rows, _ROWS_TO_JUDGE_BY)] or [[]]
    is_headed = not _is_pair_of_speech(first, more)
    refuse_many_columns(name, len(first))
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


def _first_written_line(path: Path, name: str, encoding: str) -> str:
    """Return the first line that is not blank; empty if there is none."""
    with path.open(encoding=encoding) as file:
        parts = iter(partial(file.readline, _LONGEST_HEADER), "")
        line = next((part for part in parts if part.strip()), "")
    if len(line) >= _LONGEST_HEADER:
        raise CorpusError(
            f"“{name}” is not a table: its first line has more than {_LONGEST_HEADER:,} characters.",
            "Name it .txt if it is a text.",
        )
    return line


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
