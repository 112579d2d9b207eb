"""The interface of a format, and heuristics that several formats share.

A format says how a script laid out in lines is recognised and parsed; this module knows no particular one.
The heuristics judge a line by itself, whatever surrounds it, and split lines into blocks. They were tuned on
real scripts. A wrong guess costs little: a missed heading becomes an action, and words mistaken for a name
become a speaker with one line.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from scriptforge.errors import CorpusError
from scriptforge.screenplay.script import Element, cached


class LinePart(str):
    """A part of a line too long to be in memory at once; the next string continues the line."""

    __slots__ = ()


_SCENE_HEADING = re.compile(
    r"(?:INT|EXT|EST|I/E|INT\.?/EXT|EXT\.?/INT)\.?\s|(?i:INT|EXT|EST|I/E|INT\.?/EXT|EXT\.?/INT)\.|(?:INTERIOR|EXTERIOR)\b"
)
_ACT_HEADING = re.compile(
    r"(?:ACT|SCENE|Act|Scene|ACTE|SC[ÈE]NE|ACTO|ESCENA|ATTO|SCENA|AKT|SZENE)\s+"
    r"(?:[IVXLC]+|\d{1,3}|(?i:one|two|three|four|five|six|seven|eight|nine|ten"
    r"|premi[eè]re?|primer[oa]?|prim[oa]))(?:\s*[.:,;(–—-].*)?"
    r"|(?i:first|second|third|fourth|fifth)\s(?:ACT|Act|SCENE|Scene)\.?"
    r"|(?i:(?:erst|zweit|dritt|viert|fünft)er?)\s(?:AKT|Akt|AUFZUG|Aufzug|SZENE|Szene)\.?"
    r"|(?:PROLOGUE|EPILOGUE|TEASER|COLD OPEN)\b[.:]?",
    re.DOTALL,
)
_LABEL = re.compile(
    r"(?:(?:editor|author|transcriber)['’]s )?notes?|n\.?b\.?|todo|title|warning|disclaimer"
    r"|s?fx|sound(?: effects?)?|music|grams"
    r"|(?:written|directed|produced|created|edited|story|teleplay|screenplay|transcribed|transcript) by",
    re.IGNORECASE,
)
_CUE_EXTENSION = re.compile(r"(\((?:(?i:V\.? ?O|O\.? ?[SC])\.?|PRE-?LAP|FILTERED|ON [A-Z]+)\)) (?=\S)")
_PARENTHETICAL = re.compile(r"\([^()\n]+\)")
_PARENTHETICAL_BEFORE = re.compile(rf"(?:^|(?<=[.!?…)\]\"'”’—–-] )){_PARENTHETICAL.pattern}(?= \S)")
"""A parenthetical that is followed by text, and stands at the start or after the end of a sentence."""
_TRANSITION_ENDS = (" TO:", "FADE IN", "FADE OUT", "FADE TO BLACK", "CUT TO BLACK")
_NO_SPEAKER = re.compile(
    r"(?:(?:smash |match |jump |hard |quick |flash |time |slow )*(?:cut|dissolve|fade|wipe|iris|flip|segue)s?"
    r"|back|intercut) (?:to|in|out|up|back|between|with)(?: .*)?"
    r"|\(?continu(?:ed|ous)\)?|\(?more\)?|the end|end credits|dissolve"
    r"|int|ext|est|i/e|int\.?/ext|ext\.?/int|interior|exterior",
    re.IGNORECASE,
)
"""Transitions, page marks and the like: often in capitals and alone on a line, but not a speaker's name."""

_LONGEST_TRANSITION = 60
_LONGEST_CAPTION = 60
_LONGEST_NAME = 40
_MAX_WORDS_IN_A_NAME = 5
_NOT_IN_NAMES = frozenset("!?;！？；。，")
_QUOTES = "\"'“‘„«"
_BRACKETS = frozenset(
    {("(", ")"), ("[", "]"), ("{", "}"), ("（", "）"), ("【", "】"), ("*", "*"), ("♪", "♪")}
)
_CLOSING = dict(_BRACKETS)
_OPENING = {closing: opening for opening, closing in _BRACKETS}
_LONGEST_BLOCK = 1_000_000
"""In characters. A longer block is split, so that a text without blank lines never fills the memory."""
_SENTENCE_WORDS = frozenset({
    "i", "i'm", "im", "you", "we", "he", "she", "it", "it's", "they", "is", "are", "was", "were", "am",
    "have", "has", "had", "said", "says", "say", "asked", "told",
})  # fmt: skip


def is_scene_heading(line: str) -> bool:
    """Return whether a stripped line is a scene heading: `INT. DINER`, `EXTERIOR  STREET`."""
    return _SCENE_HEADING.match(line) is not None


