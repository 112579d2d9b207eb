"""Import and export of scripts as files, in all formats that `prepare` reads and that `convert` writes."""

import re
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import find_source
from scriptforge.documents.kinds import KINDS, write
from scriptforge.errors import CorpusError, ScriptforgeError, unknown_name
from scriptforge.screenplay.script import Script, strip_lines
from scriptforge.serve.elements import (
    CLOSED,
    MAX_ELEMENTS,
    MAX_TITLE_LENGTH,
    Line,
    to_elements,
    to_page,
    with_ids,
)
from scriptforge.workspace import as_file_stem


class _FileType(NamedTuple):
    label: str
    media_type: str


_EXPORT_FORMATS = {
    "fountain": _FileType("Fountain", "text/plain; charset=utf-8"),
    "fdx": _FileType("Final Draft", "application/xml"),
    "pdf": _FileType("PDF", "application/pdf"),
    "docx": _FileType("Word", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "html": _FileType("Web page", "text/html; charset=utf-8"),
    "txt": _FileType("Text", "text/plain; charset=utf-8"),
    "json": _FileType("JSON", "application/json"),
}
"""Label and media type of the formats of `WRITTEN`, in the order of the page's menu."""

_TEXT_SUFFIXES = (
    ".txt",
    ".fountain",
    ".spmd",
    ".fdx",
    ".srt",
    ".vtt",
    ".ttml",
    ".dfxp",
    ".xml",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".md",
)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,12}")
_MAX_NAME_LENGTH = 80
_STORED_STEM = "script"


class ExportRequest(BaseModel):
    """A draft to export as a file.

    Attributes:
        title: title of the draft.
        elements: elements of the draft.
    """

    model_config = CLOSED

    title: str = Field("", max_length=MAX_TITLE_LENGTH)
    elements: list[Line] = Field(max_length=MAX_ELEMENTS)


def import_suffixes() -> list[str]:
    """Return the suffixes of files that can be imported."""
    documents = [suffix for kind in KINDS for suffix in kind.suffixes]
    return list(dict.fromkeys((*_TEXT_SUFFIXES, *documents)))


def export_formats() -> list[dict[str, str]]:
    """Return the formats that can be exported."""
    return [
        {"format": name, "name": each.label, "suffix": f".{name}"} for name, each in _EXPORT_FORMATS.items()
    ]


def stored_name(name: str) -> str:
    """Return the name under which a file is stored to be read: only its suffix is that of `name`."""
    suffix = Path(_plain_name(name)).suffix
    return f"{_STORED_STEM}{suffix if _SUFFIX.fullmatch(suffix) else '.txt'}"


def read_file(path: Path, name: str) -> dict[str, Any]:
    """Read a script from a file.

    Args:
        path: the file, under the name that `stored_name` returns.
        name: its original name, which becomes the title if the script has none.

    Raises:
        CorpusError: the file cannot be read, contains no script, or is too long for a draft.
    """
    shown = _plain_name(name)[:_MAX_NAME_LENGTH]
    parsing = Parsing()
    try:
        parsed = parse(fetch(find_source(str(path), Cards({}, {}))), False, parsing)
        rows = list(islice(parsed, MAX_ELEMENTS + 1))
    except ScriptforgeError as problem:
        named = (text.replace(path.name, shown) for text in (problem.message, problem.hint))
        raise CorpusError(*named) from problem
    page = to_page(row.element for row in rows)
    if not page:
        raise CorpusError(f"There is no script in “{shown}”.", "Choose another file.")
    if max(len(rows), len(page)) > MAX_ELEMENTS:
        raise CorpusError(
            f"“{shown}” has more than {MAX_ELEMENTS:,} elements, the most that a draft can have.",
            "Split it, and import one part.",
        )
    titles = list(dict.fromkeys(row.title for row in rows if row.title != _STORED_STEM))
    return {
        "title": titles[0][:MAX_TITLE_LENGTH] if titles else Path(_plain_name(name)).stem[:_MAX_NAME_LENGTH],
        "elements": with_ids(page),
        "format": parsing.text_format,
        "notes": parsing.requests,
    }


def _plain_name(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def write_file(request: ExportRequest, format: str) -> tuple[bytes, str, str]:
    """Return a draft as a file: the content, the media type, and a file name that is valid on every system.

    Raises:
        UsageError: there is no such format, or its libraries are not installed.
    """
    if format not in _EXPORT_FORMATS:
        raise unknown_name("format", format, _EXPORT_FORMATS)
    content = write([draft_script(request.title, request.elements)], format)
    return content, _EXPORT_FORMATS[format].media_type, f"{as_file_stem(request.title)}.{format}"


def draft_script(title: str, elements: Sequence[Line]) -> Script:
    """Return a draft as a script."""
    return Script.from_elements(strip_lines(title), to_elements(elements))
