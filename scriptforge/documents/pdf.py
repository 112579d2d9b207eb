"""PDFs with text in them, read by where each letter stands on the page.

A PDF knows letters and places, neither lines nor paragraphs. Letters on one baseline are a line; where it
begins is its column, by the width of a letter; more than the usual distance to the line above is a blank
line. So a screenplay has its margins again, and is read as a typed one is. Page numbers and what stands at
the head or foot of most pages are cut, and a title page is only asked for the title. In type of different
widths, a line that reaches the right margin goes on in the next.

PDFium gives the letters: it is one library without dependencies, kept by those who keep the browser that uses
it, and twenty times as fast as pdfminer. It reads no pictures: scanned pages are refused.
"""

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from mmap import ACCESS_READ, mmap
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple
from zlib import decompressobj
from zlib import error as ZlibError

from scriptforge.documents.document import LARGEST_FILE, Document, damaged, encrypted, too_large, unreadable
from scriptforge.screenplay.format import BrokenScript, is_name, is_scene_heading, is_transition

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

_MOST_PAGES = 5000
_MOST_LETTERS, _MOST_LETTERS_OF_A_PAGE = 10_000_000, 200_000
_LARGEST_TEXT, _LARGEST_STREAM, _LARGEST_PICTURE = 2 << 20, 64 << 20, 512 << 20
"""Bytes that a part of a document may unpack to; PDFium makes a hundred of each of text."""

_TEXT = re.compile(rb"\bBT\s[^\0]{0,200}?\d\s+Tf\s")
"""Where a part of a page chooses its first font."""

_FEWEST_LETTERS = 8
"""Pages with fewer, on average, are pictures with a stamp on them."""

_END_OF_LINE_HYPHEN = 2
"""What PDFium makes of a hyphen where a line ends."""

_END_WITHIN = 4096
_STREAM = re.compile(rb"stream\r?\n[\x08\x18\x28\x38\x48\x58\x68\x78]")
"""Where a stream begins that may be packed by zlib."""

_LONGEST_DICTIONARY = 1000
_CHUNK = 1 << 16
_PAGE_NUMBER = re.compile(
    r"(?:(?i:page|pg\.|p\.) ?)?[-–—]? ?(?:\d{1,4}|[ivxlc]{1,6})[A-Z]? ?[-–—]?\.?(?: ?(?:/|of) ?\d{1,4})?"
)
_WIDEST_GAP = 200
"""Spaces. More of them are nowhere on a page."""

_RUNNING_ZONE = 2
_LINES_OF_A_TITLE_PAGE = 25
_BLANK = 1.45
"""Usual distances between lines; from so much on, there is a blank one between them."""


class _Letter(NamedTuple):
    """A letter, the ends of its place, and its baseline, in points from the lower left corner."""

    text: str
    left: float
    right: float
    baseline: float


@dataclass(slots=True)
class _Line:
    """The letters on one baseline, from left to right, and the ends of their places, in little memory."""

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
        """Return the text, with as many spaces as fit into its gaps; `pitch` is the width of a letter."""
        parts: list[str] = []
        before, start, end = "", 0.0, 0.0
        for letter, left, right in zip(self.letters, self.lefts, self.rights, strict=True):
            if before:
                if letter == before and left - start < 0.3 * pitch:
                    continue  # printed twice, to look bold
                gap = left - end
                if gap > 0.25 * pitch:
                    parts.append(" " * min(max(1, round(gap / pitch)), _WIDEST_GAP))
            parts.append(letter)
            before, start, end = letter, left, right
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class _Measures:
    """What the pages of a document have in common, in points.

    Attributes:
        pitch: the width of a letter.
        leading: the usual distance from a line to the next.
        margin: where the leftmost lines begin.
        right: where the longest lines end.
        is_monospaced: whether all letters have one width.
    """

    pitch: float
    leading: float
    margin: float
    right: float
    is_monospaced: bool


