"""Screenplays typed with margins: action at the left, dialogue further in, cues further still.

    INT. DINER - NIGHT

    They look at the menu.

                        JERRY
                  (reading)
            What is a Monte
            Cristo?

The margins are found in the text itself: a cue is a name in capitals that is further in than the line below
it; if names are not in capitals, two of them must recur. A page may be shifted sideways: its lines are
moved back by as much as its cues are off the margin. Wrapped lines are joined again, and so is a speech that
a blank line or a page break interrupts: `JERRY (CONT'D)` right after JERRY continues it. If dialogue has the
same margin as action, a blank line ends it; if one usually follows the cue, the next one does. Text on a
title page is action. `typed_page.py` drops the marks of pages and drafts.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import NamedTuple

from scriptforge.screenplay.format import (
    Evidence,
    Format,
    Parsed,
    find_head,
    is_act_heading,
    is_caption,
    is_cue_in_capitals,
    is_in_capitals,
    is_name,
    is_scene_heading,
    is_transition,
    name_in_cue,
    percentage,
)
from scriptforge.screenplay.script import Element, speaker_key
from scriptforge.screenplay.typed_page import (
    Line,
    Speech,
    ends_title_page,
    first_page,
    has_title_page,
    page_lines,
)

_TWO_CUES = re.compile(r"(\S(?:.*?\S)??)\s{3,}+([^\s(].*)")
_GAP = re.compile(r"\s{2,}")
_MIN_INDENT_OF_SMALL_LETTERS = 4
_WIDEST_SHIFT = 16
_MAX_LINES_BETWEEN_CUES = 200


class _Pair(NamedTuple):
    """A cue, and the first line below it that is not a parenthetical."""

    cue: Line
    spoken: Line


class _Margins(NamedTuple):
    """The columns at which action, dialogue and cues usually begin; the first two may be equal.

    Attributes:
        is_spaced: whether a blank line usually separates a cue from its speech.
    """

    action: int
    dialogue: int
    cue: int
    is_spaced: bool = False

    @property
    def columns(self) -> tuple[int, int, int]:
        return self.action, self.dialogue, self.cue

    @property
    def dialogue_is_indented(self) -> bool:
        return self.action < self.dialogue

    def is_at_cue(self, line: Line) -> bool:
        """Return whether a line begins nearer to the margin of cues than to that of dialogue."""
        return line.column > (self.dialogue + self.cue) / 2

    def is_at_action(self, line: Line) -> bool:
        """Return whether dialogue has a margin of its own and a line is nearer to that of action."""
        return self.dialogue_is_indented and line.column <= (self.action + self.dialogue) / 2

    def distance(self, line: Line, shift: int) -> int:
        """Return how many columns a line is from the nearest margin on a page with this shift."""
        return min(abs(line.column - shift - column) for column in self.columns)

    def shift_of(self, cue: Line, spoken: Line) -> int | None:
        """Return how far a page is shifted that has this cue and speech; None if they are not one cue's."""
        shift = spoken.column - self.dialogue
        is_pair = abs(cue.column - spoken.column - (self.cue - self.dialogue)) <= 1
        return shift if is_pair and abs(shift) <= _WIDEST_SHIFT else None


_NO_CUES = _Margins(0, 0, sys.maxsize)


