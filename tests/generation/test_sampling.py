"""Filters against what their papers say in plain Python, and draws against the odds."""

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptforge.errors import UsageError
from scriptforge.generation import sampling
from scriptforge.generation.filters import (
    Scores,
    apply_min_p,
    apply_no_repeat_ngram,
    apply_repetition_penalty,
    apply_temperature,
    apply_top_k,
    apply_top_p,
    apply_typical_p,
)
from scriptforge.generation.rng import BatchRNG
from scriptforge.generation.sampling import Sampler
from scriptforge.options import REPETITION_WINDOW, GenerateOptions

AS_THE_MODEL_SAYS = GenerateOptions(temperature=1, min_p=0)

scores_of_two_sequences = st.integers(0, 2**32).map(
    lambda seed: 4 * np.random.default_rng(seed).standard_normal((2, 300))
)
shares = st.floats(0.01, 0.99)


def kept(scores_BN: Scores) -> list[set[int]]:
    return [set(np.flatnonzero(np.isfinite(row)).tolist()) for row in scores_BN]


def softmax(scores_BN: Scores) -> list[list[float]]:
    weights_BN = np.exp(scores_BN - scores_BN.max(-1, keepdims=True))
    probabilities: list[list[float]] = (weights_BN / weights_BN.sum(-1, keepdims=True)).tolist()
    return probabilities


def up_to_mass(ids: list[int], probabilities: list[float], mass: float) -> set[int]:
    chosen: set[int] = set()
    reached = 0.0
    for id_ in ids:
        chosen.add(id_)
        reached += probabilities[id_]
        if reached >= mass:
            break
    return chosen


def draws(options: GenerateOptions, logits_V: Any, seed: int, count: int) -> list[int]:
    sampler = Sampler(options, [seed], np.ones(len(logits_V), np.bool_))
    nothing = np.zeros((1, len(logits_V)), np.bool_)
    return [int(sampler.draw(logits_V[None], nothing)[0]) for _ in range(count)]


@given(scores_of_two_sequences, st.integers(1, 400))
@settings(max_examples=30)
def test_top_k_keeps_the_k_likeliest(scores_BN: Scores, k: int) -> None:
    ranked = [sorted(range(300), key=row.__getitem__, reverse=True) for row in scores_BN.tolist()]
    assert kept(apply_top_k(scores_BN, k)) == [set(ids[:k]) for ids in ranked]


@given(scores_of_two_sequences, shares)
@settings(max_examples=30)
def test_top_p_keeps_the_fewest_that_reach_the_mass(scores_BN: Scores, mass: float) -> None:
    expected = []
    for probabilities in softmax(scores_BN):
        ids = sorted(range(300), key=probabilities.__getitem__, reverse=True)
        expected.append(up_to_mass(ids, probabilities, mass))
    assert kept(apply_top_p(scores_BN, mass)) == expected


@given(scores_of_two_sequences, shares)
@settings(max_examples=30)
def test_typical_keeps_those_nearest_to_the_expected_surprisal(scores_BN: Scores, mass: float) -> None:
    expected = []
    for probabilities in softmax(scores_BN):
        surprisal = [-math.log(p) for p in probabilities]
        entropy = sum(p * s for p, s in zip(probabilities, surprisal, strict=True))
        ids = sorted(range(300), key=lambda id_: abs(surprisal[id_] - entropy))
        expected.append(up_to_mass(ids, probabilities, mass))
    assert kept(apply_typical_p(scores_BN, mass)) == expected


@given(scores_of_two_sequences, shares)
@settings(max_examples=30)
def test_min_p_keeps_a_share_of_the_likeliest(scores_BN: Scores, share: float) -> None:
    expected = [{id_ for id_, p in enumerate(row) if p >= share * max(row)} for row in softmax(scores_BN)]
    assert kept(apply_min_p(scores_BN, share)) == expected


def test_a_flat_distribution_is_looked_at_as_far_as_needed() -> None:
    assert len(kept(apply_top_p(np.zeros((1, 5000)), 0.9))[0]) == pytest.approx(4500, abs=2)


def test_temperature_divides() -> None:
    assert apply_temperature(np.array([[1.0, 3.0, 2.0]]), 0.5).tolist() == [[-4, 0, -2]]


def test_repetition_is_penalised_whatever_the_sign() -> None:
    scores_BV = np.array([[2.0, -2.0, 2.0, -2.0]])
    history_BW = np.array([[4, 4, 0, 1]])
    assert apply_repetition_penalty(scores_BV, history_BW, 2).tolist() == [[1, -4, 2, -2]]


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 4))
@settings(max_examples=100)
def test_ngrams_are_not_completed_twice(said: list[int], n: int) -> None:
    history_BW = np.array([[9] * (16 - len(said)) + said])
    begun = said[len(said) - n + 1 :]
    seen = {said[i + n - 1] for i in range(len(said) - n + 1) if said[i : i + n - 1] == begun}
    left = kept(apply_no_repeat_ngram(np.zeros((1, 9)), history_BW, n))[0]
    assert left == set(range(9)) - seen


