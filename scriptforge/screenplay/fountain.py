r"""Fountain, the plain-text markup of screenplays, read and written.

    Title: Tea for Two

    INT. KITCHEN - DAY #1A#         a heading; the scene number is between number signs
    .THE KETTLE                     a heading, whatever it looks like
    Steam *rises*.                  action; emphasis is `*italic*` `**bold**` `***both***` `_underlined_`
    !INT. is short for it.          action, whatever it looks like
    > THE END <                     action, centred
    ~ La, la.                       lyrics: action, or in dialogue a part of the speech
    ANNA (O.S.)                     a cue, if there is a line below it; `ANNA ^` marks dual dialogue
    @McCLANE                        a cue, whatever it looks like
    (softly)                        in dialogue a parenthetical, joined to its neighbours by spaces
    CUT TO:                         a transition
    > Later                         a transition, whatever it looks like
    \*  \_  \[  \~  \^  \<          the character itself, where it would be a mark

Blank lines separate elements. Lines of one kind without a blank line between them are one element of several
lines; a line of two spaces is a blank one that does not end a speech. Boneyards `/* */`, notes `[[ ]]`,
sections `#`, synopses `=`, page breaks `===`, scene numbers, everything but the title on the title page, and
all marks are read and dropped.

Reading has three steps: comments are cut from the lines, lines are grouped into paragraphs, and paragraphs
are parsed. Paragraphs are parsed independently of each other, except for the title page, which comes first.

Writing lays out each element as screenwriters type it, with a mark only if it would be misread otherwise. To
find out, the writer reads back its own output, and adds the mark if the result is a different element; so the
rules are in one place, the reader. Headings, transitions and cues also get a mark unless they are as
Fountain's specification describes them, since other programs may recognise no others.

No library reads Fountain correctly: screenplain puts headings in capitals and does not support lyrics,
screenplay-tools leaves emphasis in the text and takes `ÉLODIE` for action, jouvence never returns from an
unclosed boneyard.

Source: https://fountain.io/syntax
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from scriptforge.screenplay.format import (
    Evidence,
    Format,
    Parsed,
    Part,
    blocks,
    is_act_heading,
    is_cue_in_capitals,
    is_name,
    is_scene_heading,
    is_transition,
    join_speech,
    name_in_cue,
    percentage,
    split_at_parentheticals,
    split_cue_extension,
)
from scriptforge.screenplay.fountain_markup import (
    FORCED_BLANK,
    escape,
    mask_escapes,
    without_boneyards,
    without_marks,
    without_notes,
)
from scriptforge.screenplay.name_line import parse_line_cached
from scriptforge.screenplay.script import Element, Script, cached, normalise, strip_lines

PAGE_BREAK = "==="
"""Separates two scripts in one file; a reader skips it."""

_LINES_TO_BELIEVE = 12
"""Number of lines of a paragraph with a cue that count in the score; further ones may be anything."""

_MAX_INDENT_OF_A_CUE = 3
_MIN_SPEECHES_OF_A_LIST = 3
_SCORE_OF_A_LIST = 0.1
_KEY = re.compile(r"[^\W\d_][\w -]{0,40}:")
_TITLE_PAGE_KEY = re.compile(r"(title|credit|authors?|source|notes|draft date|date|contact|copyright):", re.I)
_SCENE_NUMBER = re.compile(r"[\w.-]+")
_FORCING = ("!", ".", ">", "#", "=", "~")
_NOT_FORCED = re.compile(r"\.(?:\.|\s+\w)")
"""Leading dots that do not make a heading: several of them, or one with a space between it and the text."""

_DUAL = re.compile(r"(?<!\s)\s*\^\s*(?=\(|$)")
_DROPPED = re.compile(r"#|=(?!=)|={3,}$")
_PLAIN_HEADING = re.compile(r"(INT|EXT|EST|INT\.?/EXT|I/E)[. ]", re.IGNORECASE)
_PLAIN_CUE = re.compile(r"[A-Z][^a-z]*")
"""Headings and cues that need no mark according to Fountain's specification."""


