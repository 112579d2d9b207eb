"""Writing Fountain: each element as screenwriters type it, marked only where it would be misread.

The writer asks the reader: what is written is read, and forced where something else comes of it. Beyond that
it keeps to what other programs read: plain are only headings, transitions and cues that Fountain's own
description knows.
"""

import re
from collections.abc import Iterator

from scriptforge.screenplay.formats.fountain.comments import FORCED_BLANK
from scriptforge.screenplay.formats.fountain.marks import escape
from scriptforge.screenplay.formats.fountain.reading import has_scene_number, is_parenthetical, parse
from scriptforge.screenplay.formats.signs import part_at_parentheticals, split_cue_extension
from scriptforge.screenplay.script import Element, Script, normalise

_PLAIN_HEADING = re.compile(r"(INT|EXT|EST|INT\.?/EXT|I/E)[. ]", re.IGNORECASE)
_PLAIN_CUE = re.compile(r"[A-Z][^a-z]*")


def write(script: Script) -> Iterator[str]:
    """Lays out a script; a heading without text is the number of its scene.

    Args:
        script: its elements in normal form.

    Yields:
        Lines without line ends.
    """
    page = _title_page(script.title)
    yield from page
    for number, paragraph in enumerate(_paragraphs(script)):
        would_be_title_page = number == 0 and ":" in paragraph[0]
        if page or number or would_be_title_page:
            yield ""
        yield from paragraph


def _title_page(title: str) -> list[str]:
    """The lines of the page; none where there is no title."""
    tidy = normalise(Element("heading", title))
    first, *others = [escape(line) for line in tidy.text.split("\n")] if tidy else [""]
    if others:
        return ["Title:", *(f"    {line}" for line in (first, *others))]
    return [f"Title: {first}"] if first else []


def _paragraphs(script: Script) -> Iterator[list[str]]:
    scene = 1
    for number, element in enumerate(script.elements):
        if element.kind == "heading":
            scene += number > 0
            yield [_heading(line, scene) for line in element.text.split("\n")]
        elif element.kind == "transition":
            yield [_transition(line) for line in element.text.split("\n")]
        elif element.kind == "action":
            yield _action(element)
        else:
            yield _speech(element)


def _heading(line: str, scene: int) -> str:
    """A line of a heading; one that has no text, or ends like the number of a scene, is given the scene's."""
    escaped = escape(line)
    if not line or has_scene_number(line):
        escaped = f"{escaped} #{scene}#".lstrip()
    if _PLAIN_HEADING.match(line) and _reads_as([escaped], Element("heading", line)):
        return escaped
    return f". {escaped}" if escaped.startswith(".") else f".{escaped}"


def _transition(line: str) -> str:
    plain = escape(line)
    if line.endswith(" TO:") and _reads_as([plain], Element("transition", line)):
        return plain
    return f"> {escape(line, '<$')}"


def _action(element: Element) -> list[str]:
    lines = [_line_of_action(line) for line in element.text.split("\n")]
    return lines if _reads_as(lines, element) else [f"!{lines[0]}", *lines[1:]]


def _line_of_action(line: str) -> str:
    plain = escape(line)
    return plain if _reads_as([plain], Element("action", line)) else f"!{plain}"


def _speech(element: Element) -> list[str]:
    """The first of the ways to write a cue that is read as what is meant; the last one always is."""
    for cue, text in _cues(element.speaker, element.text):
        paragraph = [cue, *_spoken(text)]
        if _reads_as(paragraph, element):
            break
    return paragraph


def _cues(speaker: str, text: str) -> Iterator[tuple[str, str]]:
    """Ways to write a cue and what is left to be said under it, the plainest first."""
    name = escape(speaker, r"\^$")
    marks = ("", "@") if _PLAIN_CUE.fullmatch(speaker) else ("@",)
    extension, rest = split_cue_extension(text)
    if extension:
        yield from ((f"{mark}{name} {extension}", rest) for mark in marks)
    yield from ((f"{mark}{name}", text) for mark in marks)


def _spoken(text: str) -> Iterator[str]:
    """The lines of a speech, each parenthetical in one of its own."""
    above = ""
    for line in text.split("\n"):
        first, *others = (part.text for part in part_at_parentheticals(line))
        if above and (is_parenthetical(above) or is_parenthetical(first)):
            yield FORCED_BLANK
        yield from (escape(part, "^~") for part in (first, *others))
        above = others[-1] if others else first


def _reads_as(paragraph: list[str], element: Element) -> bool:
    return [normalise(parsed.element) for parsed in parse(paragraph)] == [element]
