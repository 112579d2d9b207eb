"""The random numbers of texts are those of PyTorch's generator, as they were when it drew them."""

from typing import Any

import numpy as np
import pytest
import torch

from scriptforge.generation.rng import BatchRNG

SEEDS = [0, 1, 2**31, 2**32 - 1, 2**33 + 5, 2**62 + 7]
AHEAD = 256


def drawn(rng: BatchRNG, count: int) -> Any:
    """The next numbers of each sequence, (count, 2, B)."""
    return np.array([rng.uniform() for _ in range(count)])


def of_torch(generator: torch.Generator, count: int) -> Any:
    """The same of one sequence, (count, 2): drawn in blocks, in two rows of each."""
    blocks = [torch.rand(2, AHEAD, generator=generator).double().numpy().T for _ in range(-(-count // AHEAD))]
    return np.concatenate(blocks)[:count]


def test_the_numbers_of_a_seed_are_those_of_torch() -> None:
    numbers = drawn(BatchRNG(SEEDS), 600)
    for row, seed in enumerate(SEEDS):
        expected = of_torch(torch.Generator().manual_seed(seed), 600)
        assert np.array_equal(numbers[:, :, row], expected)
        assert np.array_equal(drawn(BatchRNG([seed]), 600)[:, :, 0], expected)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257])
def test_a_saved_state_goes_on_with_the_same_numbers(count: int) -> None:
    rng, other = BatchRNG([3, 4]), BatchRNG([5, 6])
    drawn(rng, count)
    state = rng.state()
    other.restore(state)
    assert np.array_equal(drawn(other, 300), drawn(rng, 300))


@pytest.mark.parametrize(
    "generators",
    [np.zeros((1, 7), np.uint32), np.zeros((2, 625), np.uint32), np.zeros((1, 99), np.uint8), np.array(3)],
)
def test_what_is_no_state_is_refused(generators: Any) -> None:
    with pytest.raises((ValueError, TypeError, IndexError)):
        BatchRNG([1]).restore({"generators": generators, "next": np.array(0)})
