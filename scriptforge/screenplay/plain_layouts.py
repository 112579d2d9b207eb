"""Plain text in blocks between blank lines: plays as Shakespeare's are printed, and prose.

    First Citizen:
    Before we proceed any further,
    hear me speak.

In a play, `NAME:` is alone on a line, with the speech below it. The lines of a speech are verse and stay
lines. Where names are inside blocks rather than above them, blank lines mean nothing, and every `NAME:` opens
a speech.

Prose is text of no known layout: every block is an action.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from scriptforge.screenplay.format import (
    Evidence,
    Format,
    Parsed,
    blocks,
    is_act_heading,
    is_bracketed,
    is_name,
    is_transition,
    peek,
    percentage,
)
from scriptforge.screenplay.script import Element

_STAGE_DIRECTION = re.compile(r"(?:Re-?)?[Ee](?:nter|xit|xeunt)\b|(?:Alarum|Flourish|Sennet)s?\b")
_SCORE_TO_BEAT = 0.2
"""A layout that explains a smaller share of a text is not its layout."""


def recognise_shakespeare(head: Sequence[str]) -> Evidence:
    """Count the paragraphs that open with a name on a line of its own."""
    paragraphs = list(_paragraphs(head, _cues_are_within_blocks(head)))
    speeches = [paragraph for paragraph in paragraphs if _is_speech(paragraph)]
    share = percentage(len(speeches), len(paragraphs))
    reason = f"{share} of {len(paragraphs):,} paragraphs open with `NAME:`"
    return Evidence(sum(map(len, speeches)) / max(sum(map(len, paragraphs)), 1), reason)


def parse_shakespeare(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield an element for each paragraph."""
    head, lines = peek(lines)
    for paragraph in _paragraphs(lines, _cues_are_within_blocks(head)):
        if _is_speech(paragraph):
            yield Parsed(Element("dialogue", "\n".join(paragraph[1:]), paragraph[0]))
        else:
            yield _parse_other(paragraph)


def _cues_are_within_blocks(head: Sequence[str]) -> bool:
    """Return whether half of the names or more are inside blocks, not above them."""
    line_numbers = [number for block in blocks(head) for number, line in enumerate(block) if _is_cue(line)]
    return 2 * sum(map(bool, line_numbers)) >= len(line_numbers) > 0


def _paragraphs(lines: Iterable[str], split_at_cues: bool) -> Iterator[list[str]]:
    for block in blocks(lines):
        paragraph: list[str] = []
        for line in block:
            if split_at_cues and paragraph and _is_cue(line):
                yield paragraph
                paragraph = []
            paragraph.append(line)
        yield paragraph


def _is_cue(line: str) -> bool:
    cue = line.strip()
    return cue.endswith((":", "：")) and is_name(cue[:-1].strip())


def _is_speech(paragraph: Sequence[str]) -> bool:
    return len(paragraph) > 1 and _is_cue(paragraph[0])


def _parse_other(paragraph: Sequence[str]) -> Parsed:
    text = "\n".join(paragraph).strip()
    if is_act_heading(text):
        return Parsed(Element("heading", text))
    if is_transition(text):
        return Parsed(Element("transition", text))
    return Parsed(Element("action", text), is_bracketed(text) or _STAGE_DIRECTION.match(text) is not None)


SHAKESPEARE = Format(
    "shakespeare",
    "`NAME:` on a line of its own, the speech below it",
    recognise_shakespeare,
    parse_shakespeare,
)


def recognise_prose(head: Sequence[str]) -> Evidence:
    """Claim any text, with a score that every fitting format exceeds."""
    return Evidence(_SCORE_TO_BEAT, "no known layout was recognised, so every paragraph is an action")


def parse_prose(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield each paragraph with its line breaks."""
    for block in blocks(lines):
        yield Parsed(Element("action", "\n".join(block)), understood=False)


PROSE = Format("prose", "paragraphs between blank lines, none of them dialogue", recognise_prose, parse_prose)
