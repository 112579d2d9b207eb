"""Voices against their definition, written out row by row, and what is asked of them."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.generation import generate

from scriptforge.config import resolve
from scriptforge.errors import UsageError
from scriptforge.generation.decoder import ModelDecoder
from scriptforge.generation.filters import log_softmax
from scriptforge.generation.generate import Generation
from scriptforge.generation.neural_cache import CachedDecoder, CacheParameters
from scriptforge.generation.voice import GuidedDecoder, Voices, resolve_voices
from scriptforge.inference import config_from_settings
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models import LanguageModel, TrainableModel, build
from scriptforge.models.layers import HeadedModel
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING, GenerateOptions
from scriptforge.vocabulary import Level, Vocabulary

Make = Callable[[Vocabulary], Recurrent]

VOCABULARY = Vocabulary.train(["well, i say!"], "char", speakers=["Ann", "Bo", "Cy", "Di", "Eve"])
SIZE, LAYOUT = VOCABULARY.size, VOCABULARY.layout_size
ANN, BO, CY, DI, EVE = VOCABULARY.speakers.values()
CUES = [ANN, BO, CY, DI, EVE]
OTHERS = {ANN: (BO, CY, DI), BO: (ANN, CY, DI), CY: (ANN, BO, DI), DI: (ANN, BO, CY), EVE: (ANN, BO, CY)}
LETTERS = VOCABULARY.encode("welisay,!")
STRENGTHS = {ANN: 2.0, BO: 0.5, CY: 5.0}
VOICES = Voices(STRENGTHS, OTHERS, LAYOUT)


def new_model(arch: str = "lstm") -> TrainableModel:
    """A model whose probabilities are far from even, and depend on who speaks."""
    torch.manual_seed(3)
    sizes = {"embedding_size": 6, "hidden_size": 8, "memory": 5}
    model = build(
        config_from_settings(resolve({"arch": arch, "epochs": 1, **sizes}), **VOCABULARY.sizes)
    ).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape))
    return model


MODEL = new_model()
READER = MODEL.inference()
WITHOUT_SPEAKER_EMBEDDING = RecurrentConfig(vocabulary_size=SIZE, embedding_size=4, hidden_size=4)
texts = st.lists(st.sampled_from([*CUES, *LETTERS, *LETTERS, VOCABULARY.action, VOCABULARY.end]), min_size=1)


@torch.no_grad()
def scores_after(model: LanguageModel, ids: list[int]) -> list[float]:
    logits_1TV, _ = model(torch.tensor([ids]), model.initial_state(1))
    return logits_1TV[0, -1].double().tolist()


def by_definition(model: LanguageModel, ids: list[int]) -> list[float]:
    """The guided scores after a text."""
    own = scores_after(model, ids)
    opened = [place for place, id_ in enumerate(ids) if id_ < LAYOUT]
    cue = ids[opened[-1]] if opened else VOCABULARY.end
    if cue not in STRENGTHS:
        return own
    other = OTHERS[cue][len(opened) % 3]
    contrast = scores_after(model, [*ids[: opened[-1]], other, *ids[opened[-1] + 1 :]])
    best = max(own[LAYOUT:])
    plausible = [id_ for id_ in range(LAYOUT, SIZE) if own[id_] >= best + math.log(0.05)]
    raised = {id_: own[id_] + STRENGTHS[cue] * (own[id_] - contrast[id_]) for id_ in plausible}
    before = sum(math.exp(own[id_] - best) for id_ in plausible)
    after = sum(math.exp(raised[id_] - best) for id_ in plausible)
    return [raised[id_] + math.log(before / after) if id_ in raised else own[id_] for id_ in range(SIZE)]


def read_one_by_one(decoder: ModelDecoder, ids_BT: Any) -> Any:
    for ids_B in ids_BT.T:
        logits_BV = decoder.read(ids_B[:, None])
    return logits_BV


@pytest.mark.parametrize("arch", ["lstm", "gru", "rnn", "lstm-attention", "transformer", "numpy-rnn"])
def test_every_architecture_is_guided_as_defined(arch: str) -> None:
    model = new_model(arch)
    ids = [VOCABULARY.end, ANN, *LETTERS[:4], DI, *LETTERS[3:], CY, *LETTERS[2:5], BO, *LETTERS]
    for length in (2, 4, 8, 15, 18, len(ids)):
        decoder = GuidedDecoder(model.inference(), 1, VOICES)
        logits_1V = read_one_by_one(decoder, np.array([ids[:length]]))
        assert logits_1V[0].tolist() == pytest.approx(by_definition(model, ids[:length]), abs=1e-3)


@given(texts, st.lists(st.integers(1, 29), max_size=4, unique=True).map(sorted))
def test_reading_in_parts_is_reading_at_once(ids: list[int], cuts: list[int]) -> None:
    decoder = GuidedDecoder(READER, 1, VOICES)
    ids_1T = np.array([ids])
    *_, last_1V = (decoder.read(part) for part in np.split(ids_1T, cuts, axis=1) if part.size)
    assert last_1V[0].tolist() == pytest.approx(by_definition(MODEL, ids), abs=1e-3)


def test_sequences_do_not_know_of_each_other() -> None:
    w, e, i = LETTERS[:3]
    ids_BT = np.array(
        [[ANN, w, e, BO, i, w, CY], [DI, w, w, w, CY, e, e], [e, ANN, VOCABULARY.action, w, e, EVE, w]]
    )
    for read in (read_one_by_one, ModelDecoder.read):
        logits_BV = read(GuidedDecoder(READER, 3, VOICES), ids_BT)
        for logits_V, ids_T in zip(logits_BV, ids_BT, strict=True):
            assert logits_V.tolist() == pytest.approx(by_definition(MODEL, ids_T.tolist()), abs=1e-3)


def test_lines_end_as_often_as_without_voices() -> None:
    ids_1T = np.array([[CY, *LETTERS[:5]]])
    own_V = np.exp(log_softmax(ModelDecoder(READER, 1).read(ids_1T)[0]))
    guided_V = np.exp(log_softmax(GuidedDecoder(READER, 1, VOICES).read(ids_1T)[0]))
    np.testing.assert_allclose(guided_V[:LAYOUT], own_V[:LAYOUT], rtol=1e-4)
    assert not np.allclose(guided_V, own_V)


def test_a_text_goes_on_from_the_end_of_a_line_with_or_without_voices() -> None:
    before_1T, after_1T = (
        np.array([[ANN, *LETTERS[:4], CY, *LETTERS[:2]]]),
        np.array([[BO, LETTERS[3]]]),
    )
    guided, plain = GuidedDecoder(READER, 1, VOICES), ModelDecoder(READER, 1)
    guided.read(before_1T), plain.read(before_1T)
    again, continued, without = (
        GuidedDecoder(READER, 1, VOICES),
        GuidedDecoder(READER, 1, VOICES),
        ModelDecoder(READER, 1),
    )
    again.read(np.array([[CY, LETTERS[0]]]))
    again.restore(guided.state())
    continued.restore(plain.state())
    without.restore(guided.state())
    assert np.array_equal(again.read(after_1T), guided.read(after_1T))
    assert not np.array_equal(continued.read(after_1T), ModelDecoder(READER, 1).read(after_1T))
    np.testing.assert_allclose(without.read(after_1T), plain.read(after_1T), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("openings", [[1, 2], 3])
def test_a_state_of_another_batch_is_refused(openings: Any) -> None:
    state = {**ModelDecoder(READER, 1).state(), "voice.openings": np.array(openings)}
    with pytest.raises(ValueError):
        GuidedDecoder(READER, 1, VOICES).restore(state)


def test_the_cache_is_beside_the_guided_model() -> None:
    ids_1T = np.array([[CY, *LETTERS[:5], *LETTERS[:3]]])
    guided_1V = GuidedDecoder(READER, 1, VOICES).read(ids_1T)
    nothing, much = (
        CachedDecoder(GuidedDecoder(READER, 1, VOICES), CacheParameters(weight), VOCABULARY).read(ids_1T)
        for weight in (0, 0.5)
    )
    np.testing.assert_allclose(nothing, log_softmax(guided_1V), rtol=1e-4, atol=1e-5)
    assert much[0, LETTERS[3]] > nothing[0, LETTERS[3]]
    assert np.exp(much).sum() == pytest.approx(1, abs=1e-5)


def test_what_one_says_and_others_do_not_comes_more_often() -> None:
    with torch.no_grad():
        model = new_model()
        assert isinstance(model, HeadedModel) and model.speaker_embedding is not None
        for weight in model.parameters():
            weight.zero_()
        model.speaker_embedding.output.current.weight[1] = 10  # Ann
        model.head.weight[LETTERS[0]] = 0.1
    counts = []
    for voice in (0, 3):
        options = GenerateOptions(prime="ann:", lines=1, count=20, seed=1, voice=voice)
        counts.append(sum(text.elements[0].text.count("w") for text in generate(model, VOCABULARY, options)))
    assert counts[1] > 1.5 * counts[0] > 0


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf, 1e30])
def test_a_model_gone_wrong_writes_all_the_same(broken: float) -> None:
    model = new_model()
    with torch.no_grad():
        model.get_parameter("head.weight")[LETTERS[2]] = broken
    (text,) = generate(model, VOCABULARY, GenerateOptions(lines=1, seed=1, voice=5))
    assert text.elements


@pytest.mark.parametrize("count", [1, 3])
def test_texts_with_voices_depend_on_their_seed_alone(
    vocabulary: Vocabulary, untrained_model: Make, count: int
) -> None:
    request = GenerateOptions(lines=6, seed=4, count=count, voice=4, temperature=1)
    model = untrained_model(vocabulary)
    texts = generate(model, vocabulary, request)
    assert texts[:1] == generate(model, vocabulary, replace(request, count=1))
    assert texts != generate(model, vocabulary, replace(request, voice=0))


def test_only_those_of_one_source_are_told_apart() -> None:
    sources = {"diner": ["Jerry", "Elaine", "Kramer", "George", "Newman"], "bridge": ["JERRY"]}
    vocabulary = Vocabulary.train(["no"], "char", speakers=["Dee"], sources=sources)
    named = {f"{token.source}:{token.name}": token.id for token in vocabulary.speaker_tokens}
    voices = resolve_voices(
        GenerateOptions(voices={"newman": 4, "elaine": 0}), vocabulary, WITHOUT_SPEAKER_EMBEDDING
    )
    assert voices is not None
    names = {id_: name for name, id_ in named.items()}
    strengths = {names[id_]: strength for id_, strength in voices.strengths.items()}
    assert strengths == {
        "diner:Jerry": DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING,
        "diner:Kramer": DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING,
        "diner:George": DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING,
        "diner:Newman": 4,
    }
    assert [names[id_] for id_ in voices.others[named["diner:Newman"]]] == [
        "diner:Jerry",
        "diner:Elaine",
        "diner:Kramer",
    ]


def test_voices_of_a_merged_cast_are_told_apart() -> None:
    vocabulary = Vocabulary.train(
        ["no"], "char", speakers=["Jerry", "Walt"], sources={"diner": [], "bridge": []}
    )
    voices = resolve_voices(GenerateOptions(voice=2), vocabulary, WITHOUT_SPEAKER_EMBEDDING)
    assert voices is not None and len(voices.strengths) == 2


def test_voices_are_strengthened_by_default_in_a_model_that_is_not_told_who_speaks() -> None:
    voices = resolve_voices(GenerateOptions(), VOCABULARY, WITHOUT_SPEAKER_EMBEDDING)
    assert resolve_voices(GenerateOptions(), VOCABULARY, MODEL.config) is None
    assert voices is not None and set(voices.strengths.values()) == {DEFAULT_VOICE_WITHOUT_SPEAKER_EMBEDDING}


@pytest.mark.parametrize("speakers", [[], ["Ann"]])
def test_voices_are_left_alone_where_there_are_none_to_tell_apart(speakers: list[str]) -> None:
    vocabulary = Vocabulary.train(["no"], "char", speakers=speakers)
    assert resolve_voices(GenerateOptions(), vocabulary, WITHOUT_SPEAKER_EMBEDDING) is None
    assert resolve_voices(GenerateOptions(voice=0), vocabulary, WITHOUT_SPEAKER_EMBEDDING) is None
    for asked in (GenerateOptions(voice=2), GenerateOptions(voices={"ann": 2})):
        with pytest.raises(UsageError, match="fewer than two speakers"):
            resolve_voices(asked, vocabulary, WITHOUT_SPEAKER_EMBEDDING)


def test_plain_text_has_no_voice(plain_vocabulary: Vocabulary, untrained_model: Make) -> None:
    model = untrained_model(plain_vocabulary)
    (text,) = generate(model, plain_vocabulary, GenerateOptions(lines=1, seed=1))
    assert generate(model, plain_vocabulary, GenerateOptions(lines=1, seed=1, voice=0)) == [text]
    with pytest.raises(UsageError, match="cannot be asked for a voice"):
        Generation(model, plain_vocabulary, GenerateOptions(voice=1))


def test_an_unknown_name_is_explained(vocabulary_of: Callable[[Level], Vocabulary]) -> None:
    with pytest.raises(UsageError, match="named “jery”") as raised:
        resolve_voices(GenerateOptions(voices={"jery": 3}), vocabulary_of("char"), WITHOUT_SPEAKER_EMBEDDING)
    assert "Jerry" in raised.value.hint


@pytest.mark.parametrize("strength", [-0.1, 5.1, math.nan])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    for asked in ({"voice": strength}, {"voices": {"Ann": strength}}):
        with pytest.raises(UsageError, match="voice must be between"):
            GenerateOptions(**asked)
