"""One script, and the files in which writing programs and word processors keep it."""

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from scriptforge.screenplay.script import Element, Script

ELEMENTS = (
    Element("heading", "INT. TIN ROOF - NIGHT"),
    Element("action", "Rain on the tin roof. Nora listens."),
    Element("dialogue", "Is that the roof?", "NORA"),
    Element("dialogue", "(O.S.) (calling) It is only rain & wind.", "OSKAR"),
    Element("action", "He pulls the door shut."),
    Element("dialogue", "It sounded like a ladder.", "NORA"),
    Element("transition", "CUT TO:"),
    Element("heading", "EXT. YARD - DAWN"),
    Element("action", "Mud everywhere."),
    Element("dialogue", "The hens are gone.", "NORA"),
)
SCRIPT = Script.from_elements("Tin Roof", ELEMENTS)

PARAGRAPHS = (
    ("Scene Heading", "INT. TIN ROOF - NIGHT"),
    ("Action", "Rain on the tin roof. Nora listens."),
    ("Character", "NORA"),
    ("Dialogue", "Is that the roof?"),
    ("Character", "OSKAR (O.S.)"),
    ("Parenthetical", "(calling)"),
    ("Dialogue", "It is only rain & wind."),
    ("Action", "He pulls the door shut."),
    ("Character", "NORA (CONT'D)"),
    ("Dialogue", "It sounded like a ladder."),
    ("Transition", "CUT TO:"),
    ("Scene Heading", "EXT. YARD - DAWN"),
    ("Action", "Mud everywhere."),
    ("Character", "NORA"),
    ("Dialogue", "The hens are gone."),
)
"""The same script as paragraphs, under the names that most programs have for them."""

FOUNTAIN = """\
INT. TIN ROOF - NIGHT

Rain on the tin roof. Nora listens.

NORA
Is that the roof?

OSKAR (O.S.)
(calling)
It is only rain & wind.

He pulls the door shut.

NORA
It sounded like a ladder.

CUT TO:

EXT. YARD - DAWN

Mud everywhere.

NORA
The hens are gone.
"""


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    """Return a ZIP archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def with_member(whole: bytes, member: str, change: Callable[[bytes], bytes]) -> bytes:
    """Return a ZIP archive with one of its members changed."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return zipped({**members, member: change(members[member])})


def open_screenplay(attribute: str = "basestylename", title_page: bool = True) -> str:
    """Return the script in Open Screenplay Format, whose versions differ in an attribute."""
    body = "".join(
        f'<para><style {attribute}="{kind}"/><text>{escape(text[:4])}</text>'
        f'<text bold="1">{escape(text[4:])}</text></para>'
        for kind, text in PARAGRAPHS
    )
    title = (
        "<titlepage><para><style/><text>Tin Roof</text></para><para><text>by N. N.</text></para></titlepage>"
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<document type="Open Screenplay Format document" version="40"><info uuid="1"/>'
        f"<styles><style name='Action'/></styles><paragraphs>{body}"
        f"<para><style {attribute}='Action'/><text/></para></paragraphs>"
        f"{title if title_page else ''}</document>"
    )


def celtx() -> bytes:
    """Return a project of Celtx."""
    classes = {"Scene Heading": "sceneheading", "Dialogue": "dialog"}
    body = "\n".join(
        f'<p class="{classes.get(kind, kind.lower())}" id="x">{escape(text)}<br></p>'
        for kind, text in PARAGRAPHS
    )
    page = f"<html><head><title>Tin Roof</title></head><body>{body}</body></html>"
    return zipped(
        {"project.rdf": "<rdf/>", "local.rdf": "<rdf/>", "script-aB3.html": page, "notes.html": "<p>n</p>"}
    )


def trelby() -> str:
    """Return a document of Trelby, in which long paragraphs are wrapped."""
    signs = {"Scene Heading": "\\", "Action": ".", "Character": "_", "Dialogue": ":", "Parenthetical": "("}
    lines = [
        "#Version 3", "#Begin-Auto-Completion ", "_not a line", "#End-Auto-Completion ",
        "#Title-String 0.000000,80.000000,32,cb,Times,,Tin Roof", "#Start-Script ",
    ]  # fmt: skip
    for kind, text in PARAGRAPHS:
        sign = signs.get(kind, "/")
        first, space, rest = text.partition(" ")
        lines += [f">{sign}{first}", f".{sign}{rest}"] if space else [f".{sign}{text}"]
        lines += [".%a note"]
    return "\n".join(lines) + "\n"


