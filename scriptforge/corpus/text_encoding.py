"""Detection of a text file's encoding, line ends and oddities, in one pass over its bytes.

The file is read in chunks, so its size does not matter. The encoding is the first of these that applies: the
one that the user gives, the one of a byte-order mark, UTF-8 if the whole file is valid UTF-8, the one that an
XML declaration names, Windows-1252 if the text looks plausible in it, else the guess of charset-normalizer
from a bounded sample. This module knows nothing of scripts.
"""

import codecs
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

from scriptforge.errors import CorpusError

_Open: TypeAlias = Callable[[], BinaryIO]
"""Opens a file at its beginning, each time that it is called."""

_CHUNK = 1 << 20
_ASCII = bytes(range(128))
_BLANK = b" \t\n\r\v\f\0"
_CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1a\x1b")
_UNDEFINED_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"

# UTF-32 comes first: the mark of UTF-32-LE begins with that of UTF-16-LE.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WIDE = frozenset({"utf-16", "utf-32", "utf-16-le", "utf-16-be"})
_ENCODING_NAMES = {
    "utf-8-sig": "UTF-8 with a byte-order mark",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16 without a byte-order mark",
    "utf-16-be": "UTF-16 without a byte-order mark",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252",
    "latin-1": "Latin-1",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "koi8_r": "KOI8-R",
    "cp932": "Shift-JIS (Windows-932)",
    "euc_jp": "EUC-JP",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "mac_roman": "Mac Roman",
}
_DECLARATION = re.compile(rb"""<\?xml\s[^>]*?encoding\s*=\s*["']([\w.-]{1,40})["']""")
_DECLARABLE = re.compile(
    r"iso8859-(?!1$)\d+|cp(?!1252$)\d{3,4}|koi8-[rtu]|mac-\w+|shift_jis\w*|euc_\w+|gb\w+|big5\w*"
)
"""Codecs whose declaration is trusted. Not Latin-1: text that is declared so is as often Windows-1252."""

_GUESSABLE = [
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "iso8859_2", "iso8859_5", "koi8_r",
    "cp437", "cp850", "cp852", "cp866", "mac_roman", "cp932", "euc_jp", "cp949", "gb18030", "big5",
]  # fmt: skip
"""Codecs to guess from; of similar ones, such as cp932 and shift_jis, the one with more characters."""

_SAMPLE = 1 << 15
"""Bytes from which an encoding is guessed."""

_MIN_EVIDENCE = 6
"""Non-ASCII bytes needed to guess an encoding."""

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
    """The findings about a text file.

    Attributes:
        sha256: the SHA-256 of the bytes, in hexadecimal.
        size: the number of bytes.
        encoding: the Python codec that decodes the whole file.
        is_guess: whether the encoding was guessed from the text.
        certainty: for a guess, the share of the sample that looks plausible in it, 0 … 1.
        nuls: the number of NUL characters.
        crlfs: the number of line ends that are a carriage return and a line feed.
        crs: the number of line ends that are a carriage return alone.
        longest_line: the bytes of the longest line, at least as many as it has characters.
    """

    sha256: str
    size: int
    encoding: str
    nuls: int
    crlfs: int
    crs: int
    longest_line: int
    is_guess: bool = False
    certainty: float = 1.0

    def note(self, name: str) -> str | None:
        """Return a line on what differs from UTF-8 with line feeds; None if nothing does."""
        oddities = []
        if self.encoding != "utf-8":
            sure = f", a guess, {100 * self.certainty:.0f} % sure, that --encoding NAME can correct"
            guess = sure if self.is_guess else ""
            oddities.append(f"read as {_ENCODING_NAMES.get(self.encoding, self.encoding)}{guess}")
        if self.nuls:
            oddities.append(f"{self.nuls:,} NUL {'bytes' if self.nuls > 1 else 'byte'} removed")
        if self.crlfs:
            oddities.append("CRLF line ends")
        if self.crs:
            oddities.append("CR line ends")
        return f"{name}: {', '.join(oddities)}" if oddities else None


