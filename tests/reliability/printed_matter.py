"""H, injections into files: what scripts, names and configs hold is text in every file that is written.

Each text is brought into pages of HTML, pictures, PDF, Word, Final Draft and the other formats of scripts,
and into the cards of models. Another program then reads the file: a parser of HTML, of XML or of Markdown,
PDFium, python-docx. It must find the text as text, and nothing that acts.
"""

import json
import math
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise, product
from pathlib import Path
from xml.etree import ElementTree

import docx
import pypdfium2
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from pypdfium2 import raw
from support.campaign import Part

from reliability.furnished import copied, furnish
from reliability.injected import strangers_config
from reliability.payloads import ALL, DEVICES, EVERYTHING
from scriptforge.characters import UNSAFE, shown
from scriptforge.copying import Index, Line, examine
from scriptforge.copying.view import render_page
from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import find_source
from scriptforge.documents.kinds import write
from scriptforge.evaluation.picture import draw_profile
from scriptforge.evaluation.profile import Figure, Profile
from scriptforge.hub.push import build_payload, build_space_payload
from scriptforge.run.history import Validation
from scriptforge.run.run import Run
from scriptforge.screenplay.script import Element, Script, normalise, strip_lines
from scriptforge.serve.files import ExportRequest, write_file
from scriptforge.training_runs.curves import draw_curves
from scriptforge.workspace import RunFolder

_HELD = "A toll bridge."
_HTML_TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "article", "header", "h1", "h2", "section",
    "div", "p", "br", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "mark", "span",
}  # fmt: skip
_HTML_ATTRIBUTES = frozenset(("class", "dir", "charset", "http-equiv", "content", "name", "lang", "title"))
_FDX_TAGS = {"FinalDraft", "Content", "Paragraph", "Text", "TitlePage"}
_SVG_TAGS = {
    "svg", "metadata", "RDF", "Work", "type", "format", "style", "defs", "g", "path", "text", "tspan",
    "title", "rect", "circle", "use", "clipPath",
}  # fmt: skip
_WORD_ACTS = ("hyperlink", "instrText", "fldSimple", "object", "altChunk")
_CARD_KEYS = {
    "library_name", "pipeline_tag", "tags", "model-index", "datasets", "base_model",
    "title", "sdk", "app_file", "models",
}  # fmt: skip


def script_of(text: str) -> Script:
    """Return a script that has a text in every place, as its reader would have it."""
    elements = (
        Element("heading", f"INT. {text}"),
        Element("action", _HELD),
        Element("action", text),
        Element("dialogue", f"({text}) Tea? {text}", text),
        Element("transition", text),
    )
    kept = (found for each in elements if (found := normalise(each)) is not None)
    return Script.from_elements(strip_lines(text), kept)