def recognise(head: Sequence[str]) -> Evidence:
    """Score a text by its lines that are scene headings, dialogue with cues, or transitions."""
    paragraphs = list(_paragraphs(head))
    inner = Counter(line.strip() for paragraph in paragraphs for line in paragraph[1:-1])
    again = frozenset(line for line, count in inner.items() if count > 1 and is_cue_in_capitals(line))
    speeches = [paragraph for paragraph in paragraphs if _looks_like_speech(paragraph, again)]
    others = [line.strip() for paragraph in paragraphs if paragraph not in speeches for line in paragraph]
    headings = sum(map(is_scene_heading, others))
    transitions = sum(map(is_transition, others))
    explained = headings + transitions + sum(min(len(each), _LINES_TO_BELIEVE) for each in speeches)
    share = explained / max(sum(map(len, paragraphs)), 1)
    if title(head):
        return Evidence(max(share, 0.8), "it opens with a title page")
    names = {_cue(paragraph[0].strip()) for paragraph in speeches}
    if not headings and _MIN_SPEECHES_OF_A_LIST <= len(speeches) == len(names):
        return Evidence(_SCORE_OF_A_LIST, "it has no scene headings, and no name is above two paragraphs")
    reason = (
        f"{percentage(len(speeches), len(paragraphs))} of {len(paragraphs):,} paragraphs are a cue and its "
        f"dialogue, and {headings} are scene headings"
    )
    return Evidence(max(share, 0.5) if headings and speeches else share, reason)


def _looks_like_speech(paragraph: Sequence[str], again: frozenset[str]) -> bool:
    """Return whether a paragraph is a cue at the left and its speech, and does not fit another layout.

    Args:
        paragraph: its lines.
        again: names in capitals that recur inside paragraphs: cues of a layout without blank lines.
    """
    cue, spoken = paragraph[0], [line.strip() for line in paragraph[1:]]
    is_at_left = bool(spoken) and _indent(cue) <= _indent(paragraph[1]) + _MAX_INDENT_OF_A_CUE
    is_name_line = any(
        parse_line_cached(line).element.kind in ("dialogue", "heading") for line in spoken if line
    )
    return (
        _is_speech(paragraph)
        and is_at_left
        and is_name(name_in_cue(_cue(cue.strip())))
        and not is_act_heading(cue.strip())
        and not is_name_line
        and again.isdisjoint(spoken)
    )


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def title(head: Sequence[str]) -> str:
    """Return the title from the title page, on one line; empty if there is no such page."""
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
    """Yield the elements of each paragraph, without the title page, which `title` reads."""
    for number, paragraph in enumerate(_paragraphs(lines)):
        if number > 0 or not _is_title_page(paragraph):
            yield from map(Parsed, _parse_paragraph([line.strip() for line in paragraph]))


def _is_parenthetical(line: str) -> bool:
    """Return whether a line of dialogue, stripped and without marks, is a parenthetical."""
    return line.startswith("(") and line.endswith(")")


