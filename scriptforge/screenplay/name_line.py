"""One element per line, dialogue as `name: text`: the layout of transcripts, and scriptforge's own.

    INT. DINER - NIGHT              a scene heading as screenplays write it; also `[setting: diner]`, `ACT I`
    jerry: text                     dialogue; the name may be `Uncle Leo` or `Uncle_Leo`
    jerry (aside): text             dialogue whose text is `(aside) text`
    [12:03] jerry: text             dialogue; the time is dropped. Chats write `[12:03] <jerry> text`
    (he leaves)                     action; so is every other line, and `Note: text`
    CUT TO:                         transition
        four spaces                 one more line of the element above
    !text  .text  >text  @name: t   action, heading, transition, dialogue, whatever they look like

Blank lines separate elements; more of them than usual separate scenes. If most speeches have a blank line
above them, speeches are wrapped, and a line right below one continues it. `parse_line` is the whole grammar
of a line. The writer uses it, too: a line gets a mark only if it would be read back as something else.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from scriptforge.screenplay.format import (
    Evidence,
    Format,
    Parsed,
    is_act_heading,
    is_bracketed,
    is_label,
    is_name,
    is_scene_heading,
    is_transition,
    peek,
    percentage,
)
from scriptforge.screenplay.script import Element, Kind, cached, normalise, speaker_key

CONTINUATION = "    "
"""The indentation of the second and later lines of an element."""

MARKS: dict[Kind, str] = {"action": "!", "heading": ".", "transition": ">", "dialogue": "@"}
"""The marks that force the kind of a line: Fountain's, but there `@` is for a cue on a line of its own."""

_KINDS_BY_MARK = {mark: kind for kind, mark in MARKS.items()}
_ASIDE = r"(?:\([^()]{1,200}\)|\[[^\[\]]{1,200}\]|（[^（）]{1,200}）)"
_CUE = re.compile(
    rf"(?P<name>[^:：()\[\]（）]{{1,60}})(?P<asides>(?:{_ASIDE}\s?){{0,3}}|\(cont['’]?d?)\s?[:：](?!//|\\|(?<=\d:)\d)(?=.)",
    re.IGNORECASE,
)
_FORCED_CUE = re.compile(r"([^:：]+)[:：](?=.)")
_TIME = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d{1,3})?)?"
_STAMP = re.compile(rf"(?:\[{_TIME}(?: ?[AaPp]\.?[Mm]\.?)?\]|\({_TIME}\)|\d{{1,2}}:\d\d:\d\d)\s+(?=\S)")
_NICKNAME = re.compile(r"<[@+ ]?([^<>\s]{1,40})>\s+(?=\S)")
_TIME_OF_DAY = re.compile(r"\d[:：]\s?[0-5]\d(?!\d)")
_PLACE = re.compile(r"(\[)?(?:setting|location|scene|cut to)\s?:(?P<place>.+?)(?(1)\]\.?)", re.IGNORECASE)
SCENE_DATA = frozenset({
    "time", "time of day", "date", "day", "character", "characters", "cast", "present", "place", "props",
    "weather", "stardate", "airdate", "air date", "original airdate", "original air date",
    "season", "episode", "duration", "location", "setting",
})  # fmt: skip
"""Labels of facts about a scene, `Time: night`; taken for a speaker only if a sentence follows."""

_COLONS = frozenset(":：")
_NOT_SURE = _COLONS | frozenset("()[]（）")

_MIN_CUES_OF_A_LIST = 4
_SCORE_OF_A_LIST = 0.1
_LONGEST_ELEMENT = 100_000


class _Printed(NamedTuple):
    """The lines of one element, stripped, and the number of blank lines above it."""

    gap: int
    lines: list[str]

    @property
    def parsed(self) -> Parsed:
        """Return the lines, parsed as one element."""
        parsed = parse_line(self.lines[0])
        if len(self.lines) == 1:
            return parsed
        element = parsed.element
        text = "\n".join([element.text, *self.lines[1:]])
        return Parsed(Element(element.kind, text, element.speaker), parsed.recognised)


def parse_line(line: str) -> Parsed:
    """Parse a line that is stripped and not blank, whatever surrounds it."""
    name, colon, text = line.partition(": ")
    if colon and _opens_dialogue(name) and not line.isupper():
        return Parsed(Element("dialogue", text, name))
    return _parse_by_rules(line)


