"""Counting: the casts of a text before it is tokenised, and the words of its training split while it is.

Which speakers get a token must be known before the vocabulary is learnt. The words need not, so they are
counted where passages are encoded, which other processes can do. A passage counts once, however often a
weight repeats it, and not at all if the weight drops it.
"""

from collections import defaultdict
from collections.abc import Mapping
from itertools import chain
from typing import NamedTuple

from scriptforge.corpus.options import TokenPlan
from scriptforge.corpus.passages import ParsedText, Passage
from scriptforge.screenplay.script import CastCount
from scriptforge.vocabulary import Vocabulary
from scriptforge.vocabulary.lexicon import WordCount

SPEAKER_MIN_LINES = 10
"""Lines in the training split that give a speaker a token; the names of others are spelled out."""

MAX_SPEAKERS = 200
"""Speakers of one cast who get a token, at most."""

ONE_CAST = ""


def casts_apart(plan: TokenPlan, text: ParsedText) -> bool:
    """Return whether each source keeps its own cast, whose tokens are not shared with other sources."""
    return text.is_mixed and not plan.merge_casts


class Counted(NamedTuple):
    """Counts before the text is tokenised.

    Attributes:
        casts: the cast of all splits, by source; by `ONE_CAST` if casts are merged.
        speakers_with_token: the speakers who get a token, likewise.
        characters: the number of characters in the training split.
    """

    casts: Mapping[str, CastCount]
    speakers_with_token: dict[str, list[str]]
    characters: int


def count_casts(text: ParsedText, plan: TokenPlan) -> Counted:
    """Count the lines and words of each speaker, and the characters of the training split."""
    apart = casts_apart(plan, text)
    casts: defaultdict[str, CastCount] = defaultdict(CastCount)
    training_casts: defaultdict[str, CastCount] = defaultdict(CastCount)
    characters = 0
    for passage in text.passages("Counting"):
        source = passage.source if apart else ONE_CAST
        counts = [casts[source]]
        if passage.is_training:
            characters += passage.characters
            counts.append(training_casts[source])
        for row in passage.rows:
            if row.kind == "dialogue":
                words = len(row.text.split())
                for counted in counts:
                    counted.add(row.speaker, words)
    speakers_with_token = {source: _with_token(counted) for source, counted in training_casts.items()}
    return Counted(casts, speakers_with_token, characters)


def _with_token(counted: CastCount) -> list[str]:
    """Return the speakers of one cast who get a token of their own."""
    return [each.speaker for each in counted.members[:MAX_SPEAKERS] if each.lines >= SPEAKER_MIN_LINES]


class TrainingText:
    """What is counted in the training split while it is encoded, since other processes can do both.

    Args:
        vocabulary: its vocabulary.

    Attributes:
        alphabet: the characters.
        words: the words; None at the word level, whose tokens they are.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._lower = vocabulary.lower
        self.alphabet: set[str] = set()
        self.words = None if vocabulary.level == "word" else WordCount()

    def add(self, passage: Passage) -> None:
        """Count a passage, unless it is held out."""
        if not passage.is_training:
            return
        texts = [row.text.lower() if self._lower else row.text for row in passage.rows]
        self.alphabet.update(*texts)
        if self.words is not None:
            speakers = (row.speaker for row in passage.rows)
            self.words.add(*chain.from_iterable(zip(texts, speakers, strict=True)))

    def merge(self, other: "TrainingText") -> None:
        """Add what was counted in later passages."""
        self.alphabet |= other.alphabet
        if self.words is not None and other.words is not None:
            self.words.merge(other.words)
