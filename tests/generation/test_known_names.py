"""Nobody speaks who does not speak in the training text."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from support.verdict import problem_of

from scriptforge.generation.generate import Generation
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.script import speaker_key
from scriptforge.text_statistics import TextStatistics
from scriptforge.vocabulary import Level, Vocabulary

Make = Callable[[Vocabulary], Recurrent]

CAST = ("Jerry", "ELAINE", "Uncle Leo", "Cop 2")
NAMES = ("Jerry", "ELAINE", "new man", "newman", "who", "Mr. [x]")
WILD = GenerateOptions(temperature=1, min_p=0, seed=1, lines=12, count=4)


def speakers(
    model: Recurrent, vocabulary: Vocabulary, options: GenerateOptions, names: Sequence[str] = NAMES
) -> set[str]:
    """Who speaks in texts of a model that prefers to spell names."""
    model.head.bias.data[vocabulary.cue] = 6
    texts = Generation(model, vocabulary, options, statistics=TextStatistics(names=names)).write()
    return {element.speaker for text in texts for element in text.elements if element.speaker}


def test_names_are_those_of_the_training_text(vocabulary: Vocabulary, untrained_model: Make) -> None:
    found = speakers(untrained_model(vocabulary), vocabulary, WILD)
    spelled = {name for name in found if vocabulary.speaker_id(name) is None}
    assert {"who", "newman"} & spelled
    assert spelled <= {"new man", "newman", "who"}


def test_a_name_as_long_as_a_book_takes_no_time(vocabulary: Vocabulary, untrained_model: Make) -> None:
    """The names of a model that is pulled are those of a stranger."""
    model = untrained_model(vocabulary)
    assert problem_of(lambda: speakers(model, vocabulary, WILD, (*NAMES, "a b " * 900_000))) is None


def test_names_are_invented_where_that_was_asked_for(vocabulary: Vocabulary, untrained_model: Make) -> None:
    found = speakers(untrained_model(vocabulary), vocabulary, replace(WILD, invent_words=True))
    assert {name for name in found if vocabulary.speaker_id(name) is None} - set(NAMES)


@pytest.mark.parametrize("names", [NAMES, CAST])
def test_whoever_speaks_in_the_prime_is_a_person_of_the_scene(
    vocabulary_of: Callable[[Level], Vocabulary], untrained_model: Make, names: Sequence[str]
) -> None:
    vocabulary = vocabulary_of("char")
    asked = replace(WILD, prime="MARA: hello\njerry: no\n", lines=20)
    model = untrained_model(vocabulary)
    model.head.bias.data[vocabulary.cue] = 6
    texts = Generation(model, vocabulary, asked, statistics=TextStatistics(names=names)).write()
    written = [element.speaker for text in texts for element in text.elements[2:] if element.speaker]
    assert "MARA" in written
    assert {speaker_key(name) for name in written} <= set(map(speaker_key, ("MARA", *names, *CAST)))


def test_no_name_is_spelled_where_everybody_has_a_token(
    vocabulary: Vocabulary, untrained_model: Make
) -> None:
    assert {name.casefold() for name in speakers(untrained_model(vocabulary), vocabulary, WILD, CAST)} <= {
        name.casefold() for name in CAST
    }


@pytest.mark.parametrize(
    "options",
    [
        {"prime": "hello newman:"},
        {"cast": ("elaine", "two-thirds")},
        {"next_speaker": "two", "lines": 1},
        {"stage_directions": False},
    ],
)
def test_whoever_a_person_names_may_speak(
    vocabulary: Vocabulary, untrained_model: Make, options: dict[str, Any]
) -> None:
    found = speakers(untrained_model(vocabulary), vocabulary, replace(WILD, **options))
    assert found
    if options.get("cast"):
        assert "two-thirds" in found
        assert {name.casefold() for name in found} <= {"elaine", "two-thirds"}
    if options.get("next_speaker"):
        assert found == {"two"}
