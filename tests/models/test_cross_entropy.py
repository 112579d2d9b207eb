from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scriptforge.models import layers as cross_entropy
from scriptforge.models.layers import linear_cross_entropy


def problem(tokens: int, features: int, vocabulary: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """Features, weight and bias, which want gradients, and targets."""
    rng = torch.Generator().manual_seed(tokens + 31 * features + 977 * vocabulary)
    shapes = (tokens, features), (vocabulary, features), (vocabulary,)
    numbers = [torch.randn(shape, generator=rng, dtype=dtype).requires_grad_() for shape in shapes]
    return [*numbers, torch.randint(vocabulary, (tokens,), generator=rng)]


def gradients(loss: Tensor, numbers: list[Tensor]) -> tuple[Tensor, ...]:
    return torch.autograd.grad(loss, numbers[:3])


def plain(features_NH: Tensor, weight_VH: Tensor, bias_V: Tensor, targets_N: Tensor) -> Tensor:
    return F.cross_entropy(F.linear(features_NH, weight_VH, bias_V), targets_N)


@given(
    tokens=st.integers(1, 40),
    features=st.integers(1, 9),
    vocabulary=st.integers(2, 30),
    chunk=st.integers(1, 50),
)
def test_it_is_the_cross_entropy_of_the_scores(
    tokens: int, features: int, vocabulary: int, chunk: int
) -> None:
    numbers = problem(tokens, features, vocabulary)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_entropy, "MIN_TOKENS", chunk)
        patch.setattr(cross_entropy, "SCORES_AT_ONCE", 1)
        loss = linear_cross_entropy(*numbers)
    expected = plain(*numbers)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(gradients(3 * loss, numbers), gradients(3 * expected, numbers))


def test_its_gradient_is_that_of_its_value() -> None:
    *numbers, targets_N = problem(6, 3, 5)
    assert torch.autograd.gradcheck(partial(linear_cross_entropy, targets_N=targets_N), numbers)


def test_enormous_scores_do_no_harm() -> None:
    features_NH, weight_VH, bias_V, targets_N = problem(8, 4, 10, torch.float32)
    loss = linear_cross_entropy(features_NH * 1e4, weight_VH, bias_V, targets_N)
    assert loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(loss, [weight_VH, bias_V]))


def test_autocast_computes_in_bf16_and_keeps_the_gradients_of_the_parameters_in_fp32() -> None:
    numbers = problem(64, 32, 300, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        loss = linear_cross_entropy(*numbers)
    assert loss.dtype == torch.float32
    expected = plain(*numbers)
    torch.testing.assert_close(loss, expected, rtol=1e-2, atol=0)
    assert not torch.equal(loss, expected)
    for got, want in zip(gradients(loss, numbers), gradients(expected, numbers), strict=True):
        assert got.dtype == torch.float32
        assert (got - want).norm() < 0.02 * want.norm()


def test_features_of_an_autocast_model_get_gradients_of_their_own_type() -> None:
    features_NH, weight_VH, bias_V, targets_N = problem(16, 8, 20, torch.float32)
    low_NH = features_NH.detach().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        linear_cross_entropy(low_NH, weight_VH, bias_V, targets_N).backward()
    assert low_NH.grad is not None
    assert low_NH.grad.dtype == torch.bfloat16
    assert weight_VH.grad is not None
    assert weight_VH.grad.dtype == torch.float32


def test_without_gradients_it_is_the_same_number() -> None:
    numbers = problem(9, 4, 12)
    with torch.no_grad():
        silent = linear_cross_entropy(*numbers)
    torch.testing.assert_close(silent, linear_cross_entropy(*numbers).detach())
