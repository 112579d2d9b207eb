"""Rows from a JSON file: one object a line, or one document in which the rows lie somewhere.

The standard library reads it: it says in which line a file is broken, and takes cells as they are, where a
column of Arrow wants all of them to be of one type.

Files that lie on this machine, opened through Hugging Face Datasets and read as a stream.

A text gives lines and a table gives rows, each as often as it is asked; neither is ever whole in memory
(a JSON file that is one document is the exception), and nothing is copied into a cache. Datasets takes lines
whole, and does not say where a JSON file is broken: very long lines and JSON are read without it.
"""

import csv
import glob
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from logging import CRITICAL
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from scriptforge.corpus.text_encoding import Examination
from scriptforge.errors import CorpusError
from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.table import guess_columns

if TYPE_CHECKING:
    import pyarrow

Row = dict[str, Any]


def json_rows(path: Path, name: str, encoding: str) -> Iterator[Row]:
    """The rows of a file, in order.

    Where each line is a JSON value of its own, a line is a row, and the file is read as a stream. Any other
    file is one document and is held in memory: a list of rows, an object of columns, or an object whose only
    list of objects are the rows. What is no object becomes one: a text under `text`, a list under `turns`.

    Args:
        path: the file.
        name: what to call it in an error.
        encoding: the codec that decodes it.

    Raises:
        CorpusError: it is not JSON; the line is named.
    """
    with path.open(encoding=encoding) as file:
        lines = (line.replace("\0", "") for line in file)
        first = list(islice(filter(str.strip, lines), 2))
    if path.suffix.lower() == ".jsonl" or (len(first) == 2 and _is_json(first[0])):
        yield from _rows_of_lines(path, name, encoding)
    else:
        text = path.read_text(encoding).replace("\0", "")
        yield from map(_row, _rows_within(_parsed(text, name, first_line=1)))


def _is_json(line: str) -> bool:
    try:
        json.loads(line, strict=False)
    except (ValueError, RecursionError):
        return False
    return True


def _rows_of_lines(path: Path, name: str, encoding: str) -> Iterator[Row]:
    with path.open(encoding=encoding) as file:
        for number, line in enumerate(file, start=1):
            text = line.replace("\0", "").strip().strip("\ufeff")
            if text:
                yield _row(_parsed(text, name, number))


def _parsed(text: str, name: str, first_line: int) -> Any:
    """What a text says.

    Args:
        text: JSON; control characters within strings are let through.
        name: what to call the file in an error.
        first_line: on which line of the file the text begins.
    """
    try:
        return json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        reason = f"{error.msg[0].lower()}{error.msg[1:]}".removesuffix(" starting at")
        _refuse(name, first_line + error.lineno - 1, reason)
    except RecursionError:
        _refuse(name, first_line, "it is nested too deeply")
    except ValueError:
        _refuse(name, first_line, "it has a number that is too long")


def _refuse(name: str, line: int, reason: str) -> NoReturn:
    raise CorpusError(
        f"“{name}” is not JSON in line {line:,}: {reason}.", "Correct the line, or remove it."
    ) from None


def _row(value: object) -> Row:
    match value:
        case dict():
            return value
        case list():
            return {"turns": value}
    return {"text": "" if value is None else str(value)}


def _rows_within(document: object) -> list[object]:
    """The rows of a document that is read whole."""
    match document:
        case list():
            return document
        case dict() if _is_columnwise(document):
            cells = [list(_cells(column)) for column in document.values()]
            return [dict(zip(document, row, strict=True)) for row in zip(*cells, strict=True)]
        case dict() if not _has_lines(document):
            tables = [value for value in document.values() if _is_table(value)]
            return list(tables[0]) if len(tables) == 1 else [document]
    return [document]


def _is_columnwise(document: Mapping[str, object]) -> bool:
    """Whether the values are columns of single cells, all of one length."""
    columns = [list(_cells(value)) for value in document.values() if isinstance(value, list | dict)]
    lengths = set(map(len, columns))
    are_single = not any(isinstance(cell, list | dict) for column in columns for cell in column)
    return len(columns) == len(document) > 0 and len(lengths) == 1 and 0 not in lengths and are_single


def _cells(column: Any) -> Iterator[object]:
    """A column's cells, which some write as a list and some under their numbers."""
    return iter(column.values() if isinstance(column, dict) else column)


def _has_lines(document: Mapping[str, object]) -> bool:
    """Whether the names in an object say that it is a script itself."""
    try:
        guess_columns(document)
    except BrokenScript:
        return False
    return True


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


