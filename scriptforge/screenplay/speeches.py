"""How the lines of a transcript or a printed play become elements, once the style of its cues is known.

    NORA (softly)               a cue; a line right below one with nothing beside it is speech
    Is that the roof?           lines below it continue the paragraph
                                a blank line
    It was rain.                a new paragraph of the speech; in a play it is action
    [thunder]                   an action, after which the speaker may go on, except in a play
    SCENE 2                     any other element ends the speech

This module does not choose the style, and knows nothing of what is around the text, such as front matter.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from scriptforge.screenplay.format import (
    Parsed,
    blocks,
    is_act_heading,
    is_bracketed,
    is_scene_heading,
    is_transition,
)
from scriptforge.screenplay.script import Element
from scriptforge.screenplay.speaker_cues import Cue, CueStyle
from scriptforge.screenplay.time_stamps import is_stamp, stamp_before

_RULE = re.compile(
    r"[-=*_~•·–— ]{3,}|\[\[(?:Category|File|Image|Kategorie|[a-z]{2,3}):.*|\{\{.*\}\}"
    r"|Exported [\d,]+ message\(s\)|\(edited\)"
)
_HEADING = re.compile(
    r"#{1,6}\s++(?P<md>\S(?:.*?\S)??)\s*+#*|={2,6}+\s*+(?P<wiki>[^=\s](?:.*?\S)??)\s*+={2,6}"
)
_LISTED = re.compile(r"^[:;]{1,3}\s*(?=['\[(])(?!'''[^\[(])")
_EFFECT = re.compile(r"(?:\d{1,4}[.)]?\s+)?(?P<text>(?:S?FX|SOUND|MUSIC|GRAMS)\b[^:]{0,20}:.*)")
"""A sound effect in a radio play, optionally numbered."""

_READ_BY = re.compile(r"(?<!\s)\s*\(Read by [^()]{1,80}\)$")
_LINE_NUMBER = re.compile(r"^\d{1,2}(?:\s{2,}|$)")
_CREDIT = re.compile(
    r"(?:Transcribed|Transcript|Transcription|Captioned|Captions|Subtitles) (?:provided )?by\b.*",
    re.IGNORECASE,
)
_ATTACHMENTS = re.compile(r"\{(?:Attachments|Embed|Reactions|Stickers?|Inline Invite)\}")
_DIRECTION = re.compile(
    r"(?:Re-?)?[Ee](?:nter|nters|xit|xits|xeunt)\b|(?:ENTER|EXIT|EXEUNT)\b|CURTAIN\b|Curtain\b"
    r"|(?:Alarum|Flourish|Sennet)s?\b|_[^_]+_[.)\]]?$"
)
_EMPHASIS = re.compile(
    r"'{2,5}|(?<!\w)(?P<mark>\*{1,3}|_{1,3})(?=\S)(?P<text>[^*_\n]{1,500}?)(?<=\S)(?P=mark)(?!\w)"
)
_LONGEST_HEADER = 120
_LONGEST_BRACKET = 2000
_LONGEST_SPEECH = 100_000


def parse_speeches(style: CueStyle, line_separator: str, lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield the elements of a text in a style of cues; the separator joins the lines of a paragraph."""
    reader = _Reader(style, line_separator)
    for block in blocks(lines):
        yield from reader.read(block)
    yield from reader.finish()


_Above = Literal["cue", "speech", "other"]
"""What is right above a line in its block, which decides what the line may be.

cue: a cue with nothing beside it; the line is speech, whatever it looks like.
speech: speech, perhaps beside the cue; the line continues its paragraph.
other: nothing, or what is not speech; the line opens a paragraph.
"""


@dataclass(slots=True)
class _Speech:
    """What is said below a cue: the lines of each paragraph, and how many characters they have."""

    paragraphs: list[list[str]] = field(default_factory=list)
    size: int = 0