def _parse_by_rules(line: str) -> Parsed:
    forced = _parse_forced(line)
    if forced:
        return Parsed(forced)
    if is_scene_heading(line) or is_act_heading(line):
        return Parsed(Element("heading", line))
    place = _PLACE.fullmatch(line)
    if place:
        return Parsed(Element("heading", place["place"]))
    if is_bracketed(line):
        return Parsed(Element("action", line))
    if is_transition(line):
        return Parsed(Element("transition", line))
    return _parse_cued(line) or Parsed(Element("action", line), recognised=False)


parse_line_cached = cached(parse_line)
"""`parse_line` with a cache, for the first lines, which are parsed several times to recognise the format."""


def _parse_forced(line: str) -> Element | None:
    kind, text = _KINDS_BY_MARK.get(line[0]), line[1:]
    if kind == "dialogue":
        cue = _FORCED_CUE.match(text)
        return Element("dialogue", text[cue.end() :], cue[1]) if cue else None
    if kind == "heading":
        return None if text.startswith(".") else Element("heading", text)
    return Element(kind, text) if kind and text else None


def _parse_cued(line: str) -> Parsed | None:
    """Return dialogue if the line opens with a name, action if it opens with a label, else None."""
    stamp = _STAMP.match(line)
    start = stamp.end() if stamp else 0
    if stamp and (nickname := _NICKNAME.match(line, start)):
        return Parsed(Element("dialogue", line[nickname.end() :], nickname[1]))
    cue = _CUE.match(line, start)
    if not cue or _TIME_OF_DAY.match(line, cue.end() - 2):
        return None
    name, asides, text = cue["name"].strip(), cue["asides"], line[cue.end() :]
    if is_label(name) or (name.casefold() in SCENE_DATA and text.rstrip()[-1:] not in ".!?"):
        return Parsed(Element("action", line))
    if not is_name(name):
        return None
    if asides.startswith("("):
        return Parsed(Element("dialogue", text, name + asides))
    return Parsed(Element("dialogue", f"{asides.strip()} {text.lstrip()}", name))


def recognise(head: Sequence[str]) -> Evidence:
    """Score a text by the lines that the grammar has a rule for, if there is dialogue among them.

    A name before a colon is not always a speaker: several lines among which no name recurs are a list of
    ingredients or facts.
    """
    lines = [printed.lines[0] for printed in _elements(head, _is_wrapped(head))]
    if lines and all(map(_parse_forced, lines)):
        return Evidence(1.0, "every line has the mark of its kind")
    parsed = [parse_line_cached(line) for line in lines]
    cues = [element.speaker for element, _ in parsed if element.kind == "dialogue"]
    if not cues:
        return Evidence(0.0, "no line is `name: text`")
    known = sum(item.recognised for item in parsed)
    is_likely_list = len(cues) >= _MIN_CUES_OF_A_LIST or 2 * known < len(parsed)
    if is_likely_list and len(set(map(speaker_key, cues))) == len(cues):
        return Evidence(_SCORE_OF_A_LIST, "its lines are `name: text`, but no name opens two of them")
    unit = "lines are" if len(lines) == sum(map(bool, map(str.strip, head))) else "paragraphs open with"
    reason = f"{percentage(len(cues), len(lines))} of {len(lines):,} {unit} {_looks(lines, cues)}"
    return Evidence(known / len(parsed), reason)


