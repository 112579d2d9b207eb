"""A document: a script in a file that is no plain text, as of writing programs, word processors, browsers.

Either its paragraphs say what they are, or it is a page of text whose layout says so; then its lines are read
as a text's are. This module also opens what several kinds of documents are packed in: ZIP archives, of which
nothing is ever unpacked to disk, and of which no more is taken into memory than a script can need.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile
from zlib import error as ZlibError

from scriptforge.errors import UsageError
from scriptforge.screenplay import indented, paragraphs
from scriptforge.screenplay.format import HEAD_LINES, BrokenScript
from scriptforge.screenplay.formats import Reading, read
from scriptforge.screenplay.paragraphs import CUE, DIALOGUE, Paragraph

LARGEST_FILE = 200 << 20
"""Bytes of a document; a long film with pictures in it has some dozens of millions."""

_INSTALL = "Install them: pip install 'scriptforge-lm[documents]'"
_SCORE_OF_MARGINS = 0.5

_LARGEST_MEMBER = 64 << 20
_LARGEST_CONTENT = 400 << 20
_LARGEST_DIRECTORY = 2 << 20
"""Bytes of an archive's table of contents, of which a member takes a hundred."""

_MOST_MEMBERS = 10_000

_DAMAGE = (BadZipFile, ZlibError, LZMAError, EOFError, RuntimeError, struct.error, OSError, ValueError)
"""What reading an archive raises where it is damaged, or packed in a way that is not known here."""

_END_OF_DIRECTORY = b"PK\x05\x06"
_LONGEST_END = 22 + (1 << 16)


@dataclass(frozen=True, slots=True)
class Document:
    """What a document holds.

    Attributes:
        title: of the script; empty where the document has none.
        paragraphs: with their kinds; none where the layout alone says what is what.
        lines: the text as it is laid out, without line ends; a column is a space.
        place: what the reason for a format begins with: "in a PDF of 3 pages".
        suffix: that of the files in the format of the lines, if it is known.
        has_margins: whether the columns are those of a page, so that margins count more than other evidence.
        format: what a script in paragraphs is said to be read as; empty where that is the kind of document.
    """

    title: str
    paragraphs: Sequence[Paragraph]
    lines: Sequence[str]
    place: str
    suffix: str = ""
    has_margins: bool = False
    format: str = ""

    def read(self, name: str, asked: str | None = None) -> Reading:
        """Start to read the script.

        Args:
            name: of the kind of document.
            asked: the format that a person says the text is in, which may also be that name.

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
    """Return a document whose paragraphs say what they are; each is a block of lines, too."""
    lines: list[str] = []
    for each in found:
        if lines and each.kind not in (paragraphs.PARENTHETICAL, DIALOGUE):
            lines.append("")
        lines += each.text.split("\n")
    return Document(title, found, lines, place)


def are_told(found: Sequence[Paragraph]) -> bool:
    """Return whether kinds can be relied on: some paragraphs are cues and dialogue, or all have one."""
    kinds = {each.kind for each in found if each.text.strip() or each.kind == "heading"}
    return {CUE, DIALOGUE} <= kinds or (bool(kinds) and "" not in kinds)


class Archive:
    """The members of a ZIP archive that hold text."""

    def __init__(self, archive: ZipFile, kind: str) -> None:
        self._archive = archive
        self._kind = kind
        self.names = archive.namelist()

    def find(self, *endings: str) -> str:
        """Return the first member whose name has one of the endings, the first ending first; else empty."""
        found = (name for ending in endings for name in self.names if name.lower().endswith(ending))
        return next(found, "")

    def text(self, name: str) -> str:
        """Return a member as text, without a byte-order mark.

        Raises:
            BrokenScript: it is not there, too large, encrypted or damaged, or not UTF-8.
        """
        return self.content(name).decode("utf-8-sig", errors="replace")

    def content(self, name: str) -> bytes:
        """Return a member as bytes; raises as `text` does."""
        if name not in self.names:
            raise BrokenScript(
                f"is a {self._kind} document without the script in it", "Save or export it anew."
            )
        if self._archive.getinfo(name).file_size > _LARGEST_MEMBER:
            raise too_large(f"unpacks to more than {_LARGEST_MEMBER >> 20} MB")
        return self._archive.read(name)


def content_of(path: Path) -> bytes:
    """Return a whole document.

    Raises:
        BrokenScript: it is larger than any script.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise too_large(f"has more than {LARGEST_FILE >> 20} MB")
    return path.read_bytes()


