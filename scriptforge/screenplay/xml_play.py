"""Plays in XML: in the markup of the Text Encoding Initiative (TEI), or of Jon Bosak's Shakespeare.

    <sp who="#anna"><speaker>ANNA.</speaker>         <SPEECH><SPEAKER>ANNA</SPEAKER>
      <stage>aside</stage>                             <STAGEDIR>Aside</STAGEDIR>
      <l>O soup, O bowl,</l>                           <LINE>O soup, O bowl,</LINE>
    </sp>                                            </SPEECH>

Verse keeps its lines, and prose is one line. A stage direction that opens a speech or is inside one is put in
brackets; one that ends a speech becomes an action after it, as does one between speeches. Two who speak
together are `ANNA & BEN`. The heads of acts and scenes become headings. Cast lists, headers, notes, and front
and back matter are left out, but not speeches in these, such as a prologue.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile, zip_longest
from xml.etree.ElementTree import Element as Node

from scriptforge.screenplay.format import BrokenScript, Evidence, Format, Parsed, is_bracketed
from scriptforge.screenplay.script import Element
from scriptforge.screenplay.xml_stream import Found, pull, root

_TEI_ROOTS = frozenset({"tei", "tei.2", "teicorpus", "teicorpus.2"})
_BEGINNING = re.compile(r"\s*<(?:\?xml\s|!doctype\s)", re.IGNORECASE)
_SPEECH_TAG = re.compile(r"<(?:[\w.-]+:)?(?:sp|speech)[\s>]", re.IGNORECASE)

_SPEECHES = frozenset({"sp", "speech"})
_DIRECTIONS = frozenset({"stage", "stagedir"})
_HEADINGS = frozenset({"head", "title"})
_LINES = frozenset({"l", "line", "p", "ab", "lg", "head"})
_WANTED = _SPEECHES | _DIRECTIONS | _HEADINGS | _LINES
_LEFT_OUT = frozenset({
    "teiheader", "castlist", "titlepage", "set", "performance", "note", "fw", "rdg",
    "fm", "personae", "scndescr", "playsubt",
})  # fmt: skip
_AROUND_THE_PLAY = frozenset({"front", "back"})
_AROUND_TITLES = frozenset({"play", "titlestmt"})
_PREFERRED = frozenset({"corr", "reg", "expan"})
"""Tags of an editor's readings, which are preferred to those of the source."""

_WHITE_SPACE = re.compile(r"[ \t\n]+")
_SPEAKER_ENDS = " .,:"


def recognise(head: Sequence[str]) -> Evidence:
    """Look for TEI's root element and for speeches; claim other XML, too, so that `parse` rejects it."""
    name = root(head)
    speeches = sum(len(_SPEECH_TAG.findall(line)) for line in head) if name else 0
    if name in _TEI_ROOTS:
        return Evidence(1.0, "it is a TEI document")
    if speeches:
        return Evidence(1.0, f"it is XML, and {speeches:,} of its first {len(head):,} lines open a speech")
    if name != "finaldraft" and _BEGINNING.match(next(filter(str.strip, head), "")):
        return Evidence(1.0, "it is XML")
    return Evidence(0.0, "it does not begin as XML does")


