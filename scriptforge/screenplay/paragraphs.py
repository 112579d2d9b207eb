"""Scripts whose paragraphs are labelled with their kind, as in the files of screenwriting programs.

    Character       ANNA (O.S.)
    Parenthetical   (softly)
    Dialogue        Tea, now?

A cue and the paragraphs spoken under it are one element: a parenthetical is joined to its neighbours by
spaces, `(O.S.) (softly) Tea, now?`, other paragraphs by line breaks. As in `name_line`, the writer reads back
its own output, and lays out the speech more plainly if the result is a different element.

Every program has its own names for the kinds of paragraphs; `kind_of` knows them. This module depends neither
on files nor on XML.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from scriptforge.screenplay.format import (
    Parsed,
    Part,
    in_brackets,
    join_speech,
    split_at_parentheticals,
    split_cue_extension,
)
from scriptforge.screenplay.script import Element, Kind, normalise

CUE, PARENTHETICAL, DIALOGUE = "character", "parenthetical", "dialogue"
_ELEMENTS: dict[str, Kind] = {"heading": "heading", "action": "action", "transition": "transition"}
KINDS = (*_ELEMENTS, CUE, PARENTHETICAL, DIALOGUE)
"""The kinds of paragraphs."""

_NAMES = {
    "heading": (
        "scene heading", "scene header", "scene", "slugline", "slug line", "slug", "new act", "act",
        "heading", "act heading", "szenenüberschrift", "szene", "intitulé", "séquence", "encabezado",
        "escena",
    ),
    "action": (
        "action", "general", "shot", "cast list", "end of act", "description", "scene description",
        "direction", "directions", "stage direction", "stage directions", "unspoken character", "narrative",
        "regieanweisung", "handlung", "aktion", "didascalie", "acción",
    ),
    CUE: (
        "character", "character name", "characters", "cue", "speaker", "charakter", "figur", "personnage",
        "personaje",
    ),
    PARENTHETICAL: ("parenthetical", "parentheticals", "wryly", "paren", "klammer", "acotación"),
    DIALOGUE: ("dialogue", "dialog", "lyrics", "lyric", "singing", "speech", "réplique", "diálogo"),
    "transition": ("transition", "transitions", "übergang", "transición"),
}  # fmt: skip
_KEYS = {"".join(name.split()): kind for kind, names in _NAMES.items() for name in names}
_PREFIX = re.compile(r"(?:script|screenplay|teleplay|play|final draft|fd|sp|sc)[\W_]+(?=\w)", re.IGNORECASE)
_PAGE_ARTEFACT = re.compile(r"\((?:more|continued)\)", re.IGNORECASE)


class Paragraph(NamedTuple):
    """A paragraph: its kind, one of `KINDS` or empty if unknown, and its text, possibly of several lines."""

    kind: str
    text: str


def kind_of(name: str) -> str:
    """Return the kind, one of `KINDS`, that a program's name for a paragraph means; empty if unknown.

    `Scene Heading`, `sceneheading`, `Screenplay - Dialogue` and `Character 1` are all known.
    """
    bare = _PREFIX.sub("", name.strip(), count=1).rstrip(" 0123456789")
    return _KEYS.get("".join(filter(str.isalpha, bare)).casefold(), "")


def parse(paragraphs: Iterable[Paragraph]) -> Iterator[Parsed]:
    """Yield an element for each speech and each other paragraph; blank ones are dropped, except headings."""
    kept = (each for each in paragraphs if each.kind == "heading" or each.text.strip())
    return map(_parse_run, _runs(kept))


def _runs(paragraphs: Iterable[Paragraph]) -> Iterator[list[Paragraph]]:
    """Yield each cue together with the speech under it, and every other paragraph alone."""
    run: list[Paragraph] = []
    for paragraph in paragraphs:
        if run and not (run[0].kind == CUE and paragraph.kind in (PARENTHETICAL, DIALOGUE)):
            yield run
            run = []
        run.append(paragraph)
    if run:
        yield run


def _parse_run(run: Sequence[Paragraph]) -> Parsed:
    first, *spoken = run
    if spoken:
        parts = (part for part in map(_part, spoken) if part.text)
        return Parsed(Element("dialogue", join_speech(parts), first.text))
    if kind := _ELEMENTS.get(first.kind):
        return Parsed(Element(kind, first.text))
    return Parsed(Element("action", _part(first).text), recognised=False)


def _part(paragraph: Paragraph) -> Part:
    """Strip a paragraph; put a parenthetical on one line in brackets, or empty it if it is `(MORE)`."""
    text = paragraph.text.strip()
    is_parenthetical = paragraph.kind == PARENTHETICAL
    if is_parenthetical and text:
        text = in_brackets(" ".join(text.split()))
        text = "" if _PAGE_ARTEFACT.fullmatch(text) else text
    return Part(text, is_parenthetical)


def lay_out(element: Element) -> list[Paragraph]:
    """Lay out an element in normal form as paragraphs that read back as it.

    Parentheticals are paragraphs of their own if possible.
    """
    if element.kind != "dialogue":
        return [Paragraph(element.kind, element.text)]
    paragraphs = list(_lay_out_speech(element.speaker, element.text))
    if normalise(_parse_run(paragraphs).element) == element:
        return paragraphs
    return [Paragraph(CUE, element.speaker), Paragraph(DIALOGUE, element.text)]


def _lay_out_speech(speaker: str, text: str) -> Iterator[Paragraph]:
    extension, said = split_cue_extension(text)
    yield Paragraph(CUE, f"{speaker} {extension}".rstrip())
    for part in split_at_parentheticals(said):
        yield Paragraph(PARENTHETICAL if part.is_parenthetical else DIALOGUE, part.text)