def _looks(lines: Sequence[str], cues: Sequence[str]) -> str:
    """Return a pattern that most lines of dialogue look like."""
    half = len(cues) / 2
    stamped = [line for line in lines if _STAMP.match(line)]
    if len(stamped) > half:
        is_chat = sum("<" in line for line in stamped) > half
        return "`[time] <name> text`" if is_chat else "`[time] name: text`"
    return "`Full_Name: text`" if sum("_" in cue for cue in cues) > half else "`name: text`"


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield the elements, and a heading without text where a wider gap separates scenes."""
    head, lines = peek(lines)
    is_wrapped = _is_wrapped(head)
    usual_gap = _usual_gap(head, is_wrapped)
    for printed in _elements(lines, is_wrapped):
        parsed = printed.parsed
        if printed.gap > usual_gap and parsed.element.kind != "heading":
            yield Parsed(Element("heading", ""))
        yield parsed


def _is_wrapped(head: Sequence[str]) -> bool:
    """Return whether most lines of dialogue have a blank line above, not counting those below headings."""
    gaps = [
        printed.gap
        for above, printed in pairwise(_elements(head, is_wrapped=False))
        if parse_line_cached(printed.lines[0]).element.kind == "dialogue"
        and parse_line_cached(above.lines[0]).element.kind != "heading"
    ]
    return sum(map(bool, gaps)) > len(gaps) / 2


def _usual_gap(head: Sequence[str], is_wrapped: bool) -> int:
    """Return the usual number of blank lines between elements, at least 1; more of them separate scenes."""
    gaps = Counter(printed.gap for printed in _elements(head, is_wrapped))
    return max(1, gaps.most_common(1)[0][0]) if gaps else 1


def _elements(lines: Iterable[str], is_wrapped: bool) -> Iterator[_Printed]:
    """Group lines by element; if wrapped, a line without a cue right below dialogue continues it."""
    element: list[list[str]] = []  # the parts of each of its lines
    gap = blank = size = 0
    goes_on = False
    for line in lines:
        text = line.strip()
        size += len(text)
        if not text:
            blank += 1
        elif goes_on and not blank and size < _LONGEST_ELEMENT and line.startswith(CONTINUATION):
            element.append([text])
        elif element and not blank and is_wrapped and size < _LONGEST_ELEMENT and _is_rest(element, text):
            element[-1].append(text)
        else:
            if element:
                yield _Printed(gap, list(map(" ".join, element)))
                gap = blank
            element, blank, size = [[text]], 0, len(text)
            goes_on = not line.startswith(CONTINUATION)
    if element:
        yield _Printed(gap, list(map(" ".join, element)))


def _is_rest(element: Sequence[Sequence[str]], line: str) -> bool:
    return not parse_line(line).recognised and parse_line(element[0][0]).element.kind == "dialogue"


def write(elements: Iterable[Element]) -> Iterator[str]:
    """Lay out elements, with a blank line before each heading except at the very start."""
    for number, element in enumerate(elements):
        if number and element.kind == "heading":
            yield ""
        yield from render_line(element).split("\n")


def write_marked(elements: Iterable[Element]) -> Iterator[str]:
    """Lay out elements as `write` does, each with the mark of its kind, as in no other format."""
    for number, element in enumerate(elements):
        if number and element.kind == "heading":
            yield ""
        yield from render_line(element, is_marked=True).split("\n")


def render_line(element: Element, is_marked: bool = False) -> str:
    """Return an element as text, without the blank line before a heading and without a line end.

    Each line break in the text starts another line, indented by four spaces.
    """
    first = element.text.partition("\n")[0]
    more = element.text[len(first) :].replace("\n", f"\n{CONTINUATION}")
    return _render_first_line(element, first, is_marked) + more


def rendered_length(element: Element) -> int:
    """Return how many characters an element adds to a script, with line ends and a heading's blank line."""
    return len(render_line(element)) + (2 if element.kind == "heading" else 1)


def _render_first_line(element: Element, text: str, is_marked: bool) -> str:
    plain = f"{element.speaker}: {text}" if element.kind == "dialogue" else text
    if not is_marked and _is_surely_read(element, text, plain):
        return plain
    wanted = Element(element.kind, text, element.speaker)
    if plain and not is_marked and normalise(parse_line(plain).element) == wanted:
        return plain
    mark = MARKS[element.kind]
    return f"{mark} {plain}" if plain.startswith(mark) else mark + plain


def _is_surely_read(element: Element, text: str, plain: str) -> bool:
    """Return whether a line certainly reads back as the element: a fast check that most lines pass."""
    if not text.isprintable() or text != text.strip() or plain.isupper():
        return False
    if element.kind == "dialogue":
        return bool(text) and _is_sure_name(element.speaker)
    if is_scene_heading(plain) or is_act_heading(plain):
        return False
    return element.kind == "action" and plain[:1].isalpha() and ":" not in plain and "：" not in plain


@cached
def _is_sure_name(speaker: str) -> bool:
    """Return whether a name is in normal form, and any text after it and a colon is its dialogue."""
    return _opens_dialogue(speaker) and normalise(Element("dialogue", "x", speaker)) == Element(
        "dialogue", "x", speaker
    )


@cached
def _opens_dialogue(name: str) -> bool:
    """Return whether any text after a name, a colon and a space is dialogue, unless it is all in capitals.

    The rules then decide by the name alone, so one text stands for all.
    """
    return (
        name[:1].isalpha()
        and not name[-1].isdigit()
        and _NOT_SURE.isdisjoint(name)
        and name.casefold() not in SCENE_DATA
        and is_name(name)
        and _parse_by_rules(f"{name}: x").element == Element("dialogue", " x", name)
    )


FORMAT = Format("name-line", "one line an element, dialogue as `name: text`", recognise, parse)
