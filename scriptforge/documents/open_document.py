"""OpenDocument texts, `.odt` and `.fodt`: what LibreOffice saves, and other word processors export.

    <style:style style:name="P1" style:parent-style-name="Character"><style:paragraph-properties …/>
    <text:p text:style-name="P1">NORA<text:s text:c="2"/>(O.S.)</text:p>

As in a Word document, the kind of a paragraph is known from its style, or else inferred from its indent and
the space above it. A paragraph that was formatted by hand has a style of its own, such as `P1`, which is
based on the one that a person chose. So the kind is that of the style, or of the nearest that it is based on.
Rows of a table with a name in the first of two cells are lines of dialogue. Recorded changes are accepted.
Pictures, frames, notes, comments, indexes, headers and footers are skipped.

An `.odt` is a ZIP archive of XML files, and a `.fodt` is one XML file. Both are parsed as a stream.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element as Node

from scriptforge.documents.document import (
    Archive,
    Document,
    check_tags,
    content_of,
    encrypted,
    from_blocks,
    open_archive,
)
from scriptforge.documents.laid_out import CENTRED, RIGHT_ALIGNED, Block, table_row
from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.paragraphs import kind_of
from scriptforge.screenplay.xml_stream import attribute, in_parts, pull

_MIMETYPE = b"application/vnd.oasis.opendocument.text"
_CONTENT, _MANIFEST = "content.xml", "META-INF/manifest.xml"
_BEFORE_CONTENT = ("meta.xml", "styles.xml")
_ENCRYPTION = b"encryption-data"

_WANTED = frozenset({"style", "p", "h", "table-row", "title"})
_SKIPPED = frozenset({
    "tracked-changes", "note", "annotation", "frame", "custom-shape", "g", "rect", "line", "ruby-text",
    "forms", "scripts", "master-styles", "binary-data", "hidden-text", "table-of-content",
    "illustration-index", "table-index", "object-index", "user-index", "alphabetical-index", "bibliography",
})  # fmt: skip
_PARAGRAPHS = frozenset({"p", "h"})
_SIGNS = {"tab": "    ", "line-break": "\n"}
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_ESCAPE = re.compile(r"_([0-9a-f]{1,4})_")
_LENGTH = re.compile(r"(-?\d{0,6}(?:\.\d{1,12})?)(in|cm|mm|pt|pc|px)")
_TO_AN_INCH = {"in": 1.0, "cm": 2.54, "mm": 25.4, "pt": 72.0, "pc": 6.0, "px": 96.0}
_ALIGNMENTS = {"center": CENTRED, "end": RIGHT_ALIGNED, "right": RIGHT_ALIGNED}
_COLUMNS_AN_INCH, _LINES_AN_INCH = 10, 6
_MAX_SPACES = 80
"""Maximum number of spaces that one tag stands for."""

_MAX_BASES = 20


class _Style(NamedTuple):
    """A style of paragraphs.

    Attributes:
        name: its name as a person reads it; empty for one that was made for formatting by hand.
        base: the identifier of the style that it is based on; empty if there is none.
        properties: what it sets for the layout, by name.
    """

    name: str
    base: str
    properties: Mapping[str, str]


@dataclass(slots=True)
class _Styles:
    """The styles of paragraphs, and what a paragraph in each of them looks like, by identifier."""

    known: dict[str, _Style] = field(default_factory=dict)
    looks: dict[str, Block] = field(default_factory=dict)

    def add(self, node: Node, is_automatic: bool) -> None:
        """Add a style of paragraphs; any other one is ignored.

        Args:
            node: the definition of the style.
            is_automatic: whether it was made for formatting by hand.
        """
        if attribute(node, "family") != "paragraph":
            return
        identifier = attribute(node, "name")
        name = attribute(node, "display-name") or _unescaped(identifier)
        layout = node.find("paragraph-properties")
        items = layout.items() if layout is not None else ()
        self.known[identifier] = _Style(
            name="" if is_automatic else name,
            base=attribute(node, "parent-style-name"),
            properties={key.rpartition("}")[2]: value for key, value in items},
        )

    def look(self, identifier: str) -> Block:
        """Return an empty paragraph in a style."""
        if identifier not in self.looks:
            self.looks[identifier] = _look(list(self._inherited(identifier)))
        return self.looks[identifier]

    def _inherited(self, identifier: str) -> Iterator[_Style]:
        """Yield a style and those it is based on; one that is not defined has only its name."""
        for _ in range(_MAX_BASES):
            if not identifier:
                return
            style = self.known.get(identifier) or _Style(_unescaped(identifier), "", {})
            yield style
            identifier = style.base


def _look(styles: list[_Style]) -> Block:
    names = [style.name for style in styles if style.name]
    name = next(filter(kind_of, names), names[0] if names else "")

    def value(key: str) -> str:
        return next((style.properties[key] for style in styles if key in style.properties), "")

    indent = _inches(value("margin-left")) + _inches(value("text-indent"))
    return Block(
        "",
        style=name,
        column=_ALIGNMENTS.get(value("text-align")) or max(0, round(indent * _COLUMNS_AN_INCH)),
        above=_inches(value("margin-top")) * _LINES_AN_INCH,
        below=_inches(value("margin-bottom")) * _LINES_AN_INCH,
    )


def _unescaped(identifier: str) -> str:
    """Return the name that a style's identifier stands for: `Scene Heading` for `Scene_20_Heading`."""
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), identifier)