class _Reader:
    """A parser of blocks of lines between blank lines; an open speech may go on in the next block.

    The speaker is the name in the last cue, as long as a line without a cue may be theirs; empty after that.
    The speech is what they say and is not yielded yet: without paragraphs below a cue with nothing beside it,
    and None if all is yielded.
    """

    def __init__(self, style: CueStyle, line_separator: str) -> None:
        self._style = style
        self._line_separator = line_separator
        self._speaker = ""
        self._speech: _Speech | None = None
        self._action: list[str] = []
        self._above: _Above = "other"

    def read(self, block: Sequence[str]) -> Iterator[Parsed]:
        """Parse one more block; yield the elements that are complete."""
        for line in self._join_brackets(block):
            if cue := self._style.split(line):
                yield from self.finish()
                self._open_speech(cue)
            elif is_stamp(_READ_BY.sub("", line).rstrip(":")) or _RULE.fullmatch(line):
                continue
            elif _ATTACHMENTS.fullmatch(line):
                break
            elif self._above != "cue" and (other := _parse_unspoken(line)):
                is_aside = other.element.kind == "action" and not self._style.unnamed_is_direction
                yield from self.finish(speaker_stays=is_aside)
                yield other
                self._above = "other"
            else:
                self._add(line)
        self._above = "other"
        yield from self._end_action()
        if self._speech and self._speech.size > _LONGEST_SPEECH:
            yield from self._end_speech()

    def finish(self, speaker_stays: bool = False) -> Iterator[Parsed]:
        """Yield the open elements; if the speaker stays, they may go on after what interrupts them."""
        yield from self._end_action()
        yield from self._end_speech()
        if not speaker_stays:
            self._speaker = ""

    def _join_brackets(self, block: Sequence[str]) -> Sequence[str]:
        """Return the stripped lines of a block; those of one bracket or one cue are joined."""
        lines = [_LISTED.sub("", line.strip()) for line in block]
        if self._style.needs_question_and_answer:
            lines = [text for line in lines if (text := _LINE_NUMBER.sub("", line, count=1))]
        whole = " ".join(lines)
        if (
            len(lines) > 1
            and len(whole) < _LONGEST_BRACKET
            and is_bracketed(whole)
            and not any(map(self._style.split, lines))
        ):
            return [whole]
        return self._join_aside(lines)

    def _join_aside(self, lines: Sequence[str]) -> Sequence[str]:
        """Join the first two lines if the aside after a name continues on the second."""
        first = next(iter(lines), "")
        if len(lines) < 2 or first.count("(") <= first.count(")") or self._style.split(first):
            return lines
        joined = f"{first} {lines[1]}"
        return [joined, *lines[2:]] if self._style.split(joined) else lines

    def _open_speech(self, cue: Cue) -> None:
        self._speaker, self._speech, self._above = cue.name, _Speech(), "cue"
        if cue.text:
            self._say(cue.text)

    def _add(self, line: str) -> None:
        """Add a line to the speech, if it goes on, else to the action."""
        stamp = stamp_before(line)
        text = line[stamp.end :] if stamp and stamp.is_bracketed else line
        style = self._style
        may_go_on = self._above != "other" or (self._speaker and not style.unnamed_is_direction)
        if may_go_on and not style.one_line_per_speech:
            self._say(text)
        else:
            self._action.append(text)
            self._above = "other"

    def _say(self, text: str) -> None:
        """Add a line to the paragraph above, or begin one, in a speech of the speaker."""
        self._speech = self._speech or _Speech()
        if self._above == "speech":
            self._speech.paragraphs[-1].append(text)
        else:
            self._speech.paragraphs.append([text])
        self._speech.size += len(text)
        self._above = "speech"

    def _end_speech(self) -> Iterator[Parsed]:
        """Yield the open speech, if there is one; a cue under which nothing is said is action."""
        if not self._speech:
            return
        text = _without_emphasis("\n".join(filter(None, map(self._join_paragraph, self._speech.paragraphs))))
        if text:
            yield Parsed(Element("dialogue", text, self._speaker))
        else:
            yield Parsed(Element("action", self._speaker), recognised=False)
        self._speech = None

    def _join_paragraph(self, lines: Sequence[str]) -> str:
        """Join the lines of a paragraph; an aside on the first line is joined by a space."""
        if is_bracketed(lines[0]):
            return f"{lines[0]} {self._line_separator.join(lines[1:])}".strip()
        return self._line_separator.join(lines)

    def _end_action(self) -> Iterator[Parsed]:
        """Yield the speech and the action below it, if any is open."""
        if not self._action:
            return
        yield from self._end_speech()
        text = " ".join(self._action)
        is_deed = self._style.one_line_per_speech and text.startswith("* ")
        is_known = is_deed or is_bracketed(text) or _DIRECTION.match(text) is not None
        yield Parsed(Element("action", _without_emphasis(text)), is_known)
        self._action = []


def _without_emphasis(text: str) -> str:
    return _EMPHASIS.sub(_inside_marks, text)


def _inside_marks(emphasis: re.Match[str]) -> str:
    return emphasis["text"] or ""


def _parse_unspoken(line: str) -> Parsed | None:
    """Return the element on a line that cannot be speech, whatever surrounds it; None if it may be speech."""
    heading = _HEADING.fullmatch(line) if len(line) < _LONGEST_HEADER else None
    if heading:
        return Parsed(Element("heading", heading["md"] or heading["wiki"]))
    if is_scene_heading(line) or is_act_heading(line):
        return Parsed(Element("heading", line))
    if is_transition(line):
        return Parsed(Element("transition", line))
    if effect := _EFFECT.fullmatch(line):
        return Parsed(Element("action", effect["text"]))
    bare = _without_emphasis(line)
    if is_bracketed(bare) or _CREDIT.fullmatch(line):
        return Parsed(Element("action", bare))
    return None