class _Page(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.tags.add("!--")

    def unknown_decl(self, data: str) -> None:
        self.tags.add("![")


def _web_page(page: str) -> str | None:
    found = _Page(page)
    if odd := (found.tags - _HTML_TAGS) | (found.attributes - _HTML_ATTRIBUTES):
        return f"a page has {sorted(odd)}"
    if "Content-Security-Policy" not in page:
        return "a page has no policy"
    return _unsafe(page)


def _unsafe(text: str) -> str | None:
    """Return what steers in a text, direction marks aside: they turn nothing by themselves."""
    found = UNSAFE.search(re.sub("[\u061c\u200e\u200f]", "", text))
    return f"U+{ord(found[0]):04X} in {text[max(0, found.start() - 30) : found.end()]!r}" if found else None


def html(text: str, furnished: Path) -> Iterator[str | None]:
    """Yield what is wrong with a script, several, and a report on originality as pages."""
    script = script_of(text)
    yield _web_page(write([script], "html").decode())
    yield _web_page(write([script, script], "html").decode())
    lines = [Line(0, text, 1, "dialogue", text, f"{text} one two three four five six seven eight nine")]
    yield _web_page(render_page(examine(lines, Index(lines)), text, [(text, text), (text, text)]))


def svg(text: str, furnished: Path) -> Iterator[str | None]:
    """Yield what is wrong with the pictures of curves and of a profile whose run has this name."""
    seen = Validation(10, 1.0, 3.0, 4.0, 4.2, math.exp(4.2), 1.0, 1.5, is_best=True)
    yield _picture(draw_curves(text, [seen]), text)
    figure = Figure(people=0.03, low=0.01, high=0.06, model=0.26, auc=1.0)
    figures = {"same_speaker_again": figure}
    profile = Profile(lines=150, words=1000, people_pages=40, model_pages=32, figures=figures)
    yield _picture(draw_profile(profile, text), text)


def _picture(drawn: str, name: str) -> str | None:
    try:
        nodes = list(ElementTree.fromstring(drawn).iter())
    except ElementTree.ParseError as error:
        return f"a picture is no XML: {error}"
    if odd := {node.tag.rpartition("}")[2] for node in nodes} - _SVG_TAGS:
        return f"a picture has {sorted(odd)}"
    names = {name.rpartition("}")[2]: value for node in nodes for name, value in node.attrib.items()}
    if acting := [name for name in names if name.startswith("on")]:
        return f"a picture has {acting}"
    links = [node.get("{http://www.w3.org/1999/xlink}href", "#") for node in nodes]
    if leading := [link for link in links if not link.startswith("#")]:
        return f"a picture leads to {leading}"
    if _letters(shown(name)) not in _letters("".join(nodes[0].itertext())):
        return "a picture lacks its name"
    return _unsafe(drawn)


def _letters(text: str) -> str:
    return re.sub(r"\W", "", text)


def pdf(text: str, furnished: Path) -> Iterator[str | None]:
    """Yield what is wrong with a printed script."""
    script = script_of(text)
    document = pypdfium2.PdfDocument(write([script], "pdf"))
    pages = list(document)
    said = "".join(page.get_textpage().get_text_range() for page in pages)
    letters = _letters("".join(_spoken(script)))
    if raw.FPDFDoc_GetJavaScriptActionCount(document) or raw.FPDFDoc_GetAttachmentCount(document):
        yield "a PDF has a script or an attachment"
    elif sum(raw.FPDFPage_GetAnnotCount(page) for page in pages):
        yield "a PDF has a link"
    elif letters not in _letters(said):
        yield f"a PDF says {said!r}"
    else:
        yield _unsafe(str(document.get_metadata_dict().get("Title", "")))


def word(text: str, furnished: Path) -> Iterator[str | None]:
    """Yield what is wrong with a document of Word."""
    script = script_of(text)
    content = write([script], "docx")
    with zipfile.ZipFile(BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    for name, part in parts.items():
        if name.endswith((".xml", ".rels")):
            try:
                nodes = list(ElementTree.fromstring(part).iter())
            except ElementTree.ParseError as error:
                yield f"{name} is no XML: {error}"
                return
            tags = {node.tag.rpartition("}")[2] for node in nodes}
            external = [node.get("Target") for node in nodes if node.get("TargetMode") == "External"]
            yield f"{name} has {external or tags}" if external or tags & set(_WORD_ACTS) else None
    said = "\n".join(each.text for each in docx.Document(BytesIO(content)).paragraphs)
    yield None if all(line in said for line in _spoken(script)) else f"a document says {said!r}"


def _spoken(script: Script) -> list[str]:
    return [each.text for each in script.elements if each.kind == "action"]


def _read_back(format: str) -> "Check":
    """Return what writes a script in a format, reads it, and compares."""

    def check(text: str, furnished: Path) -> Iterator[str | None]:
        script = script_of(text)
        content = write([script], format)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"a.{format}"
            path.write_bytes(content)
            rows = list(parse(fetch(find_source(str(path), Cards({}, {}))), False, Parsing()))
        found = [row.element for row in rows]
        yield None if found == list(script.elements) else f"{format} reads as {found}"
        steering = re.sub("[\u202a-\u202e\u2066-\u2069]", "", content.decode())
        yield _unsafe(steering)  # what turns text is a letter of the script, and stays in files for programs

    return check


def final_draft(text: str, furnished: Path) -> Iterator[str | None]:
    """Yield what is wrong with a document of Final Draft."""
    nodes = list(ElementTree.fromstring(write([script_of(text)], "fdx")).iter())
    odd = {node.tag for node in nodes} - _FDX_TAGS
    yield f"a document has {odd}" if odd else None
    yield from _read_back("fdx")(text, furnished)


def cards(text: str, furnished: Path) -> Iterator[str | None]:
    """Yield what is wrong with the cards of a model whose config says this, and of one whose tokens do."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "play"
        shutil.copytree(furnished / "runs" / "play", path)
        config = path / "config.json"
        told = strangers_config(json.loads(config.read_text(encoding="utf-8")), text)
        config.write_text(json.dumps(told), encoding="utf-8")
        run = Run(RunFolder(path))
        yield _card(build_payload(run, "eve/zoo").card)
        yield _card(build_space_payload(run, "eve/zoo").card)
    with tempfile.TemporaryDirectory() as folder:
        workspace = copied(furnished, Path(folder) / "workspace")
        path = workspace / "runs" / "play"
        told = json.loads((path / "tokenizer.json").read_text(encoding="utf-8"))
        first = 1 + max(each["id"] for each in told["added_tokens"])
        told["model"]["vocab"] = {
            f"{text}{id_}" if id_ >= first and id_ % 2 else each: id_
            for each, id_ in told["model"]["vocab"].items()
        }
        (path / "tokenizer.json").write_text(json.dumps(told), encoding="utf-8")
        yield _card(build_payload(Run(RunFolder(path)), "eve/zoo").card)


def _card(card: str) -> str | None:
    """Return what acts in a card: a key that is not ours, HTML, or a link that leads elsewhere."""
    _, front, body = card.split("---\n", 2)
    keys = set(re.findall(r"^([\w-]+):", front, re.MULTILINE))
    if odd := keys - _CARD_KEYS:
        return f"a card has the keys {sorted(odd)}"
    ModelCard(card)
    blocks = MarkdownIt("commonmark").parse(body)
    tokens = [each for block in blocks for each in (block, *(block.children or ()))]
    if acting := [each.content for each in tokens if each.type.startswith("html") or each.type == "image"]:
        return f"a card has {acting}"
    links = [str(each.attrs["href"]) for each in tokens if each.type == "link_open"]
    if leading := [link for link in links if not link.startswith("https://huggingface.co/")]:
        return f"a card leads to {leading}"
    headings = [after.content for each, after in pairwise(tokens) if each.tag == "h1"]
    if any("PWN" in heading for heading in headings):
        return f"a card has the headings {headings}"
    return _unsafe(card)


def names(text: str, furnished: Path) -> Iterator[str | None]:
    """Yield what is wrong with the names of files that a draft or a script of this title is written to."""
    for title in (text, *DEVICES):
        _, _, name = write_file(ExportRequest(title=title[:400], elements=[]), "txt")
        is_fine = re.fullmatch(r"[A-Za-z0-9 ._()'-]+\.txt", name) and not re.match(
            r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", name, re.IGNORECASE
        )
        yield None if is_fine else f"{title!r} is written to {name!r}"


Check = Callable[[str, Path], Iterator[str | None]]
KINDS: Mapping[str, Check] = {
    "pages of HTML": html,
    "pictures in SVG": svg,
    "PDF": pdf,
    "Word": word,
    "Final Draft": final_draft,
    "Fountain": _read_back("fountain"),
    "text": _read_back("txt"),
    "JSON": _read_back("json"),
    "cards": cards,
    "names of files": names,
}
"""Each kind of file, and what yields whatever is wrong with those of a text."""


def attack(furnished: Path, kinds: Sequence[str], texts: Sequence[str] = ()) -> list[Part]:
    """Bring each text, by default all of them, into each kind of file."""
    parts = []
    for kind in kinds:
        part = Part(f"files, {kind}")
        parts.append(part)
        for text in texts or (EVERYTHING, *ALL.values()):
            try:
                for problem in KINDS[kind](text, furnished):
                    part.count(problem and f"{text!r}: {problem}"[:400])
            except Exception as error:
                part.count(f"{text!r}: {type(error).__name__}: {error}"[:400])
    return parts


def long_attack(most: int | None = None) -> list[Part]:
    """Bring every text, alone and before each other one, into every kind of file, or so many of these."""
    single = [EVERYTHING, *ALL.values()]
    texts = [*single, *(f"{first} {second}" for first, second in product(single, single))][:most]
    with tempfile.TemporaryDirectory(prefix="files-") as folder:
        furnished = furnish(Path(folder) / "furnished")
        others = attack(furnished, [kind for kind in KINDS if kind != "cards"], texts)
        return [*others, *attack(furnished, ["cards"], single[:most])]
