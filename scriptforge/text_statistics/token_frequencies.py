"""Token frequencies in text by people: measured for the most frequent tokens, and one mean for the others."""

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from scriptforge.validation import ClosedModel, Share
from scriptforge.vocabulary import Vocabulary

MOST_FREQUENT = 512
"""Number of tokens whose share is kept; the others are too rare for their share on a page to mean much."""

_MIN_TOKENS = 10_000


class TokenFrequencies(ClosedModel):
    """Token frequencies in the training text.

    Attributes:
        ids: the ids of the most frequent text tokens, the most frequent first.
        shares: the share of all text tokens that each of them has.
    """

    ids: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MOST_FREQUENT)]
    shares: Annotated[list[Share], Field(max_length=MOST_FREQUENT)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.ids) != len(self.shares):
            raise ValueError("there must be as many shares as ids")
        return self

    def rest(self, vocabulary: Vocabulary) -> float:
        """Return the mean share of the text tokens of the vocabulary that are not in `ids`."""
        others = int(vocabulary.is_text.sum()) - len(self.ids)
        return max(0.0, 1 - sum(self.shares)) / max(1, others)

    def shares_of(self, vocabulary: Vocabulary) -> NDArray[np.float64]:
        """Return the share of each token of the vocabulary, `(V,)`; 0 for layout tokens."""
        shares_V = np.where(vocabulary.is_text, self.rest(vocabulary), 0.0)
        for id_, share in zip(self.ids, self.shares, strict=True):
            if id_ < len(shares_V):
                shares_V[id_] = share
        return shares_V


def measure_token_frequencies(
    ids: NDArray[np.unsignedinteger], vocabulary: Vocabulary
) -> TokenFrequencies | None:
    """Measure the token frequencies of a text; None at the char level or if the text is too short.

    Args:
        ids: the ids of the training split; may be memory-mapped.
        vocabulary: the vocabulary that it was encoded with.
    """
    if vocabulary.level == "char":
        return None
    counts_V = np.bincount(ids, minlength=vocabulary.size)
    counts_V[: vocabulary.layout_size] = 0
    total = int(counts_V.sum())
    if total < _MIN_TOKENS:
        return None
    frequent = (-counts_V).argsort(kind="stable")[:MOST_FREQUENT]
    frequent = frequent[counts_V[frequent] > 0]
    return TokenFrequencies(ids=frequent.tolist(), shares=(counts_V[frequent] / total).round(6).tolist())