def is_act_heading(text: str) -> bool:
    """Return whether stripped text heads an act or scene: `ACT I`, `Scene 2: the diner`, `PROLOGUE`."""
    return _ACT_HEADING.fullmatch(text) is not None


def is_transition(line: str) -> bool:
    """Return whether a stripped line is a transition in capitals: `CUT TO:`, `FADE OUT.`."""
    return (
        len(line) <= _LONGEST_TRANSITION
        and line.isupper()
        and (line.endswith(_TRANSITION_ENDS[0]) or line.rstrip(".:").endswith(_TRANSITION_ENDS[1:]))
    )


@cached
def is_name(text: str) -> bool:
    """Return whether a few words may be a speaker's name, not the beginning of a sentence.

    `uncle leo` and `GROUPIE #1` may be; `so i said`, `9`, `Note` and `DISSOLVE TO` may not. The list of words
    that only occur in sentences is English; in other languages, length and punctuation decide.
    """
    words = text.split()
    return (
        0 < len(text) <= _LONGEST_NAME
        and len(words) <= _MAX_WORDS_IN_A_NAME
        and any(map(str.isalpha, text))
        and (text[0].isalnum() or text[0] in _QUOTES)
        and _NOT_IN_NAMES.isdisjoint(text)
        and (len(words) == 1 or _SENTENCE_WORDS.isdisjoint(word.casefold() for word in words))
        and not is_label(text)
        and not _NO_SPEAKER.fullmatch(text)
    )


def is_label(text: str) -> bool:
    """Return whether a few words introduce a remark or a credit, not a speech: `Note`, `Written by`."""
    return _LABEL.fullmatch(text) is not None


def is_in_capitals(text: str) -> bool:
    """Return whether text has letters, none in lower case; letters without case count as capitals: `小明`."""
    return any(map(str.isalpha, text)) and not any(map(str.islower, text))


@cached
def is_cue_in_capitals(text: str) -> bool:
    """Return whether stripped text is a name in capitals, optionally with an extension in brackets."""
    name = name_in_cue(text)
    return is_in_capitals(name) and is_name(name)


def name_in_cue(cue: str) -> str:
    """Return the part of a cue before its first round bracket."""
    return cue.partition("(")[0].strip()


def is_caption(text: str) -> bool:
    """Return whether stripped text is short and in capitals, and so may be a heading: `THE KETTLE`."""
    return text.isupper() and len(text) <= _LONGEST_CAPTION and text[-1] not in ".!?:\"'"


def is_bracketed(line: str) -> bool:
    """Return whether a stripped line is in brackets as a whole: `(he leaves)`, `[applause].`, `*sighs*`."""
    bare = line.rstrip(".") or line
    return len(bare) > 1 and (bare[0], bare[-1]) in _BRACKETS


def in_brackets(text: str) -> str:
    """Return a stripped text in brackets, adding only those that it lacks: `softly`, `(softly`, `[low`."""
    if is_bracketed(text):
        return text
    first, last = text[:1], text[-1:]
    if text.count(first) > text.count(closing := _CLOSING.get(first, first)):
        return text + closing
    if text.count(last) > text.count(opening := _OPENING.get(last, last)):
        return opening + text
    return f"({text})"


def split_cue_extension(text: str) -> tuple[str, str]:
    """Split off the extension that is printed beside the name: `(O.S.) Tea?` into `(O.S.)` and `Tea?`.

    The extension is empty if the text does not open with one.
    """
    extension = _CUE_EXTENSION.match(text)
    return (extension[1], text[extension.end() :]) if extension else ("", text)


class Part(NamedTuple):
    """A part of a speech.

    Attributes:
        text: the part, without the spaces that separate it from the others.
        is_parenthetical: whether it says how the others are spoken, and is not spoken itself.
    """

    text: str
    is_parenthetical: bool


def split_at_parentheticals(text: str) -> Iterator[Part]:
    """Split a speech at the spaces around parentheticals; joined by spaces, the parts are the text again.

    A parenthetical opens the text or stands between two sentences, `(softly) Tea? (beat) Now?`, or is the
    whole text. Other brackets are part of a sentence, and those beside a line break are not split off.
    """
    position = 0
    for match in _PARENTHETICAL_BEFORE.finditer(text):
        if match.start() > position:
            yield Part(text[position : match.start() - 1], is_parenthetical=False)
        yield Part(match[0], is_parenthetical=True)
        position = match.end() + 1
    rest = text[position:]
    yield Part(rest, _PARENTHETICAL.fullmatch(rest) is not None)