def _paragraphs(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the runs of lines between blank lines, comments cut and escapes replaced by `mask_escapes`."""
    return blocks(without_notes(map(mask_escapes, without_boneyards(lines))), _Ends())


class _Ends:
    """The `ends` of `blocks`: a blank line ends a paragraph, unless it is forced and inside a speech.

    The speech is remembered, so that its cue is parsed once, not at every forced blank line.
    """

    def __init__(self) -> None:
        self._speech: Sequence[str] | None = None

    def __call__(self, paragraph: Sequence[str], blank: str) -> bool:
        if blank != FORCED_BLANK:
            return True
        if paragraph is not self._speech and _is_speech(paragraph):
            self._speech = paragraph
        return paragraph is not self._speech


def _is_title_page(paragraph: Sequence[str]) -> bool:
    return (
        bool(paragraph)
        and _KEY.match(paragraph[0]) is not None
        and any(map(_TITLE_PAGE_KEY.match, paragraph))
    )


def _is_speech(paragraph: Sequence[str]) -> bool:
    return len(paragraph) > 1 and _cue(paragraph[0].strip()) != ""


@cached
def _cue(line: str) -> str:
    """Return the cue on a stripped line, without its marks; empty if the line is not a cue."""
    marked = _DUAL.sub(" ", line, count=1).strip()
    if marked.startswith("@"):
        return without_marks(marked[1:]).strip()
    cue = without_marks(marked)
    is_in_capitals = cue.partition("(")[0].strip().isupper()
    is_other = marked.startswith(_FORCING) or cue.endswith(":") or is_scene_heading(cue) or is_transition(cue)
    return cue if is_in_capitals and not is_other else ""


def _parse_paragraph(paragraph: Sequence[str]) -> Iterator[Element]:
    if _is_speech(paragraph):
        cue = _cue(paragraph[0])
        spoken = [without_marks(line.removeprefix("~").strip()) for line in paragraph[1:]]
        asides = [*map(_is_parenthetical, spoken)]
        text = join_speech(map(Part, spoken, asides)) if any(asides) else "\n".join(spoken)
        speech = Element("dialogue", text, cue)
        yield speech if text[:1].isalnum() or normalise(speech) else Element("action", cue)
        return
    if len(paragraph) == 1:
        yield _parse_line(paragraph[0])
        return
    for kind, elements in groupby(map(_parse_line, paragraph), key=attrgetter("kind")):
        yield Element(kind, "\n".join(element.text for element in elements))


def _parse_line(line: str) -> Element:
    """Return the element on a stripped line outside dialogue: action without text if the line is dropped."""
    if _DROPPED.match(line):
        return Element("action", "")
    mark, forced = line[0], without_marks(line[1:]).strip()
    if mark == ">" and line.endswith("<"):
        return Element("action", without_marks(line[1:-1]))
    if mark == ">":
        return Element("transition", forced)
    if mark in "!~@":
        return Element("action", forced)
    if mark == "." and not _NOT_FORCED.match(line):
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
    "fountain",
    "Fountain, the plain-text markup of screenplays",
    recognise,
    parse,
    title,
    suffixes=(".fountain",),
)


def write(script: Script) -> Iterator[str]:
    """Lay out a script; a heading without text is written as the number of its scene."""
    page = _title_page(script.title)
    yield from page
    for number, paragraph in enumerate(_written_paragraphs(script)):
        would_be_title_page = number == 0 and ":" in paragraph[0]
        if page or number or would_be_title_page:
            yield ""
        yield from paragraph


def _title_page(title: str) -> list[str]:
    """Return the lines of the title page; none if there is no title."""
    first, *others = map(escape, strip_lines(title).split("\n"))
    if others:
        return ["Title:", *(f"    {line}" for line in (first, *others))]
    return [f"Title: {first}"] if first else []


def _written_paragraphs(script: Script) -> Iterator[list[str]]:
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
    """Return a line of a heading as it is written.

    A heading without text gets a scene number, since Fountain has no other form for it. So does one that ends
    like a scene number, `ROOM #5#`: the reader then drops the added number instead of the end of the text.
    """
    escaped = escape(line)
    if not line or _without_scene_number(line) != line:
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
    """Return a speech as lines, its cue in the first form that reads back correctly; the last always does."""
    for cue, text in _cues(element.speaker, element.text):
        paragraph = [cue, *_spoken(text)]
        if _reads_as(paragraph, element):
            break
    return paragraph


def _cues(speaker: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield the forms of a cue, the plainest first, each with the text that is left for the lines below."""
    name = escape(speaker, r"\^(?=\s*(?:\(|$))")
    marks = ("", "@") if _PLAIN_CUE.fullmatch(speaker) else ("@",)
    extension, rest = split_cue_extension(text)
    if extension:
        yield from ((f"{mark}{name} {extension}", rest) for mark in marks)
    yield from ((f"{mark}{name}", text) for mark in marks)


def _spoken(text: str) -> Iterator[str]:
    """Yield the lines of a speech, each parenthetical on a line of its own."""
    above = ""
    for line in text.split("\n"):
        first, *others = (part.text for part in split_at_parentheticals(line))
        if above and (_is_parenthetical(above) or _is_parenthetical(first)):
            yield FORCED_BLANK
        yield from (escape(part, "^~") for part in (first, *others))
        above = others[-1] if others else first


def _reads_as(paragraph: list[str], element: Element) -> bool:
    return [normalise(parsed.element) for parsed in parse(paragraph)] == [element]
