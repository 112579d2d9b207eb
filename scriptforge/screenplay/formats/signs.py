"""The signs by which a line shows what it is in more than one format.

They know a line without its surroundings; what surrounds it is the format's business.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

_SCENE_HEADING = re.compile(
    r"(?:INT|EXT|EST|I/E|INT\.?/EXT|EXT\.?/INT)\.?\s|(?i:INT|EXT|EST|I/E|INT\.?/EXT|EXT\.?/INT)\.|(?:INTERIOR|EXTERIOR)\b"
)
_TRANSITION_ENDS = (" TO:", "FADE IN", "FADE OUT", "FADE TO BLACK", "CUT TO BLACK")
_LONGEST_TRANSITION = 60
_LONGEST_NAME = 40
_MOST_WORDS_IN_A_NAME = 5
_QUOTES = "\"'“‘„«"
_SENTENCE_WORDS = frozenset({
    "i", "i'm", "im", "you", "we", "he", "she", "it", "it's", "they", "is", "are", "was", "were", "am",
    "have", "has", "had", "said", "says", "say", "asked", "told",
})  # fmt: skip


def is_scene_heading(line: str) -> bool:
    """Whether a stripped line opens a scene: `INT. DINER`, `EXTERIOR  STREET`."""
    return _SCENE_HEADING.match(line) is not None


def is_transition(line: str) -> bool:
    """Whether a stripped line in capitals leads to the next scene: `CUT TO:`, `FADE OUT.`."""
    return (
        len(line) <= _LONGEST_TRANSITION
        and line.isupper()
        and (line.endswith(_TRANSITION_ENDS[0]) or line.rstrip(".:").endswith(_TRANSITION_ENDS[1:]))
    )


@lru_cache(maxsize=4096)
def is_name(text: str) -> bool:
    """Whether a few words may be a speaker's name, and not the beginning of a sentence.

    `uncle leo` and `GROUPIE #1` may be; `so i said` and `9` may not. The words that give a sentence away
    are English; in other languages length alone decides.
    """
    words = text.split()
    return (
        0 < len(text) <= _LONGEST_NAME
        and len(words) <= _MOST_WORDS_IN_A_NAME
        and any(map(str.isalpha, text))
        and (text[0].isalnum() or text[0] in _QUOTES)
        and not any(mark in text for mark in "!?;")
        and (len(words) == 1 or _SENTENCE_WORDS.isdisjoint(word.casefold() for word in words))
    )


def is_bracketed(line: str) -> bool:
    """Whether a stripped line stands in brackets from end to end: `(he leaves)`, `[applause]`."""
    return (line[0], line[-1]) in (("(", ")"), ("[", "]"))


def blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """The runs of lines between blank lines, as they stand."""
    block: list[str] = []
    for line in lines:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block
