"""The interface of a format, and the heuristics that several formats share.

A format lays out a script in lines, which can be recognised and parsed; this module knows no particular one.
The heuristics say what a line looks like, whatever surrounds it, and where blocks end. They were tuned on
real scripts. A wrong guess costs little: a heading that is missed is an action, a name that is none becomes a
speaker with one line.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import NamedTuple

from scriptforge.errors import CorpusError
from scriptforge.screenplay.script import Element, remembered


class LinePart(str):
    """A part of a line too long to be in memory at once, which goes on with the next string."""

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
"""A parenthetical with text behind it, and before it nothing or the end of a sentence."""
_TRANSITION_ENDS = (" TO:", "FADE IN", "FADE OUT", "FADE TO BLACK", "CUT TO BLACK")
_NO_SPEAKER = re.compile(
    r"(?:(?:smash |match |jump |hard |quick |flash |time |slow )*(?:cut|dissolve|fade|wipe|iris|flip|segue)s?"
    r"|back|intercut) (?:to|in|out|up|back|between|with)(?: .*)?"
    r"|\(?continu(?:ed|ous)\)?|\(?more\)?|the end|end credits|dissolve"
    r"|int|ext|est|i/e|int\.?/ext|ext\.?/int|interior|exterior",
    re.IGNORECASE,
)
"""What leads from scene to scene or page to page: often in capitals, alone on a line, but nobody's name."""

_LONGEST_TRANSITION = 60
_LONGEST_CAPTION = 60
_LONGEST_NAME = 40
_MOST_WORDS_IN_A_NAME = 5
_NOT_IN_NAMES = frozenset("!?;！？；。，")
_QUOTES = "\"'“‘„«"
_BRACKETS = frozenset(
    {("(", ")"), ("[", "]"), ("{", "}"), ("（", "）"), ("【", "】"), ("*", "*"), ("♪", "♪")}
)
_LONGEST_BLOCK = 1_000_000
"""Characters. A longer block is split here, so that a text without blank lines never fills the memory."""
_SENTENCE_WORDS = frozenset({
    "i", "i'm", "im", "you", "we", "he", "she", "it", "it's", "they", "is", "are", "was", "were", "am",
    "have", "has", "had", "said", "says", "say", "asked", "told",
})  # fmt: skip


def is_scene_heading(line: str) -> bool:
    """Return whether a stripped line opens a scene: `INT. DINER`, `EXTERIOR  STREET`."""
    return _SCENE_HEADING.match(line) is not None


def is_act_heading(text: str) -> bool:
    """Return whether stripped text numbers an act or scene: `ACT I`, `Scene 2: the diner`, `PROLOGUE`."""
    return _ACT_HEADING.fullmatch(text) is not None


def is_transition(line: str) -> bool:
    """Return whether a stripped line in capitals leads to the next scene: `CUT TO:`, `FADE OUT.`."""
    return (
        len(line) <= _LONGEST_TRANSITION
        and line.isupper()
        and (line.endswith(_TRANSITION_ENDS[0]) or line.rstrip(".:").endswith(_TRANSITION_ENDS[1:]))
    )


@remembered
def is_name(text: str) -> bool:
    """Return whether a few words may be a speaker's name, not the beginning of a sentence.

    `uncle leo` and `GROUPIE #1` may be; `so i said`, `9`, `Note` and `DISSOLVE TO` may not. The words that
    only sentences have are English; in other languages, length and punctuation decide.
    """
    words = text.split()
    return (
        0 < len(text) <= _LONGEST_NAME
        and len(words) <= _MOST_WORDS_IN_A_NAME
        and any(map(str.isalpha, text))
        and (text[0].isalnum() or text[0] in _QUOTES)
        and _NOT_IN_NAMES.isdisjoint(text)
        and (len(words) == 1 or _SENTENCE_WORDS.isdisjoint(word.casefold() for word in words))
        and not is_label(text)
        and not _NO_SPEAKER.fullmatch(text)
    )


def is_label(text: str) -> bool:
    """Return whether a few words announce a remark or a credit, not a speaker: `Note`, `Written by`."""
    return _LABEL.fullmatch(text) is not None


def is_in_capitals(text: str) -> bool:
    """Return whether text has letters, none in lower case; letters without case are capitals: `小明`."""
    return any(map(str.isalpha, text)) and not any(map(str.islower, text))


@remembered
def is_cue_in_capitals(text: str) -> bool:
    """Return whether stripped text is a name in capitals, and perhaps something in brackets."""
    name = name_in_cue(text)
    return is_in_capitals(name) and is_name(name)


def name_in_cue(cue: str) -> str:
    """Return what is printed before the brackets of a cue."""
    return cue.partition("(")[0].strip()


def is_caption(text: str) -> bool:
    """Return whether stripped text in capitals stands for a heading: `THE KETTLE`."""
    return text.isupper() and len(text) <= _LONGEST_CAPTION and text[-1] not in ".!?:\"'"


