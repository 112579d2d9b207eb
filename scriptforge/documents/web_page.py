"""Scripts on web pages: typed text in `<pre>`, or paragraphs that begin with a name in bold.

    <pre>                         <p><b>NORA</b> Is that the roof?</p>
    <b>          NORA
    </b>     Is that the roof?    <p class="character">NORA</p><p class="dialogue">Is that the roof?</p>
    </pre>

If the classes of paragraphs name their kinds, as on our own pages and those of Celtx, these are used. Any
other page is laid out as lines, as in a browser, which are then read as those of a text file. Everything
around a script is removed: menus, forms, footers, blocks of links, notes and other boilerplate. A page
without dialogue is refused.

lxml tolerates malformed pages, as browsers do. General libraries for removing boilerplate (trafilatura,
jusText) take the short lines of dialogue for menus, so this module has its own rules.
"""

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scriptforge.characters import NOT_IN_XML
from scriptforge.documents import chat_page
from scriptforge.documents.document import Document, check_lines, content_of, lines_of, typed, unreadable
from scriptforge.screenplay.format import (
    BrokenScript,
    is_act_heading,
    is_in_capitals,
    is_name,
    is_scene_heading,
    is_transition,
)
from scriptforge.screenplay.formats import read as read_lines
from scriptforge.screenplay.paragraphs import CUE, DIALOGUE, Paragraph, kind_of
from scriptforge.screenplay.script import speaker_key

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_LEFT_OUT = frozenset({
    "script", "style", "noscript", "template", "head", "nav", "footer", "aside", "form", "button", "select",
    "input", "textarea", "iframe", "object", "embed", "svg", "canvas", "audio", "video", "map", "dialog",
    "menu",
})  # fmt: skip
_CONTENTLESS_ROLES = frozenset({"navigation", "banner", "contentinfo", "complementary", "search", "menu"})
_BOILERPLATE = re.compile(
    r"(?:^|[\W_])(?:nav(?:bar|box|igation|-menu)?|menu|foot(?:er)?|site-?header|mast-?head|side-?bar|bread-?crumbs?"
    r"|comments?|comment-?list|respond|share|sharing|social|related(?:-posts)?|advert\w*|ads?|banner|cookies?|toc"
    r"|table-of-contents|infobox|mw-editsection|editsection|catlinks|printfooter|siteSub|contentSub|jump-to-nav|reflist"
    r"|reference|newsletter|subscribe|pagination|pager|skip-link|promo|popup|modal|hatnote|noprint)(?:$|[\W_])",
    re.IGNORECASE,
)
_NAMING = re.compile(
    r"(?:^|[\W_])(?:speaker|character|cue|who|role|actor)(?:[\W_]?name)?(?:$|[\W_])", re.IGNORECASE
)
_BLOCKS = frozenset({
    "p", "div", "section", "article", "main", "header", "li", "ul", "ol", "dl", "dd", "table", "tr",
    "blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "center", "pre", "body", "figure", "figcaption",
    "address",
})  # fmt: skip
_CLOSE_BLOCKS = frozenset({"div", "li", "dd", "tr", "blockquote", "section"})
"""Blocks without a blank line around them."""

_CELLS = frozenset({"td", "th", "dt"})
_EMPHASIS = frozenset({"b", "strong", "em", "i", "u", "dt", "th"})
_MAIN = "//main | //*[@role='main'] | //article | //*[@id='mw-content-text' or @id='content' or @id='main']"
_MAIN_SHARE = 0.5
_MAX_LINKED = 0.6
_SPACES = re.compile(r"[ \t\r\n\f]+")
_DECLARABLE = re.compile(
    r"iso8859-(?!1$)\d+|cp\d+|koi8-\w|mac-\w+|shift_jis\w*|euc_\w+|iso2022_\w+|gb\w+|big5\w*|tis-620|johab|hz"
    r"|utf-(?:16|32)\S*"
)
"""Codecs whose declaration is trusted; a page declared as Latin-1, or wrongly as UTF-8, is Windows-1252."""


@dataclass(slots=True)
class _Line:
    """A line of text, in parts, of which the first `set_off` are formatted like a name."""

    parts: list[str] = field(default_factory=list)
    set_off: int = 0
    is_blank: bool = True

    def add(self, text: str, is_set_off: bool) -> None:
        if text:
            self.set_off += is_set_off and self.set_off == len(self.parts)
            self.parts.append(text)
            self.is_blank = self.is_blank and not text.strip()

    @property
    def text(self) -> str:
        return "".join(self.parts)

    @property
    def named(self) -> tuple[str, str]:
        """Return the speaker's name that is set off at the beginning, if any, and the text after it."""
        set_off = "".join(self.parts[: self.set_off]).strip()
        rest = self.text.strip()[len(set_off) :].strip()
        name = set_off.rstrip(" :：.–—-").strip()
        bare = name.partition("(")[0].strip()
        is_other = is_scene_heading(name) or is_act_heading(name) or is_transition(set_off)
        return (name, rest.lstrip(":： ")) if is_name(bare) and not is_other else ("", rest)


