"""PDFs with a text layer, read by the position of each character on the page.

A PDF has characters and positions, but neither lines nor paragraphs. Characters on one baseline become a
line, whose indent is measured in character widths; more than the usual distance to the line above becomes a
blank line. This restores the margins of a screenplay, which is then read as a typed one. Page numbers, and
lines at the head or foot of most pages, are removed, and a title page contributes only the title. In a
proportional font, a line that reaches the right margin continues in the next.

The characters come from PDFium, which is a single library without dependencies, maintained as a part of
Chromium, and twenty times as fast as pdfminer. Since a small file can make it fill the memory, it runs in a
process of its own, `pdf_pages`. There is no OCR: scanned pages are refused.
"""

import re
import sys
from array import array
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from statistics import median
from subprocess import DEVNULL, PIPE, Popen
from typing import Any
from zlib import decompressobj
from zlib import error as ZlibError

from scriptforge.documents.document import MAX_FILE, Document, damaged, encrypted, too_large, unreadable
from scriptforge.screenplay.format import BrokenScript, is_name, is_scene_heading, is_transition
from scriptforge.workspace import parse_json

_PROGRAM = Path(__file__).with_name("pdf_pages.py")
_MAX_PAGES = 5000
_MAX_CHARACTERS = 10_000_000
_ANY_CHARACTERS, _CHARACTERS_A_BYTE = 200_000, 5
"""Characters that any PDF may have, and how many more for each of its bytes: packed text has about three."""

_MAX_TEXT, _MAX_STREAM, _MAX_PICTURE = 2 << 20, 64 << 20, 512 << 20
"""Bytes that a stream may unpack to; for text, PDFium needs about a hundred bytes of memory for each."""

_TEXT = re.compile(rb"\bBT\s[^\0]{0,200}?\d\s+Tf\s")
"""The beginning of a text object, `BT`, up to the operator that selects its first font, `Tf`."""

_MIN_LETTERS = 8
"""Characters a page, on average, below which a PDF counts as scanned, with no more text than a stamp."""

_END_WITHIN = 4096
_STREAM = re.compile(rb"stream\r?\n[\x08\x18\x28\x38\x48\x58\x68\x78]")
"""The beginning of a stream that may be compressed with zlib."""

_LONGEST_DICTIONARY = 1000
_CHUNK = 1 << 16
_PAGE_NUMBER = re.compile(
    r"(?:(?i:page|pg\.|p\.) ?)?[-–—]? ?(?:\d{1,4}|[ivxlc]{1,6})[A-Z]? ?[-–—]?\.?(?: ?(?:/|of) ?\d{1,4})?"
)
_WIDEST_GAP = 200
"""Spaces that a gap or an indent may become, at most."""

_RUNNING_ZONE = 2
_LINES_OF_A_TITLE_PAGE = 25
_BLANK = 1.45
"""The distance between lines, as a multiple of the leading, from which there is a blank line between them."""


@dataclass(slots=True)
class _Line:
    """The characters on one baseline, from left to right, and their edges, in compact arrays."""

    letters: str
    lefts: "array[float]"
    rights: "array[float]"
    baseline: float

    @property
    def left(self) -> float:
        return self.lefts[0]

    @property
    def right(self) -> float:
        return self.rights[-1]

    def text(self, pitch: float) -> str:
        """Return the text, with as many spaces as fit into its gaps; `pitch` is a character's width."""
        parts: list[str] = []
        before, start, end = "", 0.0, 0.0
        for letter, left, right in zip(self.letters, self.lefts, self.rights, strict=True):
            if before:
                if letter == before and left - start < 0.3 * pitch:
                    continue  # printed twice for a bold effect
                gap = left - end
                if gap > 0.25 * pitch:
                    parts.append(" " * min(max(1, round(gap / pitch)), _WIDEST_GAP))
            parts.append(letter)
            before, start, end = letter, left, right
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Measures:
    """The typographic measures of a document, in points.

    Attributes:
        pitch: the width of a character: the most common one if monospaced, else the median.
        leading: the usual distance between consecutive baselines.
        margin: the left edge of the text, ignoring rare outliers.
        right: the right edge of the text: the 95th percentile of the lines' right edges.
        is_monospaced: whether almost all characters have the same width.
    """

    pitch: float
    leading: float
    margin: float
    right: float
    is_monospaced: bool