def text_lines(path: Path, encoding: str | None) -> list[str]:
    """Return the lines of a document that is text, in UTF-8 where neither it nor a person says otherwise."""
    content = content_of(path)
    if encoding is None:
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    return content.decode(encoding, errors="replace").splitlines()


@contextmanager
def open_archive(path: Path, kind: str) -> Iterator[Archive]:
    """Open a ZIP archive whose table of contents and sizes are those of a document.

    Args:
        path: the file.
        kind: what it should be, for messages: "Word".

    Raises:
        BrokenScript: it is no archive, is cut off or damaged, is encrypted, or is made to do harm: it has far
            too many members or unpacks to far too much, or a member's name leads out of its folder.
    """
    try:
        _check_directory(path)
        with ZipFile(path) as archive:
            _check_members(archive, kind)
            yield Archive(archive, kind)
    except _DAMAGE as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise damaged(kind) from error


def damaged(kind: str) -> BrokenScript:
    """Return the error for a document that is cut off, changed, or of another kind than it says."""
    return BrokenScript(
        f"is a {kind} document that is damaged or cut off", "Save, export or download it anew."
    )


def encrypted(kind: str) -> BrokenScript:
    """Return the error for a document that only its password opens."""
    return BrokenScript(
        f"is a {kind} document that is encrypted with a password", "Save a copy without a password."
    )


def too_large(what: str) -> BrokenScript:
    """Return the error for a document that no script needs to be; `what` goes on behind its name."""
    return BrokenScript(f"{what}, as no script does", "Export the script alone, as text, .fountain or .fdx.")


def unreadable(kind: str) -> BrokenScript:
    """Return the error for a document that is read with a library that is not installed."""
    return BrokenScript(f"is a {kind} document, which needs libraries that are not installed", _INSTALL)


def unwritable(kind: str) -> UsageError:
    """Return the error for a document that is written with a library that is not installed."""
    return UsageError(f"Writing a {kind} document needs libraries that are not installed.", _INSTALL)


def _check_directory(path: Path) -> None:
    """Refuse an archive by the size of its table of contents, before anything reads that."""
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise too_large(f"has more than {LARGEST_FILE >> 20} MB")
    with path.open("rb") as file:
        file.seek(max(0, size - _LONGEST_END))
        tail = file.read()
    end = tail.rfind(_END_OF_DIRECTORY)
    if end < 0 or len(tail) - end < 22:
        raise BadZipFile
    if struct.unpack_from("<I", tail, end + 12)[0] > _LARGEST_DIRECTORY:
        raise too_large(f"is an archive with more than {_MOST_MEMBERS:,} members")


def _check_members(archive: ZipFile, kind: str) -> None:
    members = archive.infolist()
    if len(members) > _MOST_MEMBERS:
        raise too_large(f"is an archive with {len(members):,} members")
    for member in members:
        parts = PurePosixPath(member.filename.replace("\\", "/")).parts
        if ".." in parts or member.filename.startswith(("/", "\\")) or ":" in (parts[0] if parts else ""):
            raise BrokenScript(
                "is an archive with a member whose name leads out of it, which may hide an attack",
                "Do not open it elsewhere; ask for another copy.",
            )
        if member.flag_bits & 1:
            raise encrypted(kind)
    if sum(member.file_size for member in members) > _LARGEST_CONTENT:
        raise too_large(f"unpacks to more than {_LARGEST_CONTENT >> 20} MB")
