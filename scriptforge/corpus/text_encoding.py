"""What the bytes of a text file are: their encoding, line ends and oddities, found in one pass.

The file is read in chunks, so its size does not matter. Nothing here knows what a script is.
"""

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scriptforge.errors import CorpusError

_CHUNK = 1 << 20
_BLANK = b" \t\n\r\v\f\0"
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1a\x1b")
_UNDEFINED_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"

# The longest marks first: that of UTF-32-LE begins with that of UTF-16-LE.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_ENCODING_NAMES = {
    "utf-8-sig": "UTF-8 with a byte-order mark",
    "utf-16": "UTF-16",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
}
_DECLARATION = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([\w.-]{1,40})["']""")
_DECLARABLE = re.compile(
    r"iso8859-(?!1$)\d+|cp(?!1252$)\d{3,4}|koi8-[rtu]|mac-\w+|shift_jis\w*|euc_\w+|gb\w+|big5\w*"
)
"""Codecs that are worth knowing of; what is declared as Latin-1 is as often Windows-1252."""

_HEAD = 256
_SIGNATURES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"\x1f\x8b": "a gzip archive",
    b"%PDF": "a PDF",
    b"{\\rtf": "an RTF document",
    b"\xd0\xcf\x11\xe0": "an old office document",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
}


@dataclass(frozen=True, slots=True)
class Examination:
    """What was found in a text file.

    Attributes:
        sha256: of the bytes, in hexadecimal.
        size: in bytes.
        encoding: a Python codec that decodes the whole file.
        nuls: NUL characters in the text.
        crlfs: line ends of two characters, carriage return and line feed.
        crs: line ends of a carriage return alone.
        longest_line: bytes between two line feeds, the text being taken as UTF-8, at most.
    """

    sha256: str
    size: int
    encoding: str
    nuls: int
    crlfs: int
    crs: int
    longest_line: int

    def note(self, name: str) -> str | None:
        """One line on what differs from plain UTF-8 with line feeds, or None."""
        oddities = []
        if self.encoding != "utf-8":
            oddities.append(f"read as {_ENCODING_NAMES.get(self.encoding, self.encoding)}")
        if self.nuls:
            oddities.append(f"{self.nuls:,} NUL {'bytes' if self.nuls > 1 else 'byte'} removed")
        if self.crlfs:
            oddities.append("CRLF line ends")
        if self.crs:
            oddities.append("CR line ends")
        return f"{name}: {', '.join(oddities)}" if oddities else None


def examine(path: Path, name: str) -> Examination:
    """Reads a file once to learn how to decode it.

    Args:
        path: a regular file.
        name: what to call it in an error.

    Raises:
        CorpusError: the file cannot be read, is empty or blank, or is not text.
    """
    if not path.is_file():
        raise CorpusError(f"“{name}” is not a file.", "Give a text file, a table or a folder of them.")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        _refuse_signature(head, name)
        marked = next((codec for mark, codec in _MARKS.items() if head.startswith(mark)), None)
        scan = _Scan(marked, _declared(head))
        for chunk in _chunks(path):
            scan.add(chunk)
        return scan.examination(name)
    except UnicodeDecodeError:
        raise _not_text(name, "it is damaged UTF-16 or UTF-32") from None
    except OSError as error:
        raise CorpusError(f"“{name}” cannot be read: {error.strerror}.", "Check the file.") from None


class _Scan:
    """Counts over the bytes of a file, chunk by chunk; UTF-16 and UTF-32 are counted as UTF-8.

    Args:
        marked: the codec that a byte-order mark names, or None.
        declared: the codec that the text itself names, or None; it counts where the text is not UTF-8.
    """

    def __init__(self, marked: str | None, declared: str | None) -> None:
        self.marked = marked
        self.declared = declared
        self.wide = codecs.getincrementaldecoder(marked)() if marked in ("utf-16", "utf-32") else None
        self.possible = {
            codec: codecs.getincrementaldecoder(codec)() for codec in ("utf-8", declared) if codec is not None
        }
        self.sha256 = hashlib.sha256()
        self.size = self.nuls = self.controls = self.crs = self.crlfs = 0
        self.longest_line = self.begun_line = 0
        self.blank = True
        self.undefined_in_cp1252 = False
        self.ends_in_cr = False

    def add(self, chunk: bytes) -> None:
        """Counts one more chunk."""
        self.sha256.update(chunk)
        if self.marked == "utf-8-sig" and not self.size:
            chunk, self.size = chunk.removeprefix(codecs.BOM_UTF8), len(codecs.BOM_UTF8)
        self.size += len(chunk)
        if self.wide:
            chunk = self.wide.decode(chunk).encode()
        self.nuls += chunk.count(0)
        self.controls += len(chunk) - len(chunk.translate(None, _CONTROLS))
        self.crs += chunk.count(b"\r")
        self.crlfs += chunk.count(b"\r\n") + (self.ends_in_cr and chunk.startswith(b"\n"))
        self.ends_in_cr = chunk.endswith(b"\r")
        self._measure_lines(chunk)
        self.blank = self.blank and not chunk.strip(_BLANK)
        self._try(chunk)
        self.undefined_in_cp1252 |= any(byte in chunk for byte in _UNDEFINED_IN_CP1252)

    def examination(self, name: str) -> Examination:
        """What all the chunks together show."""
        if self.wide:
            self.wide.decode(b"", final=True)
        if self.controls > 4 + self.size // 50:
            raise _not_text(name, "it is full of control characters")
        if self.blank:
            what = "holds nothing but white space" if self.size else "is empty"
            raise CorpusError(f"“{name}” {what}.", "Give a file with a script in it.")
        self._try(b"", final=True)
        return Examination(
            sha256=self.sha256.hexdigest(),
            size=self.size,
            encoding=self._encoding(),
            nuls=self.nuls,
            crlfs=self.crlfs,
            crs=self.crs - self.crlfs,
            longest_line=self.longest_line,
        )

    def _measure_lines(self, chunk: bytes) -> None:
        first, *further = map(len, chunk.split(b"\n"))
        self.begun_line += first
        self.longest_line = max(self.longest_line, self.begun_line, *further)
        if further:
            self.begun_line = further[-1]

    def _try(self, chunk: bytes, final: bool = False) -> None:
        for codec, decoder in list(self.possible.items()):
            try:
                decoder.decode(chunk, final)
            except UnicodeDecodeError:
                del self.possible[codec]

    def _encoding(self) -> str:
        if self.wide and self.marked:
            return self.marked
        if "utf-8" in self.possible:
            return self.marked or "utf-8"
        if self.declared in self.possible:
            return self.declared
        return "latin-1" if self.undefined_in_cp1252 else "cp1252"


def _declared(head: bytes) -> str | None:
    """The codec that an XML declaration names, if there is one that decodes some text."""
    declaration = _DECLARATION.match(head)
    try:
        codec = codecs.lookup(declaration[1].decode()).name if declaration else ""
    except LookupError:
        return None
    return codec if _DECLARABLE.fullmatch(codec) else None


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _refuse_signature(head: bytes, name: str) -> None:
    start = head.removeprefix(codecs.BOM_UTF8).lstrip(_BLANK)
    for signature, what in _SIGNATURES.items():
        if start.startswith(signature) or start.lower().startswith(signature):
            raise _not_text(name, f"it is {what}")


def _not_text(name: str, reason: str) -> CorpusError:
    return CorpusError(
        f"“{name}” is not text: {reason}.",
        "Export it as plain text in UTF-8 and give that file.",
    )
