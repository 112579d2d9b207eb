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
import sys
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
    """The columns at which action, dialogue and cues usually begin; dialogue may stand below action."""

    action: int
    dialogue: int
    cue: int

    @property
    def dialogue_is_indented(self) -> bool:
        return self.action < self.dialogue

    def is_at_cue(self, line: _Line) -> bool:
        return line.column > (self.dialogue + self.cue) / 2

    def is_at_action(self, line: _Line) -> bool:
        return self.dialogue_is_indented and line.column <= (self.action + self.dialogue) / 2


_NO_CUES = _Margins(0, 0, sys.maxsize)


def recognise(head: Sequence[str]) -> Evidence:
    """Weighs how many cues stand further in than their dialogue, and how many lines keep to the margins."""
    paragraphs = list(_paragraphs(head))
    margins = _find_margins(paragraphs)
    lines = [line for paragraph in paragraphs for line in paragraph]
    kept = sum(line.column in margins for line in lines)
    cues = sum(paragraph[0].text.isupper() and len(paragraph) > 1 for paragraph in paragraphs)
    indented = sum(_dialogue_column(paragraph) is not None for paragraph in paragraphs)
    reason = (
        f"{percentage(kept, len(lines))} of {len(lines):,} lines begin at column {margins.action} (action), "
        f"{margins.dialogue} (dialogue) or {margins.cue} (cue)"
    )
    return Evidence(kept / len(lines) * indented / cues if indented else 0.0, reason)


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yields speeches and paragraphs of action, each joined to one line."""
    head, lines = peek(lines)
    margins = _find_margins(_paragraphs(head))
    speaking = ""
    for paragraph in _paragraphs(lines):
        for cue, run in _runs(paragraph, margins, speaking):
            yield _parse_speech(cue, run, margins) if cue else _parse_action(run, margins)
        speaking = cue if margins.dialogue_is_indented else ""


def _paragraphs(lines: Iterable[str]) -> Iterator[list[_Line]]:
    """The runs of lines between blank lines, without what belongs to the page."""
    for block in blocks(lines):
        stripped = [_Line(_column(line), line.strip()) for line in block]
        kept = [line for line in stripped if not _FURNITURE.fullmatch(line.text)]
        if kept and not (len(kept) == 1 and _PAGE_NUMBER.fullmatch(kept[0].text)):
            yield kept


def _column(line: str) -> int:
    indent = line[: len(line) - len(line.lstrip())]
    return len(indent.expandtabs())


def _find_margins(paragraphs: Iterable[Sequence[_Line]]) -> _Margins:
    columns: Counter[int] = Counter()
    pairs: Counter[tuple[int, int]] = Counter()
    for paragraph in paragraphs:
        columns.update(line.column for line in paragraph)
        dialogue = _dialogue_column(paragraph)
        if dialogue is not None:
            pairs[dialogue, paragraph[0].column] += 1
    if not pairs:
        return _NO_CUES
    (dialogue, cue), _ = pairs.most_common(1)[0]
    action = max(
        (column for column in columns if column < dialogue), key=columns.__getitem__, default=dialogue
    )
    return _Margins(action, dialogue, cue)


def _dialogue_column(paragraph: Sequence[_Line]) -> int | None:
    """The column of the dialogue, if the paragraph is a cue in capitals and dialogue further out."""
    cue = paragraph[0]
    spoken = (line.column for line in paragraph[1:] if not line.text.startswith("("))
    column = next(spoken, cue.column)
    return column if column < cue.column and cue.text.isupper() else None


def _runs(paragraph: Sequence[_Line], margins: _Margins, cue: str) -> Iterator[tuple[str, list[_Line]]]:
    """Parts a paragraph where a cue opens a speech or action ends one.

    Args:
        paragraph: the lines.
        margins: where the kinds of lines begin.
        cue: that of the speech before the paragraph, which may go on after a blank line; or empty.

    Yields:
        The cue, empty for action, and the lines, that of the cue included.
    """
    run: list[_Line] = []
    for line in paragraph:
        opens = _is_cue(line, margins)
        ends = cue and (margins.is_at_action(line) or is_transition(line.text))
        if opens or ends:
            if run:
                yield cue, run
            cue, run = line.text if opens else "", []
        run.append(line)
    yield cue, run


def _is_cue(line: _Line, margins: _Margins) -> bool:
    return (
        margins.is_at_cue(line)
        and (line.text.isupper() or line.column == margins.cue)
        and is_name(line.text.partition("(")[0].strip())
        and not is_transition(line.text)
    )


def _parse_speech(cue: str, run: Sequence[_Line], margins: _Margins) -> Parsed:
    spoken = " ".join(line.text for line in run if not _is_cue(line, margins))
    if spoken:
        return Parsed(Element("dialogue", spoken, cue))
    return Parsed(Element("action", cue), understood=False)


def _parse_action(run: Sequence[_Line], margins: _Margins) -> Parsed:
    text = " ".join(line.text for line in run)
    if is_transition(text):
        return Parsed(Element("transition", text))
    if len(run) == 1 and (is_scene_heading(text) or _is_caption(text)):
        return Parsed(Element("heading", text))
    stray = margins.dialogue_is_indented and not margins.is_at_action(run[0])
    return Parsed(Element("action", text), understood=not stray)


def _is_caption(text: str) -> bool:
    return text.isupper() and len(text) <= _LONGEST_HEADING and text[-1] not in ".!?:\"'"


FORMAT = Format("indented", "a screenplay whose action, dialogue and cues stand on margins", recognise, parse)
