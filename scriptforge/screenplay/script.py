"""What a script is: a title and scenes, a scene being a heading and the elements under it.

The flat view, a sequence of `Element`s in which a heading opens a scene, is what parsers yield,
vocabularies encode and decoders emit; the nested view, `Script`, is what people and writers think in.
Both hold the same things and convert without loss.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "action", "dialogue", "transition"]
KINDS: tuple[Kind, ...] = ("heading", "action", "dialogue", "transition")


@dataclass(frozen=True, slots=True)
class Element:
    """One line of a script.

    Attributes:
        kind: what the line is.
        text: what it says, without the speaker. A line break inside (verse) is `\\n`; there is no
            leading or trailing white space. Parentheticals stay in the text: `(to Anna) No.`
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
        """Groups a flat sequence into scenes.

        Elements before the first heading form a scene whose heading is empty.
        """
        scenes: list[Scene] = []
        heading = ""
        body: list[Element] = []
        opened = False
        for element in elements:
            if element.kind != "heading":
                body.append(element)
                opened = True
                continue
            if opened:
                scenes.append(Scene(heading, tuple(body)))
            heading, body, opened = element.text, [], True
        if opened:
            scenes.append(Scene(heading, tuple(body)))
        return cls(title, tuple(scenes))

    @property
    def elements(self) -> Iterator[Element]:
        """The flat view: every element, each scene's heading before its body.

        Only the first scene may lack a heading element, and does so when its heading is empty.
        """
        for number, scene in enumerate(self.scenes):
            if number or scene.heading:
                yield Element("heading", scene.heading)
            yield from scene.elements


def speaker_key(name: str) -> str:
    """The form under which two spellings of a speaker's name are one: `Jerry` and `JERRY`."""
    return " ".join(name.replace("_", " ").split()).casefold()
