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
from dataclasses import replace
from functools import cache, partial
from itertools import chain, pairwise
from operator import methodcaller
from typing import NamedTuple

from scriptforge.screenplay import name_line, plain_layouts
from scriptforge.screenplay.format import Evidence, Format, Parsed, blocks, peek
from scriptforge.screenplay.script import Element, normalise, speaker_key
from scriptforge.screenplay.speaker_cues import STYLES, CueStyle
from scriptforge.screenplay.speeches import parse_speeches
from scriptforge.screenplay.time_stamps import has_date_or_half_day

_KNOWN_KEY = re.compile(
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
_START = re.compile(r"\*{3} ?START OF (?:THE|THIS) PROJECT GUTENBERG.*")
_END = re.compile(r"\*{3} ?END OF (?:THE|THIS) PROJECT GUTENBERG.*|End of (?:the )?Project Gutenberg.*")
_BELOW_FRONT_MATTER = Evidence(0.4, "it opens with front matter, and nobody speaks below that")
_PARAGRAPHS_OF_A_SPEECH = 6
"""A text in which fewer than one in this many paragraphs has a cue gets a lower score."""

_SCORE_OF_A_LIST = 0.1
_ALMOST = 0.999
"""Factor on the score of a style whose cues `name_line` reads, too, so that it is preferred if both fit."""

_LETTERS_OF_COURT = frozenset("qarfpd")
_LINES_OF_A_SPEECH = 60
_MAX_ABOVE_FIRST_CUE = 8
"""So many elements above the first cue, or as many as speeches, do not count against a reliable style."""

_MIN_RECURRING = 0.4
_MIN_CAPITALS_OF_VERSE = 0.7
_LONGEST_HEADER = 120


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
    styles = filter(methodcaller("may_occur_in", "".join(printed)), STYLES)
    layouts = [_layout_of_style(style, lines) for style in styles if _occurs(style, printed)]
    if skipped:
        simple = (
            (name_line.recognise, name_line.parse),
            (plain_layouts.recognise_shakespeare, plain_layouts.parse_shakespeare),
            (lambda rest: _BELOW_FRONT_MATTER, plain_layouts.parse_prose),
        )
        layouts += [_Layout(judge(lines), read) for judge, read in simple]
    nothing = _Layout(Evidence(0.0, "no line names a speaker"), partial(parse_speeches, STYLES[0], " "))
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


class _Trial(NamedTuple):
    """The first lines of a text, parsed in a style of cues.

    Attributes:
        style: the style.
        lines: the lines.
        parsed: the elements in them.
        speeches: the texts of those that are dialogue.
        speakers: how many of these each speaker has.
        cues: how many lines are a cue with each name.
    """

    style: CueStyle
    lines: Sequence[str]
    parsed: list[Parsed]
    speeches: list[str]
    speakers: Counter[str]
    cues: Counter[str]


def _layout_of_style(style: CueStyle, head: Sequence[str]) -> _Layout:
    """Parse the first lines in a style of cues, and score the result."""
    tried = replace(style, split=cache(style.split))  # each line is looked at several times
    separator = _line_separator(tried, head)
    parsed = list(parse_speeches(tried, separator, head))
    dialogue = [item.element for item in parsed if item.element.kind == "dialogue"]
    trial = _Trial(
        tried,
        head,
        parsed,
        speeches=[element.text for element in dialogue],
        speakers=Counter(speaker_key(element.speaker) for element in dialogue),
        cues=Counter(speaker_key(cue.name) for cue in tried.cues(map(str.strip, head))),
    )
    reason = f"{len(dialogue):,} speeches of {len(trial.speakers):,} speakers look like {style.looks}"
    return _Layout(Evidence(_score(trial), reason), partial(parse_speeches, style, separator))


def _score(trial: _Trial) -> float:
    """Return the share of the text that was understood, lowered if there are few speeches per paragraph.

    It is near 0 for a list, and 0 if no two people speak to each other in the style.
    """
    speeches = len(trial.speeches)
    if speeches < 2 or 2 * speeches < trial.cues.total():
        return 0.0
    if trial.style.needs_question_and_answer and len(trial.speakers.keys() & _LETTERS_OF_COURT) != 2:
        return 0.0
    density = min(1.0, _PARAGRAPHS_OF_A_SPEECH * speeches / _count_paragraphs(trial))
    score = _share_understood(trial) * density
    if _is_list(trial):
        score = min(score, _SCORE_OF_A_LIST)
    return score * (_ALMOST if _reads_as_name_line(trial) else 1.0)


def _share_understood(trial: _Trial) -> float:
    """Return the share of the text for which the format has rules.

    What is above the first speech does not count if it is little and the style is reliable.
    """
    style, parsed = trial.style, trial.parsed
    first = next(number for number, item in enumerate(parsed) if item.element.kind == "dialogue")
    is_reliable = style.max_unique_names > 0 or style.needs_question_and_answer
    if is_reliable and first <= max(_MAX_ABOVE_FIRST_CUE, len(trial.speeches)):
        parsed = parsed[first:]
    size = sum(len(item.element.text) for item in parsed)
    return sum(len(item.element.text) for item in parsed if item.recognised) / max(size, 1)


def _count_paragraphs(trial: _Trial) -> int:
    """Return the number of blocks of lines, or of lines if no blank lines separate the speeches."""
    sizes = list(map(len, blocks(trial.lines)))
    are_lines = max(sizes) > _PARAGRAPHS_OF_A_SPEECH and len(sizes) < trial.cues.total()
    return sum(sizes) if are_lines else len(sizes)


def _is_list(trial: _Trial) -> bool:
    """Return whether what looks like cues are the items of a list.

    In a style that allows unique names they are if there are more, and no name recurs. In any other, most
    names have to recur, two people to speak, and half of what they say to be sentences.
    """
    style, speeches, speakers, cues = trial.style, trial.speeches, trial.speakers, trial.cues
    if style.max_unique_names:
        return len(speeches) > style.max_unique_names and max(speakers.values()) == 1
    sentences = sum(" " in text or text[-1] in ".!?…。！？" for text in speeches)
    recurring = sum(count for count in cues.values() if count > 1)
    return recurring < _MIN_RECURRING * cues.total() or len(speakers) < 2 or 2 * sentences < len(speeches)


def _reads_as_name_line(trial: _Trial) -> bool:
    """Return whether `name_line` reads all cues in the same way."""
    lines = filter(None, map(str.strip, trial.lines))
    cues = ((line, cue) for line in lines if (cue := trial.style.split(line)))
    return all(
        normalise(name_line.parse_line(line).element) == normalise(Element("dialogue", cue.text, cue.name))
        for line, cue in cues
    )


def _line_separator(style: CueStyle, head: Sequence[str]) -> str:
    """Return what joins the lines of a paragraph: a line break in verse and in chats, else a space."""
    is_broken = _is_chat(style, head) or (style.unnamed_is_direction and _is_verse(style, head))
    return "\n" if is_broken else " "


def _is_chat(style: CueStyle, head: Sequence[str]) -> bool:
    """Return whether most cues have a date, or a time with a.m. or p.m."""
    cues = [line.strip() for line in head if len(line) < _LONGEST_HEADER and style.split(line.strip())]
    return 2 * sum(map(has_date_or_half_day, cues)) > len(cues)


def _is_verse(style: CueStyle, head: Sequence[str]) -> bool:
    """Return whether most lines that continue a paragraph of speech begin with a capital."""
    lines = [[line.strip() for line in block] for block in blocks(head)]
    rest = [
        line
        for above, line in chain.from_iterable(map(pairwise, lines))
        if line[0].isalpha() and not style.split(line) and ((cue := style.split(above)) is None or cue.text)
    ]
    capitals = sum(line[0].isupper() for line in rest)
    return len(rest) > 2 and capitals > _MIN_CAPITALS_OF_VERSE * len(rest)


def _front_matter(head: Sequence[str]) -> int:
    """Return how many lines of front matter there are: YAML between `---`, or a block of known fields."""
    above = next((number for number, line in enumerate(head) if line.strip()), 0)
    lines = head[above : above + _LONGEST_FRONT_MATTER]
    is_yaml = bool(lines) and lines[0].strip() == "---"
    count = _lines_of_yaml(lines) if is_yaml else _lines_of_fields(lines)
    return above + count if count else 0


def _lines_of_yaml(lines: Sequence[str]) -> int:
    """Return how many lines are YAML, from one `---` to the next; 0 if there are no fields between them."""
    end = next((number for number, line in enumerate(lines) if number and line.strip() in ("---", "...")), 0)
    return end + 1 if _keys(lines[1:end], str.rstrip) else 0


def _lines_of_fields(lines: Sequence[str]) -> int:
    """Return how many lines are above the first blank one; 0 if few of the fields there are known ones."""
    end = next((number for number, line in enumerate(lines) if not line.strip()), 0)
    keys = _keys(lines[:end], str.strip)
    return end if 2 * sum(map(bool, map(_KNOWN_KEY.fullmatch, keys))) > len(keys) else 0


def _keys(lines: Iterable[str], strip: Callable[[str], str]) -> list[str]:
    """Return the keys of the fields; none if any line is neither a field nor may stand beside fields."""
    keys: list[str] = []
    for line in lines:
        if field := _FIELD.fullmatch(strip(line)):
            keys.append(field["key"])
        elif not _NOT_A_FIELD.match(line):
            return []
    return keys


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


FORMAT = Format(
    "transcript",
    "speakers in bold, with times, a full stop, a dash, or alone above what they say",
    recognise,
    parse,
    title,
)
