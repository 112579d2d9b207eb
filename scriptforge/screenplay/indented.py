"""Screenplays typed on margins: action at the left, dialogue further in, cues further still.

    INT. DINER - NIGHT

    They look at the menu.

                        JERRY
                  (reading)
            What is a Monte
            Cristo?

The margins are found in the text itself: a cue is a line in capitals that is further in than the line below
it. Lines that were wrapped at the margins are joined again, and so is a speech that a blank line or a page
break interrupts: `JERRY (CONT'D)` right after JERRY is the rest of it. Artefacts of pages and drafts are
dropped: page numbers, `(CONTINUED)` and `(MORE)`, scene numbers at both margins, asterisks that mark a
revision.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from scriptforge.screenplay.format import (
    Evidence,
    Format,
    Parsed,
    blocks,
    is_act_heading,
    is_in_capitals,
    is_name,
    is_scene_heading,
    is_transition,
    peek,
    percentage,
)
from scriptforge.screenplay.script import Element, normalise, speaker_key

_NUMBER = r"[A-Z]{0,2}\d{1,4}[A-Z]{0,2}[.)]?"
_NUMBERED = re.compile(rf"(?:(?P<left>{_NUMBER})\s+)?(?P<text>\S.*?)(?:\s{{2,}}(?P<right>{_NUMBER}))?")
_REVISED = re.compile(r"(\S.*?)\s{2,}\*{1,3}")
_PAGE_ARTEFACT = re.compile(
    r"\(?CONTINUED\)?:?(?: ?\(\d{1,4}\))?|-*\((?:more|MORE|More|continued|Continued)\)-*|\*"
)
_PAGE_NUMBER = re.compile(r"(?:(?i:page|pg\.|p\.) ?)?-? ?\d{1,4}[A-Z]? ?-?\.?")
_CONTINUED = re.compile(r"\(\s*cont", re.IGNORECASE)
_LONGEST_HEADING = 60
_LONGEST_SPEECH = 100_000
_WIDEST_LINE = 250
"""Characters. A wider line is not from a page, and has neither numbers nor marks beside it."""


class _Line(NamedTuple):
    """A line without white space around it, and the column, counted from 0, at which it begins."""

    column: int
    text: str


class _Margins(NamedTuple):
    """The columns at which action, dialogue and cues usually begin; the first two may be equal."""

    action: int
    dialogue: int
    cue: int

    @property
    def dialogue_is_indented(self) -> bool:
        return self.action < self.dialogue

    def is_at_cue(self, line: _Line) -> bool:
        """Return whether a line is nearer to the margin of cues than to that of dialogue."""
        return line.column > (self.dialogue + self.cue) / 2

    def is_at_action(self, line: _Line) -> bool:
        """Return whether a line is nearer to the margin of action than to a margin of dialogue."""
        return self.dialogue_is_indented and line.column <= (self.action + self.dialogue) / 2


_NO_CUES = _Margins(0, 0, sys.maxsize)


@dataclass(slots=True)
class _Speech:
    """Collects what somebody says under a cue."""

    cue: str
    lines: list[str] = field(default_factory=list)
    size: int = 0

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.size += len(line)

    def goes_on_under(self, cue: str) -> bool:
        """Return whether a further cue says that the same speaker goes on in the same way."""
        speaker, aside = _split_cue(self.cue)
        same, added = _split_cue(cue)
        is_same = speaker_key(speaker) == speaker_key(same) and added in ("", aside)
        return is_same and _CONTINUED.search(cue) is not None and self.size < _LONGEST_SPEECH

    @property
    def parsed(self) -> Parsed:
        """Return the speech; a cue under which nothing is said is action."""
        if self.lines:
            return Parsed(Element("dialogue", " ".join(self.lines), self.cue))
        return Parsed(Element("action", self.cue), understood=False)


def _split_cue(cue: str) -> tuple[str, str]:
    """Return the name in a printed cue, and what is in brackets behind it, except for `(CONT'D)`."""
    element = normalise(Element("dialogue", ":", cue))
    return (element.speaker, element.text.removesuffix(":")) if element else ("", "")


def recognise(head: Sequence[str]) -> Evidence:
    """Count the cues that are further in than their dialogue, and the lines that keep to the margins."""
    paragraphs = list(_paragraphs(head, _NO_CUES))
    margins = _find_margins(paragraphs)
    if margins == _NO_CUES:
        return Evidence(0.0, "no name in capitals stands further in than the line below it")
    lines = [line for paragraph in paragraphs for line in paragraph]
    kept = sum(line.column in margins for line in lines)
    cues = sum(_may_be_cue(paragraph[0].text) and len(paragraph) > 1 for paragraph in paragraphs)
    indented = sum(_dialogue_column(paragraph) is not None for paragraph in paragraphs)
    columns = (
        f"{margins.action} (action), {margins.dialogue} (dialogue) or {margins.cue} (cue)"
        if margins.dialogue_is_indented
        else f"{margins.dialogue} (action and dialogue) or {margins.cue} (cue)"
    )
    reason = f"{percentage(kept, len(lines))} of {len(lines):,} lines begin at column {columns}"
    return Evidence(kept / len(lines) * indented / cues, reason)


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield speeches and paragraphs of action, each joined to one line.

    A speech stays open over blank lines and page breaks where its margin shows that the next paragraph
    belongs to it: it is yielded only when another cue, or a line at the margin of action, ends it.
    """
    head, lines = peek(lines)
    margins = _find_margins(_paragraphs(head, _NO_CUES))
    speech: _Speech | None = None
    for paragraph in _paragraphs(lines, margins):
        is_open = speech is not None and margins.dialogue_is_indented and speech.size < _LONGEST_SPEECH
        action: list[_Line] = []
        for line in paragraph:
            if _is_cue(line, margins):
                if action:
                    yield _parse_action(action, margins)
                    action = []
                # Under `JERRY (CONT'D)` right after JERRY, the open speech simply goes on.
                if not (speech and speech.goes_on_under(line.text)):
                    if speech:
                        yield speech.parsed
                    speech = _Speech(line.text)
                is_open = True
            elif speech and is_open and not (margins.is_at_action(line) or is_transition(line.text)):
                speech.add(line.text)
            else:
                if speech:
                    yield speech.parsed
                    speech = None
                action.append(line)
        if action:
            yield _parse_action(action, margins)
    if speech:
        yield speech.parsed


