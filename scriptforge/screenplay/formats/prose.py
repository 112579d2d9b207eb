"""Text of no known layout: every paragraph is an action. Of subtitles, number and time are no text."""

import re
from collections.abc import Iterable, Iterator, Sequence

from scriptforge.screenplay.formats.format import Evidence, Format, Parsed
from scriptforge.screenplay.formats.signs import blocks
from scriptforge.screenplay.script import Element

_SCORE_TO_BEAT = 0.2
"""A layout that explains less than this of a text is not the text's layout."""

_TIMING = re.compile(r"\s*(?:\d{1,2}:)?\d\d:\d\d[.,]\d{3} --> ")


def recognise(head: Sequence[str]) -> Evidence:
    """Any text is prose when nothing else claims it."""
    return Evidence(_SCORE_TO_BEAT, "no known layout was recognised, so every paragraph is an action")


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yields each paragraph, its line breaks kept."""
    for block in blocks(lines):
        yield Parsed(Element("action", "\n".join(_without_timing(block))))


def _without_timing(block: list[str]) -> list[str]:
    """What stands below the time of a subtitle, which is in its first lines; else the whole block."""
    timing = next((number for number, line in enumerate(block[:2]) if _TIMING.match(line)), -1)
    return block[timing + 1 :]


FORMAT = Format("prose", "paragraphs between blank lines, none of them dialogue", recognise, parse)
