"""Writer of scripts as PDFs in the standard layout of screenplays.

12-point Courier at ten characters and six lines to the inch, 54 lines on a page of US Letter, so that a page
plays for about a minute. A heading or cue is never separated from what follows by a page break; a speech that
does not fit is split with `(MORE)`, and continues under its cue with `(CONT'D)`. A title has a page of its
own, pages are numbered from the second on, and headings may be numbered.

Every viewer has Courier, so it is not embedded. A script with characters beyond Windows-1252 is set in a
monospaced font of this machine that has them. reportlab writes the file.
"""

import io
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scriptforge.documents.document import unwritable
from scriptforge.errors import UsageError
from scriptforge.screenplay import paragraphs
from scriptforge.screenplay.script import Script, strip_lines

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

_WIDTH, _HEIGHT = 612.0, 792.0
_LEFT, _TOP = 108.0, 72.0
_PITCH, _LEADING = 7.2, 12.0
_SIZE = 12
_ROWS = 54
_COLUMNS = 60
_NUMBER_LEFT, _NUMBER_RIGHT = -6, 62
_TITLE_ROW = 17
_MIN_LINES_APART = 2
"""Lines of a paragraph or speech that stay together on either side of a page break."""

_MORE, _CONTINUED = "(MORE)", "(CONT'D)"

_PLACES = {
    "heading": (0, 60),
    "action": (0, 60),
    paragraphs.CUE: (22, 38),
    paragraphs.PARENTHETICAL: (16, 25),
    paragraphs.DIALOGUE: (10, 35),
    "transition": (0, 60),
}
"""For each kind of paragraph, its first column and the width of its lines, in characters."""

_UPPER = frozenset({"heading", paragraphs.CUE, "transition"})

_FONTS = (
    "CourierPrime-Regular.ttf", "Courier New.ttf", "cour.ttf", "LiberationMono-Regular.ttf",
    "DejaVuSansMono.ttf", "NotoSansMono-Regular.ttf", "FreeMono.ttf", "Menlo.ttc", "consola.ttf",
)  # fmt: skip
_FONT_FOLDERS = {
    "win32": ("C:/Windows/Fonts",),
    "darwin": ("/Library/Fonts", "/System/Library/Fonts", "~/Library/Fonts"),
}
_OTHER_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")


class _Printed(NamedTuple):
    """A line of text and its first column, in characters from the left margin."""

    column: int
    text: str


@dataclass(frozen=True, slots=True)
class _Block:
    """The printed lines of an element.

    Attributes:
        kind: the element's kind; `dialogue` is a cue and its speech.
        lines: the lines; in dialogue, the first is the cue.
        gap: the number of blank lines above it.
    """

    kind: str
    lines: tuple[_Printed, ...]
    gap: int = 1


def write(scripts: Sequence[Script], scene_numbers: bool = False) -> bytes:
    """Return a PDF of scripts, each beginning on a new page.

    Args:
        scripts: the scripts, with elements in normal form.
        scene_numbers: whether to number headings at both margins.

    Raises:
        UsageError: the libraries for documents are not installed, or no font has all characters.
    """
    try:
        from reportlab.pdfgen.canvas import Canvas
    except ImportError:
        raise unwritable("PDF") from None
    font = _font(letter for script in scripts for letter in _letters(script))
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(_WIDTH, _HEIGHT), invariant=True)
    titles = [" ".join(_printable(strip_lines(script.title)).split()) for script in scripts]
    canvas.setTitle(next(filter(None, titles), "Script"))
    for title, script in zip(titles, scripts, strict=True):
        for page in _title_pages(title):
            _draw(canvas, font, page)
        for number, page in enumerate(_pages(_blocks(script, scene_numbers)), start=1):
            header = [(-3, _Printed(_COLUMNS - len(f"{number}."), f"{number}."))] if number > 1 else []
            _draw(canvas, font, [*header, *page])
    if not any(titles) and not any(script.scenes for script in scripts):
        _draw(canvas, font, [])
    canvas.save()
    return buffer.getvalue()


def _draw(canvas: "Canvas", font: str, page: Iterable[tuple[int, _Printed]]) -> None:
    canvas.setFont(font, _SIZE)
    for row, line in page:
        canvas.drawString(_LEFT + _PITCH * line.column, _HEIGHT - _TOP - _LEADING * (row + 1), line.text)
    canvas.showPage()


def _title_pages(title: str) -> Iterator[list[tuple[int, _Printed]]]:
    """Yield the title pages: one, none if the title is empty, or several if it is very long."""
    lines = list(_centred(title)) if title else []
    top = max(0, min(_TITLE_ROW, _ROWS - len(lines)))
    for start in range(0, len(lines), _ROWS):
        yield list(enumerate(lines[start : start + _ROWS], top))


