"""The best of several lines, against its definition, and what is asked of it."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from support.generation import generate, stream

from scriptforge.copying import Index, lines_of_text
from scriptforge.errors import RunError, UsageError
from scriptforge.generation.best_of import LINES_LEFT_OUT, PHRASE, STALENESS
from scriptforge.generation.decoding_state import DecodingState, load_state, save_state
from scriptforge.generation.generate import Generation
from scriptforge.generation.rng import candidate_seeds
from scriptforge.models import LanguageModel
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import GenerateOptions
from scriptforge.text_statistics import TextStatistics
from scriptforge.text_statistics.brackets import BracketStatistics
from scriptforge.text_statistics.repetition import RepetitionStatistics
from scriptforge.text_statistics.turns import TurnStatistics
from scriptforge.vocabulary import Level, Vocabulary

Make = Callable[[Vocabulary], Recurrent]
WILD = GenerateOptions(temperature=1, min_p=0, lines=6, seed=3, best_of=3)

EXTRAS = {
    "alone": WILD,
    "with a cache": replace(WILD, cache=0.5),
    "with voices": replace(WILD, voice=3),
    "without repeating": replace(WILD, no_repeat_ngram=2),
    "with a cast": replace(WILD, cast=("elaine", "newman"), turns=6, lines=None),
    "in 8-bit integers": replace(WILD, int8=True),
    "from a prime": replace(WILD, prime="elaine: hello, newman"),
    "from words": replace(WILD, prime="what is"),
    "from whole lines": replace(WILD, prime="elaine: hello, newman\njerry: no!\n"),
}


@pytest.fixture
def make(untrained_model: Make) -> Make:
    """Makes a model whose lines are far from equally likely, and depend on what was said."""

    def make_decided(vocabulary: Vocabulary) -> Recurrent:
        model = untrained_model(vocabulary)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(3)
            model.get_parameter("head.bias")[: vocabulary.layout_size] += 1
        return model

    return make_decided


@torch.no_grad()
def likelihood(model: LanguageModel, before: list[int], line: list[int]) -> float:
    """The logarithm of the probability of a line after a text."""
    logits_1TV, _ = model(torch.tensor([[*before, *line]]), model.initial_state(1))
    logarithms_TV = logits_1TV[0].log_softmax(-1)[len(before) - 1 : -1]
    return sum(float(row_V[id_]) for row_V, id_ in zip(logarithms_TV, line, strict=True))


def phrases(text: str) -> set[tuple[str, ...]]:
    words = ["", *re.findall(r"[\w'-]+", text), ""]
    return {tuple(words[at : at + PHRASE]) for at in range(len(words) - PHRASE + 1)}


def write(generation: Generation) -> str:
    return "".join(news for (news,) in generation)


def state_of(generation: Generation, path: Path) -> DecodingState:
    save_state(generation.pause(), path, weights="w", seed=1)
    return load_state(path, weights="w")[0]


def ids_of(state: DecodingState) -> list[int]:
    ids: list[int] = state.ids_TB[:, 0].tolist()
    return ids


@pytest.mark.parametrize("seed", range(5))
def test_the_line_that_follows_best_and_is_not_stale_is_kept(
    vocabulary_of: Callable[[Level], Vocabulary], make: Make, seed: int
) -> None:
    vocabulary = vocabulary_of("word")
    model = make(vocabulary)
    asked = replace(
        WILD, prime="jerry: who are you, newman?\nelaine: what is this?\njerry:", lines=3, voice=0
    )
    jerry, elaine = (vocabulary.speakers[name] for name in ("Jerry", "ELAINE"))
    said = [
        [jerry, *vocabulary.encode("who are you, newman?")],
        [elaine, *vocabulary.encode("what is this?")],
    ]
    before = [vocabulary.end, *said[0], *said[1], jerry]
    scores = {}
    for own_seed in candidate_seeds([seed], 6):
        alone = Generation(model, vocabulary, replace(asked, best_of=1, seed=own_seed))
        text = write(alone)
        line = ids_of(alone.pause())[len(before) :][:8]
        follows = likelihood(model, before, line) - likelihood(model, [vocabulary.end, jerry], line)
        own = phrases(alone.texts[0].elements[-1].text)
        stale = own & (phrases("who are you newman") | phrases("what is this"))
        scores[text] = follows - STALENESS * len(stale) / max(len(own), 1)
    (kept,) = generate(model, vocabulary, replace(asked, best_of=6, seed=seed))
    assert kept.text == max(scores, key=scores.__getitem__)
    assert len(scores) > 3


def test_lines_without_words_take_no_place_on_the_page(
    vocabulary_of: Callable[[Level], Vocabulary], untrained_model: Make
) -> None:
    """Where all lines follow equally well, one is kept that is not on the page."""
    vocabulary = vocabulary_of("word")
    model = untrained_model(vocabulary)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        bias_V = model.get_parameter("head.bias")
        bias_V[vocabulary.layout_size :] = -20.0
        bias_V[vocabulary.encode("no hello newman")] = 1.0
    lines = ["elaine: no", *["jerry: ?"] * 160, "jerry:"]
    asked = replace(WILD, prime="\n".join(lines), lines=len(lines), count=20, voice=0)

    def said(best_of: int) -> list[str]:
        texts = generate(model, vocabulary, replace(asked, best_of=best_of))
        return [text.elements[-1].text for text in texts]

    assert "no" in said(best_of=1)
    assert "no" not in said(best_of=8)


@pytest.mark.parametrize("asked", EXTRAS.values(), ids=EXTRAS)
def test_a_text_depends_on_its_seed_alone(vocabulary: Vocabulary, make: Make, asked: GenerateOptions) -> None:
    model = make(vocabulary)
    texts = generate(model, vocabulary, replace(asked, seed=2, count=3))
    assert len({text.text for text in texts}) == 3
    assert generate(model, vocabulary, asked) == texts[1:2]
    assert "".join(stream(model, vocabulary, asked)) == texts[1].text
    assert generate(model, vocabulary, replace(asked, best_of=1))[0].text != texts[1].text


@pytest.mark.parametrize("asked", EXTRAS.values(), ids=EXTRAS)
def test_two_parts_equal_one(
    vocabulary: Vocabulary, make: Make, tmp_path: Path, asked: GenerateOptions
) -> None:
    model = make(vocabulary)
    asked = replace(asked, lines=None, turns=None)
    echoes = RepetitionStatistics(runs=[[0.01] * 5] * 3, lines=[0.01] * 5)
    marks = BracketStatistics(closed=["()"], turning=["to"])
    statistics = TextStatistics(
        TurnStatistics(same_again=0.1, busiest=0.4), echoes, ("Jerry", "newman", "verse one"), marks
    )
    one = Generation(model, vocabulary, replace(asked, lines=9), statistics=statistics)
    first = Generation(model, vocabulary, replace(asked, lines=5), statistics=statistics)
    text = write(first)
    after = state_of(first, tmp_path / "s.safetensors")
    rest = replace(asked, prime="", seed=None, lines=4)
    second = Generation(model, vocabulary, rest, after=after, statistics=statistics)
    assert text + write(second) == write(one)
    again = [
        Generation(model, vocabulary, replace(rest, seed=7, best_of=best_of), after=after).write()
        for best_of in (1, 4)
    ]
    assert all(len(texts[0].elements) == 4 for texts in again)
    with pytest.raises(RunError, match="does not match") as raised:
        Generation(model, vocabulary, replace(rest, best_of=4), after=after)
    assert "--best-of" in raised.value.hint


def test_lines_are_read_once_more_without_the_last_ones(
    vocabulary: Vocabulary, make: Make, tmp_path: Path
) -> None:
    model = make(vocabulary)
    generation = Generation(model, vocabulary, replace(WILD, lines=7))
    write(generation)
    state = state_of(generation, tmp_path / "s.safetensors")
    ids = ids_of(state)
    ends_of_lines = [
        place
        for place, (before, id_) in enumerate(pairwise([vocabulary.end, *ids]))
        if vocabulary.is_text[before] and not vocabulary.is_text[id_] and id_ != vocabulary.says
    ]
    for number, end in enumerate([*ends_of_lines[-LINES_LEFT_OUT:], len(ids)]):
        with torch.no_grad():
            _, expected = model(torch.tensor([ids[:end]]), model.initial_state(1))
        for part, tensor in enumerate(expected):
            np.testing.assert_allclose(state.decoder[f"best_of.{number}.{part}"], tensor, atol=1e-5)


def test_fewer_phrases_come_back(vocabulary_of: Callable[[Level], Vocabulary], make: Make) -> None:
    vocabulary = vocabulary_of("word")
    model = make(vocabulary)
    repeated = []
    for best_of in (1, 8):
        texts = generate(model, vocabulary, replace(WILD, lines=40, count=8, best_of=best_of))
        said = [[phrase for line in text.elements for phrase in phrases(line.text)] for text in texts]
        repeated.append(sum(len(each) - len(set(each)) for each in said))
    assert repeated[1] < 0.8 * repeated[0]


def test_no_candidate_copies_more_than_is_allowed(
    vocabulary_of: Callable[[Level], Vocabulary], make: Make
) -> None:
    vocabulary = vocabulary_of("word")
    index = Index(lines_of_text("hello newman it is what you are"))
    asked = replace(WILD, max_copy=1, lines=30)
    (text,) = generate(make(vocabulary), vocabulary, asked, index)
    pairs = {("hello", "newman"), ("it", "is"), ("is", "what"), ("what", "you"), ("you", "are")}
    for element in text.elements:
        words = re.findall(r"[\w'-]+", element.text)
        assert not pairs & set(pairwise(words))


def test_what_cannot_be_combined_is_refused(plain_vocabulary: Vocabulary, untrained_model: Make) -> None:
    with pytest.raises(UsageError, match="plain text and cannot be asked for the best of several"):
        Generation(untrained_model(plain_vocabulary), plain_vocabulary, GenerateOptions(best_of=2))
    with pytest.raises(UsageError, match="all candidates of a line are the same"):
        GenerateOptions(best_of=2, temperature=0)
    for best_of in (0, 65):
        with pytest.raises(UsageError, match="best of must be between 1 and 64"):
            GenerateOptions(best_of=best_of)