@given(
    logits=st.lists(st.floats(-1e6, 1e6, width=32), min_size=6, max_size=6),
    allowed=st.sets(st.integers(0, 5), min_size=1),
    options=st.builds(
        GenerateOptions,
        temperature=st.one_of(st.just(0.0), st.floats(0, 100)),
        top_k=st.integers(0, 8),
        top_p=st.floats(0, 1),
        min_p=st.floats(0, 1),
        typical=st.floats(0, 1),
        repetition_penalty=st.floats(1, 10),
        no_repeat_ngram=st.integers(0, 3),
    ),
)
@settings(max_examples=200)
def test_what_is_drawn_is_never_forbidden(
    logits: list[float], allowed: set[int], options: GenerateOptions
) -> None:
    sampler = Sampler(options, [1, 2], np.ones(6, np.bool_))
    forbidden_BV = np.array([[id_ not in allowed for id_ in range(6)], [False] * 6])
    for _ in range(8):
        first, second = sampler.draw(np.array([logits, logits], np.float32), forbidden_BV).tolist()
        assert first in allowed
        assert second in range(6)


def test_draws_come_as_often_as_the_model_says() -> None:
    probabilities = [0.5, 0.25, 0.15, 0.07, 0.03]
    logits_V = np.log(np.array(probabilities, np.float32))
    counts = Counter(draws(AS_THE_MODEL_SAYS, logits_V, seed=7, count=20_000))
    chi_squared = sum((counts[i] - 20_000 * p) ** 2 / (20_000 * p) for i, p in enumerate(probabilities))
    assert chi_squared < 18.5  # 1 in 1,000 for four degrees of freedom


def counted(options: GenerateOptions, probabilities: list[float], layout: int) -> Counter[int]:
    """How often each token is drawn in 40,000 draws; the first ones are layout, the very first unspoken."""
    logits_BV = np.log(np.array([probabilities] * 200, np.float32))
    is_text_V = np.arange(len(probabilities)) >= layout
    sampler = Sampler(options, range(200), is_text_V, [0])
    nothing_BV = np.zeros((200, len(probabilities)), np.bool_)
    return Counter(id_ for _ in range(200) for id_ in sampler.draw(logits_BV, nothing_BV).tolist())


def test_lines_end_and_speakers_change_as_the_model_says_however_cold_the_draw() -> None:
    heading, jerry, elaine, extra, likely, unlikely = 0.02, 0.28, 0.18, 0.02, 0.3, 0.2
    options = GenerateOptions(temperature=0.5, min_p=0.2)
    counts = counted(options, [heading, jerry, elaine, extra, likely, unlikely], 4)
    for id_, expected in enumerate((heading, jerry, elaine, 0)):
        assert counts[id_] / 40_000 == pytest.approx(expected / (1 - extra), abs=0.01)
    assert counts[3] == 0
    assert counts[5] / (counts[4] + counts[5]) == pytest.approx(0.2**2 / (0.3**2 + 0.2**2), abs=0.01)


@pytest.mark.parametrize(("end", "comes"), [(0.02, False), (0.05, True)])
def test_no_line_ends_where_that_is_less_likely_than_min_p_asks(end: float, comes: bool) -> None:
    counts = counted(GenerateOptions(min_p=0.05), [end / 2, end / 2, 0.6, 0.4 - end], 2)
    assert (counts[0] > 0) == (counts[1] > 0) == comes


def test_temperature_zero_is_the_likeliest() -> None:
    assert (
        draws(GenerateOptions(temperature=0), np.array([0.0, 2.0, 1.0], np.float32), seed=1, count=5)
        == [1] * 5
    )


def test_a_sequence_draws_the_same_whatever_stands_beside_it() -> None:
    logits_BV = np.random.default_rng(0).standard_normal((3, 50), np.float32)
    is_text_V = np.ones(50, np.bool_)
    sampler = Sampler(AS_THE_MODEL_SAYS, [4, 5, 6], is_text_V)
    nothing_BV = np.zeros((3, 50), np.bool_)
    together = [sampler.draw(logits_BV, nothing_BV).tolist() for _ in range(600)]
    assert [ids[1] for ids in together] == draws(AS_THE_MODEL_SAYS, logits_BV[1], seed=5, count=600)


def test_only_text_is_kept_from_repeating() -> None:
    options = GenerateOptions(temperature=0, no_repeat_ngram=1)
    sampler = Sampler(options, [0], np.array([False, True, True]))
    nothing_BV = np.zeros((1, 3), np.bool_)
    kind_first, text_first = (np.array([[first, 5, 4]], np.float32) for first in (9, 0))
    drawn = []
    for logits_BV in [kind_first] * 3 + [text_first] * 3:
        drawn.append(int(sampler.draw(logits_BV, nothing_BV)[0]))
        sampler.remember(drawn[-1:])
    assert drawn == [0, 0, 0, 1, 2, 0]


