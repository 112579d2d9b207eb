"""Whole texts from models that know nothing: form comes from the grammar alone."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from support.generation import generate, stream

from scriptforge.errors import UsageError
from scriptforge.generation.generate import Generation
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import MAX_COUNT, GenerateOptions
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.name_line import write
from scriptforge.screenplay.script import Element, Script
from scriptforge.vocabulary import Level, Vocabulary

Make = Callable[[Vocabulary], Recurrent]

WILD = GenerateOptions(temperature=1, min_p=0, seed=1)


@pytest.mark.parametrize("sampling", [WILD, GenerateOptions(top_p=0.9, repetition_penalty=1.3, seed=1)])
def test_what_is_written_reads_back_the_same(
    vocabulary: Vocabulary, untrained_model: Make, sampling: GenerateOptions
) -> None:
    request = replace(sampling, lines=4, count=50)
    for text in generate(untrained_model(vocabulary), vocabulary, request):
        assert len(text.elements) == 4
        assert text.text == "".join(f"{line}\n" for line in write(text.elements))
        assert tuple(read(text.text.splitlines(), "name-line")) == text.elements
        assert tuple(Script.from_elements("", text.elements).elements) == text.elements


@pytest.mark.parametrize("prime", ["", "elaine: what is", "what is", "jerry: no\njerry: no", "newman: hello"])
def test_the_stream_joins_to_the_text(vocabulary: Vocabulary, untrained_model: Make, prime: str) -> None:
    model = untrained_model(vocabulary)
    request = replace(WILD, prime=prime, lines=3, seed=5)
    (text,) = generate(model, vocabulary, request)
    assert "".join(stream(model, vocabulary, request)) == text.text
    assert len(text.elements) == 3


def test_several_texts_cannot_be_streamed(vocabulary: Vocabulary, untrained_model: Make) -> None:
    with pytest.raises(UsageError, match="Only one text can be streamed") as raised:
        stream(untrained_model(vocabulary), vocabulary, replace(WILD, count=2))
    assert raised.value.hint


@pytest.mark.parametrize("count", [0, MAX_COUNT + 1])
def test_the_number_of_texts_is_limited(count: int) -> None:
    with pytest.raises(UsageError, match=f"count must be between 1 and {MAX_COUNT}"):
        GenerateOptions(count=count)


def test_the_plain_stream_joins_to_the_text(plain_vocabulary: Vocabulary, untrained_model: Make) -> None:
    model = untrained_model(plain_vocabulary)
    request = replace(WILD, prime="what is ", lines=3, seed=5)
    (text,) = generate(model, plain_vocabulary, request)
    assert "".join(stream(model, plain_vocabulary, request)) == text.text
    assert text.elements == ()
    assert len([line for line in text.text.split("\n") if line.strip()]) == 3
    assert text.text.startswith("what is")
    assert text.text.endswith("\n")


def test_the_same_request_gives_the_same_text(vocabulary: Vocabulary, untrained_model: Make) -> None:
    model = untrained_model(vocabulary)
    request = replace(WILD, prime="elaine", lines=2, count=3, seed=11)
    texts = generate(model, vocabulary, request)
    assert generate(model, vocabulary, request) == texts
    assert [text.seed for text in texts] == [11, 12, 13]
    assert len({text.text for text in texts}) == 3
    assert generate(model, vocabulary, replace(request, seed=12, count=1)) == texts[1:2]


@pytest.mark.parametrize("sequences", [1, 3])
def test_eight_bits_write_the_same_text_however_many_sequences_there_are(
    vocabulary: Vocabulary, untrained_model: Make, sequences: int
) -> None:
    model = untrained_model(vocabulary)
    request = replace(WILD, lines=2, count=sequences, seed=4, int8=True)
    texts = generate(model, vocabulary, request)
    assert generate(model, vocabulary, replace(request, count=1)) == texts[:1]
    assert all(len(text.elements) == 2 for text in texts)


@pytest.mark.parametrize(
    ("prime", "opening"),
    [
        ("elaine", "ELAINE: "),
        ("elaine: what is ", "ELAINE: what is"),
        ("newman: hello", "newman: hello"),
        ("jerry: hello\nelaine: no", "Jerry: hello\nELAINE: no"),
        ("elaine: verse\n    two", "ELAINE: verse\n    two"),
    ],
)
def test_the_text_opens_with_the_prime(
    vocabulary: Vocabulary, untrained_model: Make, prime: str, opening: str
) -> None:
    for text in generate(
        untrained_model(vocabulary), vocabulary, GenerateOptions(prime=prime, lines=2, count=8, seed=1)
    ):
        assert text.text.removeprefix("@").startswith(opening)
        assert "is  " not in text.text[: len(opening) + 2]


def biased(model: Recurrent, ids: list[int]) -> Recurrent:
    """The model, which would like nothing better than these tokens."""
    with torch.no_grad():
        model.head.bias[ids] = 12
    return model


@pytest.mark.parametrize("prime", ["elaine: what is", "what is", "elaine: hello"])
def test_the_last_word_of_a_prime_is_whole(vocabulary: Vocabulary, untrained_model: Make, prime: str) -> None:
    joining = [
        id_
        for id_, text in enumerate(vocabulary.texts_after_word)
        if vocabulary.is_text[id_] and text[:1].isalnum()
    ]
    model = biased(untrained_model(vocabulary), joining or [vocabulary.end])
    request = replace(WILD, prime=prime, lines=1, count=5)
    word = prime.split()[-1]
    for text in generate(model, vocabulary, request):
        assert re.search(rf"\b{word}(?![^\W_])", text.text), text.text
    if joining:
        went_on = generate(model, vocabulary, replace(request, prime_open=True))
        assert any(not re.search(rf"\b{word}\b", text.text) for text in went_on)


def test_a_space_asks_for_another_word_and_a_line_break_for_none(
    vocabulary: Vocabulary, untrained_model: Make
) -> None:
    model = untrained_model(vocabulary)
    request = replace(WILD, lines=1, count=20)
    for text in generate(model, vocabulary, replace(request, prime="elaine: what is ")):
        assert re.match(r"ELAINE: what is( |$)", text.text.partition("\n")[0])
    for text in generate(model, vocabulary, replace(request, prime="elaine: what is\n", lines=2)):
        assert text.text.startswith("ELAINE: what is\n")


def test_without_a_seed_there_is_another_text_each_time(
    vocabulary_of: Callable[[Level], Vocabulary], untrained_model: Make
) -> None:
    vocabulary = vocabulary_of("word")
    model = untrained_model(vocabulary)
    request = replace(WILD, seed=None, lines=3)
    (first,), (second,) = (generate(model, vocabulary, request) for _ in range(2))
    assert first.text != second.text
    assert 0 < first.seed < 1_000_000
    assert generate(model, vocabulary, replace(request, seed=first.seed)) == [first]


def test_a_model_that_knows_nothing_but_a_dot_does_not_fill_lines_with_it(
    vocabulary: Vocabulary, untrained_model: Make
) -> None:
    model = biased(untrained_model(vocabulary), vocabulary.encode("no!")[-1:])
    (text,) = generate(model, vocabulary, replace(WILD, lines=4))
    assert max(len(element.text) for element in text.elements) < 80


def test_words_alone_are_said_by_one_of_the_cast(vocabulary: Vocabulary, untrained_model: Make) -> None:
    texts = generate(
        untrained_model(vocabulary), vocabulary, replace(WILD, prime="what is", lines=1, count=12)
    )
    assert len({text.elements[0].speaker for text in texts} & set(vocabulary.speakers)) > 1
    assert all(text.elements[0].text.startswith("what is") for text in texts)


@pytest.mark.parametrize("length", [1, 60])
def test_a_length_is_reached_and_the_line_finished(
    vocabulary: Vocabulary, untrained_model: Make, length: int
) -> None:
    generation = Generation(untrained_model(vocabulary), vocabulary, replace(WILD, length=length))
    assert len(list(generation)) > length
    (text,) = generation.texts
    assert text.elements
    assert text.text.endswith("\n")


def test_lines_of_the_prime_count_and_all_are_kept(vocabulary: Vocabulary, untrained_model: Make) -> None:
    request = GenerateOptions(prime="jerry: no\njerry: hello\nwhat is", lines=3, seed=1)
    (text,) = generate(untrained_model(vocabulary), vocabulary, request)
    assert len(text.elements) == 3
    assert text.elements[2].text.startswith("what is")


SCENE = "jerry: no\n(the door opens)\nelaine: hello"


@pytest.mark.parametrize(
    ("prime", "size", "said"),
    [
        (SCENE, {"lines": 2}, "3 lines, and 2 are asked for"),
        (f"{SCENE}\n", {"lines": 3}, "3 lines, and 3 are asked for"),
        (f"{SCENE}\nwhat is", {"lines": 1}, "4 lines, and 1 is asked for"),
        (f"{SCENE}\nINT. DINER", {"lines": 4}, "4 lines, and 4 are asked for"),
        ("jerry: no\n" * 30, {}, "30 lines, and 20 are asked for"),
        (f"{SCENE}\n(the door opens)", {"turns": 2}, "2 lines of dialogue, and 2 are asked for"),
        ("jerry: no\n", {"turns": 1}, "1 line of dialogue, and 1 is asked for"),
    ],
)
def test_a_prime_that_leaves_nothing_to_write_is_refused(
    vocabulary: Vocabulary, untrained_model: Make, prime: str, size: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=f"The prime has {said} in all") as refused:
        Generation(untrained_model(vocabulary), vocabulary, GenerateOptions(prime=prime, **size))
    assert re.search(r"Ask for more: --(lines|turns) \d\d", refused.value.hint)


@pytest.mark.parametrize("size", [{"lines": 3}, {"turns": 2}, {"lines": 4}, {"length": 1}, {}])
def test_a_prime_is_gone_on_with_where_something_is_left_to_write(
    vocabulary: Vocabulary, untrained_model: Make, size: dict[str, Any]
) -> None:
    Generation(untrained_model(vocabulary), vocabulary, GenerateOptions(prime=SCENE, **size))


def test_lines_of_a_plain_prime_count_too(plain_vocabulary: Vocabulary, untrained_model: Make) -> None:
    with pytest.raises(UsageError, match="2 lines, and 1 is asked for in all"):
        Generation(
            untrained_model(plain_vocabulary),
            plain_vocabulary,
            GenerateOptions(prime="what is\n\nno", lines=1),
        )


def test_a_new_script_begins_where_one_ends(
    vocabulary_of: Callable[[Level], Vocabulary], untrained_model: Make
) -> None:
    vocabulary = vocabulary_of("char")
    model = untrained_model(vocabulary)
    with torch.no_grad():
        model.head.bias[vocabulary.end] = 20
    (text,) = generate(model, vocabulary, replace(WILD, lines=5))
    assert [len(element.text) for element in text.elements] == [1] * 5
    assert "<end>" not in text.text


def test_a_model_that_never_ends_a_line_is_made_to(
    vocabulary_of: Callable[[Level], Vocabulary], untrained_model: Make
) -> None:
    vocabulary = vocabulary_of("bpe")
    model = untrained_model(vocabulary)
    with torch.no_grad():
        model.head.bias[~vocabulary.is_text] = -50
    (text,) = generate(model, vocabulary, GenerateOptions(lines=1, seed=1))
    assert len(text.elements) == 1


@pytest.mark.parametrize(
    "settings",
    [{"lines": 0}, {"length": 0}, {"count": 0}, {"seed": -1}, {"seed": 2**63}, {"lines": 3, "length": 3}],
)
def test_impossible_requests_are_explained(settings: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as raised:
        GenerateOptions(**settings)
    assert raised.value.hint


def test_generating_leaves_no_trace_in_torch(
    vocabulary_of: Callable[[Level], Vocabulary], untrained_model: Make
) -> None:
    vocabulary = vocabulary_of("word")
    model = untrained_model(vocabulary)
    state, onednn = torch.get_rng_state(), torch.backends.mkldnn.enabled
    for _ in stream(model, vocabulary, GenerateOptions(lines=1, seed=1)):
        assert not torch.is_inference_mode_enabled()
    assert torch.backends.mkldnn.enabled == onednn
    assert torch.equal(torch.get_rng_state(), state)


def test_a_given_heading_is_whole(vocabulary: Vocabulary, untrained_model: Make) -> None:
    request = replace(WILD, prime="jerry: no\nINT. DINER", lines=4, count=8)
    for text in generate(untrained_model(vocabulary), vocabulary, request):
        assert text.elements[1] == Element("heading", "INT. DINER")
        assert len(text.elements) == 4
