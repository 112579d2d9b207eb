"""What is dropped, and what becomes of the rest."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.models.layers import dropout


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.97])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_share_is_dropped_and_the_mean_stays(share: float, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    dropped = dropout(torch.ones(400, 1000, dtype=dtype), share, is_training=True)
    assert dropped.dtype == dtype
    assert float((dropped == 0).float().mean()) == pytest.approx(share, abs=0.004)
    assert float(dropped.float().mean()) == pytest.approx(1, rel=0.03)
    assert len(dropped.unique()) == 2


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(1)
    kept = (dropout(torch.ones(100_000, 8), 0.5, is_training=True) > 0).float()
    correlations = torch.corrcoef(kept.T) - torch.eye(8)
    assert correlations.abs().max() < 0.02


@given(shape=st.lists(st.integers(0, 7), max_size=3), seed=st.integers(0, 2**32))
def test_any_shape_and_the_same_seed_the_same_units(shape: list[int], seed: int) -> None:
    twice = []
    for _ in range(2):
        torch.manual_seed(seed)
        twice.append(dropout(torch.ones(shape), 0.3, is_training=True))
    assert twice[0].shape == torch.Size(shape)
    assert torch.equal(*twice)


def test_gradients_go_where_units_went() -> None:
    units = torch.ones(50, requires_grad=True)
    dropped = dropout(units, 0.4, is_training=True)
    dropped.sum().backward()
    assert units.grad is not None and torch.equal(units.grad, dropped.detach())


@pytest.mark.parametrize(("share", "is_training"), [(0.5, False), (0.0, True)])
def test_nothing_is_dropped(share: float, is_training: bool) -> None:
    units = torch.rand(5)
    state = torch.get_rng_state()
    assert dropout(units, share, is_training) is units
    assert torch.equal(torch.get_rng_state(), state)


def test_a_share_next_to_one_drops_no_more_than_there_is() -> None:
    assert dropout(torch.ones(1000), 1 - 1e-9, is_training=True).isfinite().all()