def decoded(content: bytes, name: str) -> str:
    """Return the content of a text file as text, without NUL characters, its line ends as line feeds.

    Raises:
        CorpusError: it is blank, or is not text.
    """
    found = _examination(partial(io.BytesIO, content), name, None)
    return io.TextIOWrapper(io.BytesIO(content), found.encoding).read().replace("\0", "")


def examine(path: Path, name: str, encoding: str | None = None) -> Examination:
    """Read a file once to find out how to decode it; `encoding` is the codec that the user gave, if any.

    Raises:
        CorpusError: the file cannot be read, is empty or blank, is not text, or is not in that encoding.
    """
    if not path.is_file():
        raise CorpusError(f"“{name}” is not a file.", "Give a text file, a table or a folder of them.")
    return _examination(lambda: path.open("rb"), name, encoding)


def _examination(opened: _Open, name: str, encoding: str | None) -> Examination:
    """Return what `examine` finds about what `opened` opens."""
    try:
        with opened() as file:
            head = file.read(_HEAD)
        _refuse_signature(head, name)
        marked = next((codec for mark, codec in _MARKS.items() if head.startswith(mark)), _unmarked(head))
        if encoding:
            encoding = codecs.lookup(encoding).name
            encoding = marked if (encoding, marked) == ("utf-8", "utf-8-sig") else encoding
        scan = _Scan(encoding, marked, _declared(head))
        for chunk in _chunks(opened):
            scan.add(chunk)
        guess = _guess(opened, bytes(scan.sample)) if scan.is_undecided else None
        return scan.examination(name, guess)
    except UnicodeError:
        if encoding:
            raise CorpusError(
                f"“{name}” is not text in the encoding {encoding}.",
                "Name another with --encoding, or leave it out to have it recognised.",
            ) from None
        raise _not_text(name, "it is damaged UTF-16 or UTF-32") from None
    except OSError as error:
        raise CorpusError(f"“{name}” cannot be read: {error.strerror}.", "Check the file.") from None


class _Guess(NamedTuple):
    """The most plausible codec of a text, and the share of the sample that looks plausible in it, 0 … 1."""

    encoding: str
    certainty: float


