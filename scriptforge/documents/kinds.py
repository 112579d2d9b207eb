"""The kinds of documents: how a file is recognised as one, how it is read, and which can be written.

A file is recognised by its first bytes, an archive by its members; the suffix matters only where these are
not conclusive. This module knows nothing of where files come from.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scriptforge.documents import (
    chat_archive,
    open_document,
    pdf,
    pdf_writer,
    rich_text,
    web_page,
    word,
    writing_programs,
)
from scriptforge.documents.document import Document, open_archive
from scriptforge.errors import UsageError, unknown_name
from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.formats import ONE_SCRIPT_FORMATS, WRITERS, write_several
from scriptforge.screenplay.formats import write as write_text
from scriptforge.screenplay.script import Script


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of document.

    Attributes:
        name: the name that is reported as the script's format.
        description: one line that says what such files are.
        suffixes: the usual suffixes of such files.
        read: returns the document in a file, given its path and the user's encoding or None.
    """

    name: str
    description: str
    suffixes: tuple[str, ...]
    read: Callable[[Path, str | None], Document]


WORD = DocumentKind(
    "docx", "Word's documents, by their styles or their layout", (".docx", ".docm", ".dotx"), word.read
)
ODT = DocumentKind(
    "odt",
    "OpenDocument texts, as LibreOffice writes them, by their styles or their layout",
    (".odt", ".ott"),
    open_document.read,
)
FLAT_ODT = DocumentKind("fodt", "OpenDocument texts in one XML file", (".fodt",), open_document.read_flat)
PDF = DocumentKind("pdf", "PDFs with text in them, by where it stands on the page", (".pdf",), pdf.read)
RICH_TEXT = DocumentKind("rtf", "Rich Text Format, by styles or layout", (".rtf",), rich_text.read)
WEB_PAGE = DocumentKind(
    "html", "web pages, without what surrounds the script", (".html", ".htm", ".xhtml"), web_page.read
)
HIGHLAND = DocumentKind("highland", "documents of Highland", (".highland",), writing_programs.read_highland)
FADE_IN = DocumentKind("fadein", "documents of Fade In", (".fadein",), writing_programs.read_fade_in)
OPEN_SCREENPLAY = DocumentKind(
    "osf", "Open Screenplay Format, in XML", (".osf",), writing_programs.read_open_screenplay
)
CELTX = DocumentKind("celtx", "projects of Celtx on the desktop", (".celtx",), writing_programs.read_celtx)
TRELBY = DocumentKind("trelby", "documents of Trelby", (".trelby",), writing_programs.read_trelby)
WHATSAPP = DocumentKind(
    "whatsapp",
    "a chat that WhatsApp exported with media: `_chat.txt`, or the one text with “WhatsApp” in its name",
    (".zip",),
    chat_archive.read,
)
KINDS = (
    WORD, ODT, FLAT_ODT, PDF, RICH_TEXT, WEB_PAGE, HIGHLAND, FADE_IN, OPEN_SCREENPLAY, CELTX, TRELBY,
    WHATSAPP,
)  # fmt: skip
"""All kinds that can be read, in the order in which they are listed."""

_OLD = DocumentKind("doc", "office documents from before .docx", (".doc",), word.refuse_old)

DOCUMENT_WRITERS: dict[str, Callable[[Sequence[Script]], bytes]] = {
    "docx": word.write,
    "pdf": pdf_writer.write,
}
"""The writers of documents that are not text, by suffix."""

WRITTEN = (*WRITERS, *DOCUMENT_WRITERS)
"""The suffixes of all files that can be written."""

_OTHER_SUFFIXES = {"htm": "html", "text": "txt"}

_HEAD = 4096
_BLANK = b" \t\r\n\f\0"
_WEB_PAGE = re.compile(
    rb"(?:<\?xml[^>]*>\s*)?(?>(?:<!--.*?-->\s*)*)<(?:!doctype html|html|head|body|pre|p|b|strong|table|center"
    rb"|font|h[1-6]|div|span|article|main|section|ul|dl|br|meta|title|script|style)\b[^>]*>",
    re.IGNORECASE | re.DOTALL,
)
_CLOSING = re.compile(
    rb"</(?:html|head|body|pre|p|b|strong|table|td|font|h[1-6]|div|span|title|dt|li|center)>", re.IGNORECASE
)
_PLAY = re.compile(rb"<(?:sp|speech|speaker|TEI)\b", re.IGNORECASE)
_FLAT_ODT = re.compile(rb"<office:document\s")
_OPEN_SCREENPLAY = re.compile(rb"<document\b[^>]*Open Screenplay Format", re.IGNORECASE | re.DOTALL)