def test_a_prompt_counts_as_said_and_is_forgotten_in_time() -> None:
    options = GenerateOptions(temperature=0, no_repeat_ngram=1)
    logits_BV, nothing_BV = np.array([[1, 2]], np.float32), np.zeros((1, 2), np.bool_)
    for prompt, expected in (([1], 0), ([1] + [0] * REPETITION_WINDOW, 1)):
        sampler = Sampler(options, [0], np.ones(2, np.bool_))
        for id_ in prompt:
            sampler.remember([id_])
        assert int(sampler.draw(logits_BV, nothing_BV)[0]) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("top_k", -1),
        ("top_p", 1.1),
        ("min_p", -0.5),
        ("typical", 2),
        ("repetition_penalty", 0.5),
        ("no_repeat_ngram", 1000),
    ],
)
def test_options_out_of_range_are_explained(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=name.replace("_", " ")) as raised:
        GenerateOptions(**{name: value})
    assert raised.value.hint


LARGE = 3000


@pytest.mark.parametrize(
    "options",
    [
        GenerateOptions(),
        GenerateOptions(temperature=0.3, min_p=0.001),
        GenerateOptions(temperature=1, min_p=0),
        GenerateOptions(temperature=1.5, top_k=5, min_p=0),
        GenerateOptions(top_k=40, top_p=0.9),
        GenerateOptions(top_k=1000),
        GenerateOptions(top_k=5, typical=0.5),
        GenerateOptions(typical=0.8),
    ],
)
def test_looking_at_few_of_many_tokens_draws_what_looking_at_all_would(options: GenerateOptions) -> None:
    draw = np.random.default_rng(3)
    logits_SBV = 3 * draw.standard_normal((60, 3, LARGE), np.float32)
    forbidden_BV = draw.random((3, LARGE)) < 0.1
    sampler = Sampler(options, [1, 2, 3], np.ones(LARGE, np.bool_))
    rng = BatchRNG([1, 2, 3])
    for logits_BV in logits_SBV:
        scores_BV = np.where(forbidden_BV, -np.inf, logits_BV)
        scores_BV = apply_temperature(scores_BV, options.temperature)
        if options.top_k:
            scores_BV = apply_top_k(scores_BV, options.top_k)
        if options.top_p < 1:
            scores_BV = apply_top_p(scores_BV, options.top_p)
        if options.typical < 1:
            scores_BV = apply_typical_p(scores_BV, options.typical)
        if options.min_p:
            scores_BV = apply_min_p(scores_BV, options.min_p)
        cumulative_BV = np.exp(scores_BV).cumsum(-1, dtype=np.float64)
        uniform_B, _ = rng.uniform()
        expected = [
            int(np.searchsorted(row, x * row[-1], side="right"))
            for row, x in zip(cumulative_BV, uniform_B, strict=True)
        ]
        assert sampler.draw(logits_BV, forbidden_BV).tolist() == expected


@given(
    seed=st.integers(0, 2**32 - 1),
    spread=st.floats(1e-3, 1e4),
    offset=st.floats(-1e5, 1e5),
    options=st.builds(
        GenerateOptions,
        temperature=st.floats(0.01, 100),
        top_k=st.sampled_from([0, 0, 1, 5, 40]),
        min_p=st.sampled_from([0.0, 1e-6, 0.05, 0.3, 1.0]) | st.floats(0, 1),
    ),
)
@settings(max_examples=100, deadline=None)
def test_the_fast_path_draws_what_the_slow_path_draws(
    seed: int, spread: float, offset: float, options: GenerateOptions
) -> None:
    scores_BV = np.random.default_rng(seed).standard_normal((2, 1100)) * spread + offset
    # Scores around the limit of min-p are those that rounding could put on the other side.
    edge = scores_BV[0].max() + options.temperature * math.log(options.min_p or 1)
    scores_BV[0, :9] = np.minimum(edge * (1 + np.arange(-4, 5) * 1e-7), scores_BV[0].max())
    logits_BV = scores_BV.astype(np.float32)
    nothing_BV = np.zeros(logits_BV.shape, np.bool_)
    fast = Sampler(options, [1, 2], np.ones(1100, np.bool_))
    with pytest.MonkeyPatch.context() as patch:
        expected = Sampler(options, [1, 2], np.ones(1100, np.bool_))
        drawn = [fast.draw(logits_BV, nothing_BV).tolist() for _ in range(4)]
        patch.setattr(sampling, "_SMALL_VOCABULARY", 2000)  # so that all tokens are looked at
        assert [expected.draw(logits_BV, nothing_BV).tolist() for _ in range(4)] == drawn


@pytest.mark.parametrize("size", [10, LARGE])
def test_a_model_gone_wrong_still_gets_a_draw_of_what_may_come(size: int) -> None:
    logits_BV = np.zeros((3, size), np.float32)
    logits_BV[0, 4], logits_BV[1, 5] = math.nan, math.inf
    logits_BV[2] = -math.inf
    forbidden_BV = np.ones((3, size), np.bool_)
    forbidden_BV[:, 4:6] = False
    sampler = Sampler(GenerateOptions(), [1, 2, 3], np.ones(size, np.bool_))
    for _ in range(20):
        drawn = sampler.draw(logits_BV, forbidden_BV).tolist()
        assert set(drawn) <= {4, 5}
        assert drawn[1] == 5