class _Layout:
    """Lays out a part of a page as lines, as a browser would, with an empty line between paragraphs."""

    def __init__(self) -> None:
        self.lines = [_Line()]

    def walk(self, top: "HtmlElement") -> list[_Line]:
        """Return the lines of an element and all its descendants, in document order."""
        # An explicit stack, because a page may be nested deeper than the recursion limit. Its entries are a
        # node, whether it is set off, whether it is in <pre>, and whether its descendants are done.
        stack = [(top, False, False, False)]
        while stack:
            node, is_set_off, is_kept, is_left = stack.pop()
            tag = node.tag
            if is_left:
                self._leave(tag)
                if node is not top:
                    self._add(node.tail, is_set_off, is_kept)
                continue
            stack.append((node, is_set_off, is_kept, True))
            if tag in _BLOCKS:
                self._break(blank=tag not in _CLOSE_BLOCKS)
            elif tag == "br":
                self._break(blank=self.lines[-1].is_blank)
            inside = is_set_off or _is_set_off(node), is_kept or tag == "pre"
            self._add(node.text, *inside)
            stack += [(child, *inside, False) for child in reversed(node)]
        return self.lines

    def _leave(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._break(blank=tag not in _CLOSE_BLOCKS)
        elif tag in _CELLS:
            self._add(" ", is_set_off=False, is_kept=False)

    def _add(self, text: str | None, is_set_off: bool, is_kept: bool) -> None:
        first, *others = (text or "").splitlines() or [""] if is_kept else [_SPACES.sub(" ", text or "")]
        line = self.lines[-1]
        line.add(first if line.parts or is_kept else first.lstrip(" "), is_set_off)
        for other in others:
            self.lines.append(_Line())
            self.lines[-1].add(other, is_set_off=False)

    def _break(self, blank: bool) -> None:
        """Begin a new line unless the current one is empty; if `blank`, leave an empty line before it."""
        if not self.lines[-1].is_blank:
            self.lines.append(_Line())
        if blank and len(self.lines) > 1 and self.lines[-2].parts:
            self.lines.append(_Line())


def _is_set_off(node: "HtmlElement") -> bool:
    """Return whether an element's text is set off like a name: by emphasis, by class, or in a first cell."""
    if node.tag == "td":
        before, after = node.getprevious(), node.getnext()
        return before is None and after is not None and after.tag == "td" and after.getnext() is None
    return node.tag in _EMPHASIS or _NAMING.search(node.get("class", "")) is not None


def read(path: Path, encoding: str | None) -> Document:
    """Return the script on a web page.

    Raises:
        BrokenScript: it has no dialogue or no text, is too large, or the libraries for documents are not
            installed.
    """
    document = parse(content_of(path), encoding, "on a web page")
    if not document.paragraphs and not any(each.kind == "dialogue" for each in read_lines(document.lines)):
        raise BrokenScript(
            "is a web page on which nobody speaks",
            "Copy the script out of it into a .txt file, if there is one.",
        )
    return document


def parse(content: bytes, encoding: str | None, place: str) -> Document:
    """Return the script on a page.

    Args:
        content: the bytes of the page.
        encoding: the codec that the user gave; None detects it.
        place: as in `Document`.

    Raises:
        BrokenScript: it has no text or far too many lines, or the libraries for documents are not installed.
    """
    page = _page(content, encoding)
    check_lines(_typed_out(page))
    if messages := chat_page.read(page):
        return replace(typed("", messages, "in a chat on a web page"), format="chat")
    title = _title(page)
    _cut_boilerplate(page)
    found = list(_classed(page))
    is_ours = found and page.xpath("//main[@class='script'] | //article[@class='script']")
    if is_ours or {CUE, DIALOGUE} <= {each.kind for each in found}:
        return typed(_own_title(page), found, place)
    body = _main(page)
    typed_out = _typed_out(body)
    if sum(map(len, typed_out)) > _MAIN_SHARE * len(body.text_content()):
        return Document(title, (), lines_of("\n".join(typed_out)), place)
    for heading in [*body.iter("h1")]:
        _drop(heading)
    return Document(title, (), _named_lines(_Layout().walk(body)), place)


def _page(content: bytes, encoding: str | None) -> "HtmlElement":
    try:
        from lxml import etree, html
    except ImportError:
        raise unreadable("HTML") from None
    try:
        text = content.decode(encoding or "utf-8-sig", errors="replace" if encoding else "strict")
    except UnicodeDecodeError:
        declared = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else _declared(content)
        text = content.decode(declared, errors="replace")
    # Decoded here, since the parser knows fewer encodings than Python.
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True)
    try:
        page = html.document_fromstring(NOT_IN_XML.sub("", text.replace("\f", "\n")).encode(), parser=parser)
    except (etree.ParserError, ValueError):
        raise BrokenScript("is a web page without text", "Give a page with a script on it.") from None
    return page


