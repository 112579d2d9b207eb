"""Final Draft's files, `.fdx`: XML in which every paragraph is labelled with its type.

    <Paragraph Type="Character"><Text>ANNA (O.S.)</Text></Paragraph>
    <Paragraph Type="Parenthetical"><Text>(softly)</Text></Paragraph>
    <Paragraph Type="Dialogue"><Text>Tea</Text><Text Style="Italic">, now?</Text></Paragraph>

A cue and the paragraphs spoken under it are one element, see `paragraphs`. Dual dialogue becomes one speech
after the other. Notes, summaries and omitted scenes are left out.

Other readers take only the first `Text` of a paragraph, skip dual dialogue and the title page, and hold the
whole file in memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from xml.etree.ElementTree import Element as Node
from xml.sax.saxutils import escape

from scriptforge.screenplay import paragraphs
from scriptforge.screenplay.format import BrokenScript, Evidence, Format, Parsed, peek
from scriptforge.screenplay.paragraphs import Paragraph, kind_of
from scriptforge.screenplay.script import Script, strip_lines
from scriptforge.screenplay.xml_stream import pull, root

TITLE_WITHIN = 200_000
"""In lines. The title page comes after the script; this is five times the length of a long film."""

_ROOT = "finaldraft"
_CONTENT = (_ROOT, "content")
_LEFT_OUT = frozenset({"scriptnote", "sceneproperties", "omittedscene", "headerandfooter"})

_TYPES = {
    "heading": "Scene Heading",
    "action": "Action",
    "transition": "Transition",
    paragraphs.CUE: "Character",
    paragraphs.PARENTHETICAL: "Parenthetical",
    paragraphs.DIALOGUE: "Dialogue",
}


def recognise(head: Sequence[str]) -> Evidence:
    """Check the name of the root element."""
    if root(head) == _ROOT:
        return Evidence(1.0, "it is a Final Draft document")
    return Evidence(0.0, "there is no <FinalDraft> at its beginning")


def title(head: Sequence[str]) -> str:
    """Return the first paragraph on the title page that is not blank; empty if there is none."""
    try:
        for path, node in pull(_from_title_page(head), {"paragraph"}, _LEFT_OUT):
            words = _text(node).split()
            if words and path and path[0] == "titlepage":
                return " ".join(words)
    except BrokenScript:
        pass  # `parse` reports errors; and the text from the title page on is not a whole document
    return ""


def _from_title_page(lines: Iterable[str]) -> Iterator[str]:
    """Yield the text from the title page on. Text inside XML cannot look like its tag: `<` is escaped."""
    rest = iter(lines)
    for line in rest:
        _, tag, behind = line.partition("<TitlePage")
        if tag:
            yield type(line)(tag + behind)
            yield from rest


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield an element for each speech and each other paragraph."""
    head, lines = peek(lines)
    name = root(head)
    if name not in (_ROOT, ""):
        raise BrokenScript(
            f"is not Final Draft's XML: it begins with <{name}>", "Export it from Final Draft as .fdx again."
        )
    yield from paragraphs.parse(_paragraphs(lines))


def _paragraphs(lines: Iterable[str]) -> Iterator[Paragraph]:
    """Yield the paragraphs of the script itself, those of dual dialogue one speech after the other."""
    for path, node in pull(lines, {"paragraph"}, _LEFT_OUT):
        if path[:2] != _CONTENT or node.tag != "paragraph":
            continue
        for one in [node, *node.iterfind("dualdialogue/paragraph")]:
            paragraph = Paragraph(kind_of(one.get("Type", "")), _text(one))
            is_wrapper = not paragraph.text and one.find("dualdialogue") is not None
            if not is_wrapper:
                yield paragraph


def _text(node: Node) -> str:
    """Return the text of all runs of a paragraph, whatever their style."""
    return "".join(text for run in node.iterfind("text") for text in run.itertext())


def write(script: Script) -> Iterator[str]:
    """Lay out a script as a Final Draft document."""
    yield '<?xml version="1.0" encoding="UTF-8" standalone="no" ?>'
    yield '<FinalDraft DocumentType="Script" Template="No" Version="5">'
    yield "  <Content>"
    for element in script.elements:
        for paragraph in paragraphs.lay_out(element):
            yield from _render(paragraph.text, f'Type="{_TYPES[paragraph.kind]}"')
    yield "  </Content>"
    title = " ".join(strip_lines(script.title).split())
    if title:
        yield from ("  <TitlePage>", "  <Content>")
        yield from _render(title, 'Alignment="Center"')
        yield from ("  </Content>", "  </TitlePage>")
    yield "</FinalDraft>"


def _render(text: str, attributes: str) -> list[str]:
    return f"    <Paragraph {attributes}><Text>{escape(text)}</Text></Paragraph>".split("\n")


FORMAT = Format("fdx", "Final Draft's XML", recognise, parse, title, TITLE_WITHIN, (".fdx",))
