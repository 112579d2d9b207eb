r"""The files of four writing programs: Highland, Fade In, Celtx and Trelby.

    .highland          a ZIP archive with a script in Fountain
    .fadein, .osf      Open Screenplay Format: XML, in a ZIP archive or by itself
    .celtx             a ZIP archive with a web page whose paragraphs have classes that name their kinds
    .trelby            lines of wrapped text, each after two characters: how the line ends, and its kind

Depending on the version of Open Screenplay Format, the kind of a paragraph is in the attribute `basestyle`,
`basestylename`, `baseStyleName` or `name`; so attribute names are compared without case. In Trelby's files:

    .\INT. KITCHEN - DAY      a heading (`\`), in its last line (`.`)
    >:Tea? I thought you      dialogue (`:`), continued after a space (`>`)
    .:never drank any.        its last line; `&` would continue without a space, `|` after a line break
"""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element as Node

from scriptforge.documents import web_page
from scriptforge.documents.document import (
    Document,
    check_tags,
    content_of,
    lines_of,
    open_archive,
    text_of,
    typed,
)
from scriptforge.screenplay import paragraphs
from scriptforge.screenplay.format import BrokenScript
from scriptforge.screenplay.paragraphs import Paragraph, kind_of
from scriptforge.screenplay.xml_stream import attribute, in_parts, pull

_TRELBY_KINDS = {
    "\\": "heading", "@": "heading", ".": "action", "=": "action", "_": paragraphs.CUE,
    ":": paragraphs.DIALOGUE, "(": paragraphs.PARENTHETICAL, "/": "transition",
}  # fmt: skip
_TRELBY_NOTE = "%"
_TRELBY_JOINTS = {">": " ", "+": " ", "&": "", "|": "\n"}
_TRELBY_END = "."
_TRELBY_TITLE = re.compile(r"#Title-String (?:[^,]*,){5}[^,]*,(?P<text>.+)")


def read_highland(path: Path, encoding: str | None) -> Document:
    """Return the script in a Highland document.

    Raises:
        BrokenScript: it is damaged, has far too many lines, or has no script in it.
    """
    with open_archive(path, "Highland") as archive:
        name = archive.find("text.fountain", ".fountain", "text.md", ".md", "content.txt", ".txt")
        lines = lines_of(archive.text(name))
    return Document("", (), lines, "in a Highland document", ".fountain")


def read_fade_in(path: Path, encoding: str | None) -> Document:
    """Return the script in a Fade In document.

    Raises:
        BrokenScript: it is damaged or far too large, or has no script in it.
    """
    with open_archive(path, "Fade In") as archive:
        text = archive.markup("document.xml").decode("utf-8-sig", errors="replace")
        return _open_screenplay(text, "in a Fade In document")


def read_open_screenplay(path: Path, encoding: str | None) -> Document:
    """Return the script in a file in Open Screenplay Format.

    Raises:
        BrokenScript: it is damaged or far too large, or has no script in it.
    """
    text = text_of(path, encoding)
    check_tags(text.count("<"), "Open Screenplay Format")
    return _open_screenplay(text, "in an Open Screenplay Format document")


def _open_screenplay(text: str, place: str) -> Document:
    titles: list[str] = []
    found: list[Paragraph] = []
    for around, node in pull(in_parts(text), {"para", "info"}):
        if node.tag == "info":
            titles.append(attribute(node, "title"))
        elif "titlepage" in around:
            titles.append(_text(node))
        elif "paragraphs" in around:
            found.append(Paragraph(_kind(node), _text(node)))
    title = next((" ".join(title.split()) for title in titles if title.strip()), "")
    if not found:
        raise BrokenScript(
            "has no paragraphs of a script", "Save it again, or export it as .fdx or .fountain."
        )
    return typed(title, found, place)


def _kind(paragraph: Node) -> str:
    """Return the kind of a paragraph, by its base style or else its own style."""
    style = paragraph.find("style")
    if style is None:
        return ""
    names = (attribute(style, key) for key in ("basestylename", "basestyle", "name"))
    return next(filter(None, map(kind_of, names)), "")


def _text(paragraph: Node) -> str:
    return "".join(text for run in paragraph.iterfind("text") for text in run.itertext())


def read_celtx(path: Path, encoding: str | None) -> Document:
    """Return the script in a Celtx project, the longest if there are several.

    Raises:
        BrokenScript: it is damaged or far too large, has no script in it, or the libraries for documents are
            not installed.
    """
    with open_archive(path, "Celtx") as archive:
        pages = [name for name in archive.names if name.lower().endswith((".html", ".htm"))]
        scripts = [name for name in pages if name.rpartition("/")[2].startswith("script")] or pages
        read = [web_page.parse(archive.markup(name), encoding, "in a Celtx project") for name in scripts]
    longest = max(read, key=lambda document: len(document.paragraphs), default=None)
    if longest is None or not longest.paragraphs:
        raise BrokenScript(
            "is a Celtx project without a script in it", "Save it again, or export it as text."
        )
    return longest


def read_trelby(path: Path, encoding: str | None) -> Document:
    """Return the script in a Trelby file.

    Raises:
        BrokenScript: it is in an unknown version of the format, truncated, or far too large.
    """
    title = ""
    found: list[Paragraph] = []
    begun, kind = "", None
    is_config = False
    for line in lines_of(text_of(path, encoding)):
        if line.startswith("#"):
            is_config = line.startswith("#Begin-") or (is_config and not line.startswith("#End-"))
            title = title or _trelby_title(line)
        elif not is_config and len(line) > 1:
            joint, sign, text = line[0], line[1], line[2:]
            if joint not in _TRELBY_JOINTS and joint != _TRELBY_END:
                raise BrokenScript(
                    f"is not Trelby's: a line begins with “{joint}”",
                    "Export it from Trelby as Fountain or text.",
                )
            if kind is not None and kind != sign:
                found += _trelby_paragraph(kind, begun)
                begun = ""
            kind = sign
            begun += text + _TRELBY_JOINTS.get(joint, "")
            if joint == _TRELBY_END:
                found += _trelby_paragraph(kind, begun)
                begun, kind = "", None
    if kind is not None or not content_of(path).endswith(b"\n"):
        raise BrokenScript("breaks off in its last line", "Its end is missing: save or download it again.")
    return typed(title, found, "in a Trelby document")


def _trelby_title(line: str) -> str:
    title = _TRELBY_TITLE.match(line)
    return title["text"].replace("\\n", " ").strip() if title else ""


def _trelby_paragraph(sign: str, text: str) -> Iterator[Paragraph]:
    if sign != _TRELBY_NOTE:
        yield Paragraph(_TRELBY_KINDS.get(sign, ""), text)
