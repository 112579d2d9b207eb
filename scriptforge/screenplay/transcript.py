r"""Transcripts and printed plays that name speakers in other styles than `name: text`.

    ---
    title: The Show             front matter, in YAML or as a block of `Date: …`, is left out
    ---
    **Nora Lind:** Welcome      a cue, in the style of `speaker_cues` that explains most of the text
    to the show.                lines below it continue the speech
                                a blank line
    We have a guest today.      the speaker goes on; in a play it would be a stage direction
    [applause]                  action, like all lines in brackets
    (00:00:48)                  times are dropped

The text that Project Gutenberg adds before and after a book is left out.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

from scriptforge.screenplay import name_line, plain_layouts
from scriptforge.screenplay.format import (
    Evidence,
    Format,
    Parsed,
    blocks,
    is_act_heading,
    is_bracketed,
    is_scene_heading,
    is_transition,
    peek,
)
from scriptforge.screenplay.script import Element, normalise, speaker_key
from scriptforge.screenplay.speaker_cues import STYLES, CueStyle
from scriptforge.screenplay.time_stamps import has_date_or_half_day, is_stamp, stamp_before

_KEY = re.compile(
    r"(?:title|date|episode|season|show|podcast|series|guests?|hosts?|speakers?|participants?|attendees"
    r"|cast"
    r"|duration|length|location|place|published|author|language|lang|tags|url|link|source"
    r"|recorded(?: on| at)?"
    r"|recording|transcri\w+(?: by)?|interview(?:er|ee)?s?|subject|topic|project|file|filename|id|slug"
    r"|layout|number|guild|channel|after|before|case|meeting)",
    re.IGNORECASE,
)
_FIELD = re.compile(r"(?P<key>[^\W\d_][\w .-]{0,30}?)\s?:(?:\s+(?P<value>.*)|$)")
_NOT_A_FIELD = re.compile(r"\s+\S|\s*- |\s*#|\s*$|={3,}$|-{3,}$")
_LONGEST_FRONT_MATTER = 60
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

_READ = re.compile(r"(?<!\s)\s*\(Read by [^()]{1,80}\)$")
_LINE_NUMBER = re.compile(r"^\d{1,2}(?:\s{2,}|$)")
_CREDIT = re.compile(
    r"(?:Transcribed|Transcript|Transcription|Captioned|Captions|Subtitles) (?:provided )?by\b.*",
    re.IGNORECASE,
)
_EXTRA = re.compile(r"\{(?:Attachments|Embed|Reactions|Stickers?|Inline Invite)\}")
_DIRECTION = re.compile(
    r"(?:Re-?)?[Ee](?:nter|nters|xit|xits|xeunt)\b|(?:ENTER|EXIT|EXEUNT)\b|CURTAIN\b|Curtain\b"
    r"|(?:Alarum|Flourish|Sennet)s?\b|_[^_]+_[.)\]]?$"
)
_START = re.compile(r"\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG.*")
_END = re.compile(r"\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG.*|End of (?:the )?Project Gutenberg.*")
_EMPHASIS = re.compile(
    r"'{2,5}|(?<!\w)(?P<mark>\*{1,3}|_{1,3})(?=\S)(?P<text>[^*_\n]{1,500}?)(?<=\S)(?P=mark)(?!\w)"
)
_BELOW_FRONT_MATTER = Evidence(0.4, "it opens with front matter, and nobody speaks below that")
_PARAGRAPHS_OF_A_SPEECH = 6
"""A text in which fewer than one in this many paragraphs has a cue gets a lower score."""

_SCORE_OF_A_LIST = 0.1
_ALMOST = 0.999
"""Factor on the score of a style whose cues `name_line` reads, too, so that it is preferred if both fit."""

_LETTERS = frozenset("qarfpd")
_LINES_OF_A_SPEECH = 60
_MAX_ABOVE_FIRST_CUE = 8
"""So many elements above the first cue, or as many as speeches, do not count against a reliable style."""

_RECURRING = 0.4
_VERSE = 0.7
_LONGEST_HEADER = 120
_LONGEST_SPEECH = 100_000


class _Layout(NamedTuple):
    """How a text is to be parsed, and why.

    Attributes:
        evidence: how well the layout explains the text.
        parse: turns lines, without front matter and the like, into elements.
    """

    evidence: Evidence
    parse: Callable[[Iterable[str]], Iterator[Parsed]]


def recognise(head: Sequence[str]) -> Evidence:
    """Score a text by the style of cues that explains most of it."""
    return _layout(head).evidence


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield the elements; the paragraphs of a speech become its lines."""
    head, lines = peek(lines)
    yield from _layout(head).parse(_book(lines))


