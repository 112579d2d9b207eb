"""How corpora become tokens: what may be chosen, and what suits when nothing is.

Knows nothing of how it is done.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from scriptforge.corpus.fetch import Fetched
from scriptforge.corpus.sources import Source
from scriptforge.corpus.split import Shares
from scriptforge.vocabulary import Level

_BPE_SIZES = ((300_000, 1000), (10_000_000, 2000), (math.inf, 4000))


@dataclass(frozen=True)
class Options:
    """How corpora become tokens.

    Attributes:
        level: what a token is.
        vocabulary_size: tokens in all; None leaves it to the level.
        min_count: how often a word must occur to have a token.
        lower: whether to read everything in lower case.
        plain: whether to take the text as it stands instead of as a script.
        shares: how much is held out.
        merge_casts: in a mix, whether speakers of one name are one speaker.
    """

    level: Level
    vocabulary_size: int | None = None
    min_count: int = 1
    lower: bool = False
    plain: bool = False
    shares: Shares = field(default_factory=Shares)
    merge_casts: bool = False


@dataclass(frozen=True)
class Recommendation:
    """What suits a corpus, or a mix."""

    level: Level
    vocabulary_size: int | None = None

    @property
    def min_count(self) -> int:
        """2 at word level: a model learns how likely an unknown word is from the words seen but once."""
        return 2 if self.level == "word" else 1


def recommended(source: Source, fetched: Fetched, level: Level | None = None) -> Recommendation:
    """The level and vocabulary size that suit a corpus: its card's, else by its size.

    Args:
        source: what was asked for.
        fetched: its files.
        level: the level, where it is settled already.
    """
    card = source.card
    if card and level in (None, card.level):
        return Recommendation(card.level, card.vocabulary_size)
    if level in ("word", "char"):
        return Recommendation(level)
    return Recommendation("bpe", _bpe_size([fetched]))


def recommended_for_mix(
    corpora: Sequence[tuple[Source, Fetched]], level: Level | None = None
) -> Recommendation:
    """What suits several corpora together: the level that suits all, else bpe, with room for the largest.

    Args:
        corpora: what was asked for, each with its files; of one alone, what suits it is `recommended`.
        level: the level, where it is settled already.
    """
    each = [recommended(source, fetched, level) for source, fetched in corpora]
    if len(each) == 1:
        return each[0]
    levels = {recommendation.level for recommendation in each}
    if levels in ({"word"}, {"char"}):
        return Recommendation(each[0].level)
    sizes = [recommendation.vocabulary_size or 0 for recommendation in each]
    return Recommendation("bpe", max(_bpe_size([fetched for _, fetched in corpora]), *sizes))


def _bpe_size(fetched: Sequence[Fetched]) -> int:
    size = sum(file.size for each in fetched for file in each.origin.files)
    return next(tokens for limit, tokens in _BPE_SIZES if size < limit)
