"""Import and export of scripts as files, in all formats that `prepare` reads and that `convert` writes."""

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import find_source
from scriptforge.documents.kinds import KINDS, write
from scriptforge.errors import CorpusError, unknown_name
from scriptforge.screenplay.script import Script
from scriptforge.serve.elements import (
    CLOSED,
    LONGEST_TITLE,
    MAX_ELEMENTS,
    Line,
    to_elements,
    to_page,
    with_ids,
)
from scriptforge.workspace import as_file_stem


class _FileType(NamedTuple):
    label: str
    media_type: str


_EXPORTED = {
    "fountain": _FileType("Fountain", "text/plain; charset=utf-8"),
    "fdx": _FileType("Final Draft", "application/xml"),
    "pdf": _FileType("PDF", "application/pdf"),
    "docx": _FileType("Word", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    "html": _FileType("Web page", "text/html; charset=utf-8"),
    "txt": _FileType("Text", "text/plain; charset=utf-8"),
    "json": _FileType("JSON", "application/json"),
}
"""Label and media type of the formats of `WRITTEN`, in the order of the page's menu."""

_TEXTS = (
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
_LONGEST_NAME = 80


class ExportRequest(BaseModel):
    """A draft to export as a file.

    Attributes:
        title: title of the draft.
        elements: elements of the draft.
    """

    model_config = CLOSED

    title: str = Field("", max_length=LONGEST_TITLE)
    elements: list[Line] = Field(max_length=MAX_ELEMENTS)


def import_suffixes() -> list[str]:
    """Return the suffixes of files that can be imported."""
    documents = [suffix for kind in KINDS for suffix in kind.suffixes]
    return list(dict.fromkeys((*_TEXTS, *documents)))


def export_formats() -> list[dict[str, str]]:
    """Return the formats that can be exported."""
    return [{"format": name, "name": each.label, "suffix": f".{name}"} for name, each in _EXPORTED.items()]


def read_file(name: str, content: bytes) -> dict[str, Any]:
    """Read a script from the content of a file; its name only tells the format and a title.

    Raises:
        CorpusError: the file cannot be read, contains no script, or is too long for a draft.
    """
    plain_name = name.replace("\\", "/").rpartition("/")[2]
    stem, suffix = Path(plain_name).stem, Path(plain_name).suffix
    suffix = suffix if _SUFFIX.fullmatch(suffix) else ".txt"
    parsing = Parsing()
    with TemporaryDirectory(prefix="scriptforge-") as folder:
        path = Path(folder) / f"script{suffix}"
        path.write_bytes(content)
        rows = list(parse(fetch(find_source(str(path), Cards({}, {}))), False, parsing))
    elements = [row.element for row in rows]
    if not elements:
        raise CorpusError(f"There is no script in “{plain_name[:80]}”.", "Choose another file.")
    page = to_page(elements)
    if len(page) > MAX_ELEMENTS:
        raise CorpusError(
            f"“{plain_name[:80]}” has {len(page):,} elements, more than a draft can have.",
            "Split it, and read one part.",
        )
    titles = list(dict.fromkeys(row.title for row in rows if row.title != "script"))
    return {
        "title": titles[0][:LONGEST_TITLE] if titles else stem[:_LONGEST_NAME],
        "elements": with_ids(page),
        "format": parsing.text_format,
        "notes": [note.replace("script" + suffix, plain_name[:80]) for note in parsing.notes],
    }


def write_file(request: ExportRequest, format: str) -> tuple[bytes, str, str]:
    """Return a draft as a file: the content, the media type, and a file name that is valid on every system.

    Raises:
        UsageError: there is no such format, or its libraries are not installed.
    """
    if format not in _EXPORTED:
        raise unknown_name("format", format, _EXPORTED)
    content = write([draft_script(request.title, request.elements)], format)
    return content, _EXPORTED[format].media_type, f"{as_file_stem(request.title)}.{format}"


def draft_script(title: str, elements: Sequence[Line]) -> Script:
    """Return a draft as a script."""
    return Script.from_elements(title, to_elements(elements))
