"""Brackets and quotes that are opened in a line are closed in it, and nobody turns to himself."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from scriptforge.copying import Index, lines_of_script
from scriptforge.generation.automata import Automata
from scriptforge.generation.brackets import MAX_OPEN_TOKENS, BalancedBrackets
from scriptforge.generation.generate import Generation
from scriptforge.models.layers import HeadedModel
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.script import Element
from scriptforge.text_statistics import TextStatistics
from scriptforge.text_statistics.brackets import BracketStatistics, measure_brackets
from scriptforge.vocabulary import LEVELS, Level, Vocabulary

Make = Callable[[Vocabulary], HeadedModel]
Of = Callable[[Level], Vocabulary]

ALL = BracketStatistics(closed=["()", "[]", '""', "“”"], turning=["who"])
WILD = GenerateOptions(lines=12, count=3, seed=1, temperature=1, min_p=0)
SOBER = replace(WILD, stage_directions=False)
CLOSING = {"(": ")", "[": "]", "“": "”"}


def is_matched(text: str) -> bool:
    expected: list[str] = []
    for character in text:
        if expected and character == expected[-1]:
            expected.pop()
        elif character in CLOSING or character == '"':
            expected.append(CLOSING.get(character, character))
        elif character in CLOSING.values():
            return False
    return not expected


def with_brackets(vocabulary: Vocabulary, untrained_model: Make) -> HeadedModel:
    """Return a model that likes brackets and quotes."""
    model = untrained_model(vocabulary)
    sought = {character.encode() for character in '()[]"“”'} | {bytes([byte]) for byte in "“”".encode()}
    bracket_ids = [id_ for id_, text in enumerate(vocabulary.token_bytes) if text in sought]
    with torch.no_grad():
        model.head.bias[bracket_ids] += 2.0
        model.head.bias[: vocabulary.layout_size] += 2.0
    return model


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "asked",
    [
        WILD,
        replace(WILD, cast=("Jerry", "newman"), turns=8, lines=None),
        replace(WILD, stage_directions=False),
    ],
    ids=["free", "cast", "no stage directions"],
)
def test_every_bracket_is_closed_in_its_line(
    vocabulary_of: Of, untrained_model: Make, level: Level, asked: GenerateOptions
) -> None:
    vocabulary = vocabulary_of(level)
    model = with_brackets(vocabulary, untrained_model)

    def unmatched(statistics: TextStatistics) -> list[str]:
        texts = Generation(model, vocabulary, asked, statistics=statistics).write()
        return [each.text for text in texts for each in text.elements[:-1] if not is_matched(each.text)]

    assert unmatched(TextStatistics())
    assert not unmatched(TextStatistics(brackets=ALL))


def test_what_a_prime_opened_is_closed_and_what_it_closed_may_stand(
    vocabulary_of: Of, untrained_model: Make
) -> None:
    vocabulary = vocabulary_of("char")
    asked = replace(WILD, prime="jerry: no) hello (to", prime_open=True, lines=2)
    texts = Generation(
        untrained_model(vocabulary), vocabulary, asked, statistics=TextStatistics(brackets=ALL)
    ).write()
    assert all(text.elements[0].text.startswith("no) hello (to") for text in texts)
    assert all(is_matched(text.elements[0].text.removeprefix("no)")) for text in texts)


def test_a_limit_to_copies_is_no_dead_end(
    vocabulary_of: Of, untrained_model: Make, script_elements: tuple[Element, ...]
) -> None:
    vocabulary = vocabulary_of("word")
    model, index = with_brackets(vocabulary, untrained_model), Index(lines_of_script(script_elements))
    asked = replace(WILD, max_copy=1, lines=10)
    texts = Generation(model, vocabulary, asked, index=index, statistics=TextStatistics(brackets=ALL)).write()
    assert all(is_matched(each.text) for text in texts for each in text.elements[:-1])


def rule_of(vocabulary: Vocabulary) -> Automata:
    return Automata([BalancedBrackets(ALL, vocabulary)], [], vocabulary.size, 1)


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_open_for_long_is_closed(vocabulary_of: Of, level: Level) -> None:
    vocabulary = vocabulary_of(level)
    rule, nothing_1V = rule_of(vocabulary), np.zeros((1, vocabulary.size), np.bool_)
    ids = [vocabulary.heading, *vocabulary.encode("(hello" + " hello" * MAX_OPEN_TOKENS[level])]
    for id_ in ids:
        rule.advance([id_], drawn=True)
    allowed = np.flatnonzero(~rule.forbid(nothing_1V)[0][0]).tolist()
    assert allowed and all(vocabulary.token_texts[id_].lstrip().startswith(")") for id_ in allowed)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("aside", ["(who", "hello (who", "(who "])
def test_nobody_turns_to_himself(vocabulary_of: Of, level: Level, aside: str) -> None:
    vocabulary = vocabulary_of(level)

    def next_words(speaker: str) -> set[str]:
        rule, nothing_1V = rule_of(vocabulary), np.zeros((1, vocabulary.size), np.bool_)
        ids = vocabulary.encode(aside)
        for id_ in [vocabulary.speakers[speaker], *ids]:
            rule.advance([id_], drawn=True)
        allowed = np.flatnonzero(~rule.forbid(nothing_1V)[0][0]).tolist()
        texts = [vocabulary.decode([*ids, id_]).partition("(who ")[2] for id_ in allowed]
        return {text.strip().lower() for text in texts}

    jerry, elaine = next_words("Jerry"), next_words("ELAINE")
    assert not any(word and "jerry".startswith(word[:5]) for word in jerry)
    assert not any(word and "elaine".startswith(word[:6]) for word in elaine)
    if level != "char" or aside.endswith(" "):
        assert any(word and word[0] != "j" for word in jerry)


def ids_of(
    vocabulary: Vocabulary, lines: Sequence[tuple[str, str]]
) -> np.ndarray[tuple[int], np.dtype[np.uint16]]:
    elements = [Element("dialogue", text, speaker) for speaker, text in lines]
    return np.array(vocabulary.encode_elements(elements).ids, dtype=np.uint16)


@pytest.mark.parametrize("level", ["bpe", "char"])
def test_statistics_are_those_of_the_text(vocabulary_of: Of, level: Level) -> None:
    vocabulary = vocabulary_of(level)
    lines = [
        ("Jerry", "(who Elaine) hello."),
        ("ELAINE", '(with Jerry) the "deal'),
        ("Jerry", "(with Jerry) no"),
    ]
    statistics = measure_brackets(ids_of(vocabulary, lines * 12), vocabulary)
    assert statistics == BracketStatistics(closed=["()"], turning=["who"])
    few = measure_brackets(ids_of(vocabulary, lines * 9), vocabulary)
    assert few == BracketStatistics(closed=["()"], turning=[])


def test_a_plain_text_has_no_statistics(plain_vocabulary: Vocabulary) -> None:
    assert measure_brackets(np.zeros(50, dtype=np.uint16), plain_vocabulary) is None
