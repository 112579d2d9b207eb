"""The elements of the page and those of the package, and one turned into the other.

A page shows a speech in parts, as writing programs do: the cue, parentheticals, dialogue. The package has one
`Element` a speech. A parenthetical of the page has its brackets: `(softly)`; where a person left them out,
they are added. What a cue adds to its name, `JERRY (O.S.)`, is part of the cue on the page.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Literal, TypeAlias
from uuid import uuid4

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from scriptforge.screenplay.format import Part, join_speech, split_at_parentheticals, split_cue_extension
from scriptforge.screenplay.script import Element, normalise

PageKind: TypeAlias = Literal["heading", "action", "character", "parenthetical", "dialogue", "transition"]

LONGEST_TEXT = 20_000
"""Characters of one element of the page."""

LONGEST_TITLE = 400

MOST_ELEMENTS = 20_000
"""Elements of one draft: a dozen long films."""

CLOSED = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
"""How everything that comes from a page is checked."""

Name: TypeAlias = Annotated[str, Field(max_length=200)]
Identifier: TypeAlias = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.:-]+$")]


def _finite(settings: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Return settings that other programs can read.

    Raises:
        ValueError: a number is infinite, or has no value.
    """
    try:
        json.dumps(settings, allow_nan=False)
    except ValueError:
        raise ValueError("must have finite numbers alone") from None
    return settings


Settings: TypeAlias = Annotated[dict[str, JsonValue], AfterValidator(_finite)]
SETTINGS: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(Settings, config=CLOSED)
"""What a page remembers of a draft."""

Text: TypeAlias = Annotated[str, Field(max_length=LONGEST_TEXT)]

_CURSOR = "\N{FULL BLOCK}"
_SPEECH: tuple[PageKind, ...] = ("character", "parenthetical", "dialogue")


class Writer(BaseModel):
    """The model that wrote an element.

    Attributes:
        run: its run.
        seed: what it was drawn with.
        edited: whether a person has changed the text since.
    """

    model_config = CLOSED

    run: Name
    seed: int | None = None
    edited: bool = False


class PageElement(BaseModel):
    """One element of the page.

    Attributes:
        id: unique in its draft.
        kind: what it is.
        text: what it says.
        origin: the model that wrote it, if one did.
    """

    model_config = CLOSED

    id: Identifier
    kind: PageKind
    text: Text
    origin: Writer | None = None


class Line(BaseModel):
    """An element of the page as far as a model reads it; what else is said of it is passed over.

    Attributes:
        kind: what it is.
        text: what it says.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    kind: PageKind
    text: Text


class OpenLine(BaseModel):
    """The element that the cursor is in, to be continued.

    Attributes:
        kind: what it is.
        text: what it says up to the cursor.
        speaker: whose speech it is part of; None for that of the cue above it.
    """

    model_config = CLOSED

    kind: PageKind
    text: Text
    speaker: Name | None = None


@dataclass(frozen=True)
class Context:
    """What is written before the cursor.

    Attributes:
        lines: all whole elements, in normal form.
        open: the element that is to be continued, its text as it stands; None if a new one begins.
    """

    lines: list[Element]
    open: Element | None = None


def to_elements(page: Iterable[Line | PageElement]) -> list[Element]:
    """Return the elements of a page as the package's, in normal form; what says nothing is left out."""
    return list(filter(None, map(normalise, _joined(page))))


def _joined(page: Iterable[Line | PageElement]) -> Iterator[Element]:
    """Yield elements that are not in normal form yet: each run of speech as one."""
    speaker, parts = "", list[Part]()
    for each in page:
        if each.kind in ("parenthetical", "dialogue"):
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
    if text and not text.startswith(("(", "[")):
        text = f"({text}"
    if text and not text.endswith((")", "]")):
        text = f"{text})"
    return Part(text, is_parenthetical=True)


def to_page(elements: Iterable[Element]) -> list[dict[str, str]]:
    """Return elements in normal form as the page shows them: kinds and texts."""
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
    """Return new elements for a draft, of a person and each with an id of its own."""
    return [{"id": uuid4().hex[:12], **each, "origin": None} for each in page]


def context_of(page: Sequence[Line], opened: OpenLine | None) -> Context:
    """Return what a model reads, from what is above the cursor and what the cursor is in.

    A cue, or a parenthetical below one, that nothing follows is a speech that waits for its words.
    """
    if opened is None and page and page[-1].kind == "character":
        *page, cue = page
        opened = OpenLine(kind="character", text=cue.text)
    elif opened is None and page and page[-1].kind == "parenthetical":
        opened = OpenLine(kind="dialogue", text="")
    if opened is None:
        return Context(to_elements(page))
    if opened.kind not in _SPEECH:
        return Context(to_elements(page), Element(opened.kind, opened.text))  # type: ignore[arg-type]
    if opened.kind == "character":
        named = opened.text.strip()
        return Context(to_elements(page), _open_speech([], "", named) if named else None)
    start = len(page)
    while start and page[start - 1].kind in ("parenthetical", "dialogue"):
        start -= 1
    if not start or page[start - 1].kind != "character":
        return Context(to_elements(page), _open_speech([], opened.text, opened.speaker or ""))
    parts = list(map(_part, page[start:]))
    text = opened.text
    if opened.kind == "parenthetical":
        text = f"({text.lstrip().removeprefix('(').removesuffix(')')}"
    return Context(
        to_elements(page[: start - 1]), _open_speech(parts, text, opened.speaker or page[start - 1].text)
    )


def _open_speech(parts: Sequence[Part], text: str, speaker: str) -> Element:
    """Return a speech to be continued: a space at its end stays, since another word is asked for."""
    last = Part(text + _CURSOR, is_parenthetical=text.startswith("("))
    element = normalise(Element("dialogue", join_speech([*parts, last]), speaker))
    if element is None or element.kind != "dialogue":
        return Element("action", text)
    return Element("dialogue", element.text.removesuffix(_CURSOR), element.speaker)
