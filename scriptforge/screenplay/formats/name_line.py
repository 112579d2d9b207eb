"""One element a line, `name: text`: how transcripts are kept, and the layout that we write ourselves.

    INT. DINER - NIGHT              a scene heading as screenplays write it; also `[setting: diner]`
    jerry: text                     dialogue; the name may be `Uncle Leo` or `Uncle_Leo`
    jerry (aside): text             dialogue whose text is `(aside) text`
    (he leaves)                     action; so is every other line
    CUT TO:                         transition
        four spaces                 one more line of the element above
    !text  .text  >text  @name: t   action, heading, transition, dialogue, whatever they look like

Blank lines part elements; more of them than usual part scenes. `parse_line` is the whole grammar of a line.
What is written is marked only where it would read back as something else; to know that, writing asks
`parse_line`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from scriptforge.screenplay.formats.format import Evidence, Format, Parsed, peek, percentage
from scriptforge.screenplay.formats.signs import is_bracketed, is_name, is_scene_heading, is_transition
from scriptforge.screenplay.script import Element, Kind, Script, normalise

CONTINUATION = "    "
"""What opens a further line of an element."""

MARKS: dict[Kind, str] = {"action": "!", "heading": ".", "transition": ">", "dialogue": "@"}
"""What forces a line to be of a kind; all but the dialogue's are Fountain's own, and that one nearly so."""

_KINDS_BY_MARK = {mark: kind for kind, mark in MARKS.items()}
_CUE = re.compile(r"([^:：()]{1,60})(\([^()]{1,200}\))?\s?[:：](?!//)(?=.)")
_FORCED_CUE = re.compile(r"([^:：]+)[:：](?=.)")
_TIME_OF_DAY = re.compile(r"\d[:：]\s?[0-5]\d(?!\d)")
_PLACE = re.compile(r"(\[)?(?:setting|location|scene|cut to)\s?:(?P<place>.+?)(?(1)\]\.?)", re.IGNORECASE)


def parse_line(line: str) -> Parsed:
    """What one line is, whatever surrounds it.

    Args:
        line: a line that is not blank, without white space around it.
    """
    forced = _parse_forced(line)
    if forced:
        return Parsed(forced)
    if is_scene_heading(line):
        return Parsed(Element("heading", line))
    place = _PLACE.fullmatch(line)
    if place:
        return Parsed(Element("heading", place["place"]))
    if is_bracketed(line):
        return Parsed(Element("action", line))
    if is_transition(line):
        return Parsed(Element("transition", line))
    cue = _CUE.match(line)
    if cue and is_name(cue[1].strip()) and not _TIME_OF_DAY.match(line, cue.end() - 2):
        return Parsed(Element("dialogue", line[cue.end() :], line[: cue.end() - 1]))
    return Parsed(Element("action", line), understood=False)


def _parse_forced(line: str) -> Element | None:
    kind, text = _KINDS_BY_MARK.get(line[0]), line[1:]
    if kind == "dialogue":
        cue = _FORCED_CUE.match(text)
        return Element("dialogue", text[cue.end() :], cue[1]) if cue else None
    if kind == "heading":
        return None if text.startswith(".") else Element("heading", text)
    return Element(kind, text) if kind and text else None


def recognise(head: Sequence[str]) -> Evidence:
    """Weighs how many of the lines the grammar knows, if there is dialogue among them."""
    parsed = [parse_line(lines[0]) for _, lines in _gaps_and_lines(head)]
    cues = [element.speaker for element, _ in parsed if element.kind == "dialogue"]
    joined_by_underscores = sum("_" in cue for cue in cues) > len(cues) / 2
    looks = "`Full_Name: text`" if joined_by_underscores else "`name: text`"
    reason = f"{percentage(len(cues), len(parsed))} of {len(parsed):,} lines are {looks}"
    understood = sum(item.understood for item in parsed)
    return Evidence(understood / len(parsed) if cues else 0.0, reason)


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yields an element for each line, and a heading without text where a bigger gap parts scenes."""
    head, lines = peek(lines)
    usual_gap = _usual_gap(head)
    for gap, (first, *more) in _gaps_and_lines(lines):
        parsed = parse_line(first)
        element = parsed.element
        if gap > usual_gap and element.kind != "heading":
            yield Parsed(Element("heading", ""))
        if more:
            text = "\n".join([element.text, *more])
            parsed = Parsed(Element(element.kind, text, element.speaker), parsed.understood)
        yield parsed


def _usual_gap(head: Sequence[str]) -> int:
    """How many blank lines part two elements of one scene at most."""
    gaps = Counter(gap for gap, _ in _gaps_and_lines(head))
    return max(1, gaps.most_common(1)[0][0]) if gaps else 1


def _gaps_and_lines(lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The lines of each element, stripped, and how many blank lines part it from the one before."""
    element: list[str] = []
    gap = blank = 0
    goes_on = False
    for line in lines:
        text = line.strip()
        if not text:
            blank += 1
        elif goes_on and not blank and line.startswith(CONTINUATION):
            element.append(text)
        else:
            if element:
                yield gap, element
                gap = blank
            element, blank = [text], 0
            goes_on = not line.startswith(CONTINUATION)
    if element:
        yield gap, element


def write(elements: Iterable[Element]) -> Iterator[str]:
    """Lays out elements in normal form.

    Args:
        elements: a script, or as much of it as has come so far.

    Yields:
        Lines without line ends; a heading has a blank line before it, except at the very start.
    """
    for number, element in enumerate(elements):
        if number and element.kind == "heading":
            yield ""
        yield from render_line(element).split("\n")


def write_script(script: Script) -> Iterator[str]:
    """Lays out a script, whose title has no place here."""
    yield from write(script.elements)


def render_line(element: Element) -> str:
    """One element as it is written, without the blank line before a heading and without a line end.

    Each line break in the text starts another line, indented by four spaces.
    """
    first, *more = element.text.split("\n")
    return f"\n{CONTINUATION}".join([_render_first_line(element, first), *more])


def rendered_length(element: Element) -> int:
    """How many characters the element adds to a script: its lines, their ends, a heading's blank line."""
    return len(render_line(element)) + (2 if element.kind == "heading" else 1)


def _render_first_line(element: Element, text: str) -> str:
    plain = f"{element.speaker}: {text}" if element.kind == "dialogue" else text
    wanted = Element(element.kind, text, element.speaker)
    if plain and normalise(parse_line(plain).element) == wanted:
        return plain
    mark = MARKS[element.kind]
    return f"{mark} {plain}" if plain.startswith(mark) else mark + plain


FORMAT = Format("name-line", "one line an element, dialogue as `name: text`", recognise, parse)
