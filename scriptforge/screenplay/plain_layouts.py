"""Plain text in blocks between blank lines: plays printed like Shakespeare's, and prose.

    First Citizen:
    Before we proceed any further,
    hear me speak.

In a play, `NAME:` is alone on a line, with the speech below it. Line breaks in a speech are kept, as verse
needs them. If names are mostly inside blocks rather than on their first lines, they open speeches, too. A
name without a speech is left out.

Prose is text in no known layout: every block is an action.
"""

import re
from collections import Counter
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
from scriptforge.screenplay.script import Element, speaker_key

_STAGE_DIRECTION = re.compile(r"(?:Re-?)?[Ee](?:nter|xit|xeunt)\b|(?:Alarum|Flourish|Sennet)s?\b")
_ITEM = re.compile(r"\s*(?:[-*•·]|\d{1,3}[.)])\s")
_MIN_CUES_OF_A_LIST = 4
_SCORE_OF_A_LIST = 0.1
_NOTHING_ELSE = 0.9
"""Minimum share of lines in speeches for a text in which no speaker speaks twice."""

_SCORE_TO_BEAT = 0.2
"""The score of prose: a layout that explains a smaller share of a text is not chosen."""


def recognise_shakespeare(head: Sequence[str]) -> Evidence:
    """Score a text by its paragraphs that open with a name on a line of its own."""
    paragraphs = list(_paragraphs(head, _cues_are_within_blocks(head)))
    speeches = [each for each in paragraphs if _is_speech(each) and not _is_listed(each)]
    score = sum(map(len, speeches)) / max(sum(map(len, paragraphs)), 1)
    names = Counter(speaker_key(speech[0].strip()) for speech in speeches)
    most = 0.5 if 1 < len(names) < _MIN_CUES_OF_A_LIST else _NOTHING_ELSE
    if names and max(names.values()) == 1 and score < most:
        return Evidence(_SCORE_OF_A_LIST, "some paragraphs open with `NAME:`, but no name opens two")
    share = percentage(len(speeches), len(paragraphs))
    reason = f"{share} of {len(paragraphs):,} paragraphs open with `NAME:`"
    return Evidence(score, reason)


def parse_shakespeare(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield an element for each paragraph that is not just a name."""
    head, lines = peek(lines)
    for paragraph in _paragraphs(lines, _cues_are_within_blocks(head)):
        if _is_speech(paragraph):
            yield Parsed(Element("dialogue", "\n".join(paragraph[1:]), paragraph[0]))
        elif not _is_unspoken_cue(paragraph):
            yield _parse_other(paragraph)


def _cues_are_within_blocks(head: Sequence[str]) -> bool:
    """Return whether at least half of the names are inside blocks, not on their first lines."""
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


def _is_unspoken_cue(paragraph: Sequence[str]) -> bool:
    return len(paragraph) == 1 and _is_cue(paragraph[0]) and not is_transition(paragraph[0].strip())


def _is_listed(speech: Sequence[str]) -> bool:
    """Return whether the lines below `name:` are a list, or an indented block of code or settings."""
    cue, *below = speech
    is_small = cue.strip()[0].islower() and all(map(str.isspace, (line[0] for line in below)))
    return is_small or 2 * sum(_ITEM.match(line) is not None for line in below) > len(below)


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
    """Accept any text, with a score that every fitting format exceeds."""
    return Evidence(_SCORE_TO_BEAT, "no known layout was recognised, so every paragraph is an action")


def parse_prose(lines: Iterable[str]) -> Iterator[Parsed]:
    """Yield each paragraph as action, with its line breaks."""
    for block in blocks(lines):
        yield Parsed(Element("action", "\n".join(block)), recognised=False)


PROSE = Format("prose", "paragraphs between blank lines, none of them dialogue", recognise_prose, parse_prose)
