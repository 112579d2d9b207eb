"""The elements of the page, and their conversion to and from those of the package.

The page splits a speech into its parts, as screenwriting programs do: the cue, parentheticals, dialogue. The
package has one `Element` for a speech. A parenthetical of the page has its brackets, `(softly)`; missing ones
are added. The extension of a cue, as in `JERRY (O.S.)`, is part of the cue on the page, and of the text in
the package.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Literal, TypeAlias
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from scriptforge.screenplay.format import (
    Part,
    in_brackets,
    join_speech,
    split_at_parentheticals,
    split_cue_extension,
)
from scriptforge.screenplay.script import Element, normalise

PageKind: TypeAlias = Literal["heading", "action", "character", "parenthetical", "dialogue", "transition"]

MAX_TEXT_LENGTH = 20_000
"""Maximum characters of an element of the page."""

MAX_TITLE_LENGTH = 400

MAX_ELEMENTS = 20_000
"""Maximum elements of a draft: about a dozen long films."""

CLOSED = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
"""Strict validation, for everything that comes from a page."""

Name: TypeAlias = Annotated[str, Field(max_length=200)]
Identifier: TypeAlias = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.:-]+$")]


def _require_finite(settings: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return settings unchanged if they are valid as JSON.

    Raises:
        ValueError: a number is infinite or NaN.
    """
    try:
        json.dumps(settings, allow_nan=False)
    except ValueError:
        raise ValueError("must contain only finite numbers") from None
    return settings


DraftSettings: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(_require_finite)]
DRAFT_SETTINGS: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(DraftSettings, config=CLOSED)
"""Validator of the settings that the page stores with a draft."""

Text: TypeAlias = Annotated[str, Field(max_length=MAX_TEXT_LENGTH)]

_CURSOR = "\N{FULL BLOCK}"
_SPEECH_PARTS: tuple[PageKind, ...] = ("parenthetical", "dialogue")


class ModelOrigin(BaseModel):
    """The model that wrote an element.

    Attributes:
        run: name of its run.
        seed: seed that the text was drawn with.
        edited: whether a person has changed the text since.
    """

    model_config = CLOSED

    run: Name
    seed: int | None = None
    edited: bool = False


class PageElement(BaseModel):
    """An element of the page.

    Attributes:
        id: id of the element, unique in its draft.
        kind: kind of the element.
        text: text of the element.
        origin: the model that wrote it, if one did.
    """

    model_config = CLOSED

    id: Identifier
    kind: PageKind
    text: Text
    origin: ModelOrigin | None = None


