"""Filters against what their papers say in plain Python, and draws against the odds."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from scriptforge.errors import UsageError
from scriptforge.generation.sampler import (
    MEMORY,
    Sampler,
    SamplingOptions,
    forbid_repeated_ngram,
    keep_min_p,
    keep_top_k,
    keep_top_p,
    keep_typical,
    penalise_repetition,
    scale,
)

AS_THE_MODEL_SAYS = SamplingOptions(temperature=1, min_p=0)

logits_of_two_lanes = st.integers(0, 2**32).map(
    lambda seed: 4 * torch.randn(2, 300, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
)
shares = st.floats(0.01, 0.99)


def kept(logits_BV: Tensor) -> list[set[int]]:
    return [{int(id_) for id_ in lane.isfinite().nonzero()} for lane in logits_BV]


def up_to_mass(ids: list[int], probabilities: list[float], mass: float) -> set[int]:
    chosen: set[int] = set()
    reached = 0.0
    for id_ in ids:
        chosen.add(id_)
        reached += probabilities[id_]
        if reached >= mass:
            break
    return chosen


def draws(options: SamplingOptions, logits_V: Tensor, seed: int, count: int) -> list[int]:
    sampler = Sampler(options, [seed], torch.ones(len(logits_V), dtype=torch.bool))
    nothing = torch.zeros(1, len(logits_V), dtype=torch.bool)
    return [int(sampler.draw(logits_V[None], nothing)) for _ in range(count)]


@given(logits_of_two_lanes, st.integers(1, 400))
@settings(max_examples=30)
def test_top_k_keeps_the_k_likeliest(logits_BV: Tensor, k: int) -> None:
    ranked = [sorted(range(300), key=lane.__getitem__, reverse=True) for lane in logits_BV.tolist()]
    assert kept(keep_top_k(logits_BV, k)) == [set(ids[:k]) for ids in ranked]


@given(logits_of_two_lanes, shares)
@settings(max_examples=30)
def test_top_p_keeps_the_fewest_that_reach_the_mass(logits_BV: Tensor, mass: float) -> None:
    expected = []
    for probabilities in logits_BV.softmax(-1).tolist():
        ids = sorted(range(300), key=probabilities.__getitem__, reverse=True)
        expected.append(up_to_mass(ids, probabilities, mass))
    assert kept(keep_top_p(logits_BV, mass)) == expected


@given(logits_of_two_lanes, shares)
@settings(max_examples=30)
def test_typical_keeps_those_nearest_to_the_expected_surprise(logits_BV: Tensor, mass: float) -> None:
    expected = []
    for probabilities in logits_BV.softmax(-1).tolist():
        surprise = [-math.log(p) for p in probabilities]
        entropy = sum(p * s for p, s in zip(probabilities, surprise, strict=True))
        ids = sorted(range(300), key=lambda id_: abs(surprise[id_] - entropy))
        expected.append(up_to_mass(ids, probabilities, mass))
    assert kept(keep_typical(logits_BV, mass)) == expected


@given(logits_of_two_lanes, shares)
@settings(max_examples=30)
def test_min_p_keeps_a_share_of_the_likeliest(logits_BV: Tensor, share: float) -> None:
    expected = [
        {id_ for id_, p in enumerate(lane) if p >= share * max(lane)}
        for lane in logits_BV.softmax(-1).tolist()
    ]
    assert kept(keep_min_p(logits_BV, share)) == expected


def test_a_flat_distribution_is_looked_at_as_far_as_needed() -> None:
    assert len(kept(keep_top_p(torch.zeros(1, 5000), 0.9))[0]) == pytest.approx(4500, abs=2)


def test_temperature_divides() -> None:
    scaled_BV = scale(torch.tensor([[1.0, 3.0, 2.0]]), 0.5)
    torch.testing.assert_close(scaled_BV, torch.tensor([[-4.0, 0.0, -2.0]]))


def test_repetition_is_penalised_whatever_the_sign() -> None:
    logits_BV = torch.tensor([[2.0, -2.0, 2.0, -2.0]])
    history_BW = torch.tensor([[4, 4, 0, 1]])
    torch.testing.assert_close(
        penalise_repetition(logits_BV, history_BW, 2), torch.tensor([[1.0, -4.0, 2.0, -2.0]])
    )


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 4))
@settings(max_examples=100)
def test_ngrams_are_not_completed_twice(said: list[int], n: int) -> None:
    history_BW = torch.tensor([[9] * (16 - len(said)) + said])
    begun = said[len(said) - n + 1 :]
    seen = {said[i + n - 1] for i in range(len(said) - n + 1) if said[i : i + n - 1] == begun}
    left = kept(forbid_repeated_ngram(torch.zeros(1, 9), history_BW, n))[0]
    assert left == set(range(9)) - seen


@given(
    logits=st.lists(st.floats(-1e6, 1e6, width=32), min_size=6, max_size=6),
    allowed=st.sets(st.integers(0, 5), min_size=1),
    options=st.builds(
        SamplingOptions,
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
    logits: list[float], allowed: set[int], options: SamplingOptions
) -> None:
    sampler = Sampler(options, [1, 2], torch.ones(6, dtype=torch.bool))
    forbidden_BV = torch.tensor([[id_ not in allowed for id_ in range(6)], [False] * 6])
    for _ in range(8):
        first, second = sampler.draw(torch.tensor([logits, logits]), forbidden_BV).tolist()
        assert first in allowed
        assert second in range(6)


def test_draws_come_as_often_as_the_model_says() -> None:
    probabilities = [0.5, 0.25, 0.15, 0.07, 0.03]
    counts = Counter(draws(AS_THE_MODEL_SAYS, torch.tensor(probabilities).log(), seed=7, count=20_000))
    chi_squared = sum((counts[i] - 20_000 * p) ** 2 / (20_000 * p) for i, p in enumerate(probabilities))
    assert chi_squared < 18.5  # 1 in 1,000 for four degrees of freedom


def test_temperature_zero_is_the_likeliest() -> None:
    assert draws(SamplingOptions(temperature=0), torch.tensor([0.0, 2.0, 1.0]), seed=1, count=5) == [1] * 5


def test_a_lane_draws_the_same_whatever_stands_beside_it() -> None:
    logits_BV = torch.randn(3, 50, generator=torch.Generator().manual_seed(0))
    is_text_V = torch.ones(50, dtype=torch.bool)
    sampler = Sampler(AS_THE_MODEL_SAYS, [4, 5, 6], is_text_V)
    nothing_BV = torch.zeros(3, 50, dtype=torch.bool)
    together = [sampler.draw(logits_BV, nothing_BV).tolist() for _ in range(600)]
    assert [ids[1] for ids in together] == draws(AS_THE_MODEL_SAYS, logits_BV[1], seed=5, count=600)


def test_only_text_is_kept_from_repeating() -> None:
    options = SamplingOptions(temperature=0, no_repeat_ngram=1)
    sampler = Sampler(options, [0], torch.tensor([False, True, True]))
    nothing_BV = torch.zeros(1, 3, dtype=torch.bool)
    kind_first, text_first = torch.tensor([[9.0, 5.0, 4.0]]), torch.tensor([[0.0, 5.0, 4.0]])
    assert [int(sampler.draw(kind_first, nothing_BV)) for _ in range(3)] == [0, 0, 0]
    assert [int(sampler.draw(text_first, nothing_BV)) for _ in range(3)] == [1, 2, 0]


def test_a_prompt_counts_as_said_and_is_forgotten_in_time() -> None:
    options = SamplingOptions(temperature=0, no_repeat_ngram=1)
    logits_BV, nothing_BV = torch.tensor([[1.0, 2.0]]), torch.zeros(1, 2, dtype=torch.bool)
    for prompt, expected in (([1], 0), ([1] + [0] * MEMORY, 1)):
        sampler = Sampler(options, [0], torch.ones(2, dtype=torch.bool))
        sampler.remember(torch.tensor(prompt)[:, None])
        assert int(sampler.draw(logits_BV, nothing_BV)) == expected


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
def test_options_out_of_range_are_explained(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=name.replace("_", " ")) as raised:
        SamplingOptions(**{name: value})
    assert raised.value.hint
