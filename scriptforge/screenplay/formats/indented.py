"""Screenplays typed on margins: action at the left, dialogue further in, cues further still.

    INT. DINER - NIGHT

    They look at the menu.

                        JERRY
                  (reading)
            What is a Monte
            Cristo?

The margins are found in the text itself: a cue is a line in capitals that stands further in than the line
below it. Lines that the margins wrapped are joined again. What pages bring along, their numbers and
`(CONTINUED)` and `(MORE)`, is dropped.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from scriptforge.screenplay.formats.format import Evidence, Format, Parsed, peek, percentage
from scriptforge.screenplay.formats.signs import blocks, is_name, is_scene_heading, is_transition
from scriptforge.screenplay.script import Element

_FURNITURE = re.compile(r"\(?CONTINUED\)?:?(?: ?\(\d{1,4}\))?|\(MORE\)|MORE")
_PAGE_NUMBER = re.compile(r"-? ?\d{1,4} ?-?\.?")
_LONGEST_HEADING = 60


class _Line(NamedTuple):
    """A line and the column, counted from 0, at which its text begins."""

    column: int
    text: str


class _Margins(NamedTuple):
    """The columns at which the kinds of lines usually begin."""

    action: int
    dialogue: int
    cue: int

    def is_cue(self, line: _Line) -> bool:
        return line.column > (self.dialogue + self.cue) / 2

    def is_dialogue(self, line: _Line) -> bool:
        return line.column > (self.action + self.dialogue) / 2


_NO_MARGINS = _Margins(0, 0, 0)
"""For a text without a single cue: everything stands at the margin of action."""


def recognise(head: Sequence[str]) -> Evidence:
    """Weighs how many cues stand further in than their dialogue, and how many lines keep to the margins."""
    head_blocks = list(_blocks(head))
    margins = _find_margins(head_blocks)
    lines = [line for block in head_blocks for line in block]
    kept = sum(line.column in margins for line in lines)
    cues = [block for block in head_blocks if _second_line(block) and block[0].text.isupper()]
    indented = sum(_is_indented_cue(block) for block in cues)
    reason = (
        f"{percentage(kept, len(lines))} of {len(lines):,} lines begin at column {margins.action} (action), "
        f"{margins.dialogue} (dialogue) or {margins.cue} (cue)"
    )
    return Evidence(kept * indented / (len(lines) * len(cues)) if cues else 0.0, reason)


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yields speeches and paragraphs of action, each joined to one line."""
    head, lines = peek(lines)
    margins = _find_margins(list(_blocks(head)))
    cue = ""
    for block in _blocks(lines):
        for speaker, texts in _speeches(block, margins, cue):
            cue = speaker
            yield _parse_speech(speaker, texts) if speaker else _parse_paragraph(texts)


def _blocks(lines: Iterable[str]) -> Iterator[list[_Line]]:
    """The paragraphs, without what belongs to the page."""
    for block in blocks(lines):
        kept = [_Line(_column(line), line.strip()) for line in block if not _FURNITURE.fullmatch(line.strip())]
        if kept and not (len(kept) == 1 and _PAGE_NUMBER.fullmatch(kept[0].text)):
            yield kept


def _column(line: str) -> int:
    indent = line[: len(line) - len(line.lstrip())]
    return len(indent.expandtabs())


def _find_margins(head_blocks: Iterable[Sequence[_Line]]) -> _Margins:
    columns: Counter[int] = Counter()
    pairs: Counter[tuple[int, int]] = Counter()
    for block in head_blocks:
        columns.update(line.column for line in block)
        if _is_indented_cue(block):
            pairs[block[0].column, _second_line(block)[0].column] += 1
"""