def title(head: Sequence[str]) -> str:
    """Return the title from the front matter; empty if there is none."""
    fields = (_FIELD.fullmatch(line.strip()) for line in head[: _front_matter(head)])
    titles = (field["value"] for field in fields if field and field["key"].casefold() == "title")
    return (next(titles, "") or "").strip("\"' ")


def _layout(head: Sequence[str]) -> _Layout:
    """Return the layout that explains most of a text; below front matter, those of other formats compete."""
    skipped = _front_matter(head)
    lines = list(_book(head))
    printed = Counter(filter(None, map(str.strip, lines)))
    layouts = [_layout_of_style(style, lines) for style in STYLES if _occurs(style, printed)]
    if skipped:
        simple = (
            (name_line.recognise, name_line.parse),
            (plain_layouts.recognise_shakespeare, plain_layouts.parse_shakespeare),
            (lambda rest: _BELOW_FRONT_MATTER, plain_layouts.parse_prose),
        )
        layouts += [_Layout(judge(lines), read) for judge, read in simple]
    nothing = _Layout(Evidence(0.0, "no line names a speaker"), _parser(STYLES[0], " "))
    return max([nothing, *layouts], key=lambda layout: layout.evidence.score)


def _occurs(style: CueStyle, lines: Counter[str]) -> bool:
    """Return whether enough lines are cues of a style for it to be that of the text.

    Args:
        style: the style of cues.
        lines: how often each stripped line occurs.
    """
    enough = max(1, lines.total() // _LINES_OF_A_SPEECH)
    cues = 0
    for line, count in lines.items():
        cue = style.cue(line)
        if cue and (len(cue.name) == 1 or not style.needs_question_and_answer):
            cues += count
            if cues > enough:
                return True
    return False


def _layout_of_style(style: CueStyle, head: Sequence[str]) -> _Layout:
    """Parse the first lines in a style of cues, and score the result.

    The score is the share of the text that was understood, lowered if there are few speeches per paragraph.
    It is near 0 for a list: a text in which names do not recur, or few speeches are sentences.
    """
    joint = _line_separator(style, head)
    parser = _parser(style, joint)
    parsed = list(parser(head))
    names = [speaker_key(item.element.speaker) for item in parsed if item.element.kind == "dialogue"]
    counts = Counter(names)
    first = next((n for n, item in enumerate(parsed) if item.element.kind == "dialogue"), 0)
    is_headed = (style.max_unique_names > 0 or style.needs_question_and_answer) and first <= max(
        _MAX_ABOVE_FIRST_CUE, len(names)
    )
    judged = parsed[first:] if is_headed else parsed
    size = sum(len(item.element.text) for item in judged)
    recognised = sum(len(item.element.text) for item in judged if item.recognised)
    called = Counter(speaker_key(cue.name) for cue in style.cues(map(str.strip, head)))
    cues = called.total()
    groups = list(blocks(head))
    paragraphs = min(len(groups), sum(map(len, groups)))
    if max(len(group) for group in groups) > _PARAGRAPHS_OF_A_SPEECH and len(groups) < cues:
        paragraphs = sum(map(len, groups))
    recurring = sum(count for count in counts.values() if count > 1)
    reason = f"{len(names):,} speeches of {len(counts):,} speakers look like {style.looks}"
    score = recognised / max(size, 1) * min(1.0, _PARAGRAPHS_OF_A_SPEECH * len(names) / max(paragraphs, 1))
    is_list = recurring == 0 and len(names) > style.max_unique_names
    if not style.max_unique_names:
        said = [item.element.text for item in parsed if item.element.kind == "dialogue"]
        sentences = sum(" " in text or text[-1] in ".!?…。！？" for text in said)
        again = sum(count for count in called.values() if count > 1)
        is_list = again < _RECURRING * cues or len(counts) < 2 or 2 * sentences < len(said)
    if len(names) < 2 or 2 * len(names) < cues:
        score = 0.0
    elif is_list:
        score = min(score, _SCORE_OF_A_LIST)
    if style.needs_question_and_answer and len(counts.keys() & _LETTERS) != 2:
        score = 0.0
    return _Layout(Evidence(score * (_ALMOST if _is_plain(style, head) else 1.0), reason), parser)


def _is_plain(style: CueStyle, head: Sequence[str]) -> bool:
    """Return whether `name_line` reads all cues of a style in the same way."""
    lines = filter(None, map(str.strip, head))
    cues = ((line, cue) for line in lines if (cue := style.split(line)))
    return all(
        normalise(name_line.parse_line(line).element) == normalise(Element("dialogue", cue.text, cue.name))
        for line, cue in cues
    )


def _line_separator(style: CueStyle, head: Sequence[str]) -> str:
    """Return what joins the lines of a paragraph: a line break in verse and in chats, else a space."""
    cues = [line.strip() for line in head if len(line) < _LONGEST_HEADER and style.split(line.strip())]
    if 2 * sum(map(has_date_or_half_day, cues)) > len(cues):
        return "\n"
    lines = [[line.strip() for line in block] for block in blocks(head) if style.unnamed_is_direction]
    rest = [
        line
        for above, line in chain.from_iterable(map(pairwise, lines))
        if line[0].isalpha() and not style.split(line) and ((cue := style.split(above)) is None or cue.text)
    ]
    capitals = sum(line[0].isupper() for line in rest)
    return "\n" if len(rest) > 2 and capitals > _VERSE * len(rest) else " "


def _front_matter(head: Sequence[str]) -> int:
    """Return how many lines of front matter there are: YAML between `---`, or a block of known fields."""
    first = next((number for number, line in enumerate(head) if line.strip()), 0)
    lines = head[first : first + _LONGEST_FRONT_MATTER]
    fields: list[str] = []
    if lines and lines[0].strip() == "---":
        for number, line in enumerate(lines[1:], start=first + 1):
            if line.strip() in ("---", "..."):
                return number + 1 if fields else 0
            field = _FIELD.fullmatch(line.rstrip())
            fields += [field["key"]] if field else []
            if not field and not _NOT_A_FIELD.match(line):
                return 0
        return 0
    for number, line in enumerate(lines, start=first):
        if not line.strip():
            return number if sum(map(bool, map(_KEY.fullmatch, fields))) * 2 > len(fields) else 0
        field = _FIELD.fullmatch(line.strip())
        fields += [field["key"]] if field else []
        if not field and not _NOT_A_FIELD.match(line):
            return 0
    return 0


def _book(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines without front matter and without Project Gutenberg's text around a book."""
    head, lines = peek(lines)
    skipped = _front_matter(head)
    start = next((number for number, line in enumerate(head) if _START.match(line)), -1)
    for number, line in enumerate(lines):
        if _END.match(line):
            return
        if number >= skipped and number > start:
            yield line


def _parser(style: CueStyle, joint: str) -> Callable[[Iterable[str]], Iterator[Parsed]]:
    def parse_lines(lines: Iterable[str]) -> Iterator[Parsed]:
        reader = _Reader(style, joint)
        for block in blocks(lines):
            yield from reader.read(block)
        yield from reader.finish()

    return parse_lines


class _Reader:
    """A parser of blocks of lines between blank lines; an open speech may go on in the next block."""

    def __init__(self, style: CueStyle, joint: str) -> None:
        self._style = style
        self._line_separator = joint
        self._name = ""
        self._said: list[list[str]] = []
        self._size = 0
        self._aside: list[str] = []

    def read(self, block: Sequence[str]) -> Iterator[Parsed]:
        """Parse one more block; yield the elements that are complete."""
        lines = [_LISTED.sub("", line.strip()) for line in block]
        if self._style.needs_question_and_answer:
            lines = [text for line in lines if (text := _LINE_NUMBER.sub("", line, count=1))]
        whole = " ".join(lines)
        if (
            len(lines) > 1
            and len(whole) < 2000
            and is_bracketed(whole)
            and not any(map(self._style.split, lines))
        ):
            lines = [whole]
        is_open = False
        for line in self._with_whole_aside(lines):
            cue = self._style.split(line)
            if cue:
                yield from self.finish()
                self._name, self._said, is_open = cue.name, [[cue.text] if cue.text else []], True
                self._size = len(cue.text)
            elif is_stamp(_READ.sub("", line).rstrip(":")) or _RULE.fullmatch(line):
                continue
            elif _EXTRA.fullmatch(line):
                break
            elif not (is_open and not any(self._said)) and (other := _other(line)):
                yield from self.finish(
                    goes_on=other.element.kind == "action" and not self._style.unnamed_is_direction
                )
                yield other
                is_open = False
            else:
                is_open = self._add(line, is_open)
        yield from self._end_of_action()
        if self._size > _LONGEST_SPEECH:
            yield from self._end_of_speech()

    def _with_whole_aside(self, lines: Sequence[str]) -> Sequence[str]:
        """Join the first two lines if the aside after a name continues on the second."""
        first = next(iter(lines), "")
        if len(lines) < 2 or first.count("(") <= first.count(")") or self._style.split(first):
            return lines
        joined = f"{first} {lines[1]}"
        return [joined, *lines[2:]] if self._style.split(joined) else lines

    def _add(self, line: str, is_open: bool) -> bool:
        """Add a line to the speech, if it goes on, else to the action; return whether it goes on."""
        stamp = stamp_before(line)
        text = line[stamp.end :] if stamp and stamp.is_bracketed else line
        goes_on = is_open or (bool(self._name) and not self._style.unnamed_is_direction)
        goes_on = goes_on and not self._style.one_line_per_speech
        if not goes_on:
            self._aside.append(text)
        elif is_open and self._said:
            self._said[-1].append(text)
        else:
            self._said.append([text])
        self._size += len(text)
        return goes_on

    def finish(self, goes_on: bool = False) -> Iterator[Parsed]:
        """Yield the open elements; with `goes_on`, the speaker may continue after the interruption."""
        yield from self._end_of_action()
        yield from self._end_of_speech()
        if not goes_on:
            self._name = ""

    def _end_of_speech(self) -> Iterator[Parsed]:
        text = _EMPHASIS.sub(_emphasised, "\n".join(filter(None, map(self._paragraph, self._said))))
        if text:
            yield Parsed(Element("dialogue", text, self._name))
        elif self._name and self._said:
            yield Parsed(Element("action", self._name), recognised=False)
        self._said, self._size = [], 0

    def _paragraph(self, lines: Sequence[str]) -> str:
        """Join the lines of a paragraph; an aside on the first line is joined by a space."""
        if lines and is_bracketed(lines[0]):
            return f"{lines[0]} {self._line_separator.join(lines[1:])}".strip()
        return self._line_separator.join(lines)

    def _end_of_action(self) -> Iterator[Parsed]:
        if not self._aside:
            return
        yield from self._end_of_speech()
        text = " ".join(self._aside)
        is_known = is_bracketed(text) or _DIRECTION.match(text) is not None
        is_known = is_known or (self._style.one_line_per_speech and text.startswith("* "))
        yield Parsed(Element("action", _EMPHASIS.sub(_emphasised, text)), is_known)
        self._aside = []


def _emphasised(match: re.Match[str]) -> str:
    return match["text"] or ""


def _other(line: str) -> Parsed | None:
    """Return the element on a line that cannot be speech, whatever surrounds it; None if it can be."""
    heading = _HEADING.fullmatch(line) if len(line) < _LONGEST_HEADER else None
    if heading:
        return Parsed(Element("heading", heading["md"] or heading["wiki"]))
    if is_scene_heading(line) or is_act_heading(line):
        return Parsed(Element("heading", line))
    if is_transition(line):
        return Parsed(Element("transition", line))
    if effect := _EFFECT.fullmatch(line):
        return Parsed(Element("action", effect["text"]))
    bare = _EMPHASIS.sub(_emphasised, line)
    if is_bracketed(bare) or _CREDIT.fullmatch(line):
        return Parsed(Element("action", bare))
    return None


FORMAT = Format(
    "transcript",
    "speakers in bold, with times, a full stop, a dash, or alone above what they say",
    recognise,
    parse,
    title,
)
