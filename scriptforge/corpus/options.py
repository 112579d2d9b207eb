"""Choices made before a text is tokenised: which text is held out, and what a token is.

Whole documents are held out if there are enough of them; else contiguous blocks, in the order training,
validation, test. Lines are never shuffled: adjacent lines of a conversation share words, so held-out lines
between training lines would make the loss look better than it is.
"""

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scriptforge.corpus.fetch import Corpus
from scriptforge.dataset import Division
from scriptforge.options import Level, PrepareOptions
from scriptforge.workspace import SPLITS

_SHUFFLE_SEED = 0
_BPE_SIZES = ((300_000, 1000), (10_000_000, 2000), (math.inf, 4000))
"""Sizes of bpe vocabularies: pairs of a limit, in bytes of text, and the number of tokens below it."""

_LEARN_FROM = 200_000_000


@dataclass(frozen=True)
class TokenPlan:
    """The options of `scriptforge.options.PrepareOptions` that say what a token is, with defaults resolved.

    A `vocabulary_size` of None stands for as many tokens as the level needs.

    Attributes:
        may_borrow: whether a small text may use the subwords of the base model.
        learn_from: the number of characters that subwords are learnt from; of a longer text, passages at even
            distances are taken. More would hardly change what they are.
    """

    level: Level
    vocabulary_size: int | None
    min_count: int
    lower: bool
    plain: bool
    merge_casts: bool
    may_borrow: bool = False
    learn_from: int = _LEARN_FROM


def plan_tokens(options: PrepareOptions, corpora: Sequence[Corpus]) -> TokenPlan:
    """Choose the options left unset: as the card recommends, else by the size of the text.

    For several corpora, the level is word or char if that suits all of them, else bpe, with the largest
    vocabulary size that suits any of them or their total size.
    """
    suited = [_suited(corpus, options.level) for corpus in corpora]
    level, size = suited[0]
    if len(suited) > 1 and {level for level, _ in suited} in ({"word"}, {"char"}):
        size = None
    elif len(suited) > 1:
        level, size = "bpe", max(_bpe_size(corpora), *(size or 0 for _, size in suited))
    return TokenPlan(
        level=level,
        vocabulary_size=options.vocabulary_size or size,
        min_count=options.min_count or default_min_count(level),
        lower=options.lower,
        plain=options.plain,
        merge_casts=options.merge_casts,
        may_borrow=level == "bpe"
        and not options.plain
        and options.vocabulary_size is None
        and options.min_count in (None, default_min_count(level)),
    )


def default_min_count(level: Level) -> int:
    """Return 2 at word level, so that words seen once train `<unk>`, and 1 at the other levels."""
    return 2 if level == "word" else 1


def _suited(corpus: Corpus, level: Level | None) -> tuple[Level, int | None]:
    """Return the level and vocabulary size that suit a corpus: its card's, else those for its size."""
    card = corpus.source.card
    if card and level in (None, card.level):
        return card.level, card.vocabulary_size
    if level in ("word", "char"):
        return level, None
    return "bpe", _bpe_size([corpus])


def _bpe_size(corpora: Iterable[Corpus]) -> int:
    size = sum(file.size for corpus in corpora for file in corpus.origin.files)
    return next(tokens for limit, tokens in _BPE_SIZES if size < limit)


def divide(sizes: Sequence[int], validation: float, test: float) -> Division:
    """Divide a corpus, by document if each split then gets half to twice its share, else by block.

    Args:
        sizes: the number of characters of each document.
        validation: the validation split's share of the characters.
        test: the test split's share of the characters.
    """
    by_document = _by_document(sizes, validation, test)
    ends_of_splits = (int(sum(sizes) * share) for share in (1 - validation - test, 1 - test))
    return by_document or Division(by="block", boundaries=tuple(ends_of_splits))


def _by_document(sizes: Sequence[int], validation: float, test: float) -> Division | None:
    order = list(range(len(sizes)))
    random.Random(_SHUFFLE_SEED).shuffle(order)
    splits = ["train"] * len(sizes)
    shares = dict(zip(SPLITS, (1 - validation - test, validation, test), strict=True))
    wanted = {split: share * sum(sizes) for split, share in shares.items()}
    taken = dict.fromkeys(wanted, 0)
    for split in ("validation", "test"):
        # Take documents at random, as long as at least half of the next one is still wanted.
        while order and taken[split] + sizes[order[-1]] / 2 < wanted[split]:
            document = order.pop()
            splits[document] = split
            taken[split] += sizes[document]
    taken["train"] = sum(sizes[document] for document in order)
    if all(wanted[split] / 2 <= taken[split] <= wanted[split] * 2 for split in wanted):
        return Division(by="document", documents=tuple(splits))
    return None
