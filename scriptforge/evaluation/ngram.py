"""A baseline without a neural network: an n-gram model of the same tokens.

It is interpolated modified Kneser-Ney (Chen & Goodman 1999, doi:10.1006/csla.1999.0128). The highest order
uses the counts of the training text. A lower order counts the distinct tokens before an n-gram, not its
occurrences: “Francisco” is frequent, but only after “San”.

    p_k(w | h) = (c(hw) - D(hw) + p_k-1(w | h') * sum of D(hv) over all v) / sum of c(hv) over all v

h' is h without its first token, D is the discount that depends on the count, and p_0 is uniform. If h was
never seen, p_k is p_k-1. So the probabilities sum to 1.

An n-gram's key combines the number of its context, which is the n-gram one shorter, with its last token. So
each order is one sort of the text, with no Python loop over tokens.

Shape letters: N tokens of the training text, M tokens of the text to predict, G distinct n-grams, C contexts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scriptforge.dataset import Dataset
from scriptforge.evaluation.loss import check_not_empty, extent, extents
from scriptforge.options import HeldOut, Level
from scriptforge.run.records import LossMetrics

ORDERS: dict[Level, int] = {"word": 4, "bpe": 5, "char": 8}
"""The n of the model, by level."""

MAX_TOKENS = 20_000_000
"""Largest number of training tokens that are counted, from the beginning; they take about 2 GB."""

_USUAL_DISCOUNT, _MIN_DISCOUNT = 0.75, 0.1
"""Discount if the counts determine none, and lower limit: a mix that repeats a corpus may give 0 or less."""

Ids = NDArray[np.unsignedinteger]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class NgramLoss:
    """The loss of an n-gram model on a split.

    Attributes:
        order: the n.
        metrics: the loss on the split, read in order as in `stream`.
        by_source: the loss on each source of a mix; empty for a single corpus.
    """

    order: int
    metrics: LossMetrics
    by_source: Mapping[str, LossMetrics] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Return the JSON document."""
        document = {"order": self.order, **asdict(self.metrics)}
        if self.by_source:
            document["sources"] = {source: asdict(each) for source, each in self.by_source.items()}
        return document


def evaluate_ngram(dataset: Dataset, split: HeldOut) -> NgramLoss:
    """Evaluate an n-gram model of the training split on another split.

    Raises:
        DatasetError: the split is empty.
    """
    check_not_empty(dataset, split)
    vocabulary, order = dataset.vocabulary, ORDERS[dataset.description.level]
    training_N = dataset.ids("train")[:MAX_TOKENS]
    texts = {source: ids for source, ids in dataset.ids_by_source(split).items() if len(ids)}
    predicted = [
        -np.log(probabilities(training_N, ids_M, vocabulary.size, order, vocabulary.end))
        for ids_M in texts.values()
    ]
    nats = dict(zip(texts, (float(each.sum()) for each in predicted), strict=True))
    parts = extents(dataset, split)
    return NgramLoss(
        order,
        extent(dataset, split).metrics(sum(nats.values()), sum(map(len, texts.values()))),
        {source: parts[source].metrics(nats[source], len(ids)) for source, ids in texts.items()}
        if dataset.description.sources
        else {},
    )


def probabilities(training_N: Ids, ids_M: Ids, size: int, order: int, first: int) -> NDArray[np.float64]:
    """Return the probability of each token of a text given the tokens before it.

    Args:
        training_N: the text to count, at least one token.
        ids_M: the text to predict.
        size: the size of the vocabulary.
        order: the n, 1 or more.
        first: the id before both texts, normally the vocabulary's `end`.
    """
    text = np.concatenate([[first], ids_M]).astype(np.int64)
    found = np.zeros(len(text) + 1, np.int64)  # number of the n-gram at each start; -1 if unseen
    likely = np.full(len(text), 1 / size)  # probability of each token, so far
    for length, table in enumerate(_tables(training_N, size, order, first), 1):
        contexts = found[: max(len(text) - length + 1, 0)]
        found = table.find(contexts, text[length - 1 :], size)
        counts = np.where(found >= 0, table.counts_G[found], 0)
        totals, reserved = table.totals_C[contexts], table.reserved_C[contexts]
        is_known = (contexts >= 0) & (totals > 0)
        lower = likely[length - 1 :]
        higher = (counts - table.discounts[np.minimum(counts, 3)] + reserved * lower) / np.maximum(totals, 1)
        likely[length - 1 :] = np.where(is_known, higher, lower)
    return likely[1:]


