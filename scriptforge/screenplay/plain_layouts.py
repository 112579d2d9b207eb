"""Plays as printed in plain text: `NAME:` alone on a line, the speech below it, a blank line after it.

    First Citizen:
    Before we proceed any further,
    hear me speak.

The lines of a speech are verse and stay lines. Where names stand in the midst of blocks rather than above
them, blank lines part nothing, and every `NAME:` opens a speech.

Text of no known layout: every paragraph is an action. Of subtitles, number and time are no text.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from scriptforge.screenplay.format import Evidence, Format, Parsed, peek, percentage
from scriptforge.screenplay.line_heuristics import blocks, is_act_heading, is_bracketed, is_name
from scriptforge.screenplay.script import Element

_STAGE_DIRECTION = re.compile(r"(?:Re-?)?[Ee](?:nter|xit|xeunt)\b|(?:Alarum|Flourish|Sennet)s?\b")


def recognise_shakespeare(head: Sequence[str]) -> Evidence:
    """Weighs how many paragraphs open with a name on a line of its own."""
    split = _splitter(head)
    paragraphs = [paragraph for block in blocks(head) for paragraph in split(block)]
    speeches = sum(map(_is_speech, paragraphs))
    reason = f"{percentage(speeches, len(paragraphs))} of {len(paragraphs):,} paragraphs open with `NAME:`"
    return Evidence(speeches / len(paragraphs) if paragraphs else 0.0, reason)


def parse_shakespeare(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yields an element for each paragraph."""
    head, lines = peek(lines)
    split = _splitter(head)
    for block in blocks(lines):
        for paragraph in split(block):
            if _is_speech(paragraph):
                yield Parsed(Element("dialogue", "\n".join(paragraph[1:]), paragraph[0]))
            else:
                yield _parse_other(paragraph)


def _splitter(head: Sequence[str]) -> Callable[[list[str]], Iterable[list[str]]]:
    """How a block is taken apart: at each name where half of them stand inside of blocks, else not at all."""
    places = [number for block in blocks(head) for number, line in enumerate(block) if _is_cue(line)]
    return _at_cues if 2 * sum(map(bool, places)) >= len(places) > 0 else _whole


def _at_cues(block: list[str]) -> Iterator[list[str]]:
    paragraph: list[str] = []
    for line in block:
        if paragraph and _is_cue(line):
            yield paragraph
            paragraph = []
        paragraph.append(line)
    yield paragraph


def _whole(block: list[str]) -> Iterable[list[str]]:
    return (block,)


def _is_cue(line: str) -> bool:
    cue = line.strip()
    return cue.endswith((":", "：")) and is_name(cue[:-1].strip())


def _is_speech(paragraph: Sequence[str]) -> bool:
    return len(paragraph) > 1 and _is_cue(paragraph[0])


def _parse_other(paragraph: Sequence[str]) -> Parsed:
    text = "\n".join(paragraph).strip()
    if is_act_heading(text):
        return Parsed(Element("heading", text))
    return Parsed(Element("action", text), is_bracketed(text) or _STAGE_DIRECTION.match(text) is not None)


SHAKESPEARE = Format(
    "shakespeare",
    "`NAME:` on a line of its own, the speech below it",
    recognise_shakespeare,
    parse_shakespeare,
)

_SCORE_TO_BEAT = 0.2
"""A layout that explains less than this of a text is not the text's layout."""

_TIMING = re.compile(r"\s*(?:\d{1,2}:)?\d\d:\d\d[.,]\d{3} --> ")


def recognise_prose(head: Sequence[str]) -> Evidence:
    """Any text is prose when nothing else claims it."""
    return Evidence(_SCORE_TO_BEAT, "no known layout was recognised, so every paragraph is an action")


def parse_prose(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yields each paragraph, its line breaks kept."""
    for block in blocks(lines):
        yield Parsed(Element("action", "\n".join(_without_timing(block))))


def _without_timing(block: list[str]) -> list[str]:
    """What stands below the time of a subtitle, which is in its first lines; else the whole block."""
    timing = next((number for number, line in enumerate(block[:2]) if _TIMING.match(line)), -1)
    return block[timing + 1 :]


PROSE = Format("prose", "paragraphs between blank lines, none of them dialogue", recognise_prose, parse_prose)
