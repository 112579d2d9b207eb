"""Who speaks: a cast is obeyed by models that know nothing, at every level."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from support.generation import generate
from support.slow import slow

from scriptforge.errors import UsageError
from scriptforge.generation.cast import check_known, find_strangers
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.script import speaker_key
from scriptforge.vocabulary import Level, Vocabulary

Make = Callable[[Vocabulary], Recurrent]

WILD = GenerateOptions(temperature=1.5, min_p=0, seed=1)


def speakers(vocabulary: Vocabulary, make: Make, **asked: Any) -> list[list[str]]:
    """Who speaks, in order, in each of some texts."""
    request = replace(WILD, **{"turns": 6, "count": 20} | asked)
    texts = generate(make(vocabulary), vocabulary, request)
    return [
        [speaker_key(element.speaker) for element in text.elements if element.kind == "dialogue"]
        for text in texts
    ]


@pytest.mark.parametrize(
    "cast",
    [
        ("ELAINE (O.S.)", "Cop_2"),
        ("newman", "Jerry", "what"),  # Newman and What have no tokens of their own
        *slow([("jerry", "Elaine"), ("uncle leo",), ("newman",)]),
    ],
)
def test_nobody_but_the_cast_ever_speaks(
    vocabulary: Vocabulary, untrained_model: Make, cast: tuple[str, ...]
) -> None:
    expected = {speaker_key(name.partition("(")[0]) for name in cast}
    spoke = {name for turns in speakers(vocabulary, untrained_model, cast=cast) for name in turns}
    assert spoke == expected


@pytest.mark.parametrize("name", ["elaine", "newman"])
def test_who_is_next_is_next_and_then_anybody_may_be(
    vocabulary: Vocabulary, untrained_model: Make, name: str
) -> None:
    spoken = speakers(vocabulary, untrained_model, next_speaker=name)
    assert {turns[0] for turns in spoken} == {name}
    assert len({name for turns in spoken for name in turns[1:]}) > 1


def test_who_is_next_comes_after_the_prime(vocabulary: Vocabulary, untrained_model: Make) -> None:
    asked = {"cast": ("jerry", "elaine", "cop 2"), "next_speaker": "cop 2"}
    for turns in speakers(vocabulary, untrained_model, prime="jerry: no\nelaine: hello", **asked):
        assert turns[:3] == ["jerry", "elaine", "cop 2"]


@pytest.mark.parametrize("name", ["cop 2", "newman"])
def test_words_alone_are_said_by_the_cast(vocabulary: Vocabulary, untrained_model: Make, name: str) -> None:
    for turns in speakers(vocabulary, untrained_model, prime="what is", cast=(name,)):
        assert set(turns) == {name}


def test_lines_grow_no_longer_for_a_small_cast(vocabulary: Vocabulary, untrained_model: Make) -> None:
    def length(**asked: Any) -> int:
        request = replace(WILD, lines=4, count=60, **asked)
        texts = generate(untrained_model(vocabulary), vocabulary, request)
        return sum(len(element.text) for text in texts for element in text.elements)

    everybody = length(cast=("jerry", "elaine", "uncle leo", "cop 2"))
    assert length(cast=("jerry",), stage_directions=False) < 1.3 * everybody


def test_so_many_turns_come(vocabulary: Vocabulary, untrained_model: Make) -> None:
    assert {len(turns) for turns in speakers(vocabulary, untrained_model, turns=3)} == {3}


def test_without_stage_directions_there_are_no_actions_and_no_asides(
    vocabulary: Vocabulary, untrained_model: Make
) -> None:
    for text in generate(
        untrained_model(vocabulary), vocabulary, replace(WILD, lines=10, count=20, stage_directions=False)
    ):
        assert all(element.kind != "action" for element in text.elements)
        assert not any(mark in element.text for element in text.elements for mark in "([")


def test_without_stage_directions_there_are_no_more_headings(
    vocabulary: Vocabulary, untrained_model: Make
) -> None:
    model = untrained_model(vocabulary)
    with torch.no_grad():
        model.get_parameter("head.bias")[vocabulary.action] += 5

    def headings(**asked: Any) -> float:
        texts = generate(model, vocabulary, replace(WILD, lines=20, count=40, **asked))
        kinds = [element.kind for text in texts for element in text.elements]
        return kinds.count("heading") / len(kinds)

    assert headings(stage_directions=False) < 2 * headings()


@pytest.mark.parametrize("prime", ["", "elaine: hello"])
def test_a_scene_is_the_heading_and_something_happens_in_it(
    vocabulary: Vocabulary, untrained_model: Make, prime: str
) -> None:
    request = replace(WILD, scene="INT. DINER - NIGHT", prime=prime, lines=3, count=10)
    for text in generate(untrained_model(vocabulary), vocabulary, request):
        first, second, *_ = text.elements
        assert (first.kind, first.text) == ("heading", "INT. DINER - NIGHT")
        assert second.kind != "heading"


def test_the_same_seed_gives_each_sequence_the_same_text_however_many_there_are(
    vocabulary: Vocabulary, untrained_model: Make
) -> None:
    one = replace(WILD, lines=3, cast=("newman", "jerry"), next_speaker="newman", stage_directions=False)
    many = replace(one, count=4, seed=7)
    texts = generate(untrained_model(vocabulary), vocabulary, many)
    alone = replace(one, seed=9)
    assert generate(untrained_model(vocabulary), vocabulary, alone) == texts[2:3]


def test_a_primed_speaker_must_be_of_the_cast(vocabulary: Vocabulary, untrained_model: Make) -> None:
    for asked in (
        {"prime": "elaine: hello", "cast": ("jerry",)},
        {"cast": ("jerry",), "next_speaker": "elaine"},
    ):
        with pytest.raises(UsageError, match="not in the cast") as refused:
            speakers(vocabulary, untrained_model, **asked)
        assert "--cast jerry,elaine" in refused.value.hint.lower()


def test_a_plain_model_has_no_cast(plain_vocabulary: Vocabulary, untrained_model: Make) -> None:
    with pytest.raises(UsageError, match="plain text"):
        speakers(plain_vocabulary, untrained_model, turns=None, cast=("jerry",))


def test_a_name_must_be_spelt_in_known_words(
    vocabulary_of: Callable[[Level], Vocabulary], untrained_model: Make
) -> None:
    with pytest.raises(UsageError, match="xylophone"):
        speakers(vocabulary_of("word"), untrained_model, cast=("xylophone",))


def test_names_are_checked_against_the_whole_cast(vocabulary: Vocabulary) -> None:
    check_known(["JERRY (O.S.)", "newman", "uncle_leo"], vocabulary, ["Newman"])
    with pytest.raises(UsageError, match="“Jery”") as refused:
        check_known(["Jery"], vocabulary, ["Newman"])
    assert "Jerry" in refused.value.hint
    with pytest.raises(UsageError) as refused:
        check_known(["Godot"], vocabulary, ["Newman"])
    assert "Newman" in refused.value.hint
    assert "Jerry" in refused.value.hint
    assert ("--prime" in refused.value.hint) == (vocabulary.level != "word")


def test_strangers_are_those_whom_nobody_knows(vocabulary: Vocabulary) -> None:
    names = ["MARA", "JERRY (O.S.)", "newman", "Mara", "uncle_leo"]
    assert list(map(speaker_key, find_strangers(names, vocabulary, ["Newman"]))) == ["mara"]