class _Table(NamedTuple):
    """The n-grams of one order, numbered by their sorted keys.

    Attributes:
        keys_G: the number of the context times the vocabulary size, plus the last token.
        counts_G: occurrences at the highest order; at a lower one, the number of distinct tokens before.
        discounts: the discounts for counts of 0, 1, 2, and 3 or more.
        totals_C: sum of the counts in each context.
        reserved_C: sum of the discounts in each context.
    """

    keys_G: Integers
    counts_G: Integers
    discounts: NDArray[np.float64]
    totals_C: NDArray[np.float64]
    reserved_C: NDArray[np.float64]

    @classmethod
    def of(cls, keys_G: Integers, counts_G: Integers, contexts: int, size: int) -> "_Table":
        """Return the table of n-grams with the given number of contexts."""
        discounts = _discounts(counts_G)
        context_G = keys_G // size
        totals_C = np.bincount(context_G, counts_G, contexts).astype(np.float64)
        reserved_C = np.bincount(context_G, discounts[np.minimum(counts_G, 3)], contexts).astype(np.float64)
        return cls(keys_G, counts_G, discounts, totals_C, reserved_C)

    def find(self, contexts: Integers, tokens: Integers, size: int) -> Integers:
        """Return the number of the n-gram of each context and token; -1 if it was never seen."""
        keys = np.where(contexts >= 0, contexts * size + tokens, -1)
        places = np.minimum(np.searchsorted(self.keys_G, keys), len(self.keys_G) - 1)
        return np.where(self.keys_G[places] == keys, places, -1)


class _Ngrams(NamedTuple):
    """The distinct n-grams of a text, numbered by their sorted keys.

    Attributes:
        keys_G: the number of the context times the vocabulary size, plus the last token.
        starts_G: the index in the text at which each n-gram first occurs.
        occurrences_G: the number of times each n-gram occurs.
        numbers: the number of the n-gram that starts at each index of the text.
        contexts: the number of distinct contexts.
    """

    keys_G: Integers
    starts_G: Integers
    occurrences_G: Integers
    numbers: Integers
    contexts: int

    @classmethod
    def of(cls, context_numbers: Integers, contexts: int, last_tokens: Integers, size: int) -> "_Ngrams":
        """Return the n-grams of a text, given the context and the last token of the one at each index."""
        keys = context_numbers * size + last_tokens
        keys_G, starts_G, numbers, occurrences_G = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        return cls(keys_G, starts_G, occurrences_G, numbers, contexts)

    def tokens_before(self, longer: "_Ngrams") -> Integers:
        """Return for each n-gram how many distinct tokens come before it, given the n-grams one longer."""
        endings = self.numbers[longer.starts_G + 1]
        return np.bincount(endings, minlength=len(self.keys_G))


def _tables(training_N: Ids, size: int, order: int, first: int) -> Iterator[_Table]:
    """Yield the tables of the orders from 1 to `order`, or to the length of the text if that is less.

    The counts of an order are known once the n-grams of the next one are.
    """
    text = np.concatenate([[first], training_N]).astype(np.int64)
    ngrams = _Ngrams.of(np.zeros(len(text), np.int64), 1, text, size)
    for length in range(2, min(order, len(text)) + 1):
        longer = _Ngrams.of(ngrams.numbers[:-1], len(ngrams.keys_G), text[length - 1 :], size)
        yield _Table.of(ngrams.keys_G, ngrams.tokens_before(longer), ngrams.contexts, size)
        ngrams = longer
    yield _Table.of(ngrams.keys_G, ngrams.occurrences_G, ngrams.contexts, size)


def _discounts(counts_G: Integers) -> NDArray[np.float64]:
    """Return the discounts for counts of 0, 1, 2, and 3 or more (Chen & Goodman, equation 26)."""
    n = np.bincount(np.minimum(counts_G, 5), minlength=6).astype(float)
    if not n[1:5].all():
        return np.array([0.0, *[_USUAL_DISCOUNT] * 3])
    ratio = n[1] / (n[1] + 2 * n[2])
    discounts = [count - (count + 1) * ratio * n[count + 1] / n[count] for count in (1, 2, 3)]
    return np.array([0.0, *np.clip(discounts, _MIN_DISCOUNT, (1, 2, 3))])
