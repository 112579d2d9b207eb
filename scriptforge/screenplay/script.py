"""A script: a title and scenes, each with a heading and the elements under it; and the cast who speak in it.

The flat view, a sequence of `Element`s in which a heading opens a scene, is what parsers yield, vocabularies
encode and decoders emit; the nested view, `Script`, is what writers lay out. Both hold the same things and
convert without loss.

`normalise` defines the normal form of an element, in which every reader yields it. This module knows nothing
of how a script is laid out in a file.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Literal, TypeVar

from scriptforge.characters import INVISIBLE

Kind = Literal["heading", "action", "dialogue", "transition"]
KINDS: tuple[Kind, ...] = ("heading", "action", "dialogue", "transition")


_MOST_REMEMBERED = 4096
_LONGEST_REMEMBERED = 200
ResultT = TypeVar("ResultT")


def remembered(function: Callable[[str], ResultT]) -> Callable[[str], ResultT]:
    """Return a function of a text that remembers what it returned for some thousand short ones.

    Several formats ask the same of each line. Long lines are not kept, so that the memory is bounded.
    """
    short = lru_cache(maxsize=_MOST_REMEMBERED)(function)

    @wraps(function)
    def remembering(text: str) -> ResultT:
        return short(text) if len(text) <= _LONGEST_REMEMBERED else function(text)

    return remembering


@dataclass(frozen=True, slots=True)
class Element:
    r"""One line of a script.

    Attributes:
        kind: what the line is.
        text: what it says, without the speaker. A line break inside (verse) is `\n`; there is no
            leading or trailing white space. Parentheticals are part of the text: `(to Anna) No.`
        speaker: who says it, as printed; empty unless the kind is dialogue.
    """

    kind: Kind
    text: str
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """A heading, empty where the script gives none, and the elements under it."""

    heading: str
    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A whole document."""

    title: str
    scenes: tuple[Scene, ...]

    @classmethod
    def from_elements(cls, title: str, elements: Iterable[Element]) -> "Script":
        """Group a flat sequence into scenes; what is before the first heading has an empty one."""
        scenes: list[tuple[str, list[Element]]] = []
        for element in elements:
            if element.kind == "heading":
                scenes.append((element.text, []))
            else:
                if not scenes:
                    scenes.append(("", []))
                scenes[-1][1].append(element)
        return cls(title, tuple(Scene(heading, tuple(body)) for heading, body in scenes))

    @property
    def elements(self) -> Iterator[Element]:
        """Yield every element, each scene's heading before its body: the flat view.

        Only the first scene may have no heading element: where its heading is empty and its body is not.
        """
        for number, scene in enumerate(self.scenes):
            if number or scene.heading or not scene.elements:
                yield Element("heading", scene.heading)
            yield from scene.elements


_CONTINUED = re.compile(r"\(\s*cont(?:['’´`]?d|inued|inuing)?\.?\s*(?:\)|$)", re.IGNORECASE)
_VOICE = re.compile(
    r"(?<=\S)(?:(?: +| *[(\[] *)(?P<marked>V ?[./] ?O|O ?[./] ?[SC])\.?| *[(\[] *(?P<open>V ?O|O ?[SC])"
    r"| +(?P<bare>VO|O[SC])) *\]?$",
    re.IGNORECASE,
)
"""A voice that is not seen, at the end of a cue: `V.O.`, `O/S`, `[o.c.]`, `(V.O`; in capitals also `VO`."""

_NOT_IN_NAMES = str.maketrans("_:：", "   ")
_LONGEST_CUE = 1000
"""Characters. Nobody's name is longer, and what is behind them is dropped."""


def normalise(element: Element) -> Element | None:
    r"""Return an element in normal form, which every reader yields and every writer can write.

    In normal form a text has no control characters, no leading or trailing white space, breaks lines with
    `\n` alone, and each of its lines is stripped and not blank. A heading may be empty; nothing else is. A
    speaker is a name on one line, its words separated by single spaces, without colons and underscores. An
    addition in brackets moves from the cue to the text: `JERRY (O.S.)` saying `Hi.` becomes JERRY saying
    `(O.S.) Hi.`, as does `JERRY O.S.`, `JERRY O/S` or `JERRY [O.S.]`; `(CONT'D)` is dropped. Dialogue
    without a speaker is action. Normalising twice changes nothing. The result is None if nothing is left of
    the element.
    """
    kind, text, speaker = element.kind, element.text, ""
    if kind == "dialogue":
        speaker, aside = _split_cue(element.speaker)
        kind = "dialogue" if speaker else "action"
        text = f"{aside} {text.lstrip()}" if aside else text
    text = strip_lines(text)
    return Element(kind, text, speaker) if text or kind == "heading" else None


def strip_lines(text: str) -> str:
    """Return a text, such as a title, as the text of an element in normal form is."""
    lines = map(str.strip, visible_text(text).splitlines())
    return "\n".join(filter(None, lines))


def visible_text(text: str) -> str:
    """Return the text without invisible characters, a space for each tab."""
    return INVISIBLE.sub("", text).replace("\t", " ")


@remembered
def _split_cue(printed: str) -> tuple[str, str]:
    """Return the name in a printed cue, and what the cue adds to it; the name cannot be split again."""
    name, asides = visible_text(printed).translate(_NOT_IN_NAMES), ""
    while True:
        before, name = name, " ".join(name.split())[:_LONGEST_CUE]
        name = _CONTINUED.sub("", name).strip()
        voice = _VOICE.search(name)
        if voice and (not voice["bare"] or name.isupper()):
            initials = (voice["marked"] or voice["open"] or voice["bare"]).upper()
            name, asides = name[: voice.start()], f"({initials[0]}.{initials[-1]}.) {asides}"
        elif name.endswith((")", "]")):
            bracket = name.find("(" if name.endswith(")") else "[", name[-1] == "]")
            if bracket >= 0:
                name, asides = name[:bracket], f"{name[bracket:]} {asides}"
        if name == before:
            return name, asides.rstrip()


@remembered
def speaker_key(name: str) -> str:
    """Return the form that all spellings of a speaker's name share: `Jerry` and `JERRY`."""
    return " ".join(name.replace("_", " ").split()).casefold()


@dataclass(frozen=True, slots=True)
class CastMember:
    """One speaker.

    Attributes:
        speaker: the name in its commonest spelling.
        lines: how many elements of dialogue they speak.
        words: how many words these have, separated by white space.
        first: the number of the first of these among all elements, from 0.
        spellings: every spelling of the name, the commonest first.
    """

    speaker: str
    lines: int
    words: int
    first: int
    spellings: tuple[str, ...]


def cast(elements: Iterable[Element]) -> list[CastMember]:
    """Count what each speaker says, whatever the spelling of the name; most lines first."""
    spellings: Counter[str] = Counter()
    words: Counter[str] = Counter()
    firsts: dict[str, int] = {}
    for number, element in enumerate(elements):
        if element.kind == "dialogue":
            key = speaker_key(element.speaker)
            spellings[element.speaker] += 1
            words[key] += len(element.text.split())
            firsts.setdefault(key, number)
    names: dict[str, list[str]] = {}
    for spelling, _ in spellings.most_common():
        names.setdefault(speaker_key(spelling), []).append(spelling)
    members = [
        CastMember(own[0], sum(spellings[name] for name in own), words[key], firsts[key], tuple(own))
        for key, own in names.items()
    ]
    return sorted(members, key=lambda member: (-member.lines, -member.words, member.speaker))
