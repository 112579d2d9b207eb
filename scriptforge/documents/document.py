"""A document: a script in a file other than plain text, as of a writing program or word processor.

Either its paragraphs have known kinds, for instance from styles, or it is laid out as lines of text, which
are then read as those of a text file. This module also opens ZIP archives, the container of several kinds of
documents: nothing is unpacked to disk, and sizes are limited to what a script can need.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

from scriptforge.documents.laid_out import Block, laid_out
from scriptforge.errors import UsageError
from scriptforge.screenplay import indented, paragraphs
from scriptforge.screenplay.format import HEAD_LINES, BrokenScript
from scriptforge.screenplay.formats import Reading, read
from scriptforge.screenplay.paragraphs import CUE, DIALOGUE, Paragraph, kind_of

MAX_FILE = 200 << 20
"""Bytes of a document; that of a long film with pictures has a few tens of millions."""

MAX_PARAGRAPHS = 200_000
"""Paragraphs of a word processor's document, at most; a long film has about five thousand."""

_INSTALL = "Install them: pip install 'scriptforge-lm[documents]'"
_SCORE_OF_MARGINS = 0.5

_MAX_UNPACKED = 32 << 20
"""Bytes that are read from an archive, at most; a megabyte of plays has about three million in Word."""

_MAX_CONTENT = 400 << 20
_MAX_DIRECTORY = 2 << 20
"""Bytes of an archive's central directory, in which each member takes about a hundred."""

_MAX_MEMBERS = 10_000

_MAX_TAGS = 500_000
"""Tags in a document, at most; that of a long film has about forty thousand."""

_MAX_LINES = 1_000_000
"""Lines in a document, at most; all of Shakespeare's plays have about a hundred and twenty thousand."""

_LONGEST_LINE = 4 << 20
"""Characters in a line or paragraph, at most; a book's chapter has about fifty thousand."""

_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
"""What `str.splitlines` splits at, besides a carriage return with a line feed."""

_WITH_AN = ("HTML", "RTF", "O", "o")
"""How the names of documents begin that are said with “an”."""

_DAMAGE = (BadZipFile, ZlibError, LZMAError, EOFError, RuntimeError, struct.error, OSError, ValueError)
"""Exceptions that reading an archive may raise if it is damaged, or compressed in an unsupported way."""

_END_OF_DIRECTORY = b"PK\x05\x06"
_LONGEST_END = 22 + (1 << 16)
_ZIP64_LOCATOR, _ZIP64_END = b"PK\x06\x07", b"PK\x06\x06"
_ZIP64_LOCATOR_SIZE, _ZIP64_END_SIZE = 20, 56
_IN_ZIP64 = 0xFFFFFFFF
"""Instead of a size, if only the Zip64 record has it."""


@dataclass(frozen=True, slots=True)
class Document:
    """The contents of a document.

    Attributes:
        title: the title of the script; empty if the document has none.
        paragraphs: the paragraphs with their kinds; empty if the kinds are not known reliably.
        lines: the text as laid out, without line ends; an indent is one space a column.
        place: how the reason for a format begins: "in a PDF with 3 pages of text".
        suffix: the suffix of text files in the format of the lines, if it is known.
        has_margins: whether indents are those of the page, so that margins outweigh other evidence.
        format: the format to report for a script in paragraphs; empty for the kind of document.
    """

    title: str
    paragraphs: Sequence[Paragraph]
    lines: Sequence[str]
    place: str
    suffix: str = ""
    has_margins: bool = False
    format: str = ""

    def read(self, name: str, asked: str | None = None) -> Reading:
        """Return a reading of the script, which is parsed lazily.

        Args:
            name: the name of the kind of document.
            asked: the format that the user gave, which may also be `name`; None detects it.

        Raises:
            UsageError: there is no format of that name.
        """
        place = f"{self.place[0].upper()}{self.place[1:]}"
        if self.paragraphs and asked in (None, name):
            parsed = paragraphs.parse(self.paragraphs)
            return Reading(self.format or name, f"{place}, paragraphs say what they are.", self.title, parsed)
        asked = None if asked == name else asked
        margins = (
            indented.FORMAT.recognise(self.lines[:HEAD_LINES]) if self.has_margins and not asked else None
        )
        if margins and margins.score > _SCORE_OF_MARGINS:
            reading = read(self.lines, indented.FORMAT.name)
            reading.reason = f"{margins.reason}."
        else:
            reading = read(self.lines, asked, self.suffix)
        reading.reason = f"{place}, {reading.reason[0].lower()}{reading.reason[1:]}"
        reading.title = self.title or reading.title
        return reading


def typed(title: str, found: Sequence[Paragraph], place: str) -> Document:
    """Return a document whose paragraphs have known kinds; its lines are those of the paragraphs.

    Raises:
        BrokenScript: they have far more lines than a script needs.
    """
    check_lines(each.text for each in found)
    lines: list[str] = []
    for each in found:
        if lines and each.kind not in (paragraphs.PARENTHETICAL, DIALOGUE):
            lines.append("")
        lines += each.text.split("\n")
    return Document(title, found, lines, place)


