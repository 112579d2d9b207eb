"""Writing in two parts is as good as writing at once."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_tensors

from scriptforge.errors import RunError, UsageError
from scriptforge.generation.decoding_state import DecodingState, load_state, save_state
from scriptforge.generation.generate import Generation
from scriptforge.generation.transcript import cut_back
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import GenerateOptions
from scriptforge.vocabulary import Vocabulary

Make = Callable[[Vocabulary], Recurrent]

SAMPLINGS = {
    "wild": GenerateOptions(temperature=1, min_p=0),
    "cold": GenerateOptions(temperature=0, no_repeat_ngram=1),
    "careful": GenerateOptions(temperature=1.2, top_p=0.9, repetition_penalty=1.3),
}


def write(generation: Generation) -> str:
    return "".join(news for (news,) in generation)


def state_of(generation: Generation, path: Path) -> DecodingState:
    """What a finished generation is continued from, after a night in a file."""
    save_state(generation.pause(), path, weights="w", seed=1)
    return load_state(path, weights="w")[0]


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
@pytest.mark.parametrize("lines", [(1, 1), (5, 4)])
def test_two_parts_equal_one(
    vocabulary: Vocabulary,
    untrained_model: Make,
    tmp_path: Path,
    sampling: GenerateOptions,
    lines: tuple[int, int],
) -> None:
    model = untrained_model(vocabulary)
    one = Generation(model, vocabulary, replace(sampling, lines=sum(lines), seed=3))
    first = Generation(model, vocabulary, replace(sampling, lines=lines[0], seed=3))
    text = write(first)
    state = state_of(first, tmp_path / "s.safetensors")
    second = Generation(model, vocabulary, replace(sampling, lines=lines[1]), after=state)
    assert text + write(second) == write(one)
    assert first.texts[0].elements + second.texts[0].elements == one.texts[0].elements
    assert text + second.texts[0].text == one.texts[0].text


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
def test_two_parts_of_plain_text_equal_one(
    plain_vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path, sampling: GenerateOptions
) -> None:
    model = untrained_model(plain_vocabulary)
    asked = replace(sampling, prime="what is", seed=5)
    one = Generation(model, plain_vocabulary, replace(asked, lines=7))
    first = Generation(model, plain_vocabulary, replace(asked, lines=3))
    text = write(first)
    state = state_of(first, tmp_path / "s.safetensors")
    second = Generation(model, plain_vocabulary, replace(sampling, lines=4), after=state)
    assert text + write(second) == write(one)


def test_two_parts_with_a_cache_equal_one(
    vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path
) -> None:
    model = untrained_model(vocabulary)
    asked = replace(SAMPLINGS["wild"], seed=2, cache=0.5)
    one = Generation(model, vocabulary, replace(asked, lines=9))
    first = Generation(model, vocabulary, replace(asked, lines=5))
    text = write(first)
    state = state_of(first, tmp_path / "s.safetensors")
    second = Generation(model, vocabulary, replace(asked, seed=None, lines=4), after=state)
    assert text + write(second) == write(one)
    other = Generation(model, vocabulary, replace(asked, cache=0.0, lines=1))
    write(other)
    without = state_of(other, tmp_path / "without.safetensors")
    with pytest.raises(RunError, match="does not match"):
        Generation(model, vocabulary, replace(asked, seed=None), after=without)


def test_three_parts_equal_one(vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path) -> None:
    model = untrained_model(vocabulary)
    wild = SAMPLINGS["wild"]
    one = write(Generation(model, vocabulary, replace(wild, length=150, seed=1)))
    state, text = None, ""
    while len(text) < len(one):
        asked = replace(wild, lines=1, seed=None if state else 1)
        generation = Generation(model, vocabulary, asked, after=state)
        text += write(generation)
        state = state_of(generation, tmp_path / "s.safetensors")
    assert text == one


def test_a_continuation_may_have_a_prime_and_a_cast_of_its_own(
    vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path
) -> None:
    model = untrained_model(vocabulary)
    first = Generation(model, vocabulary, replace(SAMPLINGS["wild"], lines=3, seed=1))
    write(first)
    request = replace(
        SAMPLINGS["wild"], prime="elaine: hello", turns=4, cast=("elaine", "newman"), next_speaker="newman"
    )
    second = Generation(model, vocabulary, request, after=state_of(first, tmp_path / "s.safetensors"))
    text = write(second)
    assert text.removeprefix("@").startswith("ELAINE: hello")
    spoke = [element.speaker for element in second.texts[0].elements if element.kind == "dialogue"]
    assert spoke[:2] == ["ELAINE", "newman"]
    assert set(spoke) <= {"ELAINE", "newman"}


def test_a_state_goes_on_in_other_ways(vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path) -> None:
    model = untrained_model(vocabulary)
    wild = SAMPLINGS["wild"]
    first = Generation(model, vocabulary, replace(wild, lines=3, seed=1))
    write(first)
    state = state_of(first, tmp_path / "s.safetensors")
    asked = replace(wild, lines=2, seed=7, count=3)
    several = Generation(model, vocabulary, asked, after=state).write()
    assert [text.seed for text in several] == [7, 8, 9]
    assert len({text.text for text in several}) == 3
    assert all(text.continues and len(text.elements) == 2 for text in several)
    assert Generation(model, vocabulary, replace(asked, count=1), after=state).write() == several[:1]
    fresh = Generation(model, vocabulary, replace(wild, lines=2, count=2), after=state)
    assert fresh.draws_anew and fresh.seed > 0


@pytest.mark.parametrize("back", [1, 2])
def test_a_state_can_be_cut_back(
    vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path, back: int
) -> None:
    model = untrained_model(vocabulary)
    asked = replace(SAMPLINGS["wild"], seed=1)
    states = {}
    for lines in (4, 4 - back):
        generation = Generation(model, vocabulary, replace(asked, lines=lines))
        write(generation)
        states[lines] = state_of(generation, tmp_path / f"{lines}.safetensors")
    again = replace(asked, seed=5, lines=2)
    cut = replace(again, continue_from="-", back=back)
    expected = Generation(model, vocabulary, again, after=states[4 - back]).write()
    assert Generation(model, vocabulary, cut, after=states[4]).write() == expected
    with pytest.raises(UsageError, match="has 4 lines"):
        Generation(model, vocabulary, replace(cut, back=4), after=states[4])


def test_plain_text_can_be_cut_back(
    plain_vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path
) -> None:
    model = untrained_model(plain_vocabulary)
    asked = replace(SAMPLINGS["wild"], seed=1)
    generation = Generation(model, plain_vocabulary, replace(asked, prime="what is\nno\n", lines=4))
    write(generation)
    state = state_of(generation, tmp_path / "s.safetensors")
    kept = cut_back(state.ids_TB[:, 0].tolist(), 2, plain_vocabulary)
    assert plain_vocabulary.decode(kept).split("\n")[:2] == ["what is", "no"]
    cut = replace(asked, seed=5, lines=2, continue_from="-", back=2)
    assert Generation(model, plain_vocabulary, cut, after=state).write()[0].text


@pytest.fixture
def saved(vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path) -> Path:
    """A state in a file."""
    generation = Generation(untrained_model(vocabulary), vocabulary, GenerateOptions(lines=2, seed=1))
    write(generation)
    save_state(generation.pause(), tmp_path / "s.safetensors", weights="w", seed=4)
    return tmp_path / "s.safetensors"


def test_the_seed_is_remembered(saved: Path) -> None:
    assert load_state(saved, weights="w")[1] == 4


def test_another_models_state_is_refused(saved: Path) -> None:
    with pytest.raises(RunError, match="another model"):
        load_state(saved, weights="other")


def test_the_same_state_is_the_same_file(saved: Path) -> None:
    state, seed = load_state(saved, weights="w")
    files = set()
    for _ in range(20):
        save_state(state, saved, weights="w", seed=seed)
        files.add(saved.read_bytes())
    assert len(files) == 1


@pytest.mark.parametrize("damage", ["missing", "pipe", "empty", "text", "cut", "foreign"])
def test_a_damaged_file_is_refused(saved: Path, damage: str) -> None:
    if damage in ("missing", "pipe"):
        saved.unlink()
        if damage == "pipe":
            os.mkfifo(saved)
    elif damage == "foreign":
        save_file({"ids": np.zeros(1)}, saved)
    else:
        content = {"empty": b"", "text": b"elaine: hello\n", "cut": saved.read_bytes()[:-10]}
        saved.write_bytes(content[damage])
    with pytest.raises(RunError, match="missing or damaged"):
        load_state(saved, weights="w")


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float8_e4m3fn])
def test_numbers_that_numpy_does_not_know_are_damage(saved: Path, kind: torch.dtype) -> None:
    save_tensors({"ids": torch.zeros((1, 1), dtype=kind)}, saved)
    with pytest.raises(RunError, match="missing or damaged"):
        load_state(saved, weights="w")


@pytest.mark.parametrize(
    "ids", [np.array(0), np.zeros(3, int), np.zeros((3, 0), int), np.zeros((2, 2, 1), int), np.ones((2, 1))]
)
def test_ids_that_are_no_text_are_damage(saved: Path, ids: NDArray[Any]) -> None:
    state, _ = load_state(saved, weights="w")
    save_state(replace(state, ids_TB=ids), saved, weights="w", seed=4)
    with pytest.raises(RunError, match="missing or damaged"):
        load_state(saved, weights="w")


def test_a_state_that_does_not_fit_the_model_is_refused(
    vocabulary: Vocabulary, untrained_model: Make, saved: Path
) -> None:
    state, _ = load_state(saved, weights="w")
    odd = [
        DecodingState(state.ids_TB + vocabulary.size, state.logits_BV, state.sampler, state.decoder),
        DecodingState(state.ids_TB, state.logits_BV[:, 1:], state.sampler, state.decoder),
        DecodingState(state.ids_TB, state.logits_BV, {}, state.decoder),
        DecodingState(state.ids_TB, state.logits_BV, state.sampler, {}),
        DecodingState(
            state.ids_TB,
            state.logits_BV,
            state.sampler,
            {name: tensor[..., 1:] for name, tensor in state.decoder.items()},
        ),
    ]
    for damaged in odd:
        with pytest.raises(RunError, match="does not match"):
            Generation(untrained_model(vocabulary), vocabulary, GenerateOptions(lines=2), after=damaged)