def recognise(head: Sequence[str]) -> Evidence:
    """Score a text by its lines that begin at the margins, and its cues further in than their dialogue."""
    lines = first_page(head).body
    margins = _find_margins(lines)
    if margins == _NO_CUES:
        return Evidence(0.0, "no name in capitals stands further in than the line below it")
    kept = sum(line.column in margins.columns for line in _without_page_shifts(lines, margins))
    cues = sum(
        line.starts_block and not below.starts_block and is_cue_in_capitals(line.text)
        for line, below in pairwise(lines)
    )
    indented = sum(1 for _ in _pairs(lines, in_capitals=True, spaced=False))
    share = min(1.0, indented / cues) if cues and not margins.is_spaced else 1.0
    columns = (
        f"{margins.action} (action), {margins.dialogue} (dialogue) or {margins.cue} (cue)"
        if margins.dialogue_is_indented
        else f"{margins.dialogue} (action and dialogue) or {margins.cue} (cue)"
    )
    reason = f"{percentage(kept, len(lines))} of {len(lines):,} lines begin at column {columns}"
    return Evidence(kept / len(lines) * share, reason)


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield the elements, each speech and each paragraph of action joined to one line.

    A speech stays open over blank lines and page breaks as long as the margin shows that the next paragraph
    belongs to it: it is yielded only when another cue, or a line at the margin of action, ends it.
    """
    head, lines = find_head(lines, lambda head: _find_margins(first_page(head).lines) != _NO_CUES)
    heads, _, first = first_page(head)
    margins = _find_margins(first)
    columns = () if margins == _NO_CUES else margins.columns
    reader = _Reader(margins, opens_with_title_page=has_title_page(first))
    straight = _without_page_shifts(page_lines(lines, columns, heads), margins)
    for line, below in pairwise(chain(straight, [None])):
        if line:
            yield from reader.read(line, below)
    yield from reader.finish()


class _Reader:
    """A parser that assembles lines into elements.

    Attributes:
        speech: the open speech.
        beside: a second open speech to its right (dual dialogue), and the column between the two.
        action: the lines of the open paragraph of action.
    """

    def __init__(self, margins: _Margins, opens_with_title_page: bool) -> None:
        self.margins = margins
        self.on_title_page = opens_with_title_page
        self.speech: Speech | None = None
        self.beside: tuple[Speech, int] | None = None
        self.action: list[Line] = []

    def read(self, line: Line, below: Line | None) -> Iterator[Parsed]:
        """Parse one more line, given the one below it; yield the elements that it ends."""
        if self.on_title_page and ends_title_page(line):
            yield from self._end_action()
            self.on_title_page = False
        if self.on_title_page:
            if line.starts_block:
                yield from self._end_action()
            self.action.append(line)
        elif two := self._two_cues(line, below):
            yield from self.finish()
            left, right, middle = two
            self.speech, self.beside = Speech(left), (Speech(right), middle)
        elif self._is_cue(line):
            yield from self._end_action()
            # Under `JERRY (CONT'D)` right after JERRY, the open speech goes on.
            if self.beside or not (self.speech and self.speech.goes_on_under(line.text)):
                yield from self.finish()
                self.speech = Speech(line.text)
        elif self.speech and self._goes_on(self.speech, line):
            self._say(line)
        else:
            yield from self._end_speech()
            yield from self._read_action(line)

    def finish(self) -> Iterator[Parsed]:
        """Yield the elements that are still open."""
        yield from self._end_speech()
        yield from self._end_action()

    def _is_cue(self, line: Line) -> bool:
        margins = self.margins
        return (
            margins.is_at_cue(line)
            and (
                is_cue_in_capitals(line.text)
                or (line.column == margins.cue and is_name(name_in_cue(line.text)))
            )
            and not is_transition(line.text)
            and not is_scene_heading(line.text)
        )

    def _two_cues(self, line: Line, below: Line | None) -> tuple[str, str, int] | None:
        """Return the two cues of dual dialogue and the column between their speeches; else None."""
        if not below or below.starts_block or not _GAP.search(below.text):
            return None
        names = _TWO_CUES.fullmatch(line.text)
        if not names:
            return None
        if not (is_cue_in_capitals(names[1]) and is_cue_in_capitals(names[2])) or is_scene_heading(line.text):
            return None
        return names[1], names[2], line.column + (names.end(1) + names.start(2)) // 2

    def _goes_on(self, speech: Speech, line: Line) -> bool:
        if self.beside:
            return not line.starts_block
        if self.margins.is_at_action(line) or is_transition(line.text) or is_scene_heading(line.text):
            return False
        if self.margins.dialogue_is_indented:
            return not speech.is_full or not line.starts_block
        return not line.starts_block or (self.margins.is_spaced and not speech.has_begun)

    def _say(self, line: Line) -> None:
        if self.speech and not self.beside:
            self.speech.add(line.text)
        elif self.speech and self.beside:
            right, middle = self.beside
            for text, column in _columns(line, middle):
                (self.speech if column < middle else right).add(text)

    def _end_speech(self) -> Iterator[Parsed]:
        if self.speech:
            yield self.speech.parsed
        if self.beside:
            yield self.beside[0].parsed
        self.speech = self.beside = None

    def _read_action(self, line: Line) -> Iterator[Parsed]:
        above = self.action[-1] if self.action else None
        if above and (line.starts_block or _stands_alone(line) or _stands_alone(above)):
            is_wrapped = is_scene_heading(above.text) and not line.starts_block and is_in_capitals(line.text)
            if not is_wrapped or _stands_alone(line):
                yield from self._end_action()
        self.action.append(line)

    def _end_action(self) -> Iterator[Parsed]:
        if self.action:
            yield _parse_action(self.action, self.margins, self.on_title_page)
        self.action = []


def _columns(line: Line, middle: int) -> Iterator[tuple[str, int]]:
    """Yield the parts of a line left and right of a column, each with the column at which it begins."""
    cuts = [gap for gap in _GAP.finditer(line.text) if line.column + gap.end() > middle - 4]
    cut = min(cuts, key=lambda gap: abs(line.column + gap.end() - middle), default=None)
    if line.column < middle and cut:
        yield line.text[: cut.start()], line.column
        yield line.text[cut.end() :], max(middle, line.column + cut.end())
    else:
        yield line.text, line.column


def _without_page_shifts(lines: Iterable[Line], margins: _Margins) -> Iterator[Line]:
    """Yield lines at the columns where they would be if no page was shifted.

    The shift of a page is measured at its cues. A line between two cues has the shift of the one or the
    other, whichever brings it nearer to a margin. So lines wait for the next cue, and that cue, with the
    parentheticals below it, for the first line that is spoken.
    """
    shift = 0
    lines_above: list[Line] = []
    cue_lines: list[Line] = []
    for line in lines:
        if cue_lines and not line.text.startswith("("):
            measured = margins.shift_of(cue_lines[0], line)
            if measured is not None:
                yield from _move_back(lines_above, margins, shift, measured)
                yield from _move_back([*cue_lines, line], margins, measured, measured)
                shift, lines_above, cue_lines = measured, [], []
                continue
            lines_above += cue_lines
            cue_lines = []
        if is_cue_in_capitals(line.text):
            cue_lines = [line]
        elif cue_lines:
            cue_lines.append(line)
        else:
            lines_above.append(line)
        if len(lines_above) + len(cue_lines) > _MAX_LINES_BETWEEN_CUES:
            # A cue waits on, unless it has waited longest.
            yield from _move_back(lines_above or cue_lines, margins, shift, shift)
            lines_above, cue_lines = [], cue_lines if lines_above else []
    yield from _move_back([*lines_above, *cue_lines], margins, shift, shift)


def _move_back(
    lines: Iterable[Line], margins: _Margins, shift_above: int, shift_below: int
) -> Iterator[Line]:
    """Yield lines moved back by one of two shifts, whichever brings each nearer to a margin."""
    if shift_above == shift_below == 0:
        yield from lines
        return
    for line in lines:
        is_as_above = margins.distance(line, shift_above) <= margins.distance(line, shift_below)
        yield line._replace(column=line.column - (shift_above if is_as_above else shift_below))


@lru_cache(maxsize=4)
def _find_margins(lines: tuple[Line, ...]) -> _Margins:
    """Return the commonest pair of columns of dialogue and cue, and the commonest column of action."""
    pairs, is_spaced = _cues_and_speeches(lines)
    if not pairs:
        return _NO_CUES
    columns = Counter((pair.spoken.column, pair.cue.column) for pair in pairs)
    (dialogue, cue), _ = columns.most_common(1)[0]
    spoken = {id(line) for pair in pairs for line in pair}
    opening = Counter(
        line.column
        for line in lines
        if line.starts_block and line.column <= dialogue and id(line) not in spoken
    )
    action = max(opening, key=opening.__getitem__, default=dialogue)
    return _Margins(action, dialogue, cue, is_spaced)


def _cues_and_speeches(lines: Sequence[Line]) -> tuple[list[_Pair], bool]:
    """Return the cues of a text with their speeches, and whether blank lines separate the two.

    Names in capitals right above a line further left are cues. Names above a blank line, or not in capitals,
    are cues instead only if there are more of them and some recur.
    """
    direct = list(_pairs(lines, in_capitals=True, spaced=False))
    spaced = _recurring(_pairs(lines, in_capitals=True, spaced=True), speakers=1)
    small = _recurring(_pairs(lines, in_capitals=False, spaced=False), speakers=2)
    most = max((direct, spaced, small), key=len)
    return most, most is spaced and bool(spaced)


def _pairs(lines: Sequence[Line], in_capitals: bool, spaced: bool) -> Iterator[_Pair]:
    """Yield each name that is further in than the first line below it that is not a parenthetical."""
    for number, cue in enumerate(lines):
        if not (
            is_cue_in_capitals(cue.text) if in_capitals else cue.starts_block and _may_be_small_cue(cue.text)
        ):
            continue
        below = lines[number + 1 : number + 5]
        spoken = next((line for line in below if not line.text.startswith("(")), None)
        if spoken is None or below[0].starts_block != spaced:
            continue
        indent = cue.column - spoken.column
        if indent >= (1 if in_capitals else _MIN_INDENT_OF_SMALL_LETTERS):
            yield _Pair(cue, spoken)


def _recurring(pairs: Iterable[_Pair], speakers: int) -> list[_Pair]:
    """Return the pairs if at least `speakers` of their names occur twice or more, else none."""
    kept = list(pairs)
    names = Counter(speaker_key(name_in_cue(pair.cue.text)) for pair in kept)
    return kept if sum(count > 1 for count in names.values()) >= speakers else []


def _may_be_small_cue(text: str) -> bool:
    name = name_in_cue(text)
    return text[-1] not in ".,:" and is_name(name) and not is_in_capitals(name) and len(name.split()) <= 3


def _stands_alone(line: Line) -> bool:
    """Return whether a line is a paragraph by itself, even without blank lines around it."""
    return is_scene_heading(line.text) or is_transition(line.text) or line.has_scene_number


def _parse_action(run: Sequence[Line], margins: _Margins, on_title_page: bool) -> Parsed:
    text = " ".join(line.text for line in run)
    if on_title_page:
        return Parsed(Element("action", text))
    if is_transition(text):
        return Parsed(Element("transition", text))
    if is_scene_heading(run[0].text) and is_in_capitals(run[-1].text):
        return Parsed(Element("heading", text))
    if len(run) == 1 and (is_scene_heading(text) or is_act_heading(text) or is_caption(text)):
        return Parsed(Element("heading", text))
    stray = margins.dialogue_is_indented and not margins.is_at_action(run[0])
    return Parsed(Element("action", text), recognised=not stray)


FORMAT = Format("indented", "a screenplay whose action, dialogue and cues stand on margins", recognise, parse)
