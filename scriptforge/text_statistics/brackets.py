"""How people use brackets and quotes in a corpus: which pairs they close, and whom asides address."""

import re
from collections import Counter
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scriptforge.validation import ClosedModel
from scriptforge.vocabulary import Vocabulary

PAIRS = ("()", "[]", "“”", '""')
"""Pairs of an opening and a closing mark; a straight quote is both."""

_TOKENS = 400_000
"""Number of tokens that are examined, from the beginning."""

_USUAL, _HARDLY_EVER, _FEWEST = 0.9, 0.03, 10
"""Least share of lines that close a pair; greatest share of asides to oneself; least number of asides."""

_MAX_WORDS, _LONGEST = 16, 24  # limits of `BracketStatistics.turning`: number of words, characters of a word
_ASIDE = re.compile(r"\( ?([^\W\d_]+) ([^()]*)\)")

_Pair = Annotated[str, Field(min_length=2, max_length=2)]
_Word = Annotated[str, Field(min_length=1, max_length=_LONGEST)]


class BracketStatistics(ClosedModel):
    """How brackets and quotes are used in the training text.

    Attributes:
        closed: those of `PAIRS` that nearly always close in the line in which they open.
        turning: words, in lower case, that precede a name in an aside, as `to` does in `(to Kramer)`, where
            the name is hardly ever the speaker's own.
    """

    closed: Annotated[list[_Pair], Field(max_length=len(PAIRS))]
    turning: Annotated[list[_Word], Field(max_length=_MAX_WORDS)]


def measure_brackets(ids: NDArray[np.unsignedinteger], vocabulary: Vocabulary) -> BracketStatistics | None:
    """Measure the use of brackets and quotes in a text; None for plain text, whose lines have no speakers.

    Args:
        ids: the ids of the training split, in order; may be memory-mapped.
        vocabulary: the vocabulary that it was encoded with.
    """
    if vocabulary.plain:
        return None
    some = np.asarray(ids[:_TOKENS]).astype(np.int64)
    starts = np.flatnonzero(some < vocabulary.layout_size)
    names = {token.id: token.name.lower() for token in vocabulary.speaker_tokens}
    lines = [
        (names.get(int(some[start])), vocabulary.decode(some[start + 1 : stop]).lower())
        for start, stop in zip(starts, [*starts[1:], len(some)], strict=True)
    ]
    texts = [text for _, text in lines]
    turned, own = Counter[str](), Counter[str]()
    known = tuple(names.values())
    for speaker, text in lines:
        for word, rest in _ASIDE.findall(text) if speaker else ():
            if rest.startswith(known):
                turned[word] += 1
                own[word] += rest.startswith(str(speaker))
    turning = [
        word
        for word, count in turned.most_common(_MAX_WORDS)
        if count >= _FEWEST and own[word] <= _HARDLY_EVER * count and len(word) <= _LONGEST
    ]
    return BracketStatistics(closed=[pair for pair in PAIRS if _is_closed(pair, texts)], turning=turning)


def _is_closed(pair: str, texts: list[str]) -> bool:
    """Return whether nearly all lines with a mark of a pair close it, without nesting."""
    marks = ["".join(character for character in text if character in pair) for text in texts]
    used = [each for each in marks if each]
    return bool(used) and sum(each == pair * (len(each) // 2) for each in used) >= _USUAL * len(used)