class _Scan:
    """Counts over the bytes of a file, chunk by chunk.

    Text in UTF-16 or UTF-32, or in an encoding that the user gave, is decoded and counted as UTF-8. Any other
    text is counted as it is, since line feeds, NULs and control characters have the same bytes as in ASCII.

    Args:
        named: the codec that the user gave.
        marked: the codec of the byte-order mark, or UTF-16 if it was recognised without one.
        declared: the codec that the text declares; used only if the text is not UTF-8.
    """

    def __init__(self, named: str | None, marked: str | None, declared: str | None) -> None:
        self.certain = named or (marked if marked in _WIDE else None)
        self.decoder = codecs.getincrementaldecoder(self.certain)() if self.certain else None
        self.marked = marked
        self.declared = declared
        self.possible = {
            codec: codecs.getincrementaldecoder(codec)() for codec in ("utf-8", declared) if codec is not None
        }
        self.sample = bytearray()
        self.sha256 = hashlib.sha256()
        self.size = self.nuls = self.controls = self.crs = self.crlfs = 0
        self.longest_line = self.begun_line = 0
        self.blank = True
        self.undefined_in_cp1252 = False
        self.ends_in_cr = False

    @property
    def is_undecided(self) -> bool:
        """Return whether the encoding has to be guessed; meaningful once all chunks have been added."""
        self._try(b"", final=True)
        return not self.certain and not self.possible

    def add(self, chunk: bytes) -> None:
        self.sha256.update(chunk)
        is_first = not self.size
        self.size += len(chunk)
        if self.decoder:
            chunk = self.decoder.decode(chunk).encode()
        elif self.marked == "utf-8-sig" and is_first:
            chunk = chunk.removeprefix(codecs.BOM_UTF8)
        self.nuls += chunk.count(0)
        self.controls += len(chunk) - len(chunk.translate(None, _CONTROLS))
        self.crs += chunk.count(b"\r")
        self.crlfs += chunk.count(b"\r\n") + (self.ends_in_cr and chunk.startswith(b"\n"))
        self.ends_in_cr = chunk.endswith(b"\r")
        self._measure_lines(chunk)
        self.blank = self.blank and not chunk.strip(_BLANK)
        if not self.certain:
            self._try(chunk)
            self._take_sample(chunk)
        self.undefined_in_cp1252 |= any(byte in chunk for byte in _UNDEFINED_IN_CP1252)

    def examination(self, name: str, guess: "_Guess | None") -> Examination:
        """Return the findings about all chunks; a guess overrides the other evidence of the encoding.

        Raises:
            CorpusError: the file is empty, blank or not text.
            UnicodeError: the file is not in the encoding that was given or marked.
        """
        if self.decoder:
            self.decoder.decode(b"", final=True)
        if self.controls > 4 + self.size // 50:
            raise _not_text(name, "it is full of control characters")
        if self.blank:
            what = "holds nothing but white space" if self.size else "is empty"
            raise CorpusError(f"“{name}” {what}.", "Give a file with a script in it.")
        return Examination(
            sha256=self.sha256.hexdigest(),
            size=self.size,
            encoding=guess.encoding if guess else self._encoding(),
            nuls=self.nuls,
            crlfs=self.crlfs,
            crs=self.crs - self.crlfs,
            longest_line=self.longest_line,
            is_guess=guess is not None,
            certainty=guess.certainty if guess else 1.0,
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

    def _take_sample(self, chunk: bytes) -> None:
        """Collect lines with non-ASCII bytes, once the text is known not to be UTF-8."""
        if "utf-8" not in self.possible and len(self.sample) < _SAMPLE:
            for line in chunk.splitlines(keepends=True):
                if not line.isascii():
                    self.sample += line[: _SAMPLE - len(self.sample)]
                if len(self.sample) >= _SAMPLE:
                    break

    def _encoding(self) -> str:
        if self.certain:
            return self.certain
        if "utf-8" in self.possible:
            return self.marked or "utf-8"
        if self.declared in self.possible:
            return self.declared
        return "latin-1" if self.undefined_in_cp1252 else "cp1252"


def _guess(opened: _Open, sample: bytes) -> _Guess | None:
    """Return the codec in which the sample looks most plausible and that decodes the whole file.

    Return None if that is Windows-1252, or if there is too little evidence: most text that is neither UTF-8
    nor UTF-16 is in Windows-1252, and a few accents cannot tell it from similar codecs. So another codec is
    chosen only where Windows-1252 would put symbols inside words, as for text from DOS (`d‚j…` for `déjà`)
    or in another alphabet (`ðÒÉ×ÅÔ` for `Привет`).
    """
    if len(sample.translate(None, _ASCII)) < _MIN_EVIDENCE:
        return None
    import charset_normalizer

    matches = charset_normalizer.from_bytes(sample, cp_isolation=_GUESSABLE)
    if any("cp1252" in match.could_be_from_charset for match in matches):
        return None
    guesses = (_Guess(match.encoding, 1 - match.chaos) for match in matches)
    return next((guess for guess in guesses if _decodes(opened, guess.encoding)), None)


def _unmarked(head: bytes) -> str | None:
    """Return the codec of UTF-16 without a byte-order mark: every other byte of Latin text is NUL."""
    low, high = head[::2], head[1::2]
    if len(high) < _MIN_EVIDENCE:
        return None
    if 2 * high.count(0) > len(high) and not low.count(0):
        return "utf-16-le"
    return "utf-16-be" if 2 * low.count(0) > len(low) and not high.count(0) else None


def _decodes(opened: _Open, codec: str) -> bool:
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        for chunk in _chunks(opened):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _declared(head: bytes) -> str | None:
    """Return the codec that an XML declaration names, if it is a known and trusted one."""
    declaration = _DECLARATION.match(head)
    try:
        codec = codecs.lookup(declaration[1].decode()).name if declaration else ""
    except LookupError:
        return None
    return codec if _DECLARABLE.fullmatch(codec) else None


def _chunks(opened: _Open) -> Iterator[bytes]:
    with opened() as file:
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
