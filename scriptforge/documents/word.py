"""Word documents, `.docx`, read and written.

The kind of a paragraph is known from its style: `Scene Heading`, `Character`, `Dialogue`, by any of the names
that templates use. Without such styles, the layout is read as that of a typed page: an indent becomes spaces,
each as wide as a character of 12-point Courier, and space above a paragraph a blank line. Rows of a table
with a name in the first of two cells are lines of dialogue. Tracked changes are accepted: inserted text is
read, deleted text is not.

Documents are opened and written with python-docx. It ignores tracked changes, text boxes and content
controls, so the traversal of paragraphs is here. Written documents have the margins of a screenplay, and
styles by which they are read back.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from scriptforge.characters import NOT_IN_XML
from scriptforge.documents.document import (
    MAX_PARAGRAPHS,
    Archive,
    Document,
    check_paragraphs,
    content_of,
    damaged,
    encrypted,
    from_blocks,
    open_archive,
    unreadable,
    unwritable,
)
from scriptforge.documents.laid_out import CENTRED, RIGHT_ALIGNED, Block, table_row
from scriptforge.screenplay import paragraphs
from scriptforge.screenplay.format import BrokenScript
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
_MAX_BASES = 20
_MAX_TAGS = 2_000_000
"""Tags in a document, at most; that of a long film has about a hundred thousand, twenty for a paragraph."""

_STYLES: dict[str, tuple[str, float, float, int]] = {
    "heading": ("Scene Heading", 0.0, 0.0, 2),
    "action": ("Action", 0.0, 0.0, 1),
    paragraphs.CUE: ("Character", 2.2, 0.0, 1),
    paragraphs.PARENTHETICAL: ("Parenthetical", 1.6, 1.9, 0),
    paragraphs.DIALOGUE: ("Dialogue", 1.0, 1.5, 0),
    "transition": ("Transition", 0.0, 0.0, 1),
}
"""The style of each kind of paragraph: name, left and right indent in inches, blank lines above."""


def read(path: Path, encoding: str | None) -> Document:
    """Return the script in a Word document.

    Raises:
        BrokenScript: it is damaged, encrypted or far too large, or the libraries for documents are not
            installed.
    """
    return from_blocks(_read_blocks(path), "in a Word document")


def refuse_old(path: Path, encoding: str | None) -> Document:
    """Raise the error for an old office document, or an encrypted new one, which has the same container.

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
            blocks = list(islice(_blocks(docx.Document(_markup(archive))), MAX_PARAGRAPHS + 1))
    except (*told, LookupError, AttributeError, TypeError) as error:
        raise damaged("Word") from error
    check_paragraphs(len(blocks), "Word")
    return blocks


def _markup(archive: Archive) -> io.BytesIO:
    """Return a copy of an archive in which all members but XML are empty, since pictures are not needed.

    Raises:
        BrokenScript: it has far more markup than a script needs.
    """
    copy = io.BytesIO()
    with ZipFile(copy, "w") as zipped:
        for name in dict.fromkeys(archive.names):
            is_markup = name.lower().endswith((".xml", ".rels"))
            zipped.writestr(name, archive.markup(name, _MAX_TAGS) if is_markup else b"")
    copy.seek(0)
    return copy


def _blocks(document: "WordDocument") -> Iterator[Block]:
    """Yield a block for each paragraph of a document and each row of its tables."""
    from docx.oxml.ns import qn
    from docx.text.parfmt import ParagraphFormat

    styles = {style.style_id: style for style in document.styles}
    inherited = {name: _inherited(style, styles) for name, style in styles.items()}
    layouts = {name: _layout(formats) for name, formats in inherited.items()}
    usual = next((name for name, style in styles.items() if style.name == "Normal"), "")
    for node in _nodes(document.element.body):
        if node.tag == qn("w:tr"):
            yield table_row([_text(cell) for cell in node.iterchildren(qn("w:tc"))])
            continue
        style = node.style or usual
        if node.pPr is not None and len(node.pPr) > 1:
            layout = _layout([ParagraphFormat(node), *inherited.get(style, ())])
        else:
            layout = layouts.get(style, (0, 0.0, 0.0))
        yield Block(_text(node), styles[style].name or "" if style in styles else "", *layout)


def _layout(formats: Sequence[Any]) -> tuple[int, float, float]:
    """Return the column of a paragraph, and the space above and below it, in lines."""
    above, below = (_length(formats, f"space_{side}") / _EMU_PER_LINE for side in ("before", "after"))
    return _column(formats), above, below


def _inherited(style: Any, styles: Mapping[str, Any]) -> list[Any]:
    """Return the paragraph formats of a style and of those among `styles` that it is based on."""
    formats: list[Any] = []
    while style is not None and hasattr(style, "paragraph_format") and len(formats) < _MAX_BASES:
        formats.append(style.paragraph_format)
        style = styles.get(style.element.basedOn_val)  # `base_style` would search all styles
    return formats


def _nodes(parent: Any) -> Iterator[Any]:
    """Yield paragraphs and table rows, including those in content controls and insertions."""
    for node in parent:
        name = _local(node)
        if name in ("p", "tr"):
            yield node
        elif name in ("tbl", "sdt", "sdtContent", "customXml", "ins", "moveTo"):
            yield from _nodes(node)


def _text(node: Any) -> str:
    """Return the text of a node with all tracked changes accepted."""
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
    """Return the column at which a paragraph begins; centred and right-aligned ones have fixed columns."""
    alignment = _first(formats, "alignment")
    if alignment is not None and alignment.name in ("CENTER", "RIGHT"):
        return CENTRED if alignment.name == "CENTER" else RIGHT_ALIGNED
    inches = _length(formats, "left_indent") + _length(formats, "first_line_indent")
    return max(0, round(inches / _EMU_PER_COLUMN))


def _length(formats: Sequence[Any], name: str) -> int:
    return int(_first(formats, name) or 0)


def _first(formats: Sequence[Any], name: str) -> Any:
    """Return a property of the first format that sets it; None if none does.

    Values that python-docx does not know are ignored, such as the alignment `start`, a newer name for `left`.
    """
    for each in formats:
        with suppress(ValueError):
            if (value := getattr(each, name)) is not None:
                return value
    return None


def write(scripts: Sequence[Script]) -> bytes:
    """Return a Word document of scripts, each beginning on a new page.

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
    """Return an archive without the dates of its members, so that the same scripts give the same bytes."""
    undated = io.BytesIO()
    with ZipFile(archive) as dated, ZipFile(undated, "w") as copy:
        for name in dated.namelist():
            copy.writestr(ZipInfo(name), dated.read(name), ZIP_DEFLATED)
    return undated.getvalue()


def _add(document: "WordDocument", text: str, style: Any) -> None:
    """Add a paragraph, without characters that are not allowed in XML."""
    paragraph = document.add_paragraph(NOT_IN_XML.sub("", text))
    # Setting `paragraph.style` would search all styles for each paragraph.
    paragraph._p.style = style.style_id


def _set_page(document: "WordDocument") -> dict[str, Any]:
    """Set the paper, margins and font of a screenplay, and return a new style for each kind of paragraph."""
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