def title(head: Sequence[str]) -> str:
    """Return the title in the header, or of the play; empty if the first lines have none."""
    try:
        for path, node in pull(head, {"title"}):
            words = _words(node)
            if words and node.tag == "title" and path and path[-1] in _AROUND_TITLES:
                return words
    except BrokenScript:
        pass  # `parse` reports errors; and the first lines are not a whole document
    return ""


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield an element for each speech, direction and heading, and for text that is none of these."""
    speeches = 0
    for found in _play(pull(lines, _WANTED, _LEFT_OUT)):
        speeches += found.element.tag in _SPEECHES
        yield from _parse_found(found)
    if not speeches:
        raise BrokenScript(
            "is XML in which nobody speaks",
            "Plays in XML have <sp> and <speaker>, or <SPEECH> and <SPEAKER>: convert it to one of these.",
        )


def _play(everything: Iterable[Found]) -> Iterator[Found]:
    """Yield the nodes of the play itself, and the speeches around it with their headings and directions.

    In front and back matter, a heading and directions are held until there is a speech under that heading:
    then it is a prologue or the like, and they belong to it. Otherwise the next heading drops them.
    """
    held: list[Found] = []
    somebody_speaks = False
    for found in everything:
        name = found.element.tag
        if _AROUND_THE_PLAY.isdisjoint(found.path):
            yield found
            held = []
            continue
        if name in _HEADINGS:
            held, somebody_speaks = [], False
        somebody_speaks = somebody_speaks or name in _SPEECHES
        if name in _SPEECHES | _DIRECTIONS | _HEADINGS:
            held.append(found)
        if somebody_speaks:
            yield from held
            held = []


def _parse_found(found: Found) -> Iterator[Parsed]:
    path, node = found
    if node.tag in _SPEECHES:
        yield from _parse_speech(node)
    elif node.tag in _DIRECTIONS:
        yield Parsed(Element("action", _words(node)))
    elif node.tag not in _HEADINGS:
        yield Parsed(Element("action", "\n".join(_lines(node))), recognised=False)
    elif not path or path[-1] not in _AROUND_TITLES:
        yield Parsed(Element("heading", _words(node)))


def _parse_speech(speech: Node) -> Iterator[Parsed]:
    speaker = _speaker(speech)
    parts = [part for part in _parts(speech) if part.tag != "speaker"]
    opening = list(takewhile(_is_direction, parts))
    rest = parts[len(opening) :]
    behind = len(list(takewhile(_is_direction, reversed(rest))))
    body = rest[: len(rest) - behind]
    said = "\n".join(line for part in body for line in _lines(part))
    text = " ".join([*map(_bracketed, opening), said]).strip()
    if text:
        yield Parsed(Element("dialogue", text, speaker), recognised=bool(speaker))
    else:
        yield Parsed(Element("action", speaker), recognised=False)
    for direction in rest[len(body) :]:
        yield Parsed(Element("action", _words(direction)))


def _speaker(speech: Node) -> str:
    """Return the speakers: the printed names without full stops, or else the identifiers in the markup."""
    printed = [_words(node).rstrip(_SPEAKER_ENDS) for node in speech.iterfind("speaker")]
    identifiers = [reference.rpartition("#")[2] for reference in speech.get("who", "").split()]
    return " & ".join(dict.fromkeys(filter(None, printed)) or identifiers)


def _parts(node: Node) -> Iterator[Node]:
    """Yield the children of a node, and the text between them as `p` nodes."""
    texts = (node.text, *(child.tail for child in node))
    for text, child in zip_longest(texts, node):
        if text and text.strip():
            prose = Node("p")
            prose.text = text
            yield prose
        if child is not None:
            yield child


def _is_direction(node: Node) -> bool:
    return node.tag in _DIRECTIONS


def _bracketed(direction: Node) -> str:
    words = _words(direction)
    return words if not words or is_bracketed(words) else f"({words})"


def _words(node: Node) -> str:
    """Return the text of a node on one line."""
    return " ".join(_text(node).split())


def _lines(node: Node) -> list[str]:
    """Return the lines of a node's text, stripped and without blank ones."""
    text = _bracketed(node) if _is_direction(node) else _text(node)
    return [words for line in text.split("\n") if (words := " ".join(line.split()))]


def _text(node: Node) -> str:
    """Return the text of a node, with a line feed before and after each line, and white space untidied."""
    if node.tag == "choice":
        readings = sorted(node, key=lambda reading: reading.tag not in _PREFERRED)
        return _text(readings[0]) if readings else ""
    texts = [_WHITE_SPACE.sub(" ", node.text or "")]
    for child in node:
        behind = _WHITE_SPACE.sub(" ", child.tail or "")
        if _is_direction(child):
            texts.append(f"\n{_bracketed(child)}\n" if node.tag == "lg" else f" {_bracketed(child)}")
            texts.append(" " if behind[:1].isalnum() else "")
        elif child.tag in _LINES:
            texts.append(f"\n{_text(child)}\n")
        elif child.tag == "lb":
            texts.append("\n" if node.tag == "ab" else " ")
        else:
            texts.append(_text(child))
        texts.append(behind)
    return "".join(texts)


FORMAT = Format("xml-play", "a play in XML, in TEI's markup or Bosak's", recognise, parse, title)
