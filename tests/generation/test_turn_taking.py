"""Nobody goes on, or speaks all the time, more than people do in the training text."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from scriptforge.errors import RunError
from scriptforge.generation.decoding_state import load_state, save_state
from scriptforge.generation.generate import Generation
from scriptforge.models.layers import HeadedModel
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.script import Element
from scriptforge.text_statistics import TextStatistics
from scriptforge.text_statistics.turns import TurnStatistics, measure_turns
from scriptforge.vocabulary import Level, Vocabulary

Make = Callable[[Vocabulary], HeadedModel]

OPTIONS = GenerateOptions(lines=60, count=8, seed=1, temperature=1.0, min_p=0.0)
SHORT = replace(OPTIONS, lines=12, count=32)


def ids_of(vocabulary: Vocabulary, *speakers: str) -> NDArray[np.uint16]:
    lines = [Element("dialogue", "no", name) if name else Element("action", "no") for name in speakers]
    return np.array(vocabulary.encode_elements(lines).ids, dtype=np.uint16)


def spoken(generation: Generation) -> list[list[str]]:
    return [[line.speaker for line in text.elements] for text in generation.write()]


@pytest.fixture
def word_vocabulary(vocabulary_of: Callable[[Level], Vocabulary]) -> Vocabulary:
    return vocabulary_of("word")


def test_statistics_are_those_of_the_text(word_vocabulary: Vocabulary) -> None:
    one_page = ["Jerry", "ELAINE"] * 20 + ["Jerry", "Jerry", "", "Jerry", "Newman", "Newman"] + ["ELAINE"] * 5
    statistics = measure_turns(ids_of(word_vocabulary, *one_page), word_vocabulary)
    assert statistics is not None
    assert statistics.busiest == pytest.approx(25 / 50)  # Elaine; an action is no line of dialogue
    assert statistics.same_again == pytest.approx(5 / 46)  # behind Newman, who has no token, nobody can tell
    assert statistics.newcomers is None  # there is no page of 100 lines


def test_newcomers_are_those_who_have_not_spoken_lately(word_vocabulary: Vocabulary) -> None:
    page = ["Jerry"] * 10 + ["ELAINE", "Jerry"] * 30 + ["Newman"] * 10 + ["Uncle Leo"] * 20
    statistics = measure_turns(ids_of(word_vocabulary, *page, *page, "Jerry"), word_vocabulary)
    assert statistics is not None
    # By lines before: 0 and 1, 2 to 5, 6 to 14, 15 to 49, 50 and more. Newman has no token: always new.
    assert statistics.newcomers == pytest.approx([1 / 2, 0, 1 / 9, 0, 11 / 50])


def test_companions_are_those_on_one_page(word_vocabulary: Vocabulary) -> None:
    apart = ["Jerry"] * 30 + ["ELAINE"] * 30 + ["Newman"] * 50 + ["Uncle Leo", "Jerry"] * 5
    ids = ids_of(word_vocabulary, *apart)
    statistics = measure_turns(np.append(ids, [np.uint16(word_vocabulary.end)]), word_vocabulary)
    other_script = measure_turns(
        np.concatenate([ids, [np.uint16(word_vocabulary.end)], ids_of(word_vocabulary, "Cop 2")]),
        word_vocabulary,
    )
    assert list(word_vocabulary.speakers) == ["Jerry", "ELAINE", "Uncle Leo", "Cop 2"]
    assert statistics is not None and other_script is not None
    assert statistics.companions == other_script.companions == [[1, 2], [], [], []]


@pytest.mark.parametrize("speakers", [[], ["Jerry"] * 49, ["Newman"] * 80])
def test_too_little_or_nobody_with_a_token_tells_no_statistics(
    word_vocabulary: Vocabulary, speakers: list[str]
) -> None:
    assert measure_turns(ids_of(word_vocabulary, *speakers), word_vocabulary) is None


def test_a_plain_text_has_no_turns(plain_vocabulary: Vocabulary) -> None:
    assert measure_turns(np.zeros(500, dtype=np.uint16), plain_vocabulary) is None


def test_a_model_that_knows_nothing_takes_turns_as_people_do(
    word_vocabulary: Vocabulary, untrained_model: Make
) -> None:
    model = untrained_model(word_vocabulary)
    jerry = word_vocabulary.speaker_id("Jerry")
    with torch.no_grad():
        model.head.bias[jerry] += 3.0  # who thus has nearly all lines

    def measured(statistics: TurnStatistics | None) -> tuple[float, float]:
        pages = spoken(Generation(model, word_vocabulary, OPTIONS, statistics=TextStatistics(statistics)))
        again = [a == b for page in pages for a, b in pairwise(page) if a in word_vocabulary.speakers]
        shares = [page.count("Jerry") / sum(name != "" for name in page) for page in pages]
        return sum(again) / len(again), max(shares)

    without, habitual = measured(None), measured(TurnStatistics(same_again=0.02, busiest=0.25))
    assert without[0] > 0.5 > 0.2 > habitual[0]
    assert without[1] > 0.7 > 0.5 > habitual[1]


def test_as_few_are_new_as_in_the_training_text(word_vocabulary: Vocabulary, untrained_model: Make) -> None:
    model = untrained_model(word_vocabulary)
    few = TurnStatistics(same_again=0.02, busiest=0.5, newcomers=[0.99, 0.2, 0.02, 0.01, 0.01])

    def speakers(statistics: TurnStatistics) -> float:
        pages = spoken(Generation(model, word_vocabulary, OPTIONS, statistics=TextStatistics(statistics)))
        return sum(len(set(page)) for page in pages) / len(pages)

    assert speakers(few.model_copy(update={"newcomers": None})) > 1.5 * speakers(few)


def test_who_comes_knows_those_who_are_there(word_vocabulary: Vocabulary, untrained_model: Make) -> None:
    model = untrained_model(word_vocabulary)
    apart = TurnStatistics(same_again=0.02, busiest=0.5, companions=[[1], [], [3], []])

    def mixed(statistics: TurnStatistics) -> int:
        """Count the pages with somebody of each pair."""
        pages = [
            set(page)
            for page in spoken(
                Generation(model, word_vocabulary, SHORT, statistics=TextStatistics(statistics))
            )
        ]
        return sum(bool(page & {"Jerry", "ELAINE"}) and bool(page & {"Uncle Leo", "Cop 2"}) for page in pages)

    assert mixed(apart.model_copy(update={"companions": None})) > 2 * mixed(apart)


@pytest.mark.parametrize("cast", [("Jerry",), ("jerry", "Jerry", "JERRY (O.S.)")])
def test_a_cast_of_one_speaks_all_the_same(
    word_vocabulary: Vocabulary, untrained_model: Make, cast: tuple[str, ...]
) -> None:
    asked = replace(OPTIONS, cast=cast, lines=20)
    without, habitual = (
        spoken(
            Generation(
                untrained_model(word_vocabulary),
                word_vocabulary,
                asked,
                statistics=TextStatistics(statistics),
            )
        )
        for statistics in (None, TurnStatistics(same_again=0.0, busiest=0.1))
    )
    assert habitual == without


def test_a_saved_text_goes_on_as_if_it_had_not_stopped(
    word_vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path
) -> None:
    model, statistics = (
        untrained_model(word_vocabulary),
        TextStatistics(TurnStatistics(same_again=0.02, busiest=0.25, newcomers=[0.99, 0.3, 0.2, 0.1, 0.1])),
    )
    whole, first = (
        Generation(model, word_vocabulary, replace(OPTIONS, count=1, lines=lines), statistics=statistics)
        for lines in (80, 40)
    )
    text = first.write()[0].text
    save_state(first.pause(), tmp_path / "s", weights="w", seed=1)
    state, _ = load_state(tmp_path / "s", weights="w")
    options = replace(OPTIONS, count=1, lines=40, seed=None)
    second = Generation(model, word_vocabulary, options, after=state, statistics=statistics)
    assert text + second.write()[0].text == whole.write()[0].text


@pytest.mark.parametrize(("place", "number"), [(0, 101), (0, -1), (1, 3), (2, 10), (51, 3)])
def test_a_damaged_state_is_refused(
    word_vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path, place: int, number: int
) -> None:
    model, statistics = (
        untrained_model(word_vocabulary),
        TextStatistics(TurnStatistics(same_again=0.02, busiest=0.25)),
    )
    begun = Generation(model, word_vocabulary, replace(OPTIONS, count=1, lines=60), statistics=statistics)
    begun.write()
    state = begun.pause()
    state.decoder["turns"][0, place] = number
    save_state(state, tmp_path / "s", weights="w", seed=1)
    damaged, _ = load_state(tmp_path / "s", weights="w")
    options = replace(OPTIONS, count=1, seed=None)
    with pytest.raises(RunError):
        Generation(model, word_vocabulary, options, after=damaged, statistics=statistics).write()


def test_a_state_with_fractions_of_turns_is_refused(
    word_vocabulary: Vocabulary, untrained_model: Make
) -> None:
    model, statistics = (
        untrained_model(word_vocabulary),
        TextStatistics(TurnStatistics(same_again=0.02, busiest=0.25)),
    )
    begun = Generation(model, word_vocabulary, replace(OPTIONS, count=1, lines=6), statistics=statistics)
    begun.write()
    state = begun.pause()
    decoder = {**state.decoder, "turns": state.decoder["turns"].astype(np.float64)}
    options = replace(OPTIONS, count=1, seed=None)
    with pytest.raises(RunError):
        Generation(
            model, word_vocabulary, options, after=replace(state, decoder=decoder), statistics=statistics
        ).write()
