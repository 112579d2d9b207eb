"""Which text is for training, which for validation and which for testing.

By whole documents where there are enough of them; else by contiguous blocks in the order training,
validation, test. Never by shuffled lines: neighbours in a conversation know each other's words.

How corpora become tokens: what may be chosen, and what suits when nothing is.

Knows nothing of how it is done.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from scriptforge.corpus.fetch import Fetched
from scriptforge.corpus.sources import Source
from scriptforge.dataset import Division
from scriptforge.errors import UsageError
from scriptforge.vocabulary import Level

_SHUFFLE_SEED = 0


@dataclass(frozen=True)
class Shares:
    """How much of a corpus is held out.

    Attributes:
        validation: share of the characters, above 0.
        test: share of the characters, 0 or above.
    """

    validation: float = 0.05
    test: float = 0.05

    def __post_init__(self) -> None:
        """Refuses shares that leave nothing to validate or too little to train on."""
        if not (0 < self.validation < 1 and 0 <= self.test < 1 and self.validation + self.test <= 0.5):
            raise UsageError(
                f"Validation {self.validation} and test {self.test} cannot be held out.",
                "Validation must be above 0 and both together at most 0.5: --validation 0.1 --test 0",
            )

    @property
    def by_split(self) -> dict[str, float]:
        """The share of every split, that of training being the rest."""
        train = 1 - self.validation - self.test
        return {"train": train, "validation": self.validation, "test": self.test}


def divide(sizes: Sequence[int], shares: Shares) -> Division:
    """Divides a corpus, by document where each split then gets half to twice what it should.

    Args:
        sizes: characters of each document.
        shares: what to hold out.
    """
    return _by_document(sizes, shares) or _by_block(sum(sizes), shares)


def _by_document(sizes: Sequence[int], shares: Shares) -> Division | None:
    order = list(range(len(sizes)))
    random.Random(_SHUFFLE_SEED).shuffle(order)
    splits = ["train"] * len(sizes)
    wanted = {split: share * sum(sizes) for split, share in shares.by_split.items()}
    taken = dict.fromkeys(wanted, 0)
    for split in ("validation", "test"):
        while order and taken[split] + sizes[order[-1]] / 2 < wanted[split]:
            document = order.pop()
            splits[document] = split
            taken[split] += sizes[document]
    taken["train"] = sum(sizes[document] for document in order)
    if all(wanted[split] / 2 <= taken[split] <= wanted[split] * 2 for split in wanted):
        return Division(by="document", documents=tuple(splits))
    return None


def _by_block(characters: int, shares: Shares) -> Division:
    validation = int(characters * (1 - shares.validation - shares.test))
    return Division(by="block", boundaries=(validation, int(characters * (1 - shares.test))))


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