def _inches(length: str) -> float:
    """Return a length in inches; 0 if it is none, or relative to another one."""
    found = _LENGTH.fullmatch(length)
    return float(found[1] or 0) / _TO_AN_INCH[found[2]] if found and found[1] != "-" else 0.0


def is_text(archive: Archive) -> bool:
    """Return whether an archive says of itself that it is an OpenDocument text, or a template of one."""
    return "mimetype" in archive.names and archive.content("mimetype").startswith(_MIMETYPE)


def read(path: Path, encoding: str | None) -> Document:
    """Return the script in an OpenDocument text.

    Raises:
        BrokenScript: it is damaged, encrypted or far too large, or is another document of this family.
    """
    with open_archive(path, "ODT") as archive:
        if _MANIFEST in archive.names and _ENCRYPTION in archive.content(_MANIFEST):
            raise encrypted("ODT")
        styles = _Styles()
        before = [name for name in _BEFORE_CONTENT if name in archive.names]
        titles = [_read(archive.markup(name), None, styles)[0] for name in before]
        _, blocks = _read(archive.markup(_CONTENT), None, styles)
    return _document("".join(titles), blocks)


def read_flat(path: Path, encoding: str | None) -> Document:
    """Return the script in an OpenDocument text that is one XML file.

    Raises:
        BrokenScript: it is damaged or far too large, or is another document of this family.
    """
    content = content_of(path)
    check_tags(content.count(b"<"), "flat ODT")
    return _document(*_read(content, encoding, _Styles()))


def _document(title: str, blocks: list[Block]) -> Document:
    if not blocks:
        raise BrokenScript(
            "is an OpenDocument file without paragraphs of text", "Save it as a text document (.odt)."
        )
    return from_blocks(blocks, "in an OpenDocument text", title)


def _read(content: bytes, encoding: str | None, styles: _Styles) -> tuple[str, list[Block]]:
    """Return the title in the properties, and the paragraphs of the text; add the styles to `styles`."""
    text = content.decode(encoding or "utf-8-sig", errors="replace")
    title, blocks = "", []
    for path, node in pull(in_parts(text), _WANTED, _SKIPPED):
        if node.tag == "style":
            styles.add(node, is_automatic="automatic-styles" in path)
        elif node.tag == "title" and "meta" in path:
            title = title or " ".join("".join(node.itertext()).split())
        elif "text" in path and node.tag == "table-row":
            cells = (cell for cell in node if cell.tag == "table-cell")
            blocks.append(table_row(["".join(_texts(cell)) for cell in cells]))
        elif "text" in path and node.tag in _PARAGRAPHS:
            look = styles.look(attribute(node, "style-name"))
            blocks.append(replace(look, text="".join(_texts(node))))
    return title, blocks


def _texts(node: Node) -> Iterator[str]:
    """Yield the texts in a node; what it has of white space in place of tags is one space."""
    begun = _WHITE_SPACE.sub(" ", node.text or "")
    yield begun.lstrip(" ") if node.tag in _PARAGRAPHS else begun
    for child in node:
        if child.tag == "s":
            count = attribute(child, "c")
            yield " " * (min(int(count), _MAX_SPACES) if re.fullmatch("[0-9]{1,4}", count) else 1)
        elif child.tag in _SIGNS:
            yield _SIGNS[child.tag]
        else:
            yield from _texts(child)
            yield "\n" if child.tag in _PARAGRAPHS else ""
        yield _WHITE_SPACE.sub(" ", child.tail or "")