class Line(BaseModel):
    """An element of the page as a model reads it; other fields are ignored.

    Attributes:
        kind: kind of the element.
        text: text of the element.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    kind: PageKind
    text: Text


class OpenLine(BaseModel):
    """The element that the cursor is in, to be continued.

    Attributes:
        kind: kind of the element.
        text: text of the element up to the cursor.
        speaker: speaker of its speech; None takes the speaker from the cue above it.
    """

    model_config = CLOSED

    kind: PageKind
    text: Text
    speaker: Name | None = None


@dataclass(frozen=True)
class Context:
    """The text before the cursor.

    Attributes:
        lines: all whole elements, in normal form.
        open: the element to be continued, its text as typed; None if a new one begins.
    """

    lines: list[Element]
    open: Element | None = None


def to_elements(page: Iterable[Line | PageElement]) -> list[Element]:
    """Convert elements of the page to those of the package, in normal form; empty ones are left out."""
    return list(filter(None, map(normalise, _join_speeches(page))))


def _join_speeches(page: Iterable[Line | PageElement]) -> Iterator[Element]:
    """Yield elements that are not in normal form yet, the parts of a speech joined into one."""
    speaker, parts = "", list[Part]()
    for each in page:
        if each.kind in _SPEECH_PARTS:
            parts.append(_part(each))
            continue
        if parts:
            yield Element("dialogue", join_speech(parts), speaker)
        speaker, parts = "", []
        if each.kind == "character":
            speaker = each.text
        else:
            yield Element(each.kind, each.text)  # type: ignore[arg-type]
    if parts:
        yield Element("dialogue", join_speech(parts), speaker)


def _part(each: Line | PageElement) -> Part:
    if each.kind == "dialogue":
        return Part(each.text, is_parenthetical=False)
    text = each.text.strip()
    return Part(text and in_brackets(text), is_parenthetical=True)


def to_page(elements: Iterable[Element]) -> list[dict[str, str]]:
    """Convert elements in normal form to those of the page: dictionaries of `kind` and `text`."""
    found: list[dict[str, str]] = []
    for element in elements:
        if element.kind != "dialogue":
            found.append({"kind": element.kind, "text": element.text})
            continue
        extension, said = split_cue_extension(element.text)
        found.append({"kind": "character", "text": f"{element.speaker} {extension}".rstrip()})
        parts = (part for line in said.split("\n") for part in split_at_parentheticals(line))
        for is_parenthetical, run in groupby(parts, key=attrgetter("is_parenthetical")):
            if is_parenthetical:
                found += [{"kind": "parenthetical", "text": part.text} for part in run]
            else:
                found.append({"kind": "dialogue", "text": "\n".join(part.text for part in run)})
    return found


def with_ids(page: Iterable[dict[str, str]]) -> list[dict[str, object]]:
    """Return elements for a draft, each with a new id and without a model as its origin."""
    return [{"id": uuid4().hex[:12], **each, "origin": None} for each in page]


def context_of(page: Sequence[Line], open_line: OpenLine | None) -> Context:
    """Return what a model reads, given the elements above the cursor and the one that the cursor is in.

    A cue or a parenthetical at the end of the page opens a speech that is to be continued.
    """
    above, line = (page, open_line) if open_line else _split_open_end(page)
    if line is None:
        return Context(to_elements(above))
    match line.kind:
        case "character":
            speaker = line.text.strip()
            return Context(to_elements(above), _open_speech([], "", speaker) if speaker else None)
        case "parenthetical" | "dialogue":
            return _context_in_speech(above, line)
        case "heading" | "action" | "transition" as kind:
            return Context(to_elements(above), Element(kind, line.text))


def _split_open_end(page: Sequence[Line]) -> tuple[Sequence[Line], OpenLine | None]:
    """Split off the line that the end of a page opens: the elements above it, and the line, or None."""
    if page and page[-1].kind == "character":
        return page[:-1], OpenLine(kind="character", text=page[-1].text)
    if page and page[-1].kind == "parenthetical":
        return page, OpenLine(kind="dialogue", text="")
    return page, None


def _context_in_speech(above: Sequence[Line], line: OpenLine) -> Context:
    """Return the context of a part of a speech: if the speech has a cue, the parts above belong to it."""
    text = line.text
    if line.kind == "parenthetical":
        text = f"({text.lstrip().removeprefix('(').removesuffix(')')}"
    place = _index_of_cue(above)
    if place is None:
        return Context(to_elements(above), _open_speech([], text, line.speaker or ""))
    cue, *parts = above[place:]
    speech = _open_speech(list(map(_part, parts)), text, line.speaker or cue.text)
    return Context(to_elements(above[:place]), speech)


def _index_of_cue(page: Sequence[Line]) -> int | None:
    """Return the index of the cue above the parts of a speech at the end of a page; None without a cue."""
    for place in reversed(range(len(page))):
        if page[place].kind not in _SPEECH_PARTS:
            return place if page[place].kind == "character" else None
    return None


def _open_speech(parts: Sequence[Part], text: str, speaker: str) -> Element:
    """Return a speech to be continued; a space at its end is kept, since it asks for another word."""
    last = Part(text + _CURSOR, is_parenthetical=text.startswith("("))
    element = normalise(Element("dialogue", join_speech([*parts, last]), speaker))
    if element is None or element.kind != "dialogue":
        return Element("action", text)
    return Element("dialogue", element.text.removesuffix(_CURSOR), element.speaker)