def join_speech(parts: Iterable[Part]) -> str:
    """Join the parts of a speech: a parenthetical to its neighbours by spaces, other parts by line breaks.

    An empty part keeps its two neighbours on separate lines.
    """
    joined: list[str] = []
    above = Part("", is_parenthetical=False)
    for part in parts:
        is_aside = above.text and part.text and (above.is_parenthetical or part.is_parenthetical)
        joined += [" " if is_aside else "\n", part.text]
        above = part
    return "".join(joined[1:])


def blocks(
    lines: Iterable[str], ends: Callable[[Sequence[str], str], bool] = lambda block, blank: True
) -> Iterator[list[str]]:
    """Yield the runs of lines between blank lines, unchanged; one of more than a million characters is split.

    Args:
        lines: the lines to split.
        ends: takes the block so far and a blank line; returns False to make the line part of the block.
    """
    block: list[str] = []
    size = 0
    for line in lines:
        is_blank = not line or line.isspace()
        if block and ((is_blank and ends(block, line)) or size > _LONGEST_BLOCK):
            yield block
            block, size = [], 0
        if block or not is_blank:
            block.append(line)
            size += len(line)
    if block:
        yield block


HEAD_LINES = 2000
"""Number of first lines by which a format is recognised: an episode or two, read in a few milliseconds."""

LONG_HEAD_LINES = 20_000
"""Number of lines that are searched if the first ones show no script: about a book."""

_CHARACTERS_OF_A_LINE, _LONGEST_HEAD = 1000, 1 << 24
"""Limits in characters, per line on average and in total, so that first lines never fill the memory."""


class BrokenScript(CorpusError):  # noqa: N818 (it names the script)
    """A text that breaks the rules of its format. Formats do not know files: `named` adds the file's name.

    Args:
        what: continues the name of the file, without a full stop: "breaks off in line 12".
        hint: one line that says what to do about it.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"The script {what}.", hint)
        self.what = what

    def named(self, name: str) -> CorpusError:
        """Return the error with the name of the file."""
        return CorpusError(f"“{name}” {self.what}.", self.hint)


class Parsed(NamedTuple):
    """An element, and whether the format recognised it.

    Attributes:
        element: the element as printed; it need not be in normal form.
        recognised: False if the format has no rule for the text and kept it as action.
    """

    element: Element
    recognised: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """How well a text fits a format.

    Attributes:
        score: from 0, certainly not in this format, to 1, certainly.
        reason: a clause that tells users why: "96 % of 2,000 lines are `name: text`".
    """

    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Format:
    """One way to lay out a script.

    Attributes:
        name: its name on the command line.
        description: one line that shows what it looks like.
        recognise: scores the first lines of a text.
        parse: turns lines, without line ends, into elements as they arrive. A format with strict rules, such
            as XML, raises `BrokenScript` at an error; any other keeps text that it has no rule for as action.
        title: returns the script's title, found in the first lines; empty if there is none.
        title_within: number of first lines that `title` is given; they are held in memory.
        suffixes: the suffixes of its files, if every file with one of them must be in this format.
    """

    name: str
    description: str
    recognise: Callable[[Sequence[str]], Evidence]
    parse: Callable[[Iterable[str]], Iterator[Parsed]]
    title: Callable[[Sequence[str]], str] = lambda head: ""
    title_within: int = HEAD_LINES
    suffixes: tuple[str, ...] = ()


def peek(lines: Iterable[str], count: int = HEAD_LINES) -> tuple[list[str], Iterator[str]]:
    """Return the first `count` lines, and an iterator over all lines, the first ones included.

    Fewer are returned if they are very long, as in a text without line ends.
    """
    rest = iter(lines)
    head: list[str] = []
    room = min(_CHARACTERS_OF_A_LINE * count, _LONGEST_HEAD)
    for line in islice(rest, count):
        head.append(line)
        room -= len(line)
        if room < 0:
            break
    return head, chain(head, rest)


def find_head(
    lines: Iterable[str], tells: Callable[[Sequence[str]], bool]
) -> tuple[list[str], Iterator[str]]:
    """Return the first run of `HEAD_LINES` lines for which `tells` is true, and an iterator over all lines.

    If there is none in the first `LONG_HEAD_LINES` lines, the very first lines are returned.
    """
    head, rest = peek(lines)
    if len(head) < HEAD_LINES or tells(head):
        return head, rest
    further, rest = peek(rest, LONG_HEAD_LINES)
    windows = (further[start : start + HEAD_LINES] for start in range(HEAD_LINES, len(further), HEAD_LINES))
    return next((window for window in windows if tells(window)), head), rest


def percentage(part: int, whole: int) -> str:
    """Format a share as a percentage: `96 %`; the whole may be 0."""
    return f"{100 * part / max(whole, 1):.0f} %"
