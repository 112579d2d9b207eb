"""Rows from a JSON file: one object a line, or one document in which the rows lie somewhere.

The standard library reads it: it says in which line a file is broken, and takes cells as they are, where a
column of Arrow wants all of them to be of one type.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from scriptforge.errors import CorpusError
from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.table import guess_columns

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
