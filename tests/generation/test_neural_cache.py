"""The cache against its definition, written out word by word."""

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.errors import UsageError
from scriptforge.generation.decoder import ModelDecoder
from scriptforge.generation.filters import log_softmax
from scriptforge.generation.neural_cache import CachedDecoder, CacheParameters, cacheable
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import EvaluateOptions, GenerateOptions
from scriptforge.vocabulary import Level, Vocabulary

VOCABULARY = Vocabulary.train(["abcdeé. ,"], "char", plain=True)
SIZE, END = VOCABULARY.size, VOCABULARY.end
LETTERS = [bool(re.search(r"[^\W_]|\ufffd", VOCABULARY.decode([id_]))) for id_ in range(SIZE)]
A, B, C, D, DOT = VOCABULARY.encode("abcd.")
SOME = [END, A, B, C, D, DOT, *VOCABULARY.encode(" ,é2"), SIZE // 2]
OPTIONS = CacheParameters(weight=0.4, sharpness=3, window=7)


def new_model(hidden_size: int = 6) -> Recurrent:
    """A model whose probabilities and features are far from even."""
    torch.manual_seed(3)
    config = RecurrentConfig(vocabulary_size=SIZE, embedding_size=5, hidden_size=hidden_size)
    model = Recurrent(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return model


MODEL = new_model()
READER = MODEL.inference()


def assert_close(one: Any, other: Any) -> None:
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


texts = st.lists(st.sampled_from(SOME), min_size=1, max_size=30)


@torch.no_grad()
def by_definition(ids: list[int], options: CacheParameters) -> list[float]:
    """The probability of each token after all ids, from sums over the positions that are remembered."""
    features_1TH, _ = MODEL.features(torch.tensor([ids]), MODEL.initial_state(1))
    features = features_1TH[0].double()
    expected = MODEL.score(features_1TH)[0, -1].double().softmax(-1).tolist()
    begin = max((place for place, id_ in enumerate(ids) if id_ == END), default=0)
    near = range(max(begin, len(ids) - 1 - options.window), len(ids) - 1)
    places = [place for place in near if LETTERS[ids[place + 1]]]
    if not places:
        return expected
    cached = [0.0] * SIZE
    for place in places:
        likeness = torch.cosine_similarity(features[place], features[-1], dim=0).item()
        cached[ids[place + 1]] += math.exp(options.sharpness * likeness)
    mass = sum(own for own, is_letter in zip(expected, LETTERS, strict=True) if is_letter)
    return [
        (1 - options.weight) * own + options.weight * mass * again / sum(cached) if is_letter else own
        for own, again, is_letter in zip(expected, cached, LETTERS, strict=True)
    ]


@given(
    texts,
    st.builds(
        CacheParameters, weight=st.floats(0, 0.99), sharpness=st.floats(0, 50), window=st.integers(1, 40)
    ),
)
def test_scores_are_the_logarithms_of_the_mixture(ids: list[int], options: CacheParameters) -> None:
    logits_BV = CachedDecoder(ModelDecoder(READER, 1), options, VOCABULARY).read(np.array([ids]))
    assert np.exp(logits_BV).sum() == pytest.approx(1, abs=1e-5)
    assert np.exp(logits_BV[0]).tolist() == pytest.approx(by_definition(ids, options), abs=1e-5)


@given(texts, st.lists(st.integers(1, 29), max_size=4, unique=True).map(sorted))
def test_reading_in_parts_is_reading_at_once(ids: list[int], cuts: list[int]) -> None:
    ids_1T = np.array([ids])
    whole_1V = CachedDecoder(ModelDecoder(READER, 1), OPTIONS, VOCABULARY).read(ids_1T)
    decoder = CachedDecoder(ModelDecoder(READER, 1), OPTIONS, VOCABULARY)
    *_, last_1V = (decoder.read(part) for part in np.split(ids_1T, cuts, axis=1) if part.size)
    assert_close(last_1V, whole_1V)


def test_sequences_do_not_know_of_each_other() -> None:
    ids_BT = np.array([[END, A, B, C, A, B], [END, A, END, C, C, C], [D, A, B, DOT, C, END]])
    together = CachedDecoder(ModelDecoder(READER, 3), OPTIONS, VOCABULARY)
    together.read(ids_BT[:, :4])
    logits_BV = together.read(ids_BT[:, 4:])
    for sequence, ids_T in enumerate(ids_BT):
        alone_1V = CachedDecoder(ModelDecoder(READER, 1), OPTIONS, VOCABULARY).read(ids_T[None])
        assert_close(logits_BV[sequence : sequence + 1], alone_1V)


def test_what_came_before_comes_back() -> None:
    ids_1T = np.array([[END, A, B, DOT, C, A]])
    alone = np.exp(log_softmax(ModelDecoder(READER, 1).read(ids_1T)))
    cached = np.exp(CachedDecoder(ModelDecoder(READER, 1), CacheParameters(0.1), VOCABULARY).read(ids_1T))
    assert cached[0, B] > alone[0, B]
    assert cached[0, D] < alone[0, D]


def test_marks_and_ends_are_left_to_the_model() -> None:
    ids_1T = np.array([[END, A, DOT, B, DOT, A]])
    alone = log_softmax(ModelDecoder(READER, 1).read(ids_1T))
    cached = CachedDecoder(ModelDecoder(READER, 1), OPTIONS, VOCABULARY).read(ids_1T)
    assert_close(cached[0, [DOT, END]], alone[0, [DOT, END]])


def test_at_the_end_of_a_script_all_is_forgotten() -> None:
    ids_1T = np.array([[END, A, B, C, A, B, END]])
    alone_1V = log_softmax(ModelDecoder(READER, 1).read(ids_1T))
    cached_1V = CachedDecoder(ModelDecoder(READER, 1), OPTIONS, VOCABULARY).read(ids_1T)
    assert_close(cached_1V, alone_1V)


@pytest.mark.parametrize("level", ["word", "bpe", "char"])
def test_cues_and_what_has_letters_may_come_back(level: Level) -> None:
    texts = ['Is it 10 past? "No," said Zoë...', "Да."]
    vocabulary = Vocabulary.train(texts, level, size=400 if level == "bpe" else None, speakers=["Bo"])
    said = cacheable(vocabulary)
    assert said[vocabulary.speakers["Bo"]] and said[vocabulary.cue] and not said[vocabulary.end]
    for word in ("10", "past", "Zoë", "Да"):
        assert said[vocabulary.encode(word)].all()
    for mark in ("?", "...", ",", '"'):
        assert not said[vocabulary.encode(mark)].any()


def test_a_token_that_cannot_come_again_keeps_its_finite_score() -> None:
    model = new_model()
    with torch.no_grad():
        model.head.bias[D] = -500
    logits_1V = CachedDecoder(ModelDecoder(model.inference(), 1), OPTIONS, VOCABULARY).read(
        np.array([[END, A, B, A]])
    )
    assert np.isfinite(logits_1V).all()


@pytest.mark.parametrize("read", [0, 1, 5, 7, 8, 20])
def test_a_restored_state_goes_on_in_the_same_bits(read: int) -> None:
    draws_BT = np.random.default_rng(1).integers(0, len(SOME), (2, read + 4))
    ids_BT = np.array(SOME)[draws_BT]
    decoder, other = (CachedDecoder(ModelDecoder(READER, 2), OPTIONS, VOCABULARY) for _ in range(2))
    if read:
        decoder.read(ids_BT[:, :read])
    state = decoder.state()
    expected = [decoder.read(ids_B[:, None]) for ids_B in ids_BT[:, read:].T]
    other.read(np.array([[A, B, C], [C, D, A]]))
    other.restore(state)
    assert all(
        np.array_equal(other.read(ids_B[:, None]), logits_BV)
        for ids_B, logits_BV in zip(ids_BT[:, read:].T, expected, strict=True)
    )


@pytest.mark.parametrize(
    "other",
    [
        CachedDecoder(ModelDecoder(READER, 1), OPTIONS, VOCABULARY),
        CachedDecoder(ModelDecoder(READER, 2), CacheParameters(0.1, window=3), VOCABULARY),
        CachedDecoder(ModelDecoder(new_model(hidden_size=7).inference(), 2), OPTIONS, VOCABULARY),
        ModelDecoder(READER, 2),
    ],
    ids=["another number of sequences", "another window", "another model", "no cache"],
)
def test_a_state_of_another_kind_is_refused(other: CachedDecoder | ModelDecoder) -> None:
    other.read(np.ones((len(other.state()["state.0"][0]), 9), np.int64))
    decoder = CachedDecoder(ModelDecoder(READER, 2), OPTIONS, VOCABULARY)
    with pytest.raises((ValueError, KeyError)):
        decoder.restore(other.state())
    assert_close(
        decoder.read(np.array([[END, A], [END, B]])),
        CachedDecoder(ModelDecoder(READER, 2), OPTIONS, VOCABULARY).read(np.array([[END, A], [END, B]])),
    )


@pytest.mark.parametrize("change", [{"cache.values": SIZE}, {"cache.values": -2}, {"cache.count": -1}])
def test_a_damaged_state_is_refused(change: dict[str, int]) -> None:
    decoder = CachedDecoder(ModelDecoder(READER, 1), OPTIONS, VOCABULARY)
    decoder.read(np.array([[END, A, B]]))
    state = dict(decoder.state())
    for name, value in change.items():
        state[name] = np.full_like(state[name], value)
    with pytest.raises(ValueError):
        decoder.restore(state)


@pytest.mark.parametrize("weight", [-0.1, 1.0, math.nan])
def test_a_weight_out_of_range_is_refused(weight: float) -> None:
    with pytest.raises(UsageError, match="cache must be between"):
        GenerateOptions(cache=weight)
    with pytest.raises(UsageError, match="cache must be between"):
        EvaluateOptions(cache=weight)