_BUILDERS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
_LINES_AT_ONCE = 4096
_ROWS_AT_ONCE = 1024
_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 16
"""Characters. A longer line is given in parts; a paragraph of a book has a thousand."""

_LONGEST_CELL = 1 << 30
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text.

    Attributes:
        name: what to call it.
        lines: opens it and gives its lines, each with its line feed, which only the last may lack, and a
            very long line in parts, of which only its last has it; joined they are the text. May be called
            again.
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
    has_nuls = examination.nuls > 0
    if examination.longest_line > _LONGEST_LINE:
        return TextFile(name, partial(_lines_in_parts, path, examination.encoding, has_nuls))
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
    return TextFile(name, partial(_lines, tables, has_nuls=has_nuls))


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
    if builder == "json" and examination:
        rows = partial(json_rows, path, name, examination.encoding)
        columns = dict.fromkeys(column for row in islice(rows(), _ROWS_AT_ONCE) for column in row)
        if not columns:
            raise _without_rows(name)
        return TableFile(name, tuple(columns), partial(_filled, rows, columns))
    options = _csv_options(path, name, examination.encoding) if examination else {"batch_size": _ROWS_AT_ONCE}
    tables = partial(_stream, path, name, builder, _ROWS_AT_ONCE, **options)
    first = next(tables(), None)
    if first is None:
        raise _without_rows(name)
    has_nuls = examination is not None and examination.nuls > 0
    return TableFile(name, tuple(first.column_names), partial(_rows, tables, has_nuls=has_nuls))


def _without_rows(name: str) -> CorpusError:
    return CorpusError(f"“{name}” has no rows.", "Give a table with a script in it.")


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
        raise CorpusError(
            f"“{name}” cannot be read as {builder}: {_reason(error, path, options)}.",
            "Open the file and correct it there.",
        ) from error


def _reason(error: BaseException, path: Path, options: Row) -> str:
    """What is wrong with a file, as a clause; in a CSV, the first row that has cells too many."""
    if "sep" in options:
        with path.open(encoding=options["encoding"], newline="") as file:
            rows = csv.reader(file, delimiter=options["sep"], skipinitialspace=options["skipinitialspace"])
            names = options["column_names"]
            ragged = next((row for row in rows if len(row) > len(names) and any(row[len(names) :])), None)
            if ragged:
                return f"line {rows.line_num:,} has {len(ragged)} cells, and there are {len(names)} columns"
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _next_unless_lossy(tables: Iterator["pyarrow.Table"]) -> "pyarrow.Table | None":
    """The next table, if there is one; that a row has cells too many is an error and not a warning."""
    from pandas.errors import ParserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", ParserWarning)
        return next(tables, None)


def _lines_in_parts(path: Path, encoding: str, has_nuls: bool) -> Iterator[str]:
    """The lines of a text, a long one taken apart behind spaces where it has any."""
    begun = ""
    with path.open(encoding=encoding) as file:
        while line := file.readline(_LONGEST_LINE):
            begun += line.replace("\0", "") if has_nuls else line
            if begun.endswith("\n"):
                end = len(begun)
            elif len(begun) < _LONGEST_LINE:
                continue
            else:
                end = begun.rfind(" ") + 1 or len(begun)
            yield begun[:end]
            begun = begun[end:]
    if begun:
        yield begun


def _filled(rows: Callable[[], Iterator[Row]], columns: Row) -> Iterator[Row]:
    """The rows, those that lack a column with nothing in it."""
    return (columns | row for row in rows())


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


def _csv_options(path: Path, name: str, encoding: str) -> Row:
    """Reads every cell as the text that stands there: no number, date or missing value is guessed."""
    datasets = quiet_datasets()
    with path.open(encoding=encoding) as file:
        header = next((line for line in iter(partial(file.readline, _LONGEST_LINE), "") if line.strip()), "")
    if len(header) >= _LONGEST_LINE:
        raise CorpusError(
            f"“{name}” is no table: its first line has more than {_LONGEST_LINE:,} characters.",
            "Name it .txt if it is a text.",
        )
    delimiter = "\t" if path.suffix.lower() == ".tsv" else max(",;\t|", key=header.count)
    csv.field_size_limit(_LONGEST_CELL)
    with path.open(encoding=encoding, newline="") as file:
        names = _unique(next(filter(any, csv.reader(file, delimiter=delimiter, skipinitialspace=True)), []))
    return {
        "sep": delimiter,
        "header": 0,
        "column_names": names,
        "index_col": False,
        "keep_default_na": False,
        "skipinitialspace": f"{delimiter} " in header,
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