def from_blocks(blocks: Sequence[Block], place: str, title: str = "") -> Document:
    """Return the document that a word processor's paragraphs are: by their styles, or else laid out.

    Args:
        blocks: the paragraphs; those in the style `Title` are the title, and subtitles are left out.
        place: as in `Document`.
        title: the title in the document's properties, for one that shows none.
    """
    titles = [block.text for block in blocks if block.style.lower() == "title"]
    body = [block for block in blocks if block.style.lower() not in ("title", "subtitle")]
    title = " ".join(" ".join(titles).split()) or title
    kinds = [Paragraph(kind_of(block.style), block.text) for block in body]
    if _are_reliable(kinds):
        return typed(title, kinds, place)
    return Document(title, (), laid_out(body), place, has_margins=True)


def _are_reliable(found: Sequence[Paragraph]) -> bool:
    """Return whether the kinds are reliable: there are both cues and dialogue, or all paragraphs have one."""
    kinds = {each.kind for each in found if each.text.strip() or each.kind == "heading"}
    return {CUE, DIALOGUE} <= kinds or (bool(kinds) and "" not in kinds)


class Archive:
    """Access to the members of a ZIP archive, with limits on their sizes."""

    def __init__(self, archive: ZipFile, kind: str) -> None:
        self._archive = archive
        self._kind = kind
        self._unpacked = self._tags = 0
        self.names = archive.namelist()

    def find(self, *endings: str) -> str:
        """Return the name of the first member with one of the endings, tried in order; empty if none has."""
        found = (name for ending in endings for name in self.names if name.lower().endswith(ending))
        return next(found, "")

    def text(self, name: str) -> str:
        """Return a member decoded as UTF-8, without a byte-order mark; invalid bytes are replaced.

        Raises:
            BrokenScript: it is missing or too large.
        """
        return self.content(name).decode("utf-8-sig", errors="replace")

    def content(self, name: str) -> bytes:
        """Return a member as bytes.

        Raises:
            BrokenScript: it is missing, or too large together with what was read before.
        """
        if name not in self.names:
            raise BrokenScript(f"{_is_a(self._kind)} without the script in it", "Save or export it again.")
        self._unpacked += self._archive.getinfo(name).file_size
        if self._unpacked > _MAX_UNPACKED:
            raise too_large(f"unpacks to more than {_MAX_UNPACKED >> 20} MB")
        return self._archive.read(name)

    def markup(self, name: str, most: int = _MAX_TAGS) -> bytes:
        """Return a member that is XML or HTML, as bytes.

        Args:
            name: its name.
            most: how many tags it may have, with those of the members returned before.

        Raises:
            BrokenScript: it is missing or too large, or has too many tags.
        """
        content = self.content(name)
        self._tags += content.count(b"<")
        check_tags(self._tags, self._kind, most)
        return content


def check_tags(count: int, kind: str, most: int = _MAX_TAGS) -> None:
    """Check that a document of a kind may have so many tags: elements take far more memory than their tags.

    Raises:
        BrokenScript: there are more than `most`.
    """
    if count > most:
        raise too_large(f"{_is_a(kind)} with more than {most:,} tags")


def check_paragraphs(count: int, kind: str) -> None:
    """Check that a word processor's document of a kind may have so many paragraphs.

    Raises:
        BrokenScript: there are more than `MAX_PARAGRAPHS`.
    """
    if count > MAX_PARAGRAPHS:
        raise too_large(f"{_is_a(kind)} with more than {MAX_PARAGRAPHS:,} paragraphs")


def check_lines(texts: Iterable[str]) -> None:
    """Check how many lines the texts of a document have: in a list, empty ones take eight times the memory.

    Raises:
        BrokenScript: there are far more than a script needs, or one is far longer.
    """
    count = 0
    for text in texts:
        count += sum(map(text.count, _LINE_ENDS)) - text.count("\r\n")
        if count > _MAX_LINES:
            raise too_large(f"has more than {_MAX_LINES:,} lines")
        if len(text) > _LONGEST_LINE and max(map(len, text.splitlines())) > _LONGEST_LINE:
            raise too_large(f"has a line of more than {_LONGEST_LINE >> 20} million characters")


def lines_of(text: str) -> list[str]:
    """Return the lines of a document's text, without line ends.

    Raises:
        BrokenScript: there are far more than a script needs, or one is far longer.
    """
    check_lines([text])
    return text.splitlines()


def content_of(path: Path) -> bytes:
    """Return the bytes of a document.

    Raises:
        BrokenScript: it is larger than `MAX_FILE`.
    """
    if path.stat().st_size > MAX_FILE:
        raise too_large(f"has more than {MAX_FILE >> 20} MB")
    return path.read_bytes()


