"""Plays as printed in plain text: `NAME:` alone on a line, the speech below it, a blank line after it.

    First Citizen:
    Before we proceed any further,
    hear me speak.

The lines of a speech are verse and stay lines.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from scriptforge.screenplay.formats.format import Evidence, Format, Parsed, percentage
from scriptforge.screenplay.formats.signs import blocks, is_bracketed, is_name
from scriptforge.screenplay.script import Element

_HEADING = re.compile(r"(?:(?:ACT|SCENE|Act|Scene)\s+(?:[IVXLC]+|\d+)\b|(?:PROLOGUE|EPILOGUE)\b)")
_STAGE_DIRECTION = re.compile(r"(?:Re-?)?[Ee](?:nter|xit|xeunt)\b")


def recognise(head: Sequence[str]) -> Evidence:
    """Weighs how many paragraphs open with a name on a line of its own."""
    paragraphs = list(blocks(head))
    speeches = sum(map(_is_speech, paragraphs))
    reason = f"{percentage(speeches, len(paragraphs))} of {len(paragraphs):,} paragraphs open with `NAME:`"
    return Evidence(speeches / len(paragraphs) if paragraphs else 0.0, reason)


def parse(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yields an element for each paragraph."""
    for block in blocks(lines):
        if _is_speech(block):
            yield Parsed(Element("dialogue", "\n".join(block[1:]), block[0]))
        else:
            yield _parse_other(block)


def _is_speech(block: Sequence[str]) -> bool:
    cue = block[0].strip()
    return len(block) > 1 and cue.endswith(":") and is_name(cue[:-1].strip())


def _parse_other(block: Sequence[str]) -> Parsed:
    text = "\n".join(block).strip()
    if _HEADING.match(text):
        return Parsed(Element("heading", text))
    return Parsed(Element("action", text), is_bracketed(text) or _STAGE_DIRECTION.match(text) is not None)


FORMAT = Format("shakespeare", "`NAME:` on a line of its own, the speech below it", recognise, parse)
