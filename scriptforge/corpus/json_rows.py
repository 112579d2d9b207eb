"""The rows of a JSON file, in any of the structures in which scripts are stored.

A file with one JSON value a line is streamed; any other is a single document, held in memory. This module
does not interpret the rows, except to find the scripts in an object whose keys are their titles. It opens no
file but the one that it is given: Slack has the names of users in a file of their own.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence, ValuesView
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

from scriptforge.errors import CorpusError
from scriptforge.screenplay.chat_export import chats, people
from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.table import guess_columns
from scriptforge.workspace import parse_json

Row = dict[str, Any]

_SPLITS = frozenset({"train", "training", "validation", "valid", "val", "dev", "test"})
_MAX_TITLES = 4
_MAX_USER_LIST_BYTES = 64 << 20


def json_rows(path: Path, name: str, encoding: str, users: Mapping[str, str] | None = None) -> Iterator[Row]:
    """Yield the rows of a JSON file, in order.

    If each line is a JSON value of its own, it is a row, and the file is streamed. Any other file is a single
    document: an exported chat, a list of rows or of name-and-line pairs, an object of columns, an object
    whose only list of objects holds the rows, or an object of scripts by title. A row that is not an object
    becomes one: a text under `text`, a list under `turns`.

    Args:
        path: the path of the file.
        name: the name to show.
        encoding: its codec.
        users: the names of users by id, for a chat exported from Slack.

    Raises:
        CorpusError: it is not JSON; the message names the line.
    """
    with path.open(encoding=encoding) as file:
        lines = (line.replace("\0", "") for line in file)
        first = list(islice(filter(str.strip, lines), 2))
    if path.suffix.lower() == ".jsonl" or (len(first) == 2 and _is_json(first[0])):
        yield from _rows_of_lines(path, name, encoding)
    else:
        text = path.read_text(encoding).replace("\0", "")
        document = _parse_json(text, name, first_line=1)
        yield from chats(document, users or {}) or map(_as_row, _rows_within(document))


class UserList(NamedTuple):
    """Names of users by id, and the SHA-256 and the size in bytes of the file that lists them."""

    names: Mapping[str, str]
    sha256: str
    size: int


def read_users(path: Path) -> UserList | None:
    """Read a list of users as Slack writes it; return None for any other file, and for a link."""
    try:
        if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_USER_LIST_BYTES:
            return None
        content = path.read_bytes()
        document = parse_json(content)
    except (OSError, ValueError):
        return None
    names = people(document)
    if not names or _has_lines(document[0]):
        return None
    return UserList(names, hashlib.sha256(content).hexdigest(), len(content))


def _is_json(line: str) -> bool:
    try:
        parse_json(line, strict=False)
    except ValueError:
        return False
    return True


def _rows_of_lines(path: Path, name: str, encoding: str) -> Iterator[Row]:
    with path.open(encoding=encoding) as file:
        for number, line in enumerate(file, start=1):
            text = line.replace("\0", "").strip().strip("\ufeff")
            if text:
                yield _as_row(_parse_json(text, name, number))


def _parse_json(text: str, name: str, first_line: int) -> Any:
    """Parse JSON that begins on a line of a file; control characters in strings are allowed."""
    try:
        return parse_json(text, strict=False)
    except json.JSONDecodeError as error:
        reason = f"{error.msg[0].lower()}{error.msg[1:]}".removesuffix(" starting at")
        _refuse_json(name, first_line + error.lineno - 1, reason)
    except ValueError as error:
        _refuse_json(name, first_line, str(error))


def _refuse_json(name: str, line: int, reason: str) -> NoReturn:
    raise CorpusError(
        f"“{name}” is not JSON in line {line:,}: {reason}.", "Correct the line, or remove it."
    ) from None


def _as_row(value: object) -> Row:
    match value:
        case dict():
            return value
        case list():
            return {"turns": value}
    return {"text": "" if value is None else str(value)}


def _rows_within(document: object) -> list[object]:
    """Return the rows of a file that is a single JSON document."""
    match document:
        case list():
            return _pairs(document) or document
        case dict() if columns := _columns_within(document):
            return [dict(zip(document, row, strict=True)) for row in zip(*columns, strict=True)]
        case dict() if not _has_lines(document):
            tables = [value for value in document.values() if _is_table(value)]
            return list(tables[0]) if len(tables) == 1 else _rows_by_title(document) or [document]
    return [document]


def _pairs(document: Sequence[object]) -> list[object]:
    """Return rows for a list of pairs of a name and a line; empty unless names occur twice on average."""
    pairs = [each for each in document if isinstance(each, list) and len(each) == 2]
    are_texts = len(pairs) == len(document) and all(isinstance(cell, str) for pair in pairs for cell in pair)
    if not are_texts or len({name for name, _ in pairs}) * 2 > len(pairs):
        return []
    return [{"speaker": name, "line": line} for name, line in pairs]


def _rows_by_title(document: Mapping[str, object]) -> list[object]:
    """Return a row for each script in an object of scripts by title, possibly nested: by season and episode.

    If the keys are names of splits, or the rows themselves name their document, return all rows as one table.
    """
    found = list(_titled(document, ()))
    tables = [value for _, value in found if _is_table(value)]
    names = {name.casefold() for titles, _ in found for name in titles}
    if tables and (names <= _SPLITS or all(guess_columns(table[0]).document for table in tables)):
        return [row for table in tables for row in table]
    return [{"title": ", ".join(titles), "turns": value} for titles, value in found]


def _titled(document: Mapping[str, object], titles: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each script in an object, as rows, a list of lines or a text, after the keys that lead to it."""
    for name, value in document.items():
        path = (*titles, str(name))
        if _is_table(value) and _has_lines(cast("list[Row]", value)[0]):
            yield path, value
        elif isinstance(value, dict) and len(path) <= _MAX_TITLES:
            inner = next(
                (key for key in value if _has_lines({key: value[key]}) and _is_table(value[key])), None
            )
            if inner is not None:
                yield path, value[inner]
            else:
                yield from _titled(value, path if len(document) > 1 else titles)
        elif _are_speeches(value.splitlines() if isinstance(value, str) else value):
            yield path, value


def _are_speeches(lines: object) -> bool:
    """Return whether a value is a list of lines of text, most of which are `NAME: text`."""
    if not isinstance(lines, list) or len(lines) < 2 or not all(isinstance(line, str) for line in lines):
        return False
    return 2 * sum(": " in line for line in lines) > len(lines)


def _columns_within(document: Mapping[str, object]) -> list[list[object]]:
    """Return an object's columns if all its values are columns of one length, without nesting; else empty.

    A column is a list of cells, or an object of cells by row number, as pandas writes it.
    """
    values = (value.values() if isinstance(value, dict) else value for value in document.values())
    columns = [list(value) for value in values if isinstance(value, list | ValuesView)]
    lengths = set(map(len, columns))
    are_single = not any(isinstance(cell, list | dict) for column in columns for cell in column)
    is_whole = len(columns) == len(document) and len(lengths) == 1 and 0 not in lengths
    return columns if is_whole and are_single else []


def _has_lines(document: Mapping[str, object]) -> bool:
    """Return whether an object's keys look like the columns of a script."""
    try:
        guess_columns(document)
    except BrokenScript:
        return False
    return True


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)