def text_of(path: Path, encoding: str | None) -> str:
    """Return the text of a document that is text.

    Without a given encoding it is decoded as UTF-16 if it has that byte-order mark, else as UTF-8.

    Raises:
        BrokenScript: it is larger than `MAX_FILE`.
    """
    content = content_of(path)
    if encoding is None:
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return content.decode(encoding, errors="replace")


@contextmanager
def open_archive(path: Path, kind: str, has_media: bool = False) -> Iterator[Archive]:
    """Open a ZIP archive after checking its sizes and the names of its members.

    Errors within the block that mean a damaged archive are raised as `BrokenScript`, too.

    Args:
        path: the path of the file.
        kind: the kind of document, for messages: "Word".
        has_media: whether films and the like may be in it, which are not read, so that it may have any size.

    Raises:
        BrokenScript: it is not an archive, is truncated, damaged or encrypted, or looks malicious: it has far
            too many members, unpacks to far too much, or has a member whose name leads out of its folder.
    """
    try:
        if not has_media and path.stat().st_size > MAX_FILE:
            raise too_large(f"has more than {MAX_FILE >> 20} MB")
        _check_directory(path)
        with ZipFile(path) as archive:
            _check_members(archive, kind)
            if not has_media and sum(member.file_size for member in archive.infolist()) > _MAX_CONTENT:
                raise too_large(f"unpacks to more than {_MAX_CONTENT >> 20} MB")
            yield Archive(archive, kind)
    except _DAMAGE as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise damaged(kind) from error


def damaged(kind: str) -> BrokenScript:
    """Return the error for a document that is truncated, corrupted, or not of the kind that it seems."""
    return BrokenScript(f"{_is_a(kind)} that is damaged or cut off", "Save, export or download it again.")


def encrypted(kind: str) -> BrokenScript:
    """Return the error for a document that is protected by a password."""
    return BrokenScript(f"{_is_a(kind)} that is encrypted with a password", "Save a copy without a password.")


def too_large(what: str) -> BrokenScript:
    """Return the error for a document that exceeds a limit; `what` is the clause that follows its name."""
    return BrokenScript(
        f"{what}, too much for a script", "Export the script alone, as text, .fountain or .fdx."
    )


def unreadable(kind: str) -> BrokenScript:
    """Return the error for a document whose reader needs a library that is not installed."""
    return BrokenScript(f"{_is_a(kind)}, which needs libraries that are not installed", _INSTALL)


def unwritable(kind: str) -> UsageError:
    """Return the error for a document whose writer needs a library that is not installed."""
    return UsageError(f"Writing a {kind} document needs libraries that are not installed.", _INSTALL)


def _is_a(kind: str) -> str:
    return f"is {'an' if kind.startswith(_WITH_AN) else 'a'} {kind} document"


def _check_directory(path: Path) -> None:
    """Raise an error if the central directory is missing or too large, before `ZipFile` reads it."""
    with path.open("rb") as file:
        before = max(0, path.stat().st_size - _LONGEST_END)
        file.seek(before)
        tail = file.read()
        end = tail.rfind(_END_OF_DIRECTORY)
        if end < 0 or len(tail) - end < 22:
            raise BadZipFile
        sizes = list(_zip64_sizes(file, before + end))
    (usual,) = struct.unpack_from("<I", tail, end + 12)
    if not sizes or usual != _IN_ZIP64:
        sizes.append(usual)
    if max(sizes) > _MAX_DIRECTORY:
        raise too_large(f"is an archive with more than {_MAX_MEMBERS:,} members")


def _zip64_sizes(file: BinaryIO, end: int) -> Iterator[int]:
    """Yield the sizes of the central directory in the Zip64 records that count instead of the usual one.

    A locator right before the usual record, at `end`, says where its Zip64 record is. Some readers go there,
    others look right before the locator.
    """
    locator = end - _ZIP64_LOCATOR_SIZE
    file.seek(max(0, locator))
    found = file.read(_ZIP64_LOCATOR_SIZE)
    if locator < 0 or not found.startswith(_ZIP64_LOCATOR):
        return
    (named,) = struct.unpack_from("<Q", found, 8)
    for place in {named, locator - _ZIP64_END_SIZE}:
        if 0 <= place <= locator - _ZIP64_END_SIZE:
            file.seek(place)
            record = file.read(_ZIP64_END_SIZE)
            if record.startswith(_ZIP64_END):
                yield from struct.unpack_from("<Q", record, 40)


def _check_members(archive: ZipFile, kind: str) -> None:
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise too_large(f"is an archive with {len(members):,} members")
    for member in members:
        parts = PurePosixPath(member.filename.replace("\\", "/")).parts
        is_on_drive = bool(parts) and parts[0][1:2] == ":"
        if ".." in parts or member.filename.startswith(("/", "\\")) or is_on_drive:
            raise BrokenScript(
                "is an archive with a member whose name leads out of it, which may hide an attack",
                "Do not open it elsewhere; ask for another copy.",
            )
        if member.flag_bits & 1:
            raise encrypted(kind)
