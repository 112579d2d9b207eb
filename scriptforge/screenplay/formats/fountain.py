"""Fountain, the plain-text markup of screenplays: a first part of it.

Understood are the title page, scene headings, action, cues with their extensions, parentheticals, dialogue,
transitions, centred text, and the marks that force a kind (`.` `!` `@` `>`). Dropped are boneyards `/* */`,
notes `[[ ]]`, sections `#`, synopses `=` and page breaks `===`. Emphasis and scene numbers stay in the text.

A text passes through three stages, one function each: comments are cut from the lines, lines gathered to
paragraphs, and paragraphs parsed.

Source: https://fountain.io/syntax
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from scriptforge.screenplay.formats.format import Evidence, Format, Parsed, percentage
from scriptforge.screenplay.formats.signs import blocks, is_scene_heading, is_transition
from scriptforge.screenplay.script import Element

_TITLE_PAGE_KEY = re.compile(r"(title|credit|authors?|source|notes|draft date|date|contact|copyright):", re.I)
_FORCED_BLANK = "  "
"""Two spaces alone on a line keep dialogue together where a blank line would end it."""


def recognise(head: Sequence[str]) -> Evidence:
    """Weighs how many paragraphs are scene headings, cued dialogue or transitions."""
    paragraphs = list(_paragraphs(head))
    firsts = [paragraph[0].strip() for paragraph in paragraphs]
    headings = sum(len(paragraph) == 1 and is_scene_heading(paragraph[0].strip()) for paragraph in paragraphs)
    speeches = sum(_is_speech(paragraph) for paragraph in paragraphs)
    transitions = sum(map(is_transition, firsts))
    share = (headings + speeches + transitions) / max(len(paragraphs), 1)
    if title(head):
        return Evidence(max(share, 0.8), "it opens with a title page")
    reason = (
        f"{percentage(speeches, len(paragraphs))} of {len(paragraphs):,} paragraphs are a cue and its "
        f"dialogue, and {headings} are scene headings"
    )
    return Evidence(max(share, 0.5) if headings and speeches else share, reason)


def title(head: Sequence[str]) -> str:
    """The title on the title page; empty where there is no such page."""
    page = next(blocks(head), [])
    if not _is_title_page(page):
        return ""
    words: list[str] = []
    under_title = False
    for line in page:
        key, colon, value = line.partition(":")
        if not line[0].isspace() and colon:
            under_title = key.strip().casefold() == "title"
        else:
            value = line
        if under_title:
            words.append(value.strip(" \t*_"))
    return " ".join(words).strip()


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yields the elements of each paragraph; the title page is left to `title`."""
    for number, paragraph in enumerate(_paragraphs(_without_boneyards(lines))):
        if number == 0 and _is_title_page(paragraph):
            continue
        text = _cut("\n".join(paragraph), "[[", "]]").strip()
        if text:
            yield from map(Parsed, _parse_paragraph(text.split("\n")))


def _without_boneyards(lines: Iterable[str]) -> Iterator[str]:
    """The lines without what stands between `/*` and `*/`; a boneyard that never ends is text."""
    held: list[str] = []
    for line in lines:
        if "/*" not in line and not held:
            yield line
            continue
        held.append(line)
        if len(held) > 1 and "*/" not in line:
            continue
        text = _cut("\n".join(held), "/*", "*/")
        held = [text] if "/*" in text else []
        if text.strip() and not held:
            yield from text.split("\n")
    yield from "\n".join(held).splitlines()


def _cut(text: str, opening: str, closing: str) -> str:
    """The text without every stretch from an opening to the next closing."""
    kept: list[str] = []
    position = 0
    while (start := text.find(opening, position)) >= 0:
        end = text.find(closing, start + len(opening))
        if end < 0:
            break
        kept.append(text[position:start])
        position = end + len(closing)
    return "".join([*kept, text[position:]])


def _paragraphs(lines: Iterable[str]) -> Iterator[list[str]]:
    """The runs of lines between blank lines; two spaces are no blank line inside dialogue."""
    paragraph: list[str] = []
    for line in lines:
        if line.strip() or (line.startswith(_FORCED_BLANK) and _is_speech(paragraph)):
            paragraph.append(line)
        elif paragraph:
            yield paragraph
            paragraph = []
    if paragraph:
        yield paragraph


def _is_title_page(paragraph: Sequence[str]) -> bool:
    return bool(paragraph) and _TITLE_PAGE_KEY.match(paragraph[0]) is not None


def _is_speech(paragraph: Sequence[str]) -> bool:
    return len(paragraph) > 1 and _cue(paragraph[0].strip()) != ""


def _cue(line: str) -> str:
    """The cue on a stripped line, without its marks; empty where the line is no cue."""
    cue = line.removesuffix("^").strip()
    if cue.startswith("@"):
        return cue[1:].strip()
    in_capitals = cue.partition("(")[0].strip().isupper()
    is_other = cue.startswith(("!", ".", ">", "#", "=")) or cue.endswith(":") or is_scene_heading(cue)
    return cue if in_capitals and not is_other and not is_transition(cue) else ""


def _parse_paragraph(paragraph: Sequence[str]) -> Iterator[Element]:
    if _is_speech(paragraph):
        spoken = " ".join(line.strip() or "\n" for line in paragraph[1:])
        yield Element("dialogue", spoken, _cue(paragraph[0].strip()))
        return
    for kind, elements in groupby(map(_parse_line, paragraph), key=attrgetter("kind")):
        if kind == "action":
            yield Element("action", "\n".join(element.text for element in elements))
        else:
            yield from elements


def _parse_line(printed: str) -> Element:
    """What a line outside dialogue is; one that is dropped is action without text."""
    line = printed.strip()
    if line.startswith("!"):
        return Element("action", line[1:])
    if line.startswith(("#", "=")):
        return Element("action", "")
    if line.startswith(">"):
        is_centred = len(line) > 1 and line.endswith("<")
        return Element("action", line[1:-1]) if is_centred else Element("transition", line[1:])
    if line.startswith(".") and not line.startswith(".."):
        return Element("heading", line[1:])
    if is_scene_heading(line):
        return Element("heading", line)
    return Element("transition" if is_transition(line) else "action", line)


FORMAT = Format("fountain", "Fountain, the plain-text markup of screenplays", recognise, parse, title)
