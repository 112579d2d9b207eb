"""Reading Fountain: comments are cut from the lines, lines gathered to paragraphs, and paragraphs parsed.

What a paragraph is does not depend on those around it, but for the title page, which comes first.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from scriptforge.screenplay.formats.format import Evidence, Format, Parsed, percentage
from scriptforge.screenplay.formats.fountain.comments import FORCED_BLANK, without_boneyards, without_notes
from scriptforge.screenplay.formats.fountain.marks import set_aside, without_marks
from scriptforge.screenplay.formats.signs import is_act_heading, is_scene_heading, is_transition
from scriptforge.screenplay.script import Element, normalise

_KEY = re.compile(r"[^\W\d_][\w -]{0,40}:")
_TITLE_PAGE_KEY = re.compile(r"(title|credit|authors?|source|notes|draft date|date|contact|copyright):", re.I)
_SCENE_NUMBER = re.compile(r"[\w.-]+")
_FORCING = ("!", ".", ">", "#", "=", "~")
_DROPPED = re.compile(r"#|=(?!=)|={3,}$")
_LONGEST_PARAGRAPH = 1_000_000
"""Characters. A text without blank lines is taken apart here, so that it never fills the memory."""


def recognise(head: Sequence[str]) -> Evidence:
    """Weighs how many paragraphs are scene headings, cued dialogue or transitions."""
    paragraphs = list(_paragraphs(head))
    firsts = [paragraph[0].strip() for paragraph in paragraphs]
    headings = sum(len(paragraph) == 1 and is_scene_heading(paragraph[0].strip()) for paragraph in paragraphs)
    speeches = sum(
        _is_speech(paragraph) and not is_act_heading(paragraph[0].strip()) for paragraph in paragraphs
    )
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
    """The title on the title page, on one line; empty where there is no such page."""
    page = next(_paragraphs(head), [])
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
            words.append(without_marks(value.strip()))
    return " ".join(words).strip()


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yields the elements of each paragraph; the title page is left to `title`."""
    for number, paragraph in enumerate(_paragraphs(lines)):
        if number > 0 or not _is_title_page(paragraph):
            yield from map(Parsed, _parse_paragraph([line.strip() for line in paragraph]))


def is_parenthetical(line: str) -> bool:
    """Whether a line of dialogue, stripped and without marks, says how the others are said."""
    return line.startswith("(") and line.endswith(")")


def has_scene_number(heading: str) -> bool:
    """Whether a stripped heading ends in what is taken for the number of the scene."""
    return len(_without_scene_number(heading)) < len(heading)


def _paragraphs(lines: Iterable[str]) -> Iterator[list[str]]:
    """The runs of lines between blank lines, without comments and with escaped signs set aside."""
    paragraph: list[str] = []
    size = 0
    is_speech = False
    for line in without_notes(map(set_aside, without_boneyards(lines))):
        is_blank = not line.strip()
        is_end = is_blank and not (is_speech and line == FORCED_BLANK)
        if paragraph and (is_end or size > _LONGEST_PARAGRAPH):
            yield paragraph
            paragraph, size, is_speech = [], 0, False
        if paragraph or not is_blank:
            paragraph.append(line)
            size += len(line)
            if len(paragraph) == 2:
                is_speech = _is_speech(paragraph)
    if paragraph:
        yield paragraph


def _is_title_page(paragraph: Sequence[str]) -> bool:
    return (
        bool(paragraph)
        and _KEY.match(paragraph[0]) is not None
        and any(map(_TITLE_PAGE_KEY.match, paragraph))
    )


def _is_speech(paragraph: Sequence[str]) -> bool:
    return len(paragraph) > 1 and _cue(paragraph[0].strip()) != ""


def _cue(line: str) -> str:
    """The cue on a stripped line, without its marks; empty where the line is no cue."""
    marked = line.removesuffix("^").strip()
    if marked.startswith("@"):
        return without_marks(marked[1:]).strip()
    cue = without_marks(marked)
    is_in_capitals = cue.partition("(")[0].strip().isupper()
    is_other = marked.startswith(_FORCING) or cue.endswith(":") or is_scene_heading(cue) or is_transition(cue)
    return cue if is_in_capitals and not is_other else ""


def _parse_paragraph(paragraph: Sequence[str]) -> Iterator[Element]:
    if _is_speech(paragraph):
        cue, spoken = _cue(paragraph[0]), _join_speech(paragraph[1:])
        speech = Element("dialogue", spoken, cue)
        yield speech if normalise(speech) else Element("action", cue)
        return
    for kind, elements in groupby(map(_parse_line, paragraph), key=attrgetter("kind")):
        yield Element(kind, "\n".join(element.text for element in elements))


def _join_speech(lines: Iterable[str]) -> str:
    joined: list[str] = []
    above = ""
    for printed in lines:
        line = without_marks(printed.removeprefix("~").strip())
        is_aside = line and above and (is_parenthetical(line) or is_parenthetical(above))
        joined += [" " if is_aside else "\n", line]
        above = line
    return "".join(joined)


def _parse_line(line: str) -> Element:
    """What a stripped line outside dialogue is; one that is dropped is action without text."""
    if _DROPPED.match(line):
        return Element("action", "")
    mark, forced = line[0], without_marks(line[1:]).strip()
    if mark == ">" and line.endswith("<"):
        return Element("action", without_marks(line[1:-1]))
    if mark == ">":
        return Element("transition", forced)
    if mark in "!~@":
        return Element("action", forced)
    if mark == "." and not line.startswith(".."):
        return Element("heading", _without_scene_number(forced))
    text = without_marks(line)
    if is_scene_heading(text):
        return Element("heading", _without_scene_number(text))
    return Element("transition" if is_transition(text) else "action", text)


def _without_scene_number(heading: str) -> str:
    if not heading.endswith("#"):
        return heading
    text, sign, number = heading[:-1].rpartition("#")
    return text.rstrip() if sign and _SCENE_NUMBER.fullmatch(number) else heading


FORMAT = Format(
    "fountain", "Fountain, the plain-text markup of screenplays", recognise, parse, title, suffix=".fountain"
)
