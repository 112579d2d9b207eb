"""Word's documents, `.docx`, read and written.

What a paragraph is, its style may say: `Scene Heading`, `Character`, `Dialogue` in whatever words a template
has for them. Where no styles do, the layout is read as a typed page is: an indent is as many spaces as
letters of twelve-point Courier are wide, and space above a paragraph is a blank line. Rows of a table with a
name in the first of two cells are lines of dialogue. Text that was deleted with tracked changes is not read,
text that was added is.

python-docx opens, and writes; it does not see tracked changes, text boxes and content controls, so the walk
over the paragraphs is here. What is written has styles by which it is read back, and the margins of a
screenplay.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from scriptforge.characters import NOT_IN_XML
from scriptforge.documents.document import (
    Archive,
    Document,
    are_told,
    content_of,
    damaged,
    encrypted,
    open_archive,
    too_large,
    typed,
    unreadable,
    unwritable,
)
from scriptforge.documents.laid_out import Block, laid_out
from scriptforge.screenplay import paragraphs
from scriptforge.screenplay.format import BrokenScript, is_name
from scriptforge.screenplay.paragraphs import Paragraph, kind_of
from scriptforge.screenplay.script import Script, strip_lines

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_SIGNS = {"tab": "    ", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_NOT_READ = frozenset(
    {"del", "moveFrom", "Fallback", "txbxContent", "pict", "instrText", "rPr", "pPr", "tcPr"}
)
_EMU_PER_COLUMN = 91_440
_EMU_PER_LINE = 152_400
_MOST_BASES = 20
_MOST_TAGS = 2_000_000
"""A long film has a hundred thousand."""

_CENTRE, _RIGHT = 22, 45
"""Columns for text that is in the middle or at the right: those of cues and transitions."""

_STYLES: dict[str, tuple[str, float, float, int]] = {
    "heading": ("Scene Heading", 0.0, 0.0, 2),
    "action": ("Action", 0.0, 0.0, 1),
    paragraphs.CUE: ("Character", 2.2, 0.0, 1),
    paragraphs.PARENTHETICAL: ("Parenthetical", 1.6, 1.9, 0),
    paragraphs.DIALOGUE: ("Dialogue", 1.0, 1.5, 0),
    "transition": ("Transition", 0.0, 0.0, 1),
}
"""For each kind of paragraph its style: name, indents at the left and right in inches, blank lines above."""


def read(path: Path, encoding: str | None) -> Document:
    """Return the script in a document of Word.

    Raises:
        BrokenScript: it is damaged, encrypted, or far too large,
            or the libraries for documents are not installed.
    """
    blocks = _read_blocks(path)
    titles = [block.text.strip() for block in blocks if block.style.lower() == "title"]
    body = [block for block in blocks if block.style.lower() not in ("title", "subtitle")]
    kinds = [Paragraph(kind_of(block.style), block.text) for block in body]
    title = " ".join(" ".join(titles).split())
    if are_told(kinds):
        return typed(title, kinds, "in a Word document")
    return Document(title, (), laid_out(body), "in a Word document", has_margins=True)


def refuse_old(path: Path, encoding: str | None) -> Document:
    """Refuse a file of the time before `.docx`, or an encrypted new one, which is packed in such a file.

    Raises:
        BrokenScript: always.
    """
    if _ENCRYPTED in content_of(path):
        raise encrypted("Word")
    raise BrokenScript(
        "is an old office document (.doc, .xls)", "Save it as .docx, or as plain text in UTF-8."
    )


def _read_blocks(path: Path) -> list[Block]:
    try:
        import docx
        from docx.exceptions import PythonDocxError
        from docx.opc.exceptions import OpcError
        from docx.oxml.exceptions import XmlchemyError
        from lxml.etree import LxmlError
    except ImportError:
        raise unreadable("Word") from None
    told = (LxmlError, OpcError, PythonDocxError, XmlchemyError)
    try:
        with open_archive(path, "Word") as archive:
            return list(_blocks(docx.Document(_markup(archive))))
    except (*told, LookupError, AttributeError, TypeError) as error:
        raise damaged("Word") from error


def _markup(archive: Archive) -> io.BytesIO:
    """Return a copy of an archive in which all but markup is empty, as pictures are for readers of text.

    Raises:
        BrokenScript: it has far more markup than a script.
    """
    copy = io.BytesIO()
    tags = 0
    with ZipFile(copy, "w") as zipped:
        for name in dict.fromkeys(archive.names):
            content = archive.content(name) if name.lower().endswith((".xml", ".rels")) else b""
            tags += content.count(b"<")
            if tags > _MOST_TAGS:
                raise too_large(f"is a Word document with more than {_MOST_TAGS:,} tags")
            zipped.writestr(name, content)
    copy.seek(0)
    return copy


def _blocks(document: "WordDocument") -> Iterator[Block]:
    """Yield the paragraphs of a document and the rows of its tables."""
    from docx.oxml.ns import qn
    from docx.text.parfmt import ParagraphFormat

    styles = {style.style_id: style for style in document.styles}
    inherited = {name: _inherited(style) for name, style in styles.items()}
    layouts = {name: _layout(formats) for name, formats in inherited.items()}
    usual = next((name for name, style in styles.items() if style.name == "Normal"), "")
    for node in _nodes(document.element.body):
        if node.tag == qn("w:tr"):
            cells = [" ".join(_text(cell).split()) for cell in node.iterchildren(qn("w:tc"))]
            is_speech = len(cells) == 2 and is_name(cells[0].rstrip(":")) and cells[1]
            yield Block(
                f"{cells[0].rstrip(':')}: {cells[1]}" if is_speech else "    ".join(filter(None, cells))
            )
            continue
        style = node.style or usual
        if node.pPr is not None and len(node.pPr) > 1:
            layout = _layout([ParagraphFormat(node), *inherited.get(style, ())])
        else:
            layout = layouts.get(style, (0, 0.0, 0.0))
        yield Block(_text(node), styles[style].name or "" if style in styles else "", *layout)


def _layout(formats: Sequence[Any]) -> tuple[int, float, float]:
    """Return the column of a paragraph, and the lines of space above and below it."""
    above, below = (_length(formats, f"space_{side}") / _EMU_PER_LINE for side in ("before", "after"))
    return _column(formats), above, below


def _inherited(style: Any) -> list[Any]:
    """Return the layouts that a paragraph has from its style and those that it is based on."""
    formats: list[Any] = []
    while style is not None and hasattr(style, "paragraph_format") and len(formats) < _MOST_BASES:
        formats.append(style.paragraph_format)
        style = style.base_style
    return formats


def _nodes(parent: Any) -> Iterator[Any]:
    """Yield paragraphs and rows, those in content controls too."""
    for node in parent:
        name = _local(node)
        if name in ("p", "tr"):
            yield node
        elif name in ("tbl", "sdt", "sdtContent", "customXml", "ins", "moveTo"):
            yield from _nodes(node)


def _text(node: Any) -> str:
    """Return the text in a node as it stands when all changes are accepted."""
    parts: list[str] = []
    for child in node:
        name = _local(child)
        if name == "t":
            parts.append(child.text or "")
        elif name in _SIGNS:
            parts.append(_SIGNS[name])
        elif name not in _NOT_READ:
            parts.append(_text(child))
            parts += ["\n"] if name == "p" else []
    return "".join(parts)


def _local(node: Any) -> str:
    return str(node.tag).rpartition("}")[2]


def _column(formats: Sequence[Any]) -> int:
    """Return the column at which a paragraph begins; one in the middle stands where a cue does."""
    alignment = _first(formats, "alignment")
    if alignment is not None and alignment.name in ("CENTER", "RIGHT"):
        return _CENTRE if alignment.name == "CENTER" else _RIGHT
    inches = _length(formats, "left_indent") + _length(formats, "first_line_indent")
    return max(0, round(inches / _EMU_PER_COLUMN))


def _length(formats: Sequence[Any], name: str) -> int:
    return int(_first(formats, name) or 0)


def _first(formats: Sequence[Any], name: str) -> Any:
    """Return a property of the first layout that has it; None where none has one that python-docx knows.

    It does not know the alignment `start`, for one, which is newer than `left`.
    """
    for each in formats:
        with suppress(ValueError):
            if (value := getattr(each, name)) is not None:
                return value
    return None


def write(scripts: Sequence[Script]) -> bytes:
    """Lay out scripts as a document of Word, each on pages of its own.

    Raises:
        UsageError: the libraries for documents are not installed.
    """
    try:
        import docx
        from docx.enum.text import WD_BREAK
    except ImportError:
        raise unwritable("Word") from None
    document = docx.Document()
    styles = _set_page(document)
    for number, script in enumerate(scripts):
        title = " ".join(strip_lines(script.title).split())
        if number:
            document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
        if title:
            _add(document, title, document.styles["Title"])
        for element in script.elements:
            for paragraph in paragraphs.lay_out(element):
                _add(document, paragraph.text, styles[paragraph.kind])
    buffer = io.BytesIO()
    document.save(buffer)
    return _undated(buffer)


def _undated(archive: io.BytesIO) -> bytes:
    """Return an archive whose members have no date, so that the same scripts are the same bytes."""
    undated = io.BytesIO()
    with ZipFile(archive) as dated, ZipFile(undated, "w") as copy:
        for name in dated.namelist():
            copy.writestr(ZipInfo(name), dated.read(name), ZIP_DEFLATED)
    return undated.getvalue()


def _add(document: "WordDocument", text: str, style: Any) -> None:
    """Add a paragraph; what XML cannot hold is left out."""
    paragraph = document.add_paragraph(NOT_IN_XML.sub("", text))
    # Through `paragraph.style`, all styles would be searched for each paragraph.
    paragraph._p.style = style.style_id


def _set_page(document: "WordDocument") -> dict[str, Any]:
    """Give a document the paper, margins and type of a screenplay, and return its style for each kind."""
    from docx.enum.style import WD_STYLE_TYPE
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Inches, Pt

    section = document.sections[0]
    section.page_width, section.page_height = Inches(8.5), Inches(11)
    section.left_margin, section.right_margin = Inches(1.5), Inches(1)
    section.top_margin = section.bottom_margin = Inches(1)
    normal = document.styles["Normal"]
    normal.font.name, normal.font.size = "Courier New", Pt(12)
    normal.paragraph_format.space_after = Pt(0)
    normal.paragraph_format.line_spacing = Pt(12)
    styles: dict[str, Any] = {}
    for kind, (name, left, right, blank_lines) in _STYLES.items():
        style = styles[kind] = document.styles.add_style(name, WD_STYLE_TYPE.PARAGRAPH)
        style.base_style = normal
        style.font.all_caps = kind in ("heading", paragraphs.CUE, "transition")
        layout = style.paragraph_format
        layout.left_indent, layout.right_indent = Inches(left), Inches(right)
        layout.space_before = Pt(12 * blank_lines)
        layout.keep_with_next = kind in ("heading", paragraphs.CUE, paragraphs.PARENTHETICAL)
        if kind == "transition":
            layout.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    title = document.styles["Title"]
    title.font.name, title.font.size = "Courier New", Pt(12)
    title.paragraph_format.alignment = WD_ALIGN_PARAGRAPH.CENTER
    return styles
