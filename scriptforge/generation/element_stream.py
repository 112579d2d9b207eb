"""Ids converted one by one into the elements of a script: each is opened, gets its text, and is closed.

    <cue> new man <says>      Opened("dialogue", "new man")
    hello there               Added("hello"), Added(" there")
    <action>                  Closed(Element("dialogue", "hello there", "new man")), Opened("action", "")

The module does not know how elements are shown, and does not depend on models.
"""

from typing import NamedTuple, TypeAlias

from scriptforge.screenplay.script import Element, Kind, normalise
from scriptforge.vocabulary import Vocabulary


class Opened(NamedTuple):
    """An element begins; its speaker is empty unless it is dialogue."""

    kind: Kind
    speaker: str


class Added(NamedTuple):
    """The open element gets more text, which is not empty."""

    text: str


class Closed(NamedTuple):
    """The open element is complete; in normal form it is `element`, None if nothing is left of it."""

    element: Element | None


ElementEvent: TypeAlias = Opened | Added | Closed


class ElementStream:
    """A streaming decoder from ids to elements.

    Args:
        vocabulary: vocabulary of the ids, which is for scripts.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._layout_size = vocabulary.layout_size
        self._openings = {
            vocabulary.heading: Opened("heading", ""),
            vocabulary.action: Opened("action", ""),
            vocabulary.transition: Opened("transition", ""),
            **{token.id: Opened("dialogue", token.name) for token in vocabulary.speaker_tokens},
        }
        self._text_stream = vocabulary.text_stream()
        self._opened: Opened | None = None
        self._text = ""  # of the open element; if none is open, the name after a generic cue

    @property
    def name(self) -> str:
        """Return the name after a generic cue, as far as it is spelled; empty once its element is open."""
        return "" if self._opened else self._text

    def push(self, id_: int) -> list[ElementEvent]:
        """Take the next id, and return what it changes, in order."""
        if id_ >= self._layout_size:
            return self._add(self._text_stream.push(id_))
        events = self._add(self._text_stream.finish())
        opened: Opened | None
        if id_ == self._vocabulary.says:
            opened = Opened("dialogue", self.name)
        else:
            events += self.close()
            opened = self._openings.get(id_)
        self._text_stream = self._vocabulary.text_stream()
        self._opened, self._text = opened, ""
        return [*events, opened] if opened else events

    def close(self) -> list[ElementEvent]:
        """Close the open element, if there is one, as the next layout token would, and return that event."""
        if self._opened is None:
            return []
        kind, speaker = self._opened
        element = normalise(Element(kind, self._text, speaker))
        self._opened, self._text = None, ""
        return [Closed(element)]

    def _add(self, text: str) -> list[ElementEvent]:
        self._text += text
        return [Added(text)] if text and self._opened else []
