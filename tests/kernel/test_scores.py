"""Draws in the kernel, in every variant that this processor runs, beside the same in NumPy."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.kernels import all_kernels, computing_with

from scriptforge.generation.layout import new_layout_scores
from scriptforge.generation.repetition import new_adaptive_penalty
from scriptforge.generation.sampling import Sampler
from scriptforge.generation.turn_taking import TurnTaking
from scriptforge.generation.voice import add_margins
from scriptforge.kernel import Kernel
from scriptforge.kernel.scores import (
    KernelGuidance,
    KernelSampler,
    KernelTurns,
    Spoken,
    TurnRates,
    TurnTables,
)
from scriptforge.options import GenerateOptions
from scriptforge.text_statistics.repetition import WINDOWS, RepetitionStatistics
from scriptforge.text_statistics.token_frequencies import TokenFrequencies
from scriptforge.text_statistics.turns import TurnStatistics
from scriptforge.vocabulary import Vocabulary

LAYOUT = 6
VOCABULARY_SIZES = (7, 40, 300, 2500)
STATISTICS = RepetitionStatistics(runs=[[0.01] * 5] * 3, lines=[0.01] * 5)


@st.composite
def scores(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scores of some rows, and what must not come; now and then of a model gone wrong."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, size = draw(st.integers(1, 4)), draw(st.sampled_from(VOCABULARY_SIZES))
    spread = draw(st.sampled_from([0.1, 1, 5]))
    logits_BV = (generator.normal(size=(rows, size)) * spread).astype(np.float32)
    forbidden_BV = generator.random((rows, size)) < draw(st.sampled_from([0, 0.5, 0.95]))
    forbidden_BV[np.arange(rows), generator.integers(0, size, rows)] = False
    broken = draw(st.sampled_from([None] * 9 + [np.nan, np.inf, -np.inf]))
    if broken is not None:
        logits_BV[0, generator.integers(0, size)] = broken
    return logits_BV, forbidden_BV


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    scores(),
    st.sampled_from([0.3, 0.9, 2]),
    st.sampled_from([0, 0.05, 0.5]),
    st.sampled_from([{}, {"top_k": 5}, {"top_p": 0.8}, {"repetition_penalty": 1.3}]),
    st.booleans(),
)
def test_the_same_tokens_are_drawn(
    given_scores: tuple[NDArray[np.float32], NDArray[np.bool_]],
    temperature: float,
    min_p: float,
    others: dict[str, Any],
    raises: bool,
) -> None:
    logits_BV, forbidden_BV = given_scores
    is_text_V = np.arange(logits_BV.shape[1]) >= LAYOUT
    options = GenerateOptions(temperature=temperature, min_p=min_p, **others)
    raised_BL = (logits_BV[:, :LAYOUT] + np.arange(LAYOUT)).astype(np.float32)
    layout_BL = raised_BL if raises else None

    def drawn() -> list[list[int]]:
        sampler = Sampler(options, range(len(logits_BV)), is_text_V, unspoken=[1, 2])
        with np.errstate(all="ignore"):
            return [sampler.draw(logits_BV, forbidden_BV, layout_BL).tolist() for _ in range(10)]

    with computing_with(None):
        expected = drawn()
    for loaded in all_kernels():
        with computing_with(loaded):
            assert drawn() == expected


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    rows, size = 33, 8001
    logits_BV = generator.normal(size=(rows, size)).astype(np.float32)
    logits_BV[7, 70], logits_BV[32, 8000] = np.nan, np.inf
    forbidden_BV = generator.random((rows, size)) < 0.5
    layout_BL = logits_BV[:, :LAYOUT] + 1
    for kernel in all_kernels():
        allowed = []
        for number in (1, 4):
            monkeypatch.setattr("scriptforge.kernel.scores.threads", lambda count=number: count)
            sampler = KernelSampler(kernel, rows, size, np.ones(LAYOUT, np.bool_), temperature=1, min_p=0)
            sampler.allow(logits_BV, forbidden_BV, layout_BL)
            allowed.append(sampler)
        alone, together = allowed
        np.testing.assert_array_equal(together.scores_BV, alone.scores_BV)
        np.testing.assert_array_equal(together.text_logsumexp_B1, alone.text_logsumexp_B1)


@settings(max_examples=60, deadline=None)
@given(scores(), st.integers(0, 2**32 - 1))
def test_ends_are_kept_as_by_numpy(
    given_scores: tuple[NDArray[np.float32], NDArray[np.bool_]], seed: int
) -> None:
    logits_BV, before_BV = given_scores
    logits_BV = np.nan_to_num(logits_BV, posinf=0, neginf=0)
    generator = np.random.default_rng(seed)
    after_BV = before_BV | (generator.random(before_BV.shape) < 0.5)
    is_cue_L = generator.random(LAYOUT) < generator.random()

    def raised() -> NDArray[np.float32]:
        layout = new_layout_scores(is_cue_L, len(logits_BV))
        return layout.redistribute(logits_BV, before_BV, after_BV)

    with computing_with(None):
        expected_BV = raised()
    for loaded in all_kernels():
        with computing_with(loaded):
            raised_BV = raised()
        is_allowed_BL = ~after_BV[:, :LAYOUT]
        np.testing.assert_allclose(raised_BV[is_allowed_BL], expected_BV[is_allowed_BL], 1e-5, 1e-5)


@settings(max_examples=60, deadline=None)
@given(scores(), st.floats(0, 3), st.integers(0, 2**32 - 1))
def test_voices_are_strengthened_as_by_numpy(
    given_scores: tuple[NDArray[np.float32], NDArray[np.bool_]], strength: float, seed: int
) -> None:
    logits_BV = np.nan_to_num(given_scores[0], posinf=0, neginf=0)
    rows, size = logits_BV.shape
    generator = np.random.default_rng(seed)
    weight_VE = generator.normal(0, 0.2, (size, 21)).astype(np.float32)
    differences_BE = generator.normal(size=(rows, 21)).astype(np.float32)
    strengths_B = np.full(rows, strength, np.float32)
    strengths_B[-1] = 0
    expected_BV = logits_BV.copy()
    text_BV = expected_BV[:, LAYOUT:]
    rows_N, places_N = np.nonzero(text_BV >= text_BV.max(-1, keepdims=True) - 3)
    margins_N = (weight_VE[places_N + LAYOUT] * differences_BE[rows_N]).sum(-1) * strengths_B[rows_N]
    text_BV[rows_N, places_N] = add_margins(text_BV[rows_N, places_N], margins_N, rows_N)
    for loaded in all_kernels():
        scores_BV = logits_BV.copy()
        KernelGuidance(loaded, weight_VE, LAYOUT, 3).strengthen(scores_BV, differences_BE, strengths_B)
        np.testing.assert_allclose(scores_BV, expected_BV, 1e-5, 1e-4)


class Scripted:
    """A decoder whose scores are drawn from a seed."""

    def __init__(self, size: int) -> None:
        self._rng, self._size = np.random.default_rng(3), size

    def read(self, ids_BT: NDArray[np.int64], waits_B: object = None) -> NDArray[np.float32]:
        return self._rng.normal(size=(len(ids_BT), self._size)).astype(np.float32)

    def copy_sequences(self, copies: object) -> None: ...

    def state(self) -> dict[str, NDArray[Any]]:
        return {}

    def restore(self, state: object) -> None: ...


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return Vocabulary.train(
        ["yes no well , . you know i don't maybe"], "word", speakers=["ANN", "BEN", "COLE"]
    )


def in_turn(loaded: Kernel | None, work: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
    with computing_with(loaded):
        return work()


def test_cues_are_lowered_as_by_numpy(words: Vocabulary) -> None:
    ids_TB = np.random.default_rng(4).integers(words.layout_size - 3, words.layout_size + 2, (200, 3))

    def work() -> NDArray[np.float32]:
        decoder = TurnTaking(Scripted(words.size), TurnStatistics(same_again=0.02, busiest=0.3), words, 3)
        return np.stack([decoder.read(ids_B[:, None]) for ids_B in ids_TB])

    expected = in_turn(None, work)
    for loaded in all_kernels():
        np.testing.assert_allclose(in_turn(loaded, work), expected, atol=1e-5)


def test_nobody_beyond_the_speakers_goes_on() -> None:
    rates = TurnRates(0.3, 0.02, 10, 0.5, 1e-3, 0.05, 16, 2, 8, 2)
    for loaded in all_kernels():
        spoken_BS, offsets_BC = np.array([[3, 2], [5, 0]], np.int32), np.zeros((2, 3), np.float32)
        cues_C = np.arange(3, dtype=np.int32)
        tables = TurnTables(rates, np.ones(9), cues_C, spoken_BS, np.full_like(spoken_BS, 3), offsets_BC)
        turns = KernelTurns(loaded, tables)
        turns.weigh(0, Spoken(-1, lines=5, so_far=5, going_on=4, newcomers=1))
        expected = offsets_BC.copy()
        for beyond in (2, 3, -(2**63) - 2):  # the next text's speakers, and before them as 64 bits wrap
            turns.weigh(0, Spoken(beyond, lines=5, so_far=5, going_on=4, newcomers=1))
            assert np.array_equal(offsets_BC, expected)


def test_overused_words_are_lowered_as_by_numpy(words: Vocabulary) -> None:
    generator = np.random.default_rng(6)
    first = words.layout_size
    ids_TB = first + generator.zipf(1.5, (400, 3)) % (words.size - first)
    ids_TB[generator.random(ids_TB.shape) < 0.1] = words.heading
    ids_TB[generator.random(ids_TB.shape) < 0.1] = -1
    free = RepetitionStatistics(runs=[[1.0] * 5] * 3, lines=[1.0] * 5)
    logits_BV = generator.normal(size=(3, words.size)).astype(np.float32)
    logits_BV[1, first + 1] = -np.inf
    text_logsumexp_B1 = np.log(np.exp(logits_BV[:, first:]).sum(-1, keepdims=True))
    shares = TokenFrequencies(ids=[first, first + 2], shares=[0.3, 0.1])

    def work() -> NDArray[np.float32]:
        overuse, weighed = new_adaptive_penalty(free, words, 3, shares), []
        for step, ids in enumerate(ids_TB.tolist()):
            overuse.take(ids)
            weighed.append(logits_BV.copy())
            overuse.penalise(weighed[-1], text_logsumexp_B1)
            if step == 300:
                overuse.copy(1)
        return np.stack(weighed)

    expected = in_turn(None, work)
    assert (expected[50:, 0, first + 1] < logits_BV[0, first + 1] - 1).all()
    assert np.isneginf(expected[:, 1, first + 1]).all()
    for loaded in all_kernels():
        np.testing.assert_allclose(in_turn(loaded, work), expected, atol=1e-4)


def test_echoes_are_lowered_as_by_numpy(words: Vocabulary) -> None:
    """Over more tokens than are remembered, so that the memory is moved back."""
    generator = np.random.default_rng(5)
    ids_TB = generator.integers(words.layout_size, words.layout_size + 4, (5000, 3))
    ids_TB[generator.random(ids_TB.shape) < 0.1] = words.layout_size - 1
    ids_TB[generator.random(ids_TB.shape) < 0.01] = -1
    logits_BV = generator.normal(size=(3, words.size)).astype(np.float32)
    text_logsumexp_B1 = np.log(np.exp(logits_BV[:, words.layout_size :]).sum(-1, keepdims=True))

    def work() -> NDArray[np.float32]:
        memory, weighed = new_adaptive_penalty(STATISTICS, words, 3), []
        for step, ids in enumerate(ids_TB.tolist()):
            memory.take(ids)
            if step % 50 == 0:
                scores_BV = logits_BV.copy()
                memory.penalise(scores_BV, text_logsumexp_B1)
                weighed.append(scores_BV)
            if step % 1700 == 1699:
                memory.take([words.layout_size - 1] * 3)
                memory.copy(1)
        return np.stack(weighed)

    expected = in_turn(None, work)
    assert (expected != logits_BV).any()
    for loaded in all_kernels():
        np.testing.assert_allclose(in_turn(loaded, work), expected, atol=1e-4)


def test_what_lies_beyond_the_window_is_no_echo_for_a_text_that_waited(words: Vocabulary) -> None:
    """A text that waits is cut back to where it stood, and so is the window."""
    first = words.layout_size
    scores_BV = np.zeros((1, words.size), np.float32)
    text_logsumexp_B1 = np.log(np.full((1, 1), words.size - first))

    def work() -> NDArray[np.float32]:
        memory, weighed_BV = new_adaptive_penalty(STATISTICS, words, 1), scores_BV.copy()
        for step in range(WINDOWS["word"] + 9):
            memory.take([first + step % 4])
        memory.take([-1])
        memory.copy(0)
        memory.penalise(weighed_BV, text_logsumexp_B1)
        return weighed_BV

    expected = in_turn(None, work)
    for loaded in all_kernels():
        np.testing.assert_allclose(in_turn(loaded, work), expected, atol=1e-5)


def test_a_text_that_waits_while_memory_moves_remembers_as_much(words: Vocabulary) -> None:
    """An echo of what was said nearly a window ago is found by a copy of it, too."""
    first, window = words.layout_size, WINDOWS["word"]
    said = [first + 4 + step % 2 for step in range(2 * window - 19)]
    said[window - 8 : window - 6] = first + 6, first + 7
    scores_BV = np.zeros((2, words.size), np.float32)
    text_logsumexp_B1 = np.log(np.full((2, 1), words.size - first))

    def work(waits: int) -> NDArray[np.float32]:
        memory, weighed_BV = new_adaptive_penalty(STATISTICS, words, 2), scores_BV.copy()
        for id_ in said:
            memory.take([id_, id_])
        for step in range(waits):
            memory.take([-1, first + step % 2])
        memory.copy(0)
        memory.take([first + 6, first + 6])
        memory.penalise(weighed_BV, text_logsumexp_B1)
        return weighed_BV

    for loaded in (None, *all_kernels()):
        expected = in_turn(loaded, partial(work, 0))
        assert (expected[:, first + 7] < expected[:, first]).all()
        np.testing.assert_allclose(in_turn(loaded, partial(work, 100)), expected, atol=1e-5)
