"""The lesson: its gradients are true, its memory is one, and it learns."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from benchmarks.numpy_rnn import Exercise
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from scriptforge.models import numpy_rnn
from scriptforge.models.numpy_rnn import (
    GRADIENT_CLIP,
    Weights,
    adagrad,
    cross_entropy,
    forward,
    learn,
    new_weights,
    score,
    sum_by_token,
)

Doubles = NDArray[np.float64]
sizes = st.integers(1, 7)


def problem(
    streams: int = 3, steps: int = 5, vocabulary: int = 6, hidden: int = 4
) -> tuple[Weights, NDArray[np.int64], NDArray[np.int64], Doubles]:
    """Weights that are not small, tokens, targets and what the units are before, in double precision."""
    rng = np.random.default_rng(streams + 31 * steps + 977 * vocabulary + 7 * hidden)
    shapes = (vocabulary, hidden), (hidden, hidden), (hidden, vocabulary), (hidden,), (vocabulary,)
    weights = Weights(*(rng.normal(scale=0.7, size=shape) for shape in shapes))
    ids_TB, targets_TB = rng.integers(vocabulary, size=(2, steps, streams))
    return weights, ids_TB, targets_TB, np.tanh(rng.normal(size=(streams, hidden)))


def torch_loss_and_gradients(
    weights: Weights, ids_TB: NDArray[np.int64], targets_TB: NDArray[np.int64], hidden_BH: Doubles
) -> tuple[float, Weights]:
    """What `nn.RNN` and automatic differentiation make of the same."""
    vocabulary, hidden = weights.input.shape
    network = nn.RNN(vocabulary, hidden, dtype=torch.float64)
    state = {
        "weight_ih_l0": weights.input.T,
        "weight_hh_l0": weights.recurrent.T,
        "bias_ih_l0": weights.hidden_bias,
        "bias_hh_l0": np.zeros(hidden),
    }
    network.load_state_dict({name: torch.tensor(array) for name, array in state.items()})
    output_HV, bias_V = (
        torch.tensor(array, requires_grad=True) for array in (weights.output, weights.output_bias)
    )
    one_hot_TBV = F.one_hot(torch.tensor(ids_TB), vocabulary).double()
    hidden_TBH, _ = network(one_hot_TBV, torch.tensor(hidden_BH)[None])
    logits_NV = (hidden_TBH @ output_HV + bias_V).flatten(0, 1)
    loss = F.cross_entropy(logits_NV, torch.tensor(targets_TB).flatten())
    loss.backward()
    learnt = dict(network.named_parameters())
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0")
    input_VH, recurrent_HH, hidden_bias_H, output_gradient_HV, output_bias_V = (
        torch.zeros_like(weight) if weight.grad is None else weight.grad
        for weight in (*(learnt[name] for name in names), output_HV, bias_V)
    )
    gradients = [input_VH.T, recurrent_HH.T, output_gradient_HV, hidden_bias_H, output_bias_V]
    return loss.item(), Weights(*(gradient.numpy() for gradient in gradients))


@given(streams=sizes, steps=sizes, vocabulary=st.integers(2, 7), hidden=sizes)
def test_gradients_are_those_of_automatic_differentiation(
    streams: int, steps: int, vocabulary: int, hidden: int
) -> None:
    given_ = problem(streams, steps, vocabulary, hidden)
    loss, gradients, _ = learn(*given_)
    expected_loss, expected = torch_loss_and_gradients(*given_)
    assert loss == pytest.approx(expected_loss, rel=1e-12)
    for name, gradient, correct in zip(Weights._fields, gradients, expected, strict=True):
        np.testing.assert_allclose(gradient, correct, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("name", Weights._fields)
def test_gradients_are_those_of_central_differences(name: str) -> None:
    weights, ids_TB, targets_TB, hidden_BH = problem()
    _, gradients, _ = learn(weights, ids_TB, targets_TB, hidden_BH)
    weight, small = getattr(weights, name), 1e-5
    measured = np.empty_like(weight)
    for place in np.ndindex(weight.shape):
        losses = []
        for step in (small, -2 * small):
            weight[place] += step
            losses.append(learn(weights, ids_TB, targets_TB, hidden_BH)[0])
        weight[place] += small
        measured[place] = (losses[0] - losses[1]) / (2 * small)
    np.testing.assert_allclose(getattr(gradients, name), measured, atol=1e-8)


@given(cuts=st.lists(st.integers(1, 11), max_size=4, unique=True).map(sorted))
def test_carrying_the_state_is_reading_at_once(cuts: list[int]) -> None:
    weights, ids_TB, _, hidden_BH = problem(steps=12)
    whole_TBH = forward(weights, ids_TB, hidden_BH)
    parts = []
    for part_TB in np.split(ids_TB, cuts):
        parts.append(forward(weights, part_TB, hidden_BH))
        hidden_BH = parts[-1][-1]
    np.testing.assert_allclose(np.concatenate(parts), whole_TBH, rtol=1e-12)


def test_a_batch_learns_what_its_streams_would_learn_on_average() -> None:
    weights, ids_TB, targets_TB, hidden_BH = problem(streams=3)
    loss, gradients, after_BH = learn(weights, ids_TB, targets_TB, hidden_BH)
    alone = [
        learn(weights, ids_TB[:, [b]], targets_TB[:, [b]], hidden_BH[[b]]) for b in range(len(hidden_BH))
    ]
    assert loss == pytest.approx(np.mean([each[0] for each in alone]))
    for place, gradient in enumerate(gradients):
        np.testing.assert_allclose(gradient, np.mean([each[1][place] for each in alone], axis=0), atol=1e-15)
    np.testing.assert_allclose(after_BH, np.concatenate([each[2] for each in alone]), rtol=1e-12)


def test_nothing_that_was_given_is_changed() -> None:
    given_ = problem()
    copies = [array.copy() for array in (*given_[0], *given_[1:])]
    learn(*given_)
    for before, after in zip(copies, (*given_[0], *given_[1:]), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_goes_in_decides_the_precision(dtype: type) -> None:
    weights = new_weights(6, 4, np.random.default_rng(1), dtype)
    _, ids_TB, targets_TB, _ = problem()
    loss, gradients, after_BH = learn(weights, ids_TB, targets_TB, np.zeros((3, 4), dtype))
    assert {array.dtype for array in (*weights, *gradients, after_BH)} == {np.dtype(dtype)}
    assert loss == pytest.approx(math.log(6), abs=0.01)


def test_enormous_scores_do_no_harm() -> None:
    loss, error_NV = cross_entropy(np.array([[1e4, 0.0], [-1e4, 0.0]], np.float32), np.array([0, 0]))
    assert loss == pytest.approx(5e3)
    np.testing.assert_allclose(error_NV, [[0.0, 0.0], [-0.5, 0.5]])


@given(st.lists(st.integers(0, 8), min_size=1, max_size=30))
def test_rows_are_added_to_those_of_their_tokens(ids: list[int]) -> None:
    rows_NH = np.random.default_rng(len(ids)).normal(size=(len(ids), 3))
    expected_VH = np.zeros((9, 3))
    np.add.at(expected_VH, ids, rows_NH)
    np.testing.assert_allclose(sum_by_token(rows_NH, np.array(ids), 9), expected_VH, atol=1e-14)


def test_it_learns_to_hold_on_to_what_was_said_before_a_pause() -> None:
    """One of two tokens, a pause of two, and the first again, which follows from three steps back alone."""
    rng = np.random.default_rng(1)
    weights = new_weights(3, 32, rng)
    memories = [np.zeros_like(weight) for weight in weights]
    blank_BH = np.zeros((16, 32), np.float32)
    losses = []
    for _ in range(600):
        said_5B = rng.integers(2, size=(5, 16))
        pause_5B = np.full_like(said_5B, 2)
        text_TB = np.stack([said_5B, pause_5B, pause_5B, said_5B], axis=1).reshape(20, 16)
        loss, gradients, _ = learn(weights, text_TB[:-1], text_TB[1:], blank_BH)
        for weight, gradient, memory in zip(weights, gradients, memories, strict=True):
            adagrad(weight, gradient, memory, rate=0.03, largest=GRADIENT_CLIP / len(text_TB[1:]))
        losses.append(loss)
    unpredictable, forgotten = 4 * math.log(2) / 19, 9 * math.log(2) / 19
    assert unpredictable < np.mean(losses[-20:]) < (unpredictable + forgotten) / 2


@given(
    st.lists(st.lists(st.floats(-3, 3, width=32), min_size=4, max_size=4), min_size=1, max_size=5),
    st.floats(0.01, 1.0),
)
def test_adagrad_is_that_of_torch(gradients: list[list[float]], rate: float) -> None:
    weight, memory = np.linspace(-1, 1, 4), np.zeros(4)
    parameter = nn.Parameter(torch.tensor(weight))
    theirs = torch.optim.Adagrad([parameter], lr=rate, eps=1e-8)
    for gradient in gradients:
        adagrad(weight, np.array(gradient), memory, rate, largest=GRADIENT_CLIP)
        parameter.grad = torch.tensor(gradient, dtype=torch.float64)
        theirs.step()
    np.testing.assert_allclose(weight, parameter.detach().numpy(), rtol=1e-12, atol=1e-15)


def test_what_is_beyond_the_largest_gradient_is_cut_off() -> None:
    cut, exact = np.zeros((2, 4)), np.zeros((2, 4))
    for gradient, clipped in (([7, -9, 2, 0], [5, -5, 2, 0]), ([1, 1, 6, -6], [1, 1, 5, -5])):
        adagrad(cut[0], np.array(gradient, float), cut[1], 0.1, GRADIENT_CLIP)
        adagrad(exact[0], np.array(clipped, float), exact[1], 0.1, np.inf)
    np.testing.assert_array_equal(cut, exact)


def test_adagrad_does_not_mind_the_scale_of_the_loss() -> None:
    mean, total = np.zeros((2, 5)), np.zeros((2, 5))
    for seed in range(4):
        gradient = np.random.default_rng(seed).normal(scale=0.3, size=5)
        adagrad(mean[0], gradient, mean[1], 0.1, largest=GRADIENT_CLIP / 25)
        adagrad(total[0], 25 * gradient, total[1], 0.1, largest=GRADIENT_CLIP)
    np.testing.assert_allclose(mean[0], total[0], rtol=1e-5)


def test_scores_are_of_the_units_and_the_bias() -> None:
    weights, ids_TB, _, hidden_BH = problem()
    hidden_NH = forward(weights, ids_TB, hidden_BH)[-1]
    expected_NV = np.einsum("nh,hv->nv", hidden_NH, weights.output) + weights.output_bias
    np.testing.assert_allclose(score(weights, hidden_NH), expected_NV)


def test_the_exercise_of_the_benchmark_computes_the_same() -> None:
    exercise = Exercise()
    columns = {
        name: weight[:, 0] if weight.shape[1] == 1 else weight.T for name, weight in exercise.weights.items()
    }
    ids_T = np.array(exercise.text[:26])
    loss, gradients, hidden_1H = learn(
        Weights(**columns), ids_T[:-1, None], ids_T[1:, None], exercise.hidden.T
    )
    summed = exercise.gradients(ids_T.tolist())
    assert exercise.loss == pytest.approx(25 * loss, rel=1e-12)
    np.testing.assert_allclose(exercise.hidden[:, 0], hidden_1H[0], atol=1e-15)
    for name, gradient in gradients._asdict().items():
        np.testing.assert_allclose(summed[name].T.squeeze(), 25 * gradient, atol=1e-13, err_msg=name)


@pytest.mark.slow
def test_the_program_on_the_page_learns_hello_world_by_heart() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "an-rnn-in-numpy.md"
    program = re.findall(r"^```python\n(.*?)^```$", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    command = (sys.executable, "-c", *program)
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    losses = [float(line.split()[1]) for line in printed]
    assert losses[0] == pytest.approx(math.log(8), abs=0.01)
    assert losses[-1] < 0.08


def test_the_lesson_needs_nothing_but_numpy() -> None:
    program = (
        "import runpy, sys; runpy.run_path(sys.argv[1]);"
        "print(sorted({'torch', 'pydantic', 'scriptforge'} & sys.modules.keys()))"
    )
    command = (sys.executable, "-c", program, numpy_rnn.__file__)
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"
