"""Which text is for training, which for validation and which for testing.

By whole documents where there are enough of them; else by contiguous blocks in the order training,
validation, test. Never by shuffled lines: neighbours in a conversation know each other's words.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from scriptforge.dataset import Division
from scriptforge.errors import UsageError

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