def _centred(title: str) -> Iterator[_Printed]:
    for line in _wrapped(title.upper(), _COLUMNS // 2):
        yield _Printed((_COLUMNS - len(line)) // 2, line)


def _blocks(script: Script, scene_numbers: bool) -> Iterator[_Block]:
    """Yield the block of each element."""
    scene = 0
    for element in script.elements:
        if element.kind == "heading":
            scene += 1
            element = replace(element, text=element.text or f"SCENE {scene}")
        lines = [line for each in paragraphs.lay_out(element) for line in _lines(each)]
        if element.kind == "heading" and scene_numbers:
            first = _Printed(_NUMBER_LEFT, f"{scene}".ljust(-_NUMBER_LEFT) + lines[0].text)
            lines[0] = first._replace(text=f"{first.text.ljust(_NUMBER_RIGHT - _NUMBER_LEFT)}{scene}")
        yield _Block(element.kind, tuple(lines), 2 if element.kind == "heading" else 1)


def _lines(paragraph: paragraphs.Paragraph) -> Iterator[_Printed]:
    column, width = _PLACES[paragraph.kind]
    text = _printable(paragraph.text)
    for line in text.split("\n"):
        for part in _wrapped(line.upper() if paragraph.kind in _UPPER else line, width):
            yield _Printed(_COLUMNS - len(part) if paragraph.kind == "transition" else column, part)


def _wrapped(text: str, width: int) -> Iterator[str]:
    """Yield a line of text wrapped to a width in characters, at spaces where possible."""
    line = ""
    for word in text.split():
        while len(word) > width:
            if line:
                yield line
                line = ""
            yield word[:width]
            word = word[width:]
        if line and len(line) + 1 + len(word) > width:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line or not text.strip():
        yield line


def _pages(blocks: Iterable[_Block]) -> Iterator[list[tuple[int, _Printed]]]:
    """Yield pages, each as pairs of a row, from 0, and a line, keeping together what belongs together."""
    page: list[tuple[int, _Printed]] = []
    row = 0
    for group in _groups(blocks):
        for place, block in enumerate(group):
            if page and row + _rows(group[place:]) > _ROWS:
                yield page
                page, row = [], 0
            rest: _Block | None = block
            while rest:
                row += rest.gap if page else 0
                placed, rest = _split(rest, _ROWS - row)
                page += [(row + number, line) for number, line in enumerate(placed)]
                row += len(placed)
                if rest:
                    yield page
                    page, row = [], 0
    if page:
        yield page


def _groups(blocks: Iterable[_Block]) -> Iterator[list[_Block]]:
    """Yield groups of blocks that stay together: a block and the headings above it that fit on its page.

    Headings at the end of the script have no block below, so each is a group of its own.
    """
    held: list[_Block] = []
    for block in blocks:
        held.append(block)
        while len(held) > 2 and _rows(held) > _ROWS:
            yield [held.pop(0)]
        if block.kind != "heading":
            yield held
            held = []
    yield from ([heading] for heading in held)


def _rows(group: Sequence[_Block]) -> int:
    """Return the rows that a group needs on one page: its headings and the beginning of its last block."""
    *headings, last = group
    return sum(len(each.lines) + each.gap for each in headings) + last.gap + _least(last)


def _least(block: _Block) -> int:
    """Return the least rows that a block needs on its first page, including a speech's cue and `(MORE)`."""
    cue = block.kind == "dialogue"
    whole = len(block.lines)
    return whole if whole < 2 * _MIN_LINES_APART + cue else _MIN_LINES_APART + 2 * cue


def _split(block: _Block, room: int) -> tuple[Sequence[_Printed], _Block | None]:
    """Return the lines of a block that fit into `room` rows, and the rest for the next page, if any."""
    lines = block.lines
    if len(lines) <= room:
        return lines, None
    if block.kind != "dialogue":
        fitting = max(1, min(room, len(lines) - _MIN_LINES_APART))
        return lines[:fitting], replace(block, lines=lines[fitting:])
    cue, spoken = lines[0], lines[1:]
    fitting = max(1, min(room - 2, len(spoken) - _MIN_LINES_APART))
    while fitting > 1 and spoken[fitting - 1].text.startswith("("):
        fitting -= 1
    again = cue.text if cue.text.endswith(_CONTINUED) else f"{cue.text} {_CONTINUED}"
    rest = replace(block, lines=(_Printed(cue.column, again), *spoken[fitting:]))
    return (cue, *spoken[:fitting], _Printed(cue.column, _MORE)), rest


def _printable(text: str) -> str:
    """Return text in NFC, without Unicode category C: controls, zero-width characters, direction marks."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(each for each in composed if each == "\n" or unicodedata.category(each)[0] != "C")


def _letters(script: Script) -> Iterator[str]:
    yield from _printable(strip_lines(script.title)).upper()
    for element in script.elements:
        yield from _printable(
            f"{element.text}{element.speaker}{element.text.upper()}{element.speaker.upper()}"
        )


def _font(letters: Iterable[str]) -> str:
    """Return the name of a monospaced font that has all these characters: Courier, or one of this machine.

    Raises:
        UsageError: no font has them all.
    """
    beyond = {letter for letter in set(letters) if not letter.isspace() and not _is_western(letter)}
    if not beyond:
        return "Courier"
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    for path in _font_files():
        try:
            font = TTFont("Typewriter", str(path))
        except (TTFError, OSError):
            continue
        if all(ord(letter) in font.face.charToGlyph for letter in beyond):
            registerFont(font)
            return "Typewriter"
    letter = min(beyond)
    raise UsageError(
        f"No typewriter font on this machine has the letter “{letter}” (U+{ord(letter):04X}).",
        "Write .html and print that from a browser, or write .docx.",
    )


def _is_western(letter: str) -> bool:
    try:
        letter.encode("cp1252")
    except UnicodeEncodeError:
        return False
    return True


def _font_files() -> Iterator[Path]:
    """Yield the files of known monospaced fonts on this machine, in the order of `_FONTS`."""
    folders = [Path(folder).expanduser() for folder in _FONT_FOLDERS.get(sys.platform, _OTHER_FONT_FOLDERS)]
    matplotlib = find_spec("matplotlib")
    if matplotlib and matplotlib.origin:
        folders.append(Path(matplotlib.origin).parent / "mpl-data/fonts/ttf")
    files = {
        path.name: path
        for folder in reversed(folders)
        if folder.is_dir()
        for path in folder.rglob("*.tt[fc]")
    }
    yield from (files[name] for name in _FONTS if name in files)
