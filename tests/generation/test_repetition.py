"""What was said a moment ago is not said again more than people do."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.kernels import computing_with

from scriptforge.generation.decoding_state import load_state, save_state
from scriptforge.generation.generate import Generation
from scriptforge.generation.recent_text import RecentText
from scriptforge.generation.repetition import RepeatedNgrams, new_adaptive_penalty, repetition_rule
from scriptforge.models.layers import HeadedModel
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.script import Element
from scriptforge.text_statistics import TextStatistics
from scriptforge.text_statistics.repetition import LENGTHS, WINDOWS, RepetitionStatistics, measure_repetition
from scriptforge.vocabulary import Level, Vocabulary

Make = Callable[[Vocabulary], HeadedModel]

NEVER = RepetitionStatistics(runs=[[0.0] * 5] * 3, lines=[0.0] * 5)
ALWAYS = RepetitionStatistics(runs=[[1.0] * 5] * 3, lines=[1.0] * 5)
OPTIONS = GenerateOptions(lines=40, count=4, seed=1, temperature=1.0, min_p=0.0)


@pytest.fixture(scope="module")
def words(vocabulary_of: Callable[[Level], Vocabulary]) -> Vocabulary:
    return vocabulary_of("word")


def ids_of(vocabulary: Vocabulary, *lines: str, speaker: str = "Jerry") -> list[int]:
    elements = [Element("dialogue", line, speaker) for line in lines]
    return list(map(int, vocabulary.encode_elements(elements).ids))


def repeated_share(pages: Sequence[Sequence[int]], first_text: int, length: int = 2) -> float:
    """Count in plain Python what is said again anywhere in a page."""
    again = total = 0
    for page in pages:
        said: set[tuple[int, ...]] = set()
        for stop in range(length, len(page) + 1):
            run = tuple(page[stop - length : stop])
            if min(run) >= first_text:
                again += run in said
                total += 1
                said.add(run)
    return again / total


class Reader:
    """Reads texts token by token, and looks up where their ends occur before."""

    def __init__(self, vocabulary: Vocabulary, batch_size: int) -> None:
        self.recent = RecentText(vocabulary, batch_size)
        self.ngrams = RepeatedNgrams(self.recent, repetition_rule(vocabulary.level), vocabulary.size)

    def take(self, *ids: int) -> NDArray[np.int32]:
        own_B = self.recent.take(ids)
        self.ngrams.take(own_B, np.zeros(3))
        return own_B


def test_repeated_ngrams_are_those_that_a_naive_reader_finds(words: Vocabulary) -> None:
    rng = np.random.default_rng(3)
    some = [*range(words.layout_size, words.layout_size + 6), words.cue, words.says, words.heading]
    page_T = rng.choice(some, 600)
    reader, is_named, most = Reader(words, 1), False, LENGTHS["word"][-1]
    clean: list[int] = []
    for place, id_ in enumerate(page_T.tolist()):
        reader.take(id_)
        is_layout = id_ < words.layout_size
        is_named = id_ == words.cue if is_layout else is_named
        clean.append(-1 - place if is_layout or is_named else id_)
        longest = max(
            (n for n in range(1, most + 1) for s in range(place - n + 1) if clean[s : s + n] == clean[-n:]),
            default=0,
        )
        assert reader.ngrams.matches_B.tolist() == [longest]
        expected = {
            (clean[start + n], n + 1)
            for n in range(1, most + 1)
            for start in range(len(clean) - n)
            if clean[start : start + n] == clean[-n:] and clean[start + n] >= 0
        }
        _, ids_N, lengths_N = reader.ngrams.completions(2)
        longest_of = dict(zip(ids_N.tolist(), lengths_N.tolist(), strict=True))
        assert longest_of == {i: max(n for j, n in expected if j == i) for i, _ in expected}


def test_a_line_is_repeated_only_as_a_whole_and_a_name_never(words: Vocabulary) -> None:
    lines = ["hello, newman.", "hello, newman", "who are you?", "hello, newman."]
    recent, are_repeated = RecentText(words, 1), []
    for id_ in [*ids_of(words, *lines), *ids_of(words, "no", "no!", speaker="newman"), words.end]:
        recent.take([id_])
        if recent.has_ended_B[0]:
            are_repeated.append(bool(recent.is_repeated_B[0]))
    assert are_repeated == [False, False, False, True, False, False]


def test_what_is_long_ago_is_not_repeated(words: Vocabulary) -> None:
    reader = Reader(words, 1)
    first, *others = range(words.layout_size, words.layout_size + 8)
    for id_ in [first, first, *np.resize(others, WINDOWS["word"] * 3).tolist(), first]:
        reader.take(id_)
    assert reader.ngrams.matches_B.tolist() == [0]
    reader.take(first)
    assert reader.ngrams.matches_B.tolist() == [1]


def test_statistics_are_measured_by_how_much_was_said_before(words: Vocabulary) -> None:
    text = np.array(ids_of(words, *["who are you?"] * 4000), dtype=np.uint16)
    statistics = measure_repetition(text, words)
    assert statistics
    assert statistics.runs[0][-1] == pytest.approx(
        3 / 4, abs=0.01
    )  # of four tokens, the first ends no run of a line
    assert statistics.runs[2][-1] == pytest.approx(1 / 4, abs=0.01)
    assert statistics.lines[-1] == 1
    rng = np.random.default_rng(1)
    various = rng.integers(words.layout_size, words.size, 20_000).astype(np.uint16)
    varied = measure_repetition(various, words)
    assert varied and varied.runs[0][0] < varied.runs[0][2] < varied.runs[0][4] < 1


def test_statistics_are_those_that_reading_token_by_token_finds(words: Vocabulary) -> None:
    size, pages = 2 * WINDOWS["word"], 4
    some = [*range(words.layout_size, words.layout_size + 9), words.cue, words.says, words.heading]
    pages_BT = np.random.default_rng(4).choice(some, (pages, size))
    reader, shortest = Reader(words, pages), LENGTHS["word"][0]
    recent = reader.recent
    tokens, repeated, lines, repeated_lines = np.zeros((4, 5))
    for ids in pages_BT.T.tolist():
        place = recent.place
        tokens[place] += (reader.take(*ids) >= 0).sum()
        repeated[place] += (reader.ngrams.matches_B >= shortest).sum()
        lines[place] += recent.has_ended_B.sum()
        repeated_lines[place] += recent.is_repeated_B.sum()
    statistics = measure_repetition(pages_BT.ravel().astype(np.uint16), words)
    assert statistics is not None and 0 < repeated_lines.sum() < lines.sum()
    np.testing.assert_allclose(statistics.runs[0], repeated / tokens)
    np.testing.assert_allclose(statistics.lines, repeated_lines / lines)


@pytest.mark.parametrize("size", [0, 100, 8 * WINDOWS["word"] - 1])
def test_of_a_short_text_no_statistics_are_known(words: Vocabulary, size: int) -> None:
    assert measure_repetition(np.zeros(size, dtype=np.uint16), words) is None


def softmax(scores_1V: NDArray[np.float32]) -> NDArray[np.float64]:
    weights_V = np.exp(scores_1V[0].astype(np.float64) - scores_1V.max())
    probabilities_V: NDArray[np.float64] = weights_V / weights_V.sum()
    return probabilities_V


def penalise(
    words: Vocabulary, statistics: RepetitionStatistics, said: Sequence[int], scores_1V: NDArray[np.float32]
) -> NDArray[np.float64]:
    penalty = new_adaptive_penalty(statistics, words, 1)
    for id_ in said:
        penalty.take([id_])
    weighed_1V = scores_1V.copy()
    penalty.penalise(weighed_1V, np.log(np.exp(scores_1V[:, words.is_text]).sum(-1, keepdims=True)))
    return softmax(weighed_1V)


def test_repetition_beyond_that_of_people_is_less_likely_and_what_is_left_keeps_its_odds(
    words: Vocabulary,
) -> None:
    said = ids_of(words, "no, no, no, no, no, no")
    scores_1V = np.random.default_rng(2).standard_normal((1, words.size)).astype(np.float32)
    before_V, after_V = penalise(words, ALWAYS, said, scores_1V), penalise(words, NEVER, said, scores_1V)
    comma = said[-2]
    is_text_V = words.is_text
    others_V = is_text_V & (np.arange(words.size) != comma)
    assert before_V == pytest.approx(softmax(scores_1V))
    assert after_V[comma] < before_V[comma] / 20
    assert (after_V / before_V)[others_V].std() < 1e-5
    assert after_V[~is_text_V] == pytest.approx(before_V[~is_text_V], rel=1e-5)


def test_the_end_of_a_line_that_was_said_before_is_less_likely(words: Vocabulary) -> None:
    said = ids_of(words, *["hello!"] * 5)
    scores_1V = np.zeros((1, words.size), dtype=np.float32)
    after_V = penalise(words, NEVER, said, scores_1V)
    assert after_V[words.end] < 0.5 * penalise(words, ALWAYS, said, scores_1V)[words.end]
    assert penalise(words, NEVER, said[:-1], scores_1V)[words.end] == pytest.approx(1 / words.size)


def test_what_may_not_come_does_not_come_where_only_repetition_is_left(words: Vocabulary) -> None:
    said = ids_of(words, "no, no, no, no, no")
    scores_1V = np.full((1, words.size), -np.inf, dtype=np.float32)
    scores_1V[0, said[-2]] = 0.0
    after_V = penalise(words, NEVER, said, scores_1V)
    assert after_V[said[-2]] == 1


def test_a_text_that_is_copied_within_a_line_goes_on_like_the_first(words: Vocabulary) -> None:
    said, more = ids_of(words, "no, no, no, no"), words.encode("hello, newman, no")
    with computing_with(None):
        alone, two = new_adaptive_penalty(NEVER, words, 1), new_adaptive_penalty(NEVER, words, 2)
        for id_ in said:
            alone.take([id_])
            two.take([id_, -1])
        two.copy(0)
        for id_ in more:
            alone.take([id_])
            two.take([id_, id_])
        scores_2V = np.zeros((2, words.size), dtype=np.float32)
        expected_1V, text_11 = scores_2V[:1].copy(), np.log(words.is_text.sum(keepdims=True)[None])
        alone.penalise(expected_1V, text_11)
        two.penalise(scores_2V, np.repeat(text_11, 2, axis=0))
    assert expected_1V.any()
    np.testing.assert_allclose(scores_2V, np.repeat(expected_1V, 2, axis=0), atol=1e-6)


def test_a_text_that_has_waited_longer_than_anything_is_kept_is_not_copied(words: Vocabulary) -> None:
    penalty = new_adaptive_penalty(NEVER, words, 2)
    for _ in range(6 * WINDOWS["word"]):
        penalty.take([words.layout_size, -1])
    with pytest.raises(ValueError, match="steps without a token"):
        penalty.copy(1)


def test_a_model_in_a_rut_repeats_itself_less(words: Vocabulary, untrained_model: Make) -> None:
    model, asked = untrained_model(words), replace(OPTIONS, lines=None, length=200)
    with torch.no_grad():
        model.head.bias[words.layout_size + 2 : words.layout_size + 8] += 5.0
        model.head.bias[: words.layout_size] += 3.0

    def pages(statistics: RepetitionStatistics) -> list[list[int]]:
        texts = Generation(model, words, asked, statistics=TextStatistics(repetition=statistics)).write()
        return [list(map(int, words.encode_elements(text.elements).ids)) for text in texts]

    usual, fewer = (repeated_share(pages(statistics), words.layout_size, 3) for statistics in (ALWAYS, NEVER))
    assert fewer < 0.7 * usual


def test_a_saved_text_goes_on_as_if_it_had_not_stopped(
    words: Vocabulary, untrained_model: Make, tmp_path: Path
) -> None:
    model, statistics = untrained_model(words), TextStatistics(repetition=NEVER)
    whole, first = (
        Generation(model, words, replace(OPTIONS, count=1, lines=lines), statistics=statistics)
        for lines in (20, 9)
    )
    text = first.write()[0].text
    save_state(first.pause(), tmp_path / "s", weights="w", seed=1)
    state, _ = load_state(tmp_path / "s", weights="w")
    options = replace(OPTIONS, count=1, lines=11, seed=None)
    second = Generation(model, words, options, after=state, statistics=statistics)
    assert text + second.write()[0].text == whole.write()[0].text
