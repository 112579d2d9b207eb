"""Final Draft's files, `.fdx`: XML in which every paragraph says what it is.

    <Paragraph Type="Character"><Text>ANNA (O.S.)</Text></Paragraph>
    <Paragraph Type="Parenthetical"><Text>(softly)</Text></Paragraph>
    <Paragraph Type="Dialogue"><Text>Tea</Text><Text Style="Italic">, now?</Text></Paragraph>

A cue and what is said under it are one element: a parenthetical is joined by spaces to what is around it,
`(O.S.) (softly) Tea, now?`, other paragraphs by line breaks. Two who speak at once speak one after the other.
Notes, summaries and omitted scenes are left out. As in `name_line`, the writer reads back what it has
written, and writes the speech more plainly if the result is another element.

Other readers take only the first `Text` of a paragraph, skip dual dialogue and the title page, and hold the
whole file in memory.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element as Node
from xml.sax.saxutils import escape

from scriptforge.screenplay.format import (
    BrokenScript,
    Evidence,
    Format,
    Parsed,
    Part,
    is_bracketed,
    join_speech,
    peek,
    split_at_parentheticals,
    split_cue_extension,
)
from scriptforge.screenplay.script import Element, Kind, Script, normalise, strip_lines
from scriptforge.screenplay.xml_stream import pull, root

TITLE_WITHIN = 200_000
"""Lines. The title page comes after the script; this is five times the length of a long film."""

_ROOT = "finaldraft"
_CONTENT = (_ROOT, "content")
_LEFT_OUT = frozenset({"scriptnote", "sceneproperties", "omittedscene", "headerandfooter"})

_CUE, _PARENTHETICAL = "character", "parenthetical"
_SPOKEN = frozenset({_PARENTHETICAL, "dialogue", "lyrics", "singing"})
_KINDS: dict[str, Kind] = {
    "scene heading": "heading",
    "new act": "heading",
    "transition": "transition",
    "action": "action",
    "general": "action",
    "shot": "action",
    "cast list": "action",
    "end of act": "action",
}
_PAGE_ARTEFACT = re.compile(r"\((?:more|continued)\)", re.IGNORECASE)

_TYPES: dict[Kind, str] = {"heading": "Scene Heading", "action": "Action", "transition": "Transition"}


class _Paragraph(NamedTuple):
    """The `Type` of a paragraph, in lower case and empty where it has none, and the text of all its runs."""

    type: str
    text: str


def recognise(head: Sequence[str]) -> Evidence:
    """Check the name of the outermost element."""
    if root(head) == _ROOT:
        return Evidence(1.0, "it is a Final Draft document")
    return Evidence(0.0, "there is no <FinalDraft> at its beginning")


def title(head: Sequence[str]) -> str:
    """Return the first paragraph on the title page that is not blank; empty where there is none."""
    try:
        for path, node in pull(_from_title_page(head), {"paragraph"}, _LEFT_OUT):
            words = _text(node).split()
            if words and path and path[0] == "titlepage":
                return " ".join(words)
    except BrokenScript:
        pass  # `parse` reports where; and the text from the title page on is not a whole document
    return ""


def _from_title_page(lines: Iterable[str]) -> Iterator[str]:
    """Yield the text from the title page on. Text inside XML cannot look like its tag: `<` is escaped."""
    rest = iter(lines)
    for line in rest:
        _, tag, behind = line.partition("<TitlePage")
        if tag:
            yield tag + behind
            yield from rest


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield an element for each speech and each other paragraph."""
    head, lines = peek(lines)
    name = root(head)
    if name not in (_ROOT, ""):
        raise BrokenScript(
            f"is not Final Draft's XML: it begins with <{name}>", "Export it from Final Draft as .fdx anew."
        )
    for run in _runs(_paragraphs(lines)):
        yield _parse_run(run)