def rich_text(paragraphs: Iterable[tuple[str, str]] = PARAGRAPHS, has_styles: bool = True) -> str:
    """Return the script as RTF, with the names of styles or with indents alone."""
    indents = {"Character": 3168, "Dialogue": 1440, "Parenthetical": 2304}
    names = list(dict.fromkeys(kind for kind, _ in paragraphs))
    sheet = "".join(f"{{\\s{number} {name};}}" for number, name in enumerate(names, start=1))
    body = ""
    for kind, text in paragraphs:
        style = f"\\s{names.index(kind) + 1}" if has_styles else ""
        above = 0 if kind in ("Dialogue", "Parenthetical") else 240
        text = text.replace("\\", "\\\\").replace("’", r"\u8217\'92")
        body += f"\\pard\\plain{style}\\li{indents.get(kind, 0)}\\sb{above} {text}\\par\n"
    return (
        r"{\rtf1\ansi\ansicpg1252\uc1{\fonttbl{\f0\fcharset0 Courier;}}{\info{\title Tin Roof}{\author N.}}"
        f"{{\\stylesheet{{\\s0 Normal;}}{sheet if has_styles else ''}}}{{\\*\\generator Word;}}"
        r"{\header Draft}{\pict\bin5 {{}{{}"
        f"{body}}}"
    )


_NAMESPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office", "style": "style", "text": "text", "table": "table", "draw": "drawing",
        "fo": "xsl-fo-compatible", "meta": "meta", "manifest": "manifest",
    }.items()
) + ' xmlns:dc="http://purl.org/dc/elements/1.1/"'  # fmt: skip
_TEXT_DOCUMENT = "application/vnd.oasis.opendocument.text"
MANIFEST = f"<manifest:manifest {_NAMESPACES}><manifest:file-entry manifest:full-path='content.xml'/>"


def open_document(body: str = "", has_styles: bool = True) -> bytes:
    """Return an OpenDocument text as LibreOffice saves it, of the script or of another body in its markup."""
    styles, automatic = _open_styles(has_styles)
    automatic = f"<office:automatic-styles>{automatic}</office:automatic-styles>"
    body = f"<office:body><office:text>{body or _open_body()}</office:text></office:body>"
    title = "<office:meta><dc:title>Tin Roof</dc:title></office:meta>"
    parts = {"styles": styles, "content": automatic + body, "meta": title}
    return zipped(
        {
            "mimetype": _TEXT_DOCUMENT,
            **{f"{name}.xml": _open_part(f"document-{name}", part) for name, part in parts.items()},
            "META-INF/manifest.xml": f"{MANIFEST}</manifest:manifest>",
        }
    )


def flat_open_document(body: str = "", has_styles: bool = True) -> str:
    """Return the same as one XML file."""
    with zipfile.ZipFile(io.BytesIO(open_document(body, has_styles))) as archive:
        parts = [archive.read(name).decode() for name in ("meta.xml", "styles.xml", "content.xml")]
    inner = "".join(part.partition(">")[2].partition(">")[2].rpartition("</")[0] for part in parts)
    return _open_part("document", inner, f' office:mimetype="{_TEXT_DOCUMENT}"')


def _open_part(root: str, inner: str, attribute: str = "") -> str:
    declared = '<?xml version="1.0" encoding="UTF-8"?>'
    return f"{declared}\n<office:{root} {_NAMESPACES}{attribute}>{inner}</office:{root}>"


def _open_styles(has_styles: bool) -> tuple[str, str]:
    """Return the named styles, and those of paragraphs that were formatted by hand."""
    indents = {"Character": "5.59cm", "Dialogue": "1in", "Parenthetical": "1.6in", "Transition": "324pt"}
    named = automatic = ""
    for number, kind in enumerate(dict.fromkeys(kind for kind, _ in PARAGRAPHS), start=1):
        identifier = kind.replace(" ", "_20_")
        above = "0cm" if kind in ("Dialogue", "Parenthetical") else "0.423cm"
        layout = (
            f'<style:paragraph-properties fo:margin-left="{indents.get(kind, "0cm")}" '
            f'fo:margin-top="{above}" fo:text-indent="0cm"/>'
        )
        named += (
            f'<style:style style:name="{identifier}" style:display-name="{kind}" style:family="paragraph" '
            f'style:parent-style-name="Standard">{layout}</style:style>'
        )
        parent = identifier if has_styles else "Standard"
        automatic += (
            f'<style:style style:name="P{number}" style:family="paragraph" '
            f'style:parent-style-name="{parent}">{layout}</style:style>'
        )
    standard = '<style:style style:name="Standard" style:family="paragraph" style:class="text"/>'
    footer = "<style:footer><text:p>page 1</text:p></style:footer>"
    masters = f"<office:master-styles><style:master-page>{footer}</style:master-page></office:master-styles>"
    return f"<office:styles>{standard}{named if has_styles else ''}</office:styles>{masters}", automatic


def _open_body() -> str:
    """Return the script in styles `P1` to `P6`, with what LibreOffice writes between and into paragraphs."""
    kinds = list(dict.fromkeys(kind for kind, _ in PARAGRAPHS))
    body = "<text:sequence-decls><text:sequence-decl/></text:sequence-decls>"
    for kind, text in PARAGRAPHS:
        first, space, rest = text.partition(" ")
        parts = f"<text:span>{escape(first)}</text:span>{space}<text:soft-page-break/>{escape(rest)}"
        body += f'<text:p text:style-name="P{kinds.index(kind) + 1}">{parts}</text:p>'
    return body


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
