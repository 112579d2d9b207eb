"""The data model of a script: its elements, scenes and cast.

A script has two views. The flat one is a sequence of `Element`s in which each heading opens a scene: parsers
yield it, vocabularies encode it and decoders emit it. The nested one, `Script`, is what writers lay out. The
two convert into each other without loss, except for an empty heading at the very start.

`normalise` defines the normal form in which every reader yields elements. This module does not depend on any
file format.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from scriptforge.characters import REMOVED_CONTROLS

Kind = Literal["heading", "action", "dialogue", "transition"]
KINDS: tuple[Kind, ...] = ("heading", "action", "dialogue", "transition")


_CACHE_SIZE = 4096
_MAX_CACHED_LENGTH = 200
ResultT = TypeVar("ResultT")


def cached(function: Callable[[str], ResultT]) -> Callable[[str], ResultT]:
    """Return the function with a cache for short texts, which is emptied when it is full.

    Several formats ask the same about each line. Results for long lines are not cached, to bound the memory.
    Looking up a dictionary takes a third of the time of a function that asks an LRU cache.
    """
    return _Results(function).__getitem__


class _Results(dict[str, ResultT]):
    """Maps texts to the results of a function, which is called for missing ones."""

    def __init__(self, function: Callable[[str], ResultT]) -> None:
        self._function = function

    def __missing__(self, text: str) -> ResultT:
        result = self._function(text)
        if len(text) <= _MAX_CACHED_LENGTH:
            if len(self) >= _CACHE_SIZE:
                self.clear()
            self[text] = result
        return result


@dataclass(frozen=True, slots=True)
class Element:
    r"""One unit of a script: a heading, an action, a speech or a transition.

    Attributes:
        kind: one of `KINDS`.
        text: the text without the speaker. Its lines (verse) are separated by `\n`, and there is no
            leading or trailing white space. Parentheticals are part of it: `(to Anna) No.`
        speaker: who says it, as printed; empty unless the kind is dialogue.
    """

    kind: Kind
    text: str
    speaker: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """A heading, empty if the script gives none, and the elements below it."""

    heading: str
    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A title, empty if the script has none, and the scenes."""

    title: str
    scenes: tuple[Scene, ...]

    @classmethod
    def from_elements(cls, title: str, elements: Iterable[Element]) -> "Script":
        """Group elements into scenes; those before the first heading get a scene with an empty heading."""
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

        If the first scene has an empty heading and a body, it yields no heading element.
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
"""A voice-over, off-screen or off-camera mark that ends a cue: `V.O.`, `O/S`, `[o.c.]`, `(V.O`.

`VO`, `OS` and `OC` without points or brackets count only in a cue in capitals.
"""

_NOT_IN_NAMES = str.maketrans("_:：", "   ")
_LONGEST_CUE = 1000
"""In characters; no name is this long, and the rest is dropped."""


def normalise(element: Element) -> Element | None:
    r"""Return an element in normal form, which every reader yields and every writer can write.

    In normal form, a text has no control characters, and its lines are stripped, not blank, and separated by
    `\n` alone. Only a heading may be empty. A speaker is a name on one line, its words separated by single
    spaces, without colons or underscores. An addition in brackets moves from the cue to the text: `JERRY
    (O.S.)` saying `Hi.` becomes JERRY saying `(O.S.) Hi.`, and so does `JERRY O.S.`, `JERRY O/S` or `JERRY
    [O.S.]`; `(CONT'D)` is dropped. Dialogue without a speaker becomes action. Normalising twice changes
    nothing. The result is None if nothing is left of the element.
    """
    kind, text, speaker = element.kind, element.text, ""
    if kind == "dialogue":
        speaker, aside = _split_cue(element.speaker)
        kind = "dialogue" if speaker else "action"
        text = f"{aside} {text.lstrip()}" if aside else text
    text = strip_lines(text)
    if not text and kind != "heading":
        return None
    is_normal = (kind, text, speaker) == (element.kind, element.text, element.speaker)
    return element if is_normal else Element(kind, text, speaker)


def strip_lines(text: str) -> str:
    """Normalise a text, such as a title, as `normalise` does the text of an element."""
    if text.isprintable():  # one line without controls, as most are
        return text.strip()
    lines = text.splitlines()
    if not all(map(str.isprintable, lines)):
        lines = visible_text(text).splitlines()
    return "\n".join(filter(None, map(str.strip, lines)))


def visible_text(text: str) -> str:
    """Return the text without invisible characters, and with a space for each tab."""
    return REMOVED_CONTROLS.sub("", text).replace("\t", " ")


@cached
def _split_cue(printed: str) -> tuple[str, str]:
    """Split a printed cue into the name and its additions in brackets; the name cannot be split again."""
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


@cached
def speaker_key(name: str) -> str:
    """Return the key that all spellings of a speaker's name share: `jerry` for `Jerry` and `JERRY`."""
    return " ".join(name.replace("_", " ").split()).casefold()


@dataclass(frozen=True, slots=True)
class CastMember:
    """A speaker, and how much they say.

    Attributes:
        speaker: the name in its commonest spelling.
        lines: number of their dialogue elements.
        words: number of words in these, split at white space.
        first: index of the first of these among all elements, from 0.
        spellings: every spelling of the name, the commonest first.
    """

    speaker: str
    lines: int
    words: int
    first: int
    spellings: tuple[str, ...]


class CastCount:
    """Counts the lines and words of each speaker."""

    def __init__(self) -> None:
        self._lines: Counter[str] = Counter()
        self._words: Counter[str] = Counter()
        self._firsts: dict[str, int] = {}

    def add(self, speaker: str, words: int, number: int = 0) -> None:
        """Add an element of dialogue: the number of its words, and its own if `first` matters."""
        self._lines[speaker] += 1
        self._words[speaker] += words
        if speaker not in self._firsts:
            self._firsts[speaker] = number

    @property
    def members(self) -> list[CastMember]:
        """Return the speakers, spellings of a name merged; most lines first."""
        spellings: dict[str, list[str]] = {}
        for spelling, _ in self._lines.most_common():
            spellings.setdefault(speaker_key(spelling), []).append(spelling)
        members = [
            CastMember(
                speaker=own[0],
                lines=sum(map(self._lines.__getitem__, own)),
                words=sum(map(self._words.__getitem__, own)),
                first=min(map(self._firsts.__getitem__, own)),
                spellings=tuple(own),
            )
            for own in spellings.values()
        ]
        return sorted(members, key=lambda member: (-member.lines, -member.words, member.speaker))


def cast(elements: Iterable[Element]) -> list[CastMember]:
    """Return the speakers and how much each says, spellings of a name merged; most lines first."""
    counted = CastCount()
    for number, element in enumerate(elements):
        if element.kind == "dialogue":
            counted.add(element.speaker, len(element.text.split()), number)
    return counted.members
