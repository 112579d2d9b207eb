"""Lines of typed pages: the column at which each begins, without the marks of pages and drafts.

These are dropped: page numbers and running heads, `(CONTINUED)` and `(MORE)`, scene numbers, beside a heading
or on a line of their own, and asterisks that mark a revision.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from scriptforge.screenplay.format import (
    Parsed,
    blocks,
    is_act_heading,
    is_in_capitals,
    is_scene_heading,
    is_transition,
)
from scriptforge.screenplay.script import Element, cached, normalise, speaker_key

_NUMBER = r"[A-Z]{0,2}\d{1,4}[A-Z]{0,2}[.)]?"
_NUMBERED = re.compile(
    rf"(?:(?P<left>{_NUMBER})(?P<left_gap>\s++))?(?P<text>\S(?:.*?\S)??)(?:(?P<right_gap>\s++)(?P<right>{_NUMBER})\*{{0,3}})?"
)
_DIGIT = re.compile(r"\d")
_TWO_NUMBERS = re.compile(rf"({_NUMBER})\s+\1")
_REVISED = re.compile(r"(\S(?:.*?\S)??)\s++\*{1,3}")
_PAGE_ARTEFACT = re.compile(
    r"\(?CONTINUED\)?:?(?: ?\(\d{1,4}\))?|-*\(\s?(?:more|More|MORE|continued|Continued)\s?\)-*|\*{1,3}"
)
_PAGE_NUMBER = re.compile(r"(?:(?i:page|pg\.|p\.) ?)?-? ?\d{1,4}[A-Z]?(?: of \d{1,4})? ?-?\.?")
_HEAD_OF_A_PAGE = re.compile(r"(?P<text>\S(?:.*?\S)??)\s{2,}+(?:(?i:page) )?\d{1,4}\.?")
_SHOT = re.compile(
    r"(?:(?:ANOTHER |NEW |HIGH |LOW )?ANGLE|BACK TO|CLOSE|E?CU\b|FULL|INSERT|INTERCUT|LONG|MED(?:IUM|\.)"
    r"|MONTAGE|MOVING|ON\b|OVER\b|P\.?O\.?V\b|REVERSE|SERIES|SHOT|TIGHT|TWO SHOT|VIEW|WIDE)"
)
_CREDIT = re.compile(
    r"(?:(?:original )?(?:screenplay|teleplay|story|script|play)?,? ?(?:written )?by\b.*"
    r"|(?:first|second|third|final|revised|shooting|production) draft\b.*)",
    re.IGNORECASE,
)
_CONTINUED = re.compile(r"\(\s*cont", re.IGNORECASE)
_LONGEST_SPEECH = 100_000
_LONGEST_BLOCK = 1_000_000
_LONGEST_TITLE_PAGE = 60
_LONGEST_ON_TITLE_PAGE = 50
_MIN_PAGES = 3
_WIDEST_LINE = 250
"""In characters. A longer line is not from a typed page, and has neither numbers nor marks beside it."""


class Line(NamedTuple):
    """A line of a page.

    Attributes:
        column: the column at which it begins, from 0; tabs are eight wide.
        text: the text without white space and marks around it; not empty.
        starts_block: whether a blank line, or nothing, is above it.
        has_scene_number: whether a scene number was beside it.
    """

    column: int
    text: str
    starts_block: bool
    has_scene_number: bool = False


@dataclass(slots=True)
class Speech:
    """An open speech: its cue and its lines so far.

    Attributes:
        has_begun: whether it has any line that is not a parenthetical.
    """

    cue: str
    lines: list[str] = field(default_factory=list)
    size: int = 0
    has_begun: bool = False

    def add(self, line: str) -> None:
        """Add a line."""
        self.lines.append(line)
        self.size += len(line)
        self.has_begun = self.has_begun or not (line.startswith("(") and line.endswith(")"))

    @property
    def is_full(self) -> bool:
        """Return whether the speech is too long to go on."""
        return self.size >= _LONGEST_SPEECH

    def goes_on_under(self, cue: str) -> bool:
        """Return whether a further cue, such as `JERRY (CONT'D)`, continues this speech."""
        speaker, aside = _split_cue(self.cue)
        same, added = _split_cue(cue)
        is_same = speaker_key(speaker) == speaker_key(same) and added in ("", aside)
        return is_same and _CONTINUED.search(cue) is not None and not self.is_full

    @property
    def parsed(self) -> Parsed:
        """Return the speech as an element; a cue without a speech is action."""
        if self.lines:
            return Parsed(Element("dialogue", " ".join(self.lines), self.cue))
        return Parsed(Element("action", self.cue), recognised=False)


def _split_cue(cue: str) -> tuple[str, str]:
    """Return the name in a printed cue, and the brackets after it, except for `(CONT'D)`."""
    element = normalise(Element("dialogue", ":", cue))
    return (element.speaker, element.text.removesuffix(":")) if element else ("", "")


def page_lines(
    lines: Iterable[str], columns: Collection[int] = (), running_heads: Collection[str] = ()
) -> Iterator[Line]:
    """Yield the lines that are not blank and belong to the script.

    Args:
        lines: the lines as printed.
        columns: the margins of text, if they are known: a number at none of them is a page number.
        running_heads: the texts before page numbers, from `find_running_heads`.
    """
    for block in blocks(lines):
        kept = [line for printed in block if (line := _without_marks(printed, running_heads))]
        starts_block = True
        for number, line in enumerate(kept):
            if not (_PAGE_NUMBER.fullmatch(line.text) and _is_of_page(kept, number, columns)):
                yield Line(line.column, line.text, starts_block, line.has_scene_number)
                starts_block = False


class Page(NamedTuple):
    """The first lines of a text.

    Attributes:
        running_heads: the texts before page numbers.
        lines: the lines that belong to the script, running heads included.
        body: the lines without running heads.
    """

    running_heads: frozenset[str]
    lines: tuple[Line, ...]
    body: tuple[Line, ...]


def first_page(head: Sequence[str]) -> Page:
    """Parse the first lines of a text; the last few results are cached, unless the lines are very long."""
    is_short = sum(map(len, head)) <= _LONGEST_BLOCK
    return _cached_page(tuple(head)) if is_short else _first_page(head)


def _first_page(head: Sequence[str]) -> Page:
    running_heads, lines = find_running_heads(head), tuple(page_lines(head))
    body = tuple(page_lines(head, running_heads=running_heads)) if running_heads else lines
    return Page(running_heads, lines, body)


_cached_page = lru_cache(maxsize=4)(_first_page)


def find_running_heads(head: Sequence[str]) -> frozenset[str]:
    """Return the texts that are printed before page numbers: before at least three different ones."""
    found = {
        (match["text"], line.split()[-1])
        for line in head
        if len(line) <= _WIDEST_LINE and (match := _HEAD_OF_A_PAGE.fullmatch(line.strip()))
    }
    pages = Counter(text for text, _ in found)
    return frozenset(text for text, count in pages.items() if count >= _MIN_PAGES)


def has_title_page(head: Sequence[Line]) -> bool:
    """Return whether a credit, such as `Written by`, is above the first heading or transition."""
    for line in head[:_LONGEST_TITLE_PAGE]:
        if ends_title_page(line):
            return False
        if _CREDIT.fullmatch(line.text):
            return any(map(opens_script, head))
    return False


def ends_title_page(line: Line) -> bool:
    """Return whether a line is not on a title page: it opens the script, or is as long as a line of text."""
    return opens_script(line) or len(line.text) > _LONGEST_ON_TITLE_PAGE


def opens_script(line: Line) -> bool:
    """Return whether a line is a heading or a transition, which no title page has."""
    return _opens_script(line.text)


@cached
def _opens_script(text: str) -> bool:
    return is_scene_heading(text) or is_act_heading(text) or is_transition(text)


def _without_marks(printed: str, running_heads: Collection[str]) -> Line | None:
    """Return a line without the numbers and asterisks beside its text; None if it has only page marks."""
    if running_heads and _is_running_head(printed, running_heads):
        return None
    return _bare_line(printed)


def _is_running_head(printed: str, running_heads: Collection[str]) -> bool:
    """Return whether a line is one of the running heads and a page number."""
    text = _without_revision(printed.expandtabs().strip())
    head = _HEAD_OF_A_PAGE.fullmatch(text) if len(text) <= _WIDEST_LINE else None
    return head is not None and head["text"] in running_heads


@cached
def _bare_line(printed: str) -> Line | None:
    """Do what `_without_marks` does without running heads; cached, since first lines are parsed often."""
    line = printed.expandtabs()
    text = line.strip()
    column = len(line.rstrip()) - len(text)
    if len(text) > _WIDEST_LINE:
        return Line(column, text, starts_block=False)
    text = _without_revision(text)
    has_digits = _DIGIT.search(text) is not None
    if _PAGE_ARTEFACT.fullmatch(text) or (has_digits and _TWO_NUMBERS.fullmatch(text)):
        return None
    if not has_digits:
        return Line(column, text, starts_block=False)
    numbered = _NUMBERED.fullmatch(text)
    if numbered and (numbered["left"] or numbered["right"]) and _is_beside(numbered):
        bare = numbered["text"]
        if _PAGE_ARTEFACT.fullmatch(bare):
            return None
        return Line(column + numbered.start("text"), bare, starts_block=False, has_scene_number=True)
    return Line(column, text, starts_block=False)


def _without_revision(text: str) -> str:
    """Return a stripped line without the revision asterisks at its end."""
    revised = _REVISED.fullmatch(text) if text.endswith("*") else None
    return revised[1] if revised and any(map(str.isalnum, revised[1])) else text


def _is_beside(numbered: re.Match[str]) -> bool:
    """Return whether the numbers at the ends of a line are beside its text, not part of it."""
    text = numbered["text"]
    left_is_far, right_is_far = (len(numbered[gap] or "") > 1 for gap in ("left_gap", "right_gap"))
    if _PAGE_ARTEFACT.fullmatch(text):
        return True
    if numbered["left"] and numbered["left"] == numbered["right"]:
        return (left_is_far and right_is_far) or is_in_capitals(text) or is_scene_heading(text)
    if numbered["right"] and not right_is_far:
        return False
    if is_scene_heading(text):
        return True
    is_shot = is_in_capitals(text) and (left_is_far or _SHOT.match(text) is not None)
    return numbered["left"] is not None and not numbered["right"] and is_shot


def _is_of_page(lines: Sequence[Line], number: int, columns: Collection[int]) -> bool:
    """Return whether a number on a line of its own is that of a page or a scene.

    It is if it is the whole paragraph, is right above or below a scene heading, or is at no margin of text.
    """
    beside = [*lines[max(number - 1, 0) : number], *lines[number + 1 : number + 2]]
    is_off = bool(columns) and all(abs(lines[number].column - column) > 1 for column in columns)
    return not beside or is_off or any(is_scene_heading(line.text) for line in beside)
