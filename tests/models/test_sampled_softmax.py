from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scriptforge.models import layers
from scriptforge.models.layers import SampledSoftmax, count_tokens

V = 3000
"""A vocabulary whose frequencies fall as those of words do."""
COUNTS_V = (50_000 / torch.arange(1, V + 1)).floor()


def problem(tokens: int = 60, vocabulary: int = V) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Features, weight and bias, which want gradients, and targets."""
    rng = torch.Generator().manual_seed(tokens)
    features_NH = torch.randn(tokens, 12, generator=rng).requires_grad_()
    weight_VH = (0.4 * torch.randn(vocabulary, 12, generator=rng)).requires_grad_()
    bias_V = torch.randn(vocabulary, generator=rng).requires_grad_()
    return features_NH, weight_VH, bias_V, torch.randint(vocabulary, (tokens,), generator=rng)


def full_loss(features_NH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_N: Tensor) -> Tensor:
    return F.cross_entropy(F.linear(features_NH, weight_VH, bias_V), targets_N)


@given(st.lists(st.integers(0, 9), min_size=0, max_size=50), st.integers(1, 60))
def test_counts_are_those_of_the_text(ids: list[int], at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "_IDS_AT_ONCE", at_once)
        counts_V = count_tokens(np.array(ids, dtype=np.uint16), 12)
    assert counts_V.tolist() == [float(ids.count(token)) for token in range(12)]


@pytest.mark.parametrize("samples", [V, 10 * V])
def test_a_sample_as_large_as_the_vocabulary_is_the_full_softmax(samples: int) -> None:
    inputs = problem()
    loss = SampledSoftmax(COUNTS_V, samples)(*inputs)
    expected = full_loss(*inputs)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(
        torch.autograd.grad(loss, inputs[:3]), torch.autograd.grad(expected, inputs[:3])
    )


def test_while_evaluating_every_token_is_scored() -> None:
    inputs = problem()
    torch.testing.assert_close(SampledSoftmax(COUNTS_V, 100).eval()(*inputs), full_loss(*inputs))


@given(
    st.integers(2, 200).flatmap(lambda size: st.tuples(st.just(size), st.integers(1, size - 1))), st.data()
)
def test_a_sample_has_different_tokens_and_every_target(sizes: tuple[int, int], data: st.DataObject) -> None:
    vocabulary, size = sizes
    tokens = st.lists(st.integers(0, vocabulary - 1), min_size=1, max_size=size)
    targets_N = torch.tensor(data.draw(tokens))
    counts_V = torch.tensor(
        data.draw(st.lists(st.integers(0, 10**6), min_size=vocabulary, max_size=vocabulary))
    )
    ids_M, log_weight_M = SampledSoftmax(counts_V, size).draw(targets_N, size)
    assert len(set(ids_M.tolist())) == size
    assert set(targets_N.tolist()) <= set(ids_M.tolist())
    assert log_weight_M.isfinite().all()
    assert (log_weight_M >= 0).all()
    assert (log_weight_M[torch.isin(ids_M, targets_N)] == 0).all()


def test_the_sum_over_a_sample_is_right_on_average() -> None:
    features_NH, weight_VH, bias_V, targets_N = problem(tokens=20)
    terms_NV = F.linear(features_NH, weight_VH, bias_V).detach().double().exp()
    head = SampledSoftmax(COUNTS_V, 0)
    torch.manual_seed(5)
    draws = 3000
    sums_DN = torch.empty(draws, 20, dtype=torch.float64)
    for row_N in sums_DN:
        ids_M, log_weight_M = head.draw(targets_N, 200)
        row_N.copy_(terms_NV[:, ids_M] @ log_weight_M.double().exp())
    standard_error_N = sums_DN.std(0) / draws**0.5
    bias_N = sums_DN.mean(0) - terms_NV.sum(1)
    assert (bias_N.abs() < 4 * standard_error_N).all()
    assert (standard_error_N < 0.02 * terms_NV.sum(1)).all()


def test_more_samples_come_nearer_to_the_full_loss_and_its_gradients() -> None:
    inputs = problem()

    def loss_and_gradients(loss: Tensor) -> list[Tensor]:
        return [loss.detach(), *torch.autograd.grad(loss, inputs[:3])]

    exact = loss_and_gradients(full_loss(*inputs))
    errors = []
    for samples in (100, 600, 2600):
        torch.manual_seed(3)
        head = SampledSoftmax(COUNTS_V, samples)
        draws = [loss_and_gradients(head(*inputs)) for _ in range(20)]
        misses = [[(a - b).norm() / b.norm() for a, b in zip(draw, exact, strict=True)] for draw in draws]
        errors.append(torch.tensor(misses).mean(0))
    assert (errors[1] < errors[0]).all()
    assert (errors[2] < errors[1] / 2).all()
    assert (errors[2][0] < 0.005).all()


def test_what_is_learnt_from_samples_is_what_the_full_softmax_says() -> None:
    targets_N = torch.multinomial(
        COUNTS_V, 4000, replacement=True, generator=torch.Generator().manual_seed(1)
    )
    bias_V = torch.zeros(V, requires_grad=True)
    features_NH, weight_VH = torch.zeros(4000, 1), torch.zeros(V, 1)
    torch.manual_seed(2)
    head = SampledSoftmax(COUNTS_V, 128)
    optimizer = torch.optim.Adam([bias_V], lr=0.3)
    for step in range(200):
        optimizer.param_groups[0]["lr"] = 0.3 * (1 - step / 200)
        part = slice(20 * step, 20 * step + 20)
        head(features_NH[part], weight_VH, bias_V, targets_N[part]).backward()
        optimizer.step()
        optimizer.zero_grad()
    learnt = full_loss(features_NH, weight_VH, bias_V, targets_N).detach()
    entropy = torch.distributions.Categorical(COUNTS_V).entropy()
    uniform = torch.tensor(float(V)).log()
    assert learnt - entropy < 0.15 * (uniform - entropy)


def test_only_sampled_tokens_get_a_gradient() -> None:
    torch.manual_seed(0)
    features_NH, weight_VH, bias_V, targets_N = problem()
    SampledSoftmax(COUNTS_V, 100)(features_NH, weight_VH, bias_V, targets_N).backward()
    assert weight_VH.grad is not None
    assert bias_V.grad is not None
    assert features_NH.grad is not None
    touched_V = weight_VH.grad.abs().sum(1) > 0
    assert int(touched_V.sum()) == 256  # 60 targets and 100 more, rounded up
    assert touched_V[targets_N].all()
    assert torch.equal(touched_V, bias_V.grad != 0)
    assert (features_NH.grad.abs().sum(1) > 0).all()


def test_the_default_generator_decides_and_nothing_else() -> None:
    inputs = problem()
    head = SampledSoftmax(COUNTS_V, 100)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second = head(*inputs), head(*inputs)
    torch.set_rng_state(state)
    assert torch.equal(head(*inputs), first)
    assert torch.equal(SampledSoftmax(COUNTS_V, 100)(*inputs), second)
    assert not torch.equal(first, second)


def test_a_model_that_holds_one_has_no_more_weights() -> None:
    assert SampledSoftmax(COUNTS_V, 100).state_dict() == {}


def test_under_autocast_the_estimate_is_the_same_within_bf16() -> None:
    inputs = problem()
    head = SampledSoftmax(COUNTS_V, 100)
    torch.manual_seed(1)
    expected = head(*inputs)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        loss = head(*inputs)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, expected, rtol=2e-2, atol=0)
    loss.backward()
    assert all(each.grad is not None and each.grad.dtype == torch.float32 for each in inputs[:3])


def test_a_tied_weight_gets_both_its_gradients() -> None:
    _, weight_VH, bias_V, targets_N = problem()
    ids_N = targets_N.flip(0)

    def gradient(loss_of: Callable[..., Tensor]) -> Tensor:
        loss = loss_of(F.embedding(ids_N, weight_VH), weight_VH, bias_V, targets_N)
        return torch.autograd.grad(loss, weight_VH)[0]

    torch.testing.assert_close(gradient(SampledSoftmax(COUNTS_V, V)), gradient(full_loss))
