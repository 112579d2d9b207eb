"""Text of no known layout: every paragraph is an action."""

from collections.abc import Iterable, Iterator, Sequence

from scriptforge.screenplay.formats.format import Evidence, Format, Parsed
from scriptforge.screenplay.formats.signs import blocks
from scriptforge.screenplay.script import Element

_SCORE_TO_BEAT = 0.2
"""A layout that explains less than this of a text is not the text's layout."""


def recognise(head: Sequence[str]) -> Evidence:
    """Any text is prose when nothing else claims it."""
    return Evidence(_SCORE_TO_BEAT, "no known layout was recognised, so every paragraph is an action")


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yields each paragraph, its line breaks kept."""
    for block in blocks(lines):
        yield Parsed(Element("action", "\n".join(block)))


FORMAT = Format("prose", "paragraphs between blank lines, none of them dialogue", recognise, parse)