def kind_of_file(path: Path) -> DocumentKind | None:
    """Return the kind of document that a file is; None if it is no known kind, and may be a text.

    Raises:
        BrokenScript: it is a damaged archive, or not the kind of document that its suffix says.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip(_BLANK)
    suffix = path.suffix.lower()
    if start.startswith(b"PK\x03\x04"):
        return _kind_of_archive(path, suffix)
    if start.startswith(b"\xd0\xcf\x11\xe0"):
        return _OLD
    if b"%PDF-" in head[:1024]:
        return PDF
    if start.startswith(b"{\\rtf"):
        return RICH_TEXT
    if _FLAT_ODT.search(head):
        return FLAT_ODT
    if _OPEN_SCREENPLAY.search(head):
        return OPEN_SCREENPLAY
    if start.startswith(b"#Version ") and (
        suffix == ".trelby" or re.search(rb"^[.>&|][\\.:_(/=%]", head, re.MULTILINE)
    ):
        return TRELBY
    if _is_web_page(start, suffix):
        return WEB_PAGE
    promised = _promised(suffix)
    if promised and start and promised is not WEB_PAGE:
        raise BrokenScript(
            f"is not what its name says, {promised.description}",
            "Give it the suffix of what it is, .txt for text, or save it again.",
        )
    return None


def _kind_of_archive(path: Path, suffix: str) -> DocumentKind | None:
    """Return the kind of document that an archive is, by its members; None if it is no known kind."""
    promised = _promised(suffix)
    called = promised.name if promised else "zipped"
    if chat_archive.is_chat(path, called):
        return WHATSAPP
    with open_archive(path, called) as archive:
        if open_document.is_text(archive) or (promised is ODT and archive.find("content.xml")):
            return ODT
        for kind, ending in _MEMBERS:
            if archive.find(ending):
                return kind
    if promised:
        raise BrokenScript(
            f"is an archive, but not one of {promised.description}", "Save or export it again."
        )
    return None


_MEMBERS = (
    (WORD, "word/document.xml"),
    (HIGHLAND, ".fountain"),
    (HIGHLAND, "text.md"),
    (CELTX, "project.rdf"),
    (FADE_IN, "document.xml"),
)
"""For each kind of archive, the ending of a member's name that identifies it; the first that matches wins."""


def _promised(suffix: str) -> DocumentKind | None:
    """Return the kind of document that a file must be to have a suffix; None if it may be anything."""
    return next((kind for kind in KINDS if suffix in kind.suffixes and kind is not WHATSAPP), None)


def _is_web_page(start: bytes, suffix: str) -> bool:
    """Return whether a file is a web page or a part of one, and not a play in XML."""
    if suffix in WEB_PAGE.suffixes and b"<" in start:
        return True
    return bool(_WEB_PAGE.match(start)) and bool(_CLOSING.search(start)) and not _PLAY.search(start)


def written_format(path: Path) -> str | None:
    """Return the entry of `WRITTEN` that the suffix of a path selects; None if it selects none."""
    suffix = path.suffix.lower().removeprefix(".")
    suffix = _OTHER_SUFFIXES.get(suffix, suffix)
    return suffix if suffix in WRITTEN else None


def check_several(count: int, format: str, hint: str) -> None:
    """Check that `count` scripts can be written to one file.

    Raises:
        UsageError: the format allows one script a file; `hint` says what to do.
    """
    if count > 1 and format in ONE_SCRIPT_FORMATS:
        raise UsageError(f"One {format} document holds one script, not {count}.", hint)


def write(scripts: Sequence[Script], format: str, scene_numbers: bool = False) -> bytes:
    """Return the contents of a file with scripts.

    Args:
        scripts: the scripts, with elements in normal form; one if the format is in `ONE_SCRIPT_FORMATS`.
        format: one of `WRITTEN`.
        scene_numbers: whether to number the headings of a PDF.

    Raises:
        UsageError: there is no such format, its libraries are not installed, or no font has a character.
    """
    if format not in WRITTEN:
        raise unknown_name("format", format, WRITTEN)
    if format == "pdf":
        return pdf_writer.write(scripts, scene_numbers)
    if format in DOCUMENT_WRITERS:
        return DOCUMENT_WRITERS[format](scripts)
    text = write_text(scripts[0], format) if len(scripts) == 1 else write_several(scripts, format)
    return text.encode()
