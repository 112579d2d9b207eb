"""Matrices made orthogonal in every variant of the kernel that runs here, beside NumPy in float64."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.kernels import all_kernels

from scriptforge.kernel.matrices import orthogonalise

QUINTIC = 3.4445, -4.7750, 2.0315
SHAPES = [(1, 1, 1), (3, 5, 7), (2, 50, 50), (4, 16, 100), (2, 97, 131)]


def of_length_one(*shape: int) -> NDArray[np.float32]:
    """Random matrices, each of norm 1."""
    matrices_GMN = np.random.default_rng(3).normal(size=shape)
    lengths_G11 = np.linalg.norm(matrices_GMN, axis=(1, 2), keepdims=True)
    return np.asarray(matrices_GMN / lengths_G11, np.float32)


def by_the_book(matrices_GMN: NDArray[np.float32], iterations: int) -> NDArray[Any]:
    a, b, c = QUINTIC
    x = matrices_GMN.astype(float)
    for _ in range(iterations):
        gram = x @ x.swapaxes(1, 2)
        x = a * x + b * gram @ x + c * gram @ gram @ x
    return x


@pytest.mark.parametrize("shape", SHAPES)
def test_iterations_are_those_of_numpy(shape: tuple[int, int, int]) -> None:
    for kernel in all_kernels():
        for iterations in (0, 1, 5):
            given_GMN = of_length_one(*shape)
            expected_GMN = by_the_book(given_GMN, iterations)
            orthogonalise(kernel, given_GMN, QUINTIC, iterations, threads=1)
            np.testing.assert_allclose(given_GMN, expected_GMN, atol=1e-5)


def test_threads_change_nothing() -> None:
    alone_GMN, shared_GMN = (of_length_one(5, 128, 140) for _ in range(2))
    for kernel in all_kernels():
        orthogonalise(kernel, alone_GMN, QUINTIC, 2, threads=1)
        orthogonalise(kernel, shared_GMN, QUINTIC, 2, threads=3)
        np.testing.assert_array_equal(alone_GMN, shared_GMN)


def test_other_forms_are_refused() -> None:
    kernel = next(iter(all_kernels()))
    wrong: list[NDArray[Any]] = [
        of_length_one(1, 3, 2),
        of_length_one(1, 3, 2).swapaxes(1, 2),
        np.ones((1, 2, 2)),
    ]
    for wrong_GMN in wrong:
        with pytest.raises(ValueError, match="cannot be changed in place"):
            orthogonalise(kernel, wrong_GMN, QUINTIC, 1, threads=1)