def read(path: Path, encoding: str | None) -> Document:
    """Return the script in a PDF.

    Raises:
        BrokenScript: it is encrypted, damaged, truncated, scanned or far too large, or the libraries for
            documents are not installed.
    """
    pages = [page for page in _pages(path) if page]
    measures = _measure(pages)
    pages = _without_running_lines(pages, measures)
    title = ""
    if len(pages) > 1 and _is_title_page(pages[0], measures):
        title = _title(pages.pop(0), measures)
    lines: list[str] = []
    for page in pages:
        laid_out = _laid_out(page, measures)
        if lines and laid_out and not _goes_on(lines[-1], laid_out[0]):
            lines.append("")
        lines += laid_out
    count = f"{len(pages)} page{'s' if len(pages) > 1 else ''}"
    return Document(title, (), lines, f"in a PDF with {count} of text", has_margins=True)


def _pages(path: Path) -> Iterator[list[_Line]]:
    """Yield the lines on each page, from top to bottom."""
    try:
        import pypdfium2  # noqa: F401
    except ImportError:
        raise unreadable("PDF") from None
    size = path.stat().st_size
    if size > MAX_FILE:
        raise too_large(f"has more than {MAX_FILE >> 20} MB")
    with path.open("rb") as file:
        file.seek(max(0, size - _END_WITHIN))
        if b"%%EOF" not in file.read():
            raise damaged("PDF")
        _check_expansion(file.fileno())
    yield from _read_pages(path, size)


def _check_expansion(file: int) -> None:
    """Raise an error if a stream of a PDF unpacks to more than a script needs, since PDFium has no limit."""
    with mmap(file, 0, access=ACCESS_READ) as content:
        for stream in _STREAM.finditer(content):
            is_picture = b"/Image" in content[max(0, stream.start() - _LONGEST_DICTIONARY) : stream.start()]
            most = _exceeded(content, stream.end() - 1, _MAX_PICTURE if is_picture else _MAX_STREAM)
            if most:
                raise too_large(f"has a part that unpacks to more than {most >> 20} MB")


def _exceeded(content: mmap, start: int, most: int) -> int:
    """Return the limit that a compressed stream exceeds: `most`, or that for text; 0 if it exceeds none."""
    unpacker, size = decompressobj(), 0
    for place in range(start, len(content), _CHUNK):
        packed = content[place : place + _CHUNK]
        while packed and size <= most and not unpacker.eof:
            try:
                unpacked = unpacker.decompress(packed, _CHUNK)
            except ZlibError:
                return 0
            if not size and _TEXT.search(unpacked):
                most = _MAX_TEXT
            size += len(unpacked)
            packed = unpacker.unconsumed_tail
        if unpacker.eof or size > most:
            break
    return most if size > most else 0


def _read_pages(path: Path, size: int) -> Iterator[list[_Line]]:
    most = min(_MAX_CHARACTERS, _ANY_CHARACTERS + _CHARACTERS_A_BYTE * size)
    letters = unknown = 0
    with closing(_printed(path)) as printed:
        count = next(printed)
        if not 0 < count <= _MAX_PAGES:
            raise too_large(f"is a PDF of {count:,} pages") if count else damaged("PDF")
        for _ in range(count):
            page = next(printed)
            if isinstance(page, int):
                raise too_large(f"has a page of {page:,} letters")
            lines = [_Line(text, array("d", lefts), array("d", rights), y) for text, lefts, rights, y in page]
            letters += sum(len(line.letters) for line in lines)
            unknown += sum(
                not each.isprintable() or each == "\ufffd" for line in lines for each in line.letters
            )
            if letters > most:
                raise too_large(f"is a PDF of more than {most:,} letters")
            yield lines
    if letters < _MIN_LETTERS * count:
        pages = f"its {count} pages are pictures" if count > 1 else "its page is a picture"
        raise BrokenScript(
            f"is a scanned PDF: {pages}, in which there is no text",
            "Have the text recognised first, as by ocrmypdf IN.pdf OUT.pdf, and give that file.",
        )
    if 4 * unknown > letters:
        raise BrokenScript(
            "is a PDF whose letters are unknown: its fonts do not say which they are",
            "Print it again where it was written, or have the text recognised by ocrmypdf --force-ocr.",
        )