def _declared(content: bytes) -> str:
    """Return the encoding that a page declares, if it is trusted; else Windows-1252, as on most old pages."""
    found = re.search(rb"charset\s*=\s*[\"']?([\w.:-]{1,40})", content[:4096], re.IGNORECASE)
    name = found[1].decode() if found else "windows-1252"
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        return "windows-1252"
    return codec if _DECLARABLE.fullmatch(codec) else "windows-1252"


def _title(page: "HtmlElement") -> str:
    """Return the first `<h1>`, or else the page's `<title>` without the name of the site."""
    for path in ("//h1", "//title"):
        for found in page.xpath(path):
            text = " ".join(found.text_content().split())
            if text:
                return re.split(r"\s+[|–—·-]\s+", text)[0] if path == "//title" else text
    return ""


def _own_title(page: "HtmlElement") -> str:
    return next((" ".join(each.text_content().split()) for each in page.iter("h1")), "")


def _cut_boilerplate(page: "HtmlElement") -> None:
    whole = len(page.text_content())
    linked = _linked(page)
    for each in linked:
        tag = each.tag
        words = f"{each.get('class', '')} {each.get('id', '')}"
        is_around = tag in ("html", "body", "main", "article", "pre") or each.getparent() is None
        if is_around or not (
            tag in _LEFT_OUT
            or each.get("role", "").lower() in _CONTENTLESS_ROLES
            or each.get("aria-hidden") == "true"
            or (words.strip() and _BOILERPLATE.search(words))
            or _is_linked(each, linked[each])
        ):
            continue
        # A block with such a name that holds most of the text is the content after all.
        if tag in ("script", "style", "head") or len(each.text_content()) < _MAIN_SHARE * whole:
            _drop(each)


def _drop(node: "HtmlElement") -> None:
    """Empty an element but leave it in place: removing it would copy the text around it each time."""
    node.clear(keep_tail=True)
    node.tag = "span"


def _linked(page: "HtmlElement") -> "dict[HtmlElement, int]":
    """Return the elements of a page in order, each with the number of characters of the links in it."""
    linked = dict.fromkeys(page.iter("*"), 0)
    for node in reversed(linked):
        if node.tag == "a":
            linked[node] += len(node.text_content().strip())
        if node is not page:
            linked[node.getparent()] += linked[node]
    return linked


def _is_linked(node: "HtmlElement", linked: int) -> bool:
    """Return whether a block consists mostly of links, of so many characters."""
    if node.tag not in ("p", "li", "ul", "ol", "div", "td", "table", "center"):
        return False
    return linked > 0 and linked > _MAX_LINKED * len(node.text_content().strip()) > 0


def _classed(page: "HtmlElement") -> Iterator[Paragraph]:
    """Yield the paragraphs whose class names their kind, and an empty heading for scenes without one."""
    for each in page.iter("p", "h2", "h3", "div", "section"):
        if each.tag == "section":
            is_headless = each.get("class") == "scene" and each.find("h2") is None
            before = each.getprevious()
            if is_headless and (len(each) == 0 or (before is not None and before.tag == "section")):
                yield Paragraph("heading", "")
            continue
        kinds = (kind_of(name) for name in each.get("class", "").split())
        kind = next(filter(None, kinds), "")
        is_inner = not any(inner.tag in _BLOCKS for inner in each.iterdescendants("*"))
        if kind and is_inner:
            yield Paragraph(kind, "\n".join(line.text.strip() for line in _Layout().walk(each)))


def _main(page: "HtmlElement") -> "HtmlElement":
    """Return the smallest element marked as main content that holds most of the text, else the body."""
    body = next(page.iter("body"), page)
    whole = len(body.text_content())
    parts = [part for part in body.xpath(_MAIN) if len(part.text_content()) > _MAIN_SHARE * whole]
    return min(parts, key=lambda part: len(part.text_content()), default=body)


def _typed_out(part: "HtmlElement") -> list[str]:
    """Return the texts in which a part of a page keeps lines and spaces as they are."""
    return [pre.text_content() for pre in part.xpath("descendant-or-self::pre[not(ancestor::pre)]")]


def _named_lines(lines: Sequence[_Line]) -> list[str]:
    """Return lines as text, with names that are set off as `NAME: text`, even from a line of their own.

    Words in bold are not always speakers. A name that occurs twice or is in capitals counts as one; the
    others count only if more than half of all occurrences are of such names.
    """
    names = [name for name, _ in (line.named for line in lines) if name]
    counts = Counter(map(speaker_key, names))
    sure = {name for name in names if counts[speaker_key(name)] > 1 or is_in_capitals(name)}
    speakers = set(names) if 2 * sum(name in sure for name in names) > len(names) else sure
    laid_out: list[str] = []
    waiting = ""
    for line in lines:
        name, rest = line.named
        if name in speakers and rest:
            laid_out.append(f"{name}: {rest}")
            waiting = ""
        elif name in speakers:
            waiting = name
        elif waiting and line.text.strip():
            laid_out.append(f"{waiting}: {line.text.strip()}")
            waiting = ""
        elif not waiting:
            laid_out.append(line.text.strip())
    return laid_out