def _paragraphs(lines: Iterable[str], margins: _Margins) -> Iterator[list[_Line]]:
    """Yield the runs of lines between blank lines, without page artefacts."""
    for block in blocks(lines):
        kept = [line for line in map(_without_marks, block) if not _PAGE_ARTEFACT.fullmatch(line.text)]
        text = [line for line in kept if not _is_page_number(line, margins, is_alone=len(kept) == 1)]
        if text:
            yield text


def _without_marks(printed: str) -> _Line:
    """Return a line without the numbers and asterisks beside its text."""
    line = printed.expandtabs()
    text = line.strip()
    column = len(line.rstrip()) - len(text)
    if len(text) > _WIDEST_LINE:
        return _Line(column, text)
    revised = _REVISED.fullmatch(text)
    text = revised[1] if revised else text
    numbered = _NUMBERED.fullmatch(text)
    if numbered and (numbered["left"] or numbered["right"]):
        bare = numbered["text"]
        if numbered["left"] == numbered["right"] or is_scene_heading(bare) or _PAGE_ARTEFACT.fullmatch(bare):
            return _Line(column + numbered.start("text"), bare)
    return _Line(column, text)


def _is_page_number(line: _Line, margins: _Margins, is_alone: bool) -> bool:
    """Return whether a line is a number between blank lines, or one that is on no margin of text."""
    is_beside = margins != _NO_CUES and all(abs(line.column - margin) > 1 for margin in margins)
    return (is_alone or is_beside) and _PAGE_NUMBER.fullmatch(line.text) is not None


def _find_margins(paragraphs: Iterable[Sequence[_Line]]) -> _Margins:
    """Return the commonest pair of columns of dialogue and cue, and the commonest column left of them."""
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
    """Return the column of the dialogue, if the paragraph is a cue in capitals and dialogue further out."""
    cue = paragraph[0]
    spoken = (line.column for line in paragraph[1:] if not line.text.startswith("("))
    column = next(spoken, cue.column)
    return column if column < cue.column and _may_be_cue(cue.text) else None


def _is_cue(line: _Line, margins: _Margins) -> bool:
    return (
        margins.is_at_cue(line)
        and (_may_be_cue(line.text) or (line.column == margins.cue and is_name(_name(line.text))))
        and not is_transition(line.text)
        and not is_scene_heading(line.text)
    )


def _may_be_cue(text: str) -> bool:
    name = _name(text)
    return is_name(name) and is_in_capitals(name)


def _name(cue: str) -> str:
    return cue.partition("(")[0].strip()


def _parse_action(run: Sequence[_Line], margins: _Margins) -> Parsed:
    text = " ".join(line.text for line in run)
    if is_transition(text):
        return Parsed(Element("transition", text))
    if len(run) == 1 and (is_scene_heading(text) or is_act_heading(text) or _is_caption(text)):
        return Parsed(Element("heading", text))
    stray = margins.dialogue_is_indented and not margins.is_at_action(run[0])
    return Parsed(Element("action", text), understood=not stray)


def _is_caption(text: str) -> bool:
    return text.isupper() and len(text) <= _LONGEST_HEADING and text[-1] not in ".!?:\"'"


FORMAT = Format("indented", "a screenplay whose action, dialogue and cues stand on margins", recognise, parse)