def read(path: Path, encoding: str | None) -> Document:
    """Return the script in a PDF.

    Raises:
        BrokenScript: it is encrypted, damaged, cut off, scanned or far too large,
            or the libraries for documents are not installed.
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
        import pypdfium2
    except ImportError:
        raise unreadable("PDF") from None
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise too_large(f"has more than {LARGEST_FILE >> 20} MB")
    with path.open("rb") as file:
        file.seek(max(0, size - _END_WITHIN))
        if b"%%EOF" not in file.read():
            raise damaged("PDF")
        _refuse_swollen(file.fileno())
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise (encrypted if "password" in str(error).lower() else damaged)("PDF") from error
    try:
        yield from _read_pages(document)
    except pypdfium2.PdfiumError as error:
        raise damaged("PDF") from error
    finally:
        document.close()


def _refuse_swollen(file: int) -> None:
    """Raise an error if a packed part of a PDF unpacks to more than a script needs: PDFium unpacks all."""
    with mmap(file, 0, access=ACCESS_READ) as content:
        for stream in _STREAM.finditer(content):
            is_picture = b"/Image" in content[max(0, stream.start() - _LONGEST_DICTIONARY) : stream.start()]
            most = _exceeded(content, stream.end() - 1, _LARGEST_PICTURE if is_picture else _LARGEST_STREAM)
            if most:
                raise too_large(f"has a part that unpacks to more than {most >> 20} MB")


def _exceeded(content: mmap, start: int, most: int) -> int:
    """Return the limit that a packed part of a PDF exceeds, which is lower for text; 0 if it does not."""
    unpacker, size = decompressobj(), 0
    for place in range(start, len(content), _CHUNK):
        packed = content[place : place + _CHUNK]
        while packed and size <= most and not unpacker.eof:
            try:
                unpacked = unpacker.decompress(packed, _CHUNK)
            except ZlibError:
                return 0
            if not size and _TEXT.search(unpacked):
                most = _LARGEST_TEXT
            size += len(unpacked)
            packed = unpacker.unconsumed_tail
        if unpacker.eof or size > most:
            break
    return most if size > most else 0


def _read_pages(document: "PdfDocument") -> Iterator[list[_Line]]:
    count = len(document)
    if not 0 < count <= _MOST_PAGES:
        raise too_large(f"is a PDF of {count:,} pages") if count else damaged("PDF")
    letters = unknown = 0
    for number in range(count):
        page = document[number]
        found = list(_letters(page))
        page.close()
        letters += len(found)
        unknown += sum(not letter.text.isprintable() or letter.text == "\ufffd" for letter in found)
        if letters > _MOST_LETTERS:
            raise too_large(f"is a PDF of more than {_MOST_LETTERS:,} letters")
        yield _gather(found)
    if letters < _FEWEST_LETTERS * count:
        pages = f"its {count} pages are pictures" if count > 1 else "its page is a picture"
        raise BrokenScript(
            f"is a scanned PDF: {pages}, in which there is no text",
            "Have the text recognised first, as by ocrmypdf IN.pdf OUT.pdf, and give that file.",
        )
    if 4 * unknown > letters:
        raise BrokenScript(
            "is a PDF whose letters have no meaning: its fonts do not say which they are",
            "Print it anew from where it was written, or have the text recognised by ocrmypdf --force-ocr.",
        )


def _letters(page: "PdfPage") -> Iterator[_Letter]:
    """Yield the letters on a page that are printed upright; spaces are gaps between them."""
    from ctypes import byref, c_double

    from pypdfium2 import raw

    text = page.get_textpage()
    x, baseline = c_double(), c_double()
    box = raw.FS_RECTF()
    try:
        count = text.count_chars()
        if count > _MOST_LETTERS_OF_A_PAGE:
            raise too_large(f"has a page of {count:,} letters")
        for number in range(count):
            code = raw.FPDFText_GetUnicode(text, number)
            letter = "-" if code == _END_OF_LINE_HYPHEN else chr(code) if code < 0x110000 else "\ufffd"
            if letter.isspace() or code == 0 or raw.FPDFText_IsGenerated(text, number) == 1:
                continue
            if abs(raw.FPDFText_GetCharAngle(text, number)) > 0.1:
                continue
            raw.FPDFText_GetCharOrigin(text, number, byref(x), byref(baseline))
            raw.FPDFText_GetLooseCharBox(text, number, byref(box))
            if isfinite(box.left) and isfinite(box.right) and isfinite(baseline.value):
                yield _Letter(letter, box.left, max(box.left, box.right), baseline.value)
    finally:
        text.close()


def _gather(letters: Sequence[_Letter]) -> list[_Line]:
    """Return letters as lines, from top to bottom."""
    lines: list[list[_Letter]] = []
    for letter in sorted(letters, key=lambda letter: -letter.baseline):
        height = 0.5 * max(4.0, letter.right - letter.left)
        if lines and lines[-1][0].baseline - letter.baseline < height:
            lines[-1].append(letter)
        else:
            lines.append([letter])
    return list(map(_line, lines))


def _line(letters: Sequence[_Letter]) -> _Line:
    """Return letters as a line; the one that is furthest to the left says where its baseline is."""
    ordered = sorted(letters, key=lambda letter: letter.left)
    return _Line(
        "".join(letter.text for letter in ordered),
        array("d", (letter.left for letter in ordered)),
        array("d", (letter.right for letter in ordered)),
        ordered[0].baseline,
    )


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
    """Return pages without their numbers and without what stands at the head or foot of most."""

    def shape(line: _Line) -> str:
        return re.sub(r"\d+", "#", line.text(measures.pitch).strip())

    edges = Counter(
        text
        for page in pages
        for text in {shape(line) for line in (*page[:_RUNNING_ZONE], *page[-_RUNNING_ZONE:])}
    )
    running = {text for text, times in edges.items() if times >= max(3, 0.4 * len(pages))}

    def running_lines(page: Sequence[_Line]) -> int:
        """Return how many lines at the beginning of a page, or of one upside down, are apart and no text."""
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
    """Return whether a page, the first of several, has a few lines in its middle, and no scene begins."""
    texts = [line.text(measures.pitch).strip() for line in page]
    indented = sum(line.left > measures.margin + 3 * measures.pitch for line in page)
    is_script = any(is_scene_heading(text) or is_transition(text) for text in texts)
    return len(page) <= _LINES_OF_A_TITLE_PAGE and not is_script and 2 * indented > len(page)


def _title(page: Sequence[_Line], measures: _Measures) -> str:
    """Return the first block of lines on a title page, as one."""
    words = [page[0].text(measures.pitch)]
    for above, line in pairwise(page):
        if above.baseline - line.baseline > _BLANK * measures.leading:
            break
        words.append(line.text(measures.pitch))
    return " ".join(" ".join(words).split()).strip('“”"')


def _laid_out(page: Sequence[_Line], measures: _Measures) -> list[str]:
    """Return a page as lines of text with their columns, and a blank one where there is a gap."""
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
    """Return whether a line, right below another, is the rest of it."""
    if measures.is_monospaced or abs(above.left - line.left) > 4 * measures.pitch:
        return False
    reaches = above.right + 12 * measures.pitch > measures.right
    name, colon, _ = text.partition(":")
    return reaches and not (colon and is_name(name.partition("(")[0].strip()))


def _goes_on(above: str, below: str) -> bool:
    """Return whether a page begins in the middle of a sentence of the page before."""
    is_open = above.strip()[-1:] not in (*'.!?:)”"', "") and not above.isupper()
    return is_open and len(above) - len(above.lstrip()) == len(below) - len(below.lstrip())