def _printed(path: Path) -> Generator[Any, None, None]:
    """Yield what `pdf_pages` prints of a PDF: the number of pages, and the pages.

    Raises:
        BrokenScript: it is encrypted or damaged, or would take far too much memory or time.
    """
    command: list[str | Path] = [sys.executable, "-P", _PROGRAM, path.resolve()]
    with Popen(command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if not line.endswith(b"\n"):  # the program was stopped while it printed
                    break
                value = parse_json(line)
                if isinstance(value, str):
                    raise (encrypted if value == "encrypted" else damaged)("PDF")
                yield value
        finally:
            process.kill()
    raise too_large("is a PDF that takes more memory or time to read than any script")


def _measure(pages: Sequence[Sequence[_Line]]) -> _Measures:
    lines = [line for page in pages for line in page]
    widths = Counter(
        round(right - left, 1) for line in lines for left, right in zip(line.lefts, line.rights, strict=True)
    )
    [(common, _)] = widths.most_common(1)
    near = sum(count for width, count in widths.items() if abs(width - common) <= 0.15)
    is_monospaced = near > 0.9 * widths.total()
    pitch = common if is_monospaced else median(widths.elements())
    steps = Counter(
        round(above.baseline - below.baseline, 1) for page in pages for above, below in pairwise(page)
    )
    usual = [step for step, _ in steps.most_common(3) if step > 4]
    starts = Counter(round(line.left) for line in lines)
    often = [start for start, count in starts.items() if count >= max(2, 0.02 * len(lines))]
    rights = sorted(line.right for line in lines)
    return _Measures(
        pitch=max(pitch, 1.0),
        leading=min(usual, default=12.0) if steps else 12.0,
        margin=min(often or starts),
        right=rights[int(0.95 * (len(rights) - 1))],
        is_monospaced=is_monospaced,
    )


def _without_running_lines(pages: Sequence[list[_Line]], measures: _Measures) -> list[list[_Line]]:
    """Return pages without page numbers and without running heads and feet."""

    def shape(line: _Line) -> str:
        return re.sub(r"\d+", "#", line.text(measures.pitch).strip())

    edges = Counter(
        text
        for page in pages
        for text in {shape(line) for line in (*page[:_RUNNING_ZONE], *page[-_RUNNING_ZONE:])}
    )
    running = {text for text, times in edges.items() if times >= max(3, 0.4 * len(pages))}

    def running_lines(page: Sequence[_Line]) -> int:
        """Return the number of running lines at the head of a page, or at the foot of a reversed one.

        They are page numbers or lines shared by many pages, and a gap separates them from the text.
        """
        for count in range(_RUNNING_ZONE, 0, -1):
            is_running = all(
                shape(line) in running or _PAGE_NUMBER.fullmatch(line.text(measures.pitch).strip())
                for line in page[:count]
            )
            gaps = [
                abs(one.baseline - other.baseline) for one, other in pairwise(page[count - 1 : count + 1])
            ]
            if is_running and all(gap > _BLANK * measures.leading for gap in gaps):
                return count
        return 0

    kept: list[list[_Line]] = []
    for page in pages:
        below = page[running_lines(page) :]
        kept.append(below[: len(below) - running_lines(below[::-1])])
    return [page for page in kept if page]


def _is_title_page(page: Sequence[_Line], measures: _Measures) -> bool:
    """Return whether the first page looks like a title page: few lines, most indented, and no scene."""
    texts = [line.text(measures.pitch).strip() for line in page]
    indented = sum(line.left > measures.margin + 3 * measures.pitch for line in page)
    is_script = any(is_scene_heading(text) or is_transition(text) for text in texts)
    return len(page) <= _LINES_OF_A_TITLE_PAGE and not is_script and 2 * indented > len(page)


def _title(page: Sequence[_Line], measures: _Measures) -> str:
    """Return the first block of lines on a title page, joined."""
    words = [page[0].text(measures.pitch)]
    for above, line in pairwise(page):
        if above.baseline - line.baseline > _BLANK * measures.leading:
            break
        words.append(line.text(measures.pitch))
    return " ".join(" ".join(words).split()).strip('“”"')


def _laid_out(page: Sequence[_Line], measures: _Measures) -> list[str]:
    """Return a page as lines of text with their indents, and a blank line for each gap."""
    lines: list[str] = []
    above: _Line | None = None
    for line in page:
        is_apart = above is not None and above.baseline - line.baseline > _BLANK * measures.leading
        text = line.text(measures.pitch)
        if is_apart:
            lines.append("")
        if above is not None and not is_apart and _is_wrapped(above, line, text, measures):
            lines[-1] = f"{lines[-1]} {text}"
        else:
            column = max(0, round((line.left - measures.margin) / measures.pitch))
            lines.append(" " * min(column, _WIDEST_GAP) + text)
        above = line
    return lines


def _is_wrapped(above: _Line, line: _Line, text: str, measures: _Measures) -> bool:
    """Return whether a line continues the one directly above it, in a proportional font."""
    if measures.is_monospaced or abs(above.left - line.left) > 4 * measures.pitch:
        return False
    reaches = above.right + 12 * measures.pitch > measures.right
    name, colon, _ = text.partition(":")
    return reaches and not (colon and is_name(name.partition("(")[0].strip()))


def _goes_on(above: str, below: str) -> bool:
    """Return whether the first line of a page continues a sentence of the last line before it."""
    is_open = above.strip()[-1:] not in (*'.!?:)”"', "") and not above.isupper()
    return is_open and len(above) - len(above.lstrip()) == len(below) - len(below.lstrip())
