"""Files that lie on this machine, opened through Hugging Face Datasets and read as a stream.

A text gives lines and a table gives rows, each as often as it is asked; neither is ever whole in memory
(a JSON file that is one long list is the exception), and nothing is copied into a cache.
"""

import csv
import glob
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from logging import CRITICAL
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scriptforge.corpus.decoding import Examination
from scriptforge.errors import CorpusError

if TYPE_CHECKING:
    import pyarrow

_BUILDERS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
_LINES_AT_ONCE = 4096
_ROWS_AT_ONCE = 1024
_CHUNK = 1 << 20
_DIGITS = re.compile(r"(\d+)")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text.

    Attributes:
        name: what to call it.
        lines: opens it and gives its lines, each with its line feed, which only the last may lack;
            joined they are the text. May be called again.
    """

    name: str
    lines: Callable[[], Iterator[str]]


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table.

    Attributes:
        name: what to call it.
        columns: the names of its columns.
        rows: opens it and gives its rows, as dictionaries with these columns. May be called again.
    """

    name: str
    columns: tuple[str, ...]
    rows: Callable[[], Iterator[Row]]


def is_table(path: Path) -> bool:
    """Whether a file is a table by its name; everything else is a text."""
    return path.suffix.lower() in _BUILDERS


def open_text(path: Path, name: str, examination: Examination) -> TextFile:
    """A text file, decoded as its examination says and rid of NUL characters."""
    tables = partial(
        _stream,
        path,
        name,
        "text",
        _LINES_AT_ONCE,
        encoding=examination.encoding,
        keep_linebreaks=True,
        chunksize=_CHUNK,
    )
    return TextFile(name, partial(_lines, tables, has_nuls=examination.nuls > 0))


def open_table(path: Path, name: str, examination: Examination | None) -> TableFile:
    """A table, its columns learnt from its beginning.

    Args:
        path: a CSV, TSV, JSON, JSONL or parquet file.
        name: what to call it.
        examination: of the file as text; None for parquet, which is none.

    Raises:
        CorpusError: it cannot be read as such a table or has no rows.
    """
    builder = _BUILDERS[path.suffix.lower()]
    options: Row = {}
    if builder == "csv" and examination:
        options = _csv_options(path, examination.encoding)
    elif builder == "json" and examination:
        options = {"encoding": _json_encoding(name, examination.encoding), "chunksize": _CHUNK}
    tables = partial(_stream, path, name, builder, _ROWS_AT_ONCE, **options)
    first = next(tables(), None)
    if first is None:
        raise CorpusError(f"“{name}” has no rows.", "Give a table with a script in it.")
    has_nuls = examination is not None and examination.nuls > 0
    return TableFile(name, tuple(first.column_names), partial(_rows, tables, has_nuls=has_nuls))


def sorted_table(tables: Sequence[TableFile], name: str, columns: tuple[str, ...]) -> TableFile:
    """All rows of several tables as one, in the order of some columns' values.

    Args:
        tables: at least one; they are held in memory while their rows are given.
        name: what to call the whole.
        columns: by which to sort, the most important first; numbers inside text count as numbers.

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
    return TableFile(name, tables[0].columns, partial(_sorted_rows, tables, columns))


def natural_key(value: object) -> tuple[tuple[int, int | float, str], ...]:
    """A sort key under which 2 stands before 10, also inside text; None comes first."""
    if value is None:
        return ()
    if isinstance(value, int | float):
        return ((0, value, ""),)
    parts = _DIGITS.split(str(value))
    return tuple(
        (0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts if part
    )


def quiet_datasets() -> Any:
    """Hugging Face Datasets, silent, and without what reading files does not need.

    Off are the bars and log lines of both clients, the counting of downloads over the network, and torch,
    which a stream would otherwise import to offer itself to a data loader.
    """
    import datasets
    from huggingface_hub.utils import disable_progress_bars, logging

    disable_progress_bars()
    logging.set_verbosity(CRITICAL)
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(CRITICAL)
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
    datasets.config.TORCH_AVAILABLE = False
    return datasets


def _stream(path: Path, name: str, builder: str, size: int, **options: Any) -> Iterator["pyarrow.Table"]:
    """The file's contents as Arrow tables of up to `size` rows."""
    datasets = quiet_datasets()
    try:
        rows = datasets.load_dataset(
            builder, data_files=[glob.escape(str(path))], split="train", streaming=True, **options
        )
        tables = rows.with_format("arrow").iter(batch_size=size)
        while (table := _next_unless_lossy(tables)) is not None:
            yield table
    except (
        Warning,
        datasets.exceptions.DatasetsError,
        ValueError,
        OSError,
        TypeError,
        KeyError,
    ) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise CorpusError(
            f"“{name}” cannot be read as {builder}: {reason}.", "Open the file and correct it there."
        ) from error


def _next_unless_lossy(tables: Iterator["pyarrow.Table"]) -> "pyarrow.Table | None":
    """The next table, if there is one; that a row has cells too many is an error and not a warning."""
    from pandas.errors import ParserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", ParserWarning)
        return next(tables, None)


def _lines(tables: Callable[[], Iterator["pyarrow.Table"]], has_nuls: bool) -> Iterator[str]:
    for table in tables():
        lines: list[str] = table["text"].to_pylist()
        yield from (line.replace("\0", "") for line in lines) if has_nuls else lines


def _rows(tables: Callable[[], Iterator["pyarrow.Table"]], has_nuls: bool) -> Iterator[Row]:
    for table in tables():
        rows: list[Row] = table.to_pylist()
        yield from map(_without_nuls, rows) if has_nuls else rows


def _without_nuls(row: Row) -> Row:
    return {key: cell.replace("\0", "") if isinstance(cell, str) else cell for key, cell in row.items()}


def _sorted_rows(tables: Sequence[TableFile], columns: tuple[str, ...]) -> Iterator[Row]:
    rows = [row for table in tables for row in table.rows()]
    rows.sort(key=lambda row: tuple(natural_key(row[column]) for column in columns))
    yield from rows


def _csv_options(path: Path, encoding: str) -> Row:
    """Reads every cell as the text that stands there: no number, date or missing value is guessed."""
    datasets = quiet_datasets()
    with path.open(encoding=encoding) as file:
        header = next((line for line in file if line.strip()), "")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=header.count)
    names = _unique(next(csv.reader([header], delimiter=delimiter)))
    return {
        "sep": delimiter,
        "header": 0,
        "column_names": names,
        "index_col": False,
        "keep_default_na": False,
        "encoding": encoding,
        "features": datasets.Features({name: datasets.Value("string") for name in names}),
    }


def _unique(header: list[str]) -> list[str]:
    """Column names with the empty ones filled and repeated ones numbered."""
    names: list[str] = []
    for number, cell in enumerate(header, 1):
        name = cell.replace("\0", "").strip() or f"column {number}"
        names.append(f"{name} {number}" if name in names else name)
    return names


def _json_encoding(name: str, encoding: str) -> str:
    if encoding not in ("utf-8", "utf-8-sig"):
        raise CorpusError(f"“{name}” is JSON but not UTF-8.", "Save it as UTF-8.")
    return encoding