def _paragraphs(lines: Iterable[str]) -> Iterator[_Paragraph]:
    """Yield the paragraphs of the script itself, those of dual dialogue one after the other."""
    for path, node in pull(lines, {"paragraph"}, _LEFT_OUT):
        if path[:2] != _CONTENT or node.tag != "paragraph":
            continue
        for one in [node, *node.iterfind("dualdialogue/paragraph")]:
            paragraph = _Paragraph(one.get("Type", "").lower(), _text(one))
            is_wrapper = not paragraph.text and one.find("dualdialogue") is not None
            if not is_wrapper:
                yield paragraph


def _text(node: Node) -> str:
    """Return the text of all runs of a paragraph, whatever their style."""
    return "".join(text for run in node.iterfind("text") for text in run.itertext())


def _runs(paragraphs: Iterable[_Paragraph]) -> Iterator[list[_Paragraph]]:
    """Gather a cue and everything that is said under it; any other paragraph is alone."""
    run: list[_Paragraph] = []
    for paragraph in paragraphs:
        if run and not (run[0].type == _CUE and paragraph.type in _SPOKEN):
            yield run
            run = []
        run.append(paragraph)
    if run:
        yield run


def _parse_run(run: Sequence[_Paragraph]) -> Parsed:
    first, *spoken = run
    if spoken:
        parts = (part for part in map(_part, spoken) if part.text)
        return Parsed(Element("dialogue", join_speech(parts), first.text))
    kind = _KINDS.get(first.type)
    return Parsed(Element(kind or "action", first.text), understood=kind is not None)


def _part(paragraph: _Paragraph) -> Part:
    """Strip a paragraph, and make a parenthetical one line in brackets, or empty if it is `(MORE)`."""
    text = paragraph.text.strip()
    is_parenthetical = paragraph.type == _PARENTHETICAL
    if is_parenthetical and text:
        text = " ".join(text.split())
        text = text if is_bracketed(text) else f"({text})"
        text = "" if _PAGE_ARTEFACT.fullmatch(text) else text
    return Part(text, is_parenthetical)


def write(script: Script) -> Iterator[str]:
    """Lay out a script as a Final Draft document."""
    yield '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>'
    yield '<FinalDraft DocumentType="Script" Template="No" Version="5">'
    yield "  <Content>"
    for element in script.elements:
        for paragraph in _lay_out(element):
            yield from _render(paragraph.text, f'Type="{paragraph.type}"')
    yield "  </Content>"
    title = " ".join(strip_lines(script.title).split())
    if title:
        yield from ("  <TitlePage>", "  <Content>")
        yield from _render(title, 'Alignment="Center"')
        yield from ("  </Content>", "  </TitlePage>")
    yield "</FinalDraft>"


def _render(text: str, attributes: str) -> list[str]:
    return f"    <Paragraph {attributes}><Text>{escape(text)}</Text></Paragraph>".split("\n")


def _lay_out(element: Element) -> list[_Paragraph]:
    """Return paragraphs that read back as the element, with parentheticals in their own if possible."""
    if element.kind != "dialogue":
        return [_Paragraph(_TYPES[element.kind], element.text)]
    paragraphs = list(_lay_out_speech(element.speaker, element.text))
    read_back = _parse_run([paragraph._replace(type=paragraph.type.lower()) for paragraph in paragraphs])
    if normalise(read_back.element) == element:
        return paragraphs
    return [_Paragraph("Character", element.speaker), _Paragraph("Dialogue", element.text)]


def _lay_out_speech(speaker: str, text: str) -> Iterator[_Paragraph]:
    extension, said = split_cue_extension(text)
    yield _Paragraph("Character", f"{speaker} {extension}".rstrip())
    for part in split_at_parentheticals(said):
        yield _Paragraph("Parenthetical" if part.is_parenthetical else "Dialogue", part.text)


FORMAT = Format("fdx", "Final Draft's XML", recognise, parse, title, TITLE_WITHIN, ".fdx")
