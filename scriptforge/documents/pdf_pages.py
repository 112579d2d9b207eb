"""The characters of a PDF, printed as JSON: a program, which `pdf` runs in a process of its own.

PDFium has no limits: drawings that contain each other, or streams packed several times over, let a file of a
few kilobytes fill the memory, at which it aborts the process. Where the system can, this one has limits. It
prints the number of pages, then for each page its lines, from top to bottom, as `[letters, left edges, right
edges, baseline]`. Instead of a page it may print its number of characters, if these are too many, and instead
of everything the words `encrypted` or `damaged`. It knows nothing of the rest of the package.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ctypes import byref, c_double
from math import isfinite
from pathlib import Path
from typing import NamedTuple, TypeAlias

from pypdfium2 import PdfDocument, PdfiumError, PdfTextPage, raw

_MAX_PAGE_CHARACTERS = 200_000
_MAX_MEMORY = 768 << 20
"""Bytes of address space, of which Python and PDFium take about a quarter."""

_SECONDS, _SECONDS_A_MEGABYTE = 20, 125
"""Of processor time: a busy processor takes 25 µs for a character, and a byte stands for five at most."""

_END_OF_LINE_HYPHEN = 2
"""The code that PDFium returns for a hyphen at the end of a line."""

Line: TypeAlias = tuple[str, list[float], list[float], float]


class _Letter(NamedTuple):
    """A character, its left and right edge, and its baseline, in points from the page's lower left corner."""

    text: str
    left: float
    right: float
    baseline: float


def main(path: Path) -> None:
    """Print what is in a PDF."""
    _limit(path.stat().st_size)
    try:
        document = PdfDocument(path)
        _write(len(document))
        for page in _pages(document):
            _write(page)
    except PdfiumError as error:
        _write("encrypted" if "password" in str(error).lower() else "damaged")


def _write(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")


def _limit(size: int) -> None:
    """Limit memory and processor time, where the system can, to what a PDF of that size may need."""
    if sys.platform == "win32":
        return
    else:
        import resource
    seconds = _SECONDS + _SECONDS_A_MEGABYTE * size // 1_000_000
    for limit, most in (
        (resource.RLIMIT_AS, _MAX_MEMORY + size),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        with suppress(ValueError, OSError):  # the user has set a lower one
            resource.setrlimit(limit, (most, most))


def _pages(document: PdfDocument) -> Iterator[list[Line] | int]:
    for number in range(len(document)):
        page = document[number]
        text = page.get_textpage()
        count = text.count_chars()
        yield count if count > _MAX_PAGE_CHARACTERS else _gather(list(_letters(text)))
        text.close()
        page.close()


def _letters(text: PdfTextPage) -> Iterator[_Letter]:
    """Yield the upright characters on a page, without spaces, which reappear as gaps."""
    x, baseline = c_double(), c_double()
    box = raw.FS_RECTF()
    for number in range(text.count_chars()):
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


def _gather(letters: Sequence[_Letter]) -> list[Line]:
    """Group characters into lines, from top to bottom."""
    lines: list[list[_Letter]] = []
    for letter in sorted(letters, key=lambda letter: -letter.baseline):
        height = 0.5 * max(4.0, letter.right - letter.left)
        if lines and lines[-1][0].baseline - letter.baseline < height:
            lines[-1].append(letter)
        else:
            lines.append([letter])
    return list(map(_line, lines))


def _line(letters: Sequence[_Letter]) -> Line:
    """Return characters as a line, with the baseline of the leftmost one."""
    ordered = sorted(letters, key=lambda letter: letter.left)
    return (
        "".join(letter.text for letter in ordered),
        [letter.left for letter in ordered],
        [letter.right for letter in ordered],
        ordered[0].baseline,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
