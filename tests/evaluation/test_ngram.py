"""The n-gram model, beside a slow one that follows the book, and on texts that leave nothing to count."""

import json
import random
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support.tiny import comedy, mixed

from scriptforge.dataset import Dataset
from scriptforge.evaluation import evaluate, evaluate_ngram
from scriptforge.evaluation.ngram import ORDERS, probabilities
from scriptforge.options import EvaluateOptions
from scriptforge.run.run import Run
from scriptforge.workspace import RunFolder

END = 0


def ids(length: int, seed: int, size: int = 40) -> NDArray[np.uint16]:
    """Tokens that depend on those before: many sequences are met often, some once."""
    draw = random.Random(seed)
    tokens = [1]
    while len(tokens) < length:
        tokens.append((tokens[-1] * 2 + int(draw.paretovariate(1))) % size)
    return np.array(tokens, np.uint16)


def by_the_book(training: list[int], text: list[int], size: int, order: int) -> list[float]:
    """Kneser-Ney with three discounts, one token after the other, in tables by sequence."""
    training, text = [END, *training], [END, *text]
    counts: list[Counter[tuple[int, ...]]] = [
        Counter(tuple(training[start : start + length]) for start in range(len(training) - length + 1))
        for length in range(1, order + 1)
    ]
    places = [Counter(gram[1:] for gram in longer) for longer in counts[1:]]
    tables = [*places, counts[-1]]

    def discounts(table: Counter[tuple[int, ...]]) -> list[float]:
        n = Counter(table.values())
        if not n[1] * n[2] * n[3] * n[4]:
            return [0.0, 0.75, 0.75, 0.75]
        y = n[1] / (n[1] + 2 * n[2])
        return [0.0, *(max(0.1, k - (k + 1) * y * n[k + 1] / n[k]) for k in (1, 2, 3))]

    followers: list[defaultdict[tuple[int, ...], list[int]]] = []
    for table in tables:
        followers.append(defaultdict(list))
        for gram, count in table.items():
            followers[-1][gram[:-1]].append(count)

    def likely(context: tuple[int, ...], token: int) -> float:
        lower = likely(context[1:], token) if context else 1 / size
        after = followers[len(context)].get(context)
        if not after:
            return lower
        taken = discounts(tables[len(context)])
        count = tables[len(context)][*context, token]
        rest = sum(taken[min(each, 3)] for each in after)
        return (count - taken[min(count, 3)] + rest * lower) / sum(after)

    return [
        likely(tuple(text[max(place - order + 1, 0) : place]), text[place]) for place in range(1, len(text))
    ]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_is_the_model_of_the_book(order: int) -> None:
    training, text = ids(3000, 1), ids(200, 2)
    fast = probabilities(training, text, 40, order, END)
    slow = by_the_book(training.tolist(), text.tolist(), 40, order)
    assert fast == pytest.approx(slow, rel=1e-9)


@pytest.mark.parametrize("training", [ids(800, 1), ids(3, 1), np.tile(ids(90, 1), 4), np.array([5])])
def test_the_probabilities_of_all_tokens_add_up_to_one(training: NDArray[np.uint16]) -> None:
    size = 43  # some are in no text
    for context in ([], [2], [2, 4, 9], [41, 41], training[-3:].tolist()):
        last = [
            probabilities(training, np.array([*context, token]), size, 4, END)[-1] for token in range(size)
        ]
        assert min(last) > 0
        assert sum(last) == pytest.approx(1)


def test_the_more_it_sees_the_better_it_predicts() -> None:
    text = ids(500, 9)
    nats = [-np.log(probabilities(ids(count, 1), text, 40, 3, END)).mean() for count in (200, 1000, 5000)]
    assert np.log(40) > nats[0] > nats[1] > nats[2]


def test_the_report_shows_it_on_request(tiny_run: RunFolder, tiny_dataset: Dataset) -> None:
    report = evaluate(Run(tiny_run), tiny_dataset, EvaluateOptions(ngram=True))
    assert report.ngram == evaluate_ngram(tiny_dataset, "test")
    document = json.loads(json.dumps(report.document()))
    assert document["ngram"]["order"] == ORDERS["word"]
    assert document["ngram"].keys() == {"order", *document["stream"]}
    # The comedy draws each of its words from five: no model could have less than ln 5 nats for one of them.
    assert 0.7 < document["ngram"]["nats_per_token"] < document["stream"]["nats_per_token"]


def test_of_a_mix_each_source_has_figures_which_make_up_the_whole(tmp_path: Path) -> None:
    for name, seed in (("a.txt", 1), ("b.txt", 2)):
        (tmp_path / name).write_text(comedy(200, seed), encoding="utf-8")
    dataset = mixed([str(tmp_path / "a.txt"), f"{tmp_path / 'b.txt'}=3"], tmp_path / "data")
    found = evaluate_ngram(dataset, "validation")
    sizes = {source: len(ids) for source, ids in dataset.ids_by_source("validation").items()}
    assert found.by_source.keys() == sizes.keys()
    whole = sum(found.by_source[source].nats_per_token * size for source, size in sizes.items())
    assert found.metrics.nats_per_token == pytest.approx(whole / sum(sizes.values()))
    assert found.document()["sources"].keys() == sizes.keys()