def is_bracketed(line: str) -> bool:
    """Return whether a stripped line is in brackets as a whole: `(he leaves)`, `[applause].`, `*sighs*`."""
    bare = line.rstrip(".") or line
    return len(bare) > 1 and (bare[0], bare[-1]) in _BRACKETS


def split_cue_extension(text: str) -> tuple[str, str]:
    """Split what screenwriters print beside the name from what is said: `(O.S.)` and `Tea?` of `(O.S.) Tea?`.

    The first is empty where the text does not open with such an extension.
    """
    extension = _CUE_EXTENSION.match(text)
    return (extension[1], text[extension.end() :]) if extension else ("", text)


class Part(NamedTuple):
    """A part of a speech.

    Attributes:
        text: the part, without the spaces that separate it from the others.
        is_parenthetical: whether it says how the others are said, and is not said itself.
    """

    text: str
    is_parenthetical: bool


def split_at_parentheticals(text: str) -> Iterator[Part]:
    """Split a speech at the spaces around parentheticals; joined by spaces, the parts are the text again.

    A parenthetical opens the text or stands between two sentences, `(softly) Tea? (beat) Now?`, or is all
    there is. Other brackets are part of a sentence, and those beside a line break are not split off.
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
    """Join the parts of a speech, a parenthetical by spaces to what is beside it, others by line breaks.

    A part without text keeps those on its two sides apart.
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

    A blank line that does not end a block, by what `ends` says of the block and the line, is a line of it.
    """
    block: list[str] = []
    size = 0
    for line in lines:
        is_blank = not line.strip()
        if block and ((is_blank and ends(block, line)) or size > _LONGEST_BLOCK):
            yield block
            block, size = [], 0
        if block or not is_blank:
            block.append(line)
            size += len(line)
    if block:
        yield block


HEAD_LINES = 2000
"""How many lines a format is recognised by: an episode or two, read in a few milliseconds."""

LONG_HEAD_LINES = 20_000
"""How many lines are looked at where the first ones show no script: a book's worth."""

_CHARACTERS_OF_A_LINE, _LONGEST_HEAD = 1000, 1 << 24
"""First lines that are longer on average, or all together, are fewer, so that they never fill the memory."""


class BrokenScript(CorpusError):  # noqa: N818 (it names the script)
    """A text that is not what its format promises. Formats do not know files: `named` adds the file's name.

    Args:
        what: continues the name of the file, without a full stop: "breaks off in line 12".
        hint: one line that says what to do about it.
    """

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(f"The script {what}.", hint)
        self.what = what

    def named(self, name: str) -> CorpusError:
        """Return the same error, with the name of the file."""
        return CorpusError(f"“{name}” {self.what}.", self.hint)


class Parsed(NamedTuple):
    """An element and whether the format knew what it was.

    Attributes:
        element: the element as printed; it need not be in normal form.
        understood: False where the format has no rule for the text and kept it as action.
    """

    element: Element
    understood: bool = True


@dataclass(frozen=True, slots=True)
class Evidence:
    """How certain it is that a text is laid out in a format.

    Attributes:
        score: from 0, certainly not, to 1, certainly.
        reason: why, as a clause for people: "96 % of 2,000 lines are `name: text`".
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
        parse: turns lines, without their line ends, into elements as they come. A format that can be broken
            raises `BrokenScript` at the break; any other keeps what it does not know as action.
        title: finds the script's title in the first lines; empty where the format has no place for one.
        title_within: how many first lines `title` is given; they are held in memory.
        suffix: the suffix of its files, if every file with it must be in this format.
    """

    name: str
    description: str
    recognise: Callable[[Sequence[str]], Evidence]
    parse: Callable[[Iterable[str]], Iterator[Parsed]]
    title: Callable[[Sequence[str]], str] = lambda head: ""
    title_within: int = HEAD_LINES
    suffix: str = ""


def peek(lines: Iterable[str], count: int = HEAD_LINES) -> tuple[list[str], Iterator[str]]:
    """Return the first `count` lines, and an iterator over all lines, the first ones included.

    They are fewer where they are as long as no lines are, of a text that has no line ends.
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


def telling_head(
    lines: Iterable[str], tells: Callable[[Sequence[str]], bool]
) -> tuple[list[str], Iterator[str]]:
    """Return the first lines that tell something, `HEAD_LINES` of them, and an iterator over all lines.

    Those are the very first lines, unless they don't tell it and later ones do.
    """
    head, rest = peek(lines)
    if len(head) < HEAD_LINES or tells(head):
        return head, rest
    further, rest = peek(rest, LONG_HEAD_LINES)
    windows = (further[start : start + HEAD_LINES] for start in range(HEAD_LINES, len(further), HEAD_LINES))
    return next((window for window in windows if tells(window)), head), rest


def percentage(part: int, whole: int) -> str:
    """Return a share as people read it: `96 %`; the whole may be 0."""
    return f"{100 * part / max(whole, 1):.0f} %"
