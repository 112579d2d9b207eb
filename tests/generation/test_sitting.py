"""Two sittings are as good as one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scriptforge.errors import RunError
from scriptforge.generation import Writing
from scriptforge.generation.decoding import Sitting, load_sitting, save_sitting
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import GenerateOptions
from scriptforge.vocabulary import Vocabulary

Make = Callable[[Vocabulary], Recurrent]

SAMPLINGS = {
    "wild": GenerateOptions(temperature=1, min_p=0),
    "cold": GenerateOptions(temperature=0, no_repeat_ngram=1),
    "careful": GenerateOptions(temperature=1.2, top_p=0.9, repetition_penalty=1.3),
}


def write(writing: Writing) -> str:
    return "".join(news for (news,) in writing)


def sitting_of(writing: Writing, path: Path) -> Sitting:
    """What a finished writing is continued from, after a night in a file."""
    save_sitting(writing.pause(), path, weights="w", seed=1)
    return load_sitting(path, weights="w")[0]


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
@pytest.mark.parametrize("lines", [(1, 1), (5, 4)])
def test_two_sittings_equal_one(
    vocabulary: Vocabulary,
    untrained_model: Make,
    tmp_path: Path,
    sampling: GenerateOptions,
    lines: tuple[int, int],
) -> None:
    model = untrained_model(vocabulary)
    one = Writing(model, vocabulary, replace(sampling, lines=sum(lines), seed=3))
    first = Writing(model, vocabulary, replace(sampling, lines=lines[0], seed=3))
    text = write(first)
    sitting = sitting_of(first, tmp_path / "s.safetensors")
    second = Writing(model, vocabulary, replace(sampling, lines=lines[1]), after=sitting)
    assert text + write(second) == write(one)
    assert first.pieces[0].elements + second.pieces[0].elements == one.pieces[0].elements
    assert text + second.pieces[0].text == one.pieces[0].text


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
def test_two_sittings_of_plain_text_equal_one(
    plain_vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path, sampling: GenerateOptions
) -> None:
    model = untrained_model(plain_vocabulary)
    asked = replace(sampling, prime="what is", seed=5)
    one = Writing(model, plain_vocabulary, replace(asked, lines=7))
    first = Writing(model, plain_vocabulary, replace(asked, lines=3))
    text = write(first)
    sitting = sitting_of(first, tmp_path / "s.safetensors")
    second = Writing(model, plain_vocabulary, replace(sampling, lines=4), after=sitting)
    assert text + write(second) == write(one)


def test_two_sittings_with_a_cache_equal_one(
    vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path
) -> None:
    model = untrained_model(vocabulary)
    asked = replace(SAMPLINGS["wild"], seed=2, cache=0.5)
    one = Writing(model, vocabulary, replace(asked, lines=9))
    first = Writing(model, vocabulary, replace(asked, lines=5))
    text = write(first)
    sitting = sitting_of(first, tmp_path / "s.safetensors")
    second = Writing(model, vocabulary, replace(asked, lines=4), after=sitting)
    assert text + write(second) == write(one)
    other = Writing(model, vocabulary, replace(asked, cache=0.0, lines=1))
    write(other)
    without = sitting_of(other, tmp_path / "without.safetensors")
    with pytest.raises(RunError, match="does not fit"):
        Writing(model, vocabulary, asked, after=without)


def test_three_sittings_equal_one(vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path) -> None:
    model = untrained_model(vocabulary)
    wild = SAMPLINGS["wild"]
    one = write(Writing(model, vocabulary, replace(wild, length=150)))
    sitting, text = None, ""
    while len(text) < len(one):
        writing = Writing(model, vocabulary, replace(wild, lines=1), after=sitting)
        text += write(writing)
        sitting = sitting_of(writing, tmp_path / "s.safetensors")
    assert text == one


def test_a_new_sitting_may_have_a_prime_and_a_cast_of_its_own(
    vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path
) -> None:
    model = untrained_model(vocabulary)
    first = Writing(model, vocabulary, replace(SAMPLINGS["wild"], lines=3))
    write(first)
    request = replace(
        SAMPLINGS["wild"], prime="elaine: hello", turns=4, cast=("elaine", "newman"), next_speaker="newman"
    )
    second = Writing(model, vocabulary, request, after=sitting_of(first, tmp_path / "s.safetensors"))
    text = write(second)
    assert text.removeprefix("@").startswith("ELAINE: hello")
    spoke = [element.speaker for element in second.pieces[0].elements if element.kind == "dialogue"]
    assert spoke[:2] == ["ELAINE", "newman"]
    assert set(spoke) <= {"ELAINE", "newman"}


@pytest.fixture
def saved(vocabulary: Vocabulary, untrained_model: Make, tmp_path: Path) -> Path:
    """A sitting in a file."""
    writing = Writing(untrained_model(vocabulary), vocabulary, GenerateOptions(lines=2))
    write(writing)
    save_sitting(writing.pause(), tmp_path / "s.safetensors", weights="w", seed=4)
    return tmp_path / "s.safetensors"


def test_the_seed_is_remembered(saved: Path) -> None:
    assert load_sitting(saved, weights="w")[1] == 4


def test_another_models_sitting_is_refused(saved: Path) -> None:
    with pytest.raises(RunError, match="another model"):
        load_sitting(saved, weights="other")


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut", "foreign"])
def test_a_damaged_file_is_refused(saved: Path, damage: str) -> None:
    if damage == "missing":
        saved.unlink()
    elif damage == "foreign":
        save_file({"ids": torch.zeros(1)}, saved)
    else:
        content = {"empty": b"", "text": b"elaine: hello\n", "cut": saved.read_bytes()[:-10]}
        saved.write_bytes(content[damage])
    with pytest.raises(RunError, match="missing or damaged"):
        load_sitting(saved, weights="w")


def test_a_sitting_that_does_not_fit_the_model_is_refused(
    vocabulary: Vocabulary, untrained_model: Make, saved: Path
) -> None:
    sitting, _ = load_sitting(saved, weights="w")
    odd = [
        Sitting(sitting.ids_TB + vocabulary.size, sitting.logits_BV, sitting.sampler, sitting.decoder),
        Sitting(sitting.ids_TB, sitting.logits_BV[:, 1:], sitting.sampler, sitting.decoder),
        Sitting(sitting.ids_TB, sitting.logits_BV, {}, sitting.decoder),
        Sitting(sitting.ids_TB, sitting.logits_BV, sitting.sampler, {}),
        Sitting(
            sitting.ids_TB,
            sitting.logits_BV,
            sitting.sampler,
            {name: tensor[..., 1:] for name, tensor in sitting.decoder.items()},
        ),
    ]
    for damaged in odd:
        with pytest.raises(RunError, match="does not fit"):
            Writing(untrained_model(vocabulary), vocabulary, GenerateOptions(lines=2), after=damaged)
