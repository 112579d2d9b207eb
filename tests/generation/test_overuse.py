"""What came more often than people use it becomes less likely, and nothing else changes its odds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from scriptforge.generation.decoding_state import load_state, save_state
from scriptforge.generation.generate import Generation
from scriptforge.generation.repetition import new_adaptive_penalty
from scriptforge.models.layers import HeadedModel
from scriptforge.options import GenerateOptions
from scriptforge.text_statistics import TextStatistics
from scriptforge.text_statistics.repetition import RepetitionStatistics
from scriptforge.text_statistics.token_frequencies import TokenFrequencies, measure_token_frequencies
from scriptforge.vocabulary import Level, Vocabulary

Make = Callable[[Vocabulary], HeadedModel]

ALWAYS = RepetitionStatistics(runs=[[1.0] * 5] * 3, lines=[1.0] * 5)


@pytest.fixture(scope="module")
def words(vocabulary_of: Callable[[Level], Vocabulary]) -> Vocabulary:
    return vocabulary_of("word")


def probabilities(scores_1V: NDArray[np.float32]) -> NDArray[np.float64]:
    weights_V = np.exp(scores_1V[0].astype(np.float64))
    return np.asarray(weights_V / weights_V.sum())


def weighed(words: Vocabulary, shares: dict[int, float], said: list[int]) -> NDArray[np.float64]:
    """Probabilities that were all the same, after some tokens have come."""
    frequencies = TokenFrequencies(ids=list(shares), shares=list(shares.values()))
    penalty = new_adaptive_penalty(ALWAYS, words, 1, frequencies)
    for id_ in said:
        penalty.take([id_])
    scores_1V = np.zeros((1, words.size), np.float32)
    penalty.penalise(scores_1V, np.log(words.is_text.sum(keepdims=True)[None]))
    return probabilities(scores_1V)


def test_a_word_is_as_free_as_people_are_with_it(words: Vocabulary) -> None:
    often, seldom, other = range(words.layout_size, words.layout_size + 3)
    said = [often, seldom, other, often, seldom, words.heading, -1] * 12
    after_V = weighed(words, {often: 0.5, seldom: 0.01, other: 0.5}, said)
    even = 1 / words.size
    assert after_V[seldom] < even / 15
    assert after_V[often] == after_V[other] > even
    assert after_V[~words.is_text] == pytest.approx(even, rel=1e-5)
    unseen_V = after_V[words.is_text][3:]
    assert unseen_V == pytest.approx(after_V[often], rel=1e-6)


def test_the_count_of_a_frequent_word_means_more(words: Vocabulary) -> None:
    often, seldom, other = range(words.layout_size, words.layout_size + 3)
    said = [often] * 90 + [seldom] * 9 + [other] * 21  # both half as often again as people say them
    after_V = weighed(words, {often: 0.5, seldom: 0.05, other: 0.45}, said)
    assert after_V[often] < after_V[seldom] / 3 < after_V[other] / 3


def test_what_came_long_ago_is_forgiven(words: Vocabulary) -> None:
    word, others = words.layout_size, [words.layout_size + 1 + n % 5 for n in range(3_000)]
    shares = dict.fromkeys(range(word, word + 6), 0.16)
    said = [word] * 40
    assert weighed(words, shares, said)[word] < weighed(words, shares, said + others)[word]


def test_frequencies_are_those_of_text_and_only_where_there_is_enough(words: Vocabulary) -> None:
    layout, first = words.layout_size, np.uint16(words.layout_size)
    ids = np.array([0, first, first, first + 1] * 5_000, np.uint16)
    found = measure_token_frequencies(ids, words)
    assert found == TokenFrequencies(ids=[layout, layout + 1], shares=[0.666667, 0.333333])
    assert found.shares_of(words).sum() == pytest.approx(1)
    assert measure_token_frequencies(ids[:4_000], words) is None


def test_letters_are_nobodys_habit(vocabulary_of: Callable[[Level], Vocabulary]) -> None:
    letters = vocabulary_of("char")
    assert measure_token_frequencies(np.full(20_000, letters.layout_size, np.uint16), letters) is None


def test_frequencies_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValidationError, match="as many shares as ids"):
        TokenFrequencies(ids=[7, 8], shares=[0.5])


def test_a_model_in_a_rut_has_more_words(words: Vocabulary, untrained_model: Make, tmp_path: Path) -> None:
    model = untrained_model(words)
    with torch.no_grad():
        model.head.bias[words.layout_size + 2 : words.layout_size + 6] += 4.0
    options = GenerateOptions(length=300, seed=1, temperature=1.0, min_p=0.0)
    strict = TextStatistics(repetition=ALWAYS, frequencies=TokenFrequencies(ids=[], shares=[]))

    def write(statistics: TextStatistics, count: int = 1) -> list[str]:
        asked = replace(options, count=count)
        return [text.text for text in Generation(model, words, asked, statistics=statistics).write()]

    usual, varied = write(TextStatistics(repetition=ALWAYS)), write(strict)
    assert len(set(varied[0].split())) > 1.3 * len(set(usual[0].split()))
    assert write(strict, 3)[0] == varied[0]

    lines = replace(options, length=None, lines=12)
    first = Generation(model, words, replace(lines, lines=5), statistics=strict)
    begun = first.write()[0].text
    save_state(first.pause(), tmp_path / "s", weights="w", seed=1)
    state, _ = load_state(tmp_path / "s", weights="w")
    rest = replace(lines, lines=7, seed=None)
    whole = Generation(model, words, lines, statistics=strict).write()[0].text
    assert begun + Generation(model, words, rest, after=state, statistics=strict).write()[0].text == whole
