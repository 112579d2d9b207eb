"""Products and layers in the kernel, in every variant that this processor runs, beside NumPy in float64."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.kernels import FOLDER, REPOSITORY, all_kernels, build_module
from support.skips import NO_COMPILER, NO_SANITIZERS

from scriptforge.errors import UsageError
from scriptforge.inference.tables import Table
from scriptforge.kernel import GATES, Arithmetic, Kernel, Unit
from scriptforge.kernel import kernel as chosen
from scriptforge.kernel.library import threads
from scriptforge.kernel.matrices import KernelProduct
from scriptforge.kernel.recurrent import KernelRecurrentLayers, LayerWeights

Array = NDArray[Any]
SIZES = [(1, 1), (7, 3), (100, 37), (130, 64), (257, 5)]
ROWS = [1, 2, 3, 5, 8, 33, 70]


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def normal(*shape: int) -> NDArray[np.float32]:
    return rng().normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_product_is_that_of_numpy(size: tuple[int, int]) -> None:
    outputs, inputs = size
    weight_MK, bias_M = normal(outputs, inputs), normal(outputs)
    for kernel in all_kernels():
        multiply = KernelProduct(kernel, weight_MK, bias_M, "fp32")
        plain = KernelProduct(kernel, weight_MK, None, "fp32")
        for rows in ROWS:
            input_RK = normal(rows, inputs)
            expected_RM = input_RK.astype(float) @ weight_MK.T
            np.testing.assert_allclose(multiply(input_RK), expected_RM + bias_M, 1e-6, 1e-5)
            np.testing.assert_allclose(plain(input_RK), expected_RM, 1e-6, 1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_rounded_product_is_exact_in_whole_numbers(size: tuple[int, int]) -> None:
    outputs, inputs = size
    generator = rng()
    for kernel in all_kernels():
        for rows in ROWS:
            whole_MK = generator.integers(-127, 128, (outputs, inputs)).astype(np.float32)
            whole_RK = generator.integers(-127, 128, (rows, inputs)).astype(np.float32)
            whole_MK[:, 0] = whole_RK[:, 0] = 127  # so that the scale of each row is 1
            multiply = KernelProduct(kernel, whole_MK, None, "int8")
            np.testing.assert_array_equal(multiply(whole_RK), whole_RK @ whole_MK.T)


def test_rounded_product_of_nothing_is_the_bias() -> None:
    for kernel in all_kernels():
        multiply = KernelProduct(kernel, np.zeros((3, 4), np.float32), np.arange(3, dtype=np.float32), "int8")
        np.testing.assert_array_equal(multiply(normal(2, 4)), [[0, 1, 2]] * 2)
        multiply = KernelProduct(kernel, normal(3, 4), None, "int8")
        np.testing.assert_array_equal(multiply(np.zeros((1, 4), np.float32)), [[0, 0, 0]])


@pytest.mark.parametrize("arithmetic", ["fp32", "int8"])
def test_no_row_depends_on_those_beside_it(arithmetic: Arithmetic) -> None:
    input_RK = normal(41, 50)
    for kernel in all_kernels():
        multiply = KernelProduct(kernel, normal(90, 50), normal(90), arithmetic)
        together_RM = multiply(input_RK)
        for count in (1, 2, 7, 12):
            np.testing.assert_array_equal(multiply(input_RK[:count]), together_RM[:count])


def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weight_MK, input_RK = normal(4096, 1024), normal(8, 1024)
    for kernel in all_kernels():
        multiply = KernelProduct(kernel, weight_MK, None, "fp32")
        products = []
        for number in (1, 4):
            monkeypatch.setattr("scriptforge.kernel.matrices.threads", lambda count=number: count)
            products.append(multiply(input_RK))
        alone_RM, together_RM = products
        np.testing.assert_array_equal(together_RM, alone_RM)


def test_numbers_of_another_shape_are_refused() -> None:
    for kernel in all_kernels():
        multiply = KernelProduct(kernel, normal(3, 4), None, "fp32")
        with pytest.raises(ValueError, match="and not"):
            multiply(normal(2, 5))
        with pytest.raises(ValueError, match="and not"):
            network(kernel, "lstm", [LayerWeights(None, normal(8, 3), None, normal(8))], normal(5, 8))
        steps = network(kernel, "rnn", random_layers("rnn", 4, 1, 1), normal(5, 4))
        with pytest.raises(ValueError, match="and not"):
            steps.read(np.zeros((2, 1), np.int64), [np.zeros((1, 1, 4), np.float32)])


def logistic(sums: Array) -> Array:
    values: Array = 1 / (1 + np.exp(-sums))
    return values


def step(unit: Unit, given: Array, own: Array, hidden: Array, cells: Array) -> tuple[Array, Array]:
    """One step of one layer, by the book."""
    if unit == "lstm":
        enter, keep, new, show = np.split(given + own, 4, axis=1)
        cells = logistic(keep) * cells + logistic(enter) * np.tanh(new)
        return logistic(show) * np.tanh(cells), cells
    if unit == "gru":
        (reset, keep, new), (own_reset, own_keep, own_new) = np.split(given, 3, 1), np.split(own, 3, 1)
        mixed = np.tanh(new + logistic(reset + own_reset) * own_new)
        kept = logistic(keep + own_keep)
        return (1 - kept) * mixed + kept * hidden, cells
    return np.tanh(given + own), cells


def read(
    unit: Unit,
    layers: Sequence[LayerWeights],
    table: Array,
    ids_BT: Array,
    state: Sequence[Array],
    added_TBG: Array,
) -> tuple[Array, Array, Array]:
    """The outputs of the last layer and the state after a text, in float64."""
    hidden, cells = (each.astype(float) for each in (*state, state[0])[:2])
    outputs = []
    for ids_B, added_BG in zip(ids_BT.T, added_TBG, strict=True):
        given = table[ids_B].astype(float) + added_BG
        for place, layer in enumerate(layers):
            if layer.weight_ih_GK is not None and layer.bias_ih_G is not None:
                given = hidden[place - 1] @ layer.weight_ih_GK.T + layer.bias_ih_G
            own = hidden[place] @ layer.weight_hh_GH.T + layer.bias_hh_G
            hidden[place], cells[place] = step(unit, given, own, hidden[place], cells[place])
        outputs.append(hidden[-1].copy())
    return np.stack(outputs, axis=1), hidden, cells


def random_layers(unit: Unit, size: int, count: int, groups: int) -> list[LayerWeights]:
    generator = rng()
    width = GATES[unit] * size
    kept = np.tile(np.kron(np.eye(groups), np.ones((size // groups, size // groups))), (GATES[unit], 1))

    def matrix() -> NDArray[np.float32]:
        values: NDArray[np.float32] = generator.normal(size=(width, size)) / size**0.5 * kept
        return values.astype(np.float32)

    def bias() -> NDArray[np.float32]:
        return generator.normal(size=width).astype(np.float32)

    first = LayerWeights(None, matrix(), None, bias(), groups)
    return [first, *(LayerWeights(matrix(), matrix(), bias(), bias(), groups) for _ in range(count - 1))]


def network(
    kernel: Kernel, unit: Unit, layers: Sequence[LayerWeights], table: Array, arithmetic: Arithmetic = "fp32"
) -> KernelRecurrentLayers:
    bias = np.zeros(table.shape[1], np.float32)
    return KernelRecurrentLayers(kernel, unit, layers, Table(table, None, bias), arithmetic)


def random_state(unit: Unit, *shape: int) -> list[NDArray[np.float32]]:
    return [normal(*shape) / np.float32(3) for _ in range(2 if unit == "lstm" else 1)]


LAYERS = [(8, 1, 1), (24, 2, 1), (37, 3, 1), (64, 2, 2), (66, 1, 3), (1, 1, 1)]


@pytest.mark.parametrize("unit", GATES)
@pytest.mark.parametrize("sizes", LAYERS)
def test_layers_read_as_by_the_book(unit: Unit, sizes: tuple[int, int, int]) -> None:
    size, count, _ = sizes
    layers = random_layers(unit, *sizes)
    table = normal(11, GATES[unit] * size)
    for kernel in all_kernels():
        exact = network(kernel, unit, layers, table)
        for steps, rows in ((1, 1), (300, 2), (4, 35)):
            ids_BT = rng().integers(0, 11, (rows, steps))
            added_TBG = normal(steps, rows, GATES[unit] * size)
            state = random_state(unit, count, rows, size)
            before = [each.copy() for each in state]
            outputs, after = exact.read(ids_BT, state, list(added_TBG))
            expected, *expected_state = read(unit, layers, table, ids_BT, state, added_TBG)
            np.testing.assert_array_equal(state, before)
            np.testing.assert_allclose(outputs, expected, atol=1e-5)
            for own, right in zip(after, expected_state, strict=False):
                np.testing.assert_allclose(own, right, 1e-5, 1e-5)


@pytest.mark.parametrize("unit", GATES)
def test_rounded_layers_read_nearly_the_same(unit: Unit) -> None:
    layers, table = random_layers(unit, 64, 2, 2), normal(11, GATES[unit] * 64)
    ids_BT, state = rng().integers(0, 11, (35, 3)), random_state(unit, 2, 35, 64)
    for kernel in all_kernels():
        exact, rounded = (network(kernel, unit, layers, table, each) for each in ("fp32", "int8"))
        expected, _ = exact.read(ids_BT, state)
        outputs, _ = rounded.read(ids_BT, state)
        np.testing.assert_allclose(outputs, expected, atol=0.05)
        alone, _ = rounded.read(ids_BT[3:4], [each[:, 3:4] for each in state])
        np.testing.assert_array_equal(alone[0], outputs[3])


def test_a_text_in_parts_leaves_the_same_state() -> None:
    layers, table = random_layers("lstm", 40, 2, 1), normal(9, 160)
    ids_BT, nothing = rng().integers(0, 9, (3, 50)), [np.zeros((2, 3, 40), np.float32)] * 2
    for kernel in all_kernels():
        steps = network(kernel, "lstm", layers, table)
        whole, after = steps.read(ids_BT, nothing)
        first, state = steps.read(ids_BT[:, :17], nothing)
        none, state = steps.read(ids_BT[:, :0], state)
        second, state = steps.read(ids_BT[:, 17:], state)
        np.testing.assert_array_equal(whole, np.concatenate([first, none, second], axis=1))
        np.testing.assert_array_equal(after, state)


def test_tokens_that_there_are_not_are_refused() -> None:
    for kernel in all_kernels():
        steps = network(kernel, "rnn", random_layers("rnn", 4, 1, 1), normal(9, 4))
        for token in (-10, 9, 2**62):
            with pytest.raises(IndexError):
                steps.read(np.array([[token]]), [np.zeros((1, 1, 4), np.float32)])


def test_the_fastest_variant_is_first() -> None:
    kernels = all_kernels()
    assert [each.variant for each in kernels][-1] == "plain"
    assert kernels[-1].supported_variants().decode().split()[-1] == "plain"


def test_a_variant_that_this_processor_does_not_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    if chosen() is None:
        pytest.skip(NO_COMPILER)
    monkeypatch.setenv("SCRIPTFORGE_KERNEL", "plane")
    with pytest.raises(UsageError, match="no kernel for SCRIPTFORGE_KERNEL here named “plane”") as caught:
        chosen.__wrapped__()
    assert caught.value.hint == "Did you mean plain?"


@pytest.mark.parametrize(("variable", "number"), [("1", 1), ("1,4", 1), ("none", None)])
def test_threads_are_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str, number: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    assert threads.__wrapped__() == (number or 3)


def test_a_kernel_that_was_not_compiled_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Kernel("plain", tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason=NO_SANITIZERS)
def test_nothing_is_read_or_written_outside(tmp_path: Path) -> None:
    if FOLDER in os.environ or not all_kernels():
        return  # these tests are being run under the sanitizers
    build = build_module()
    flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    if not build.compile_kernel(REPOSITORY, tmp_path, flags):
        pytest.skip(NO_COMPILER)
    compiler = next(build._compilers())[0]
    library = subprocess.check_output([compiler, "-print-file-name=libasan.so"], text=True).strip()
    environment = {
        **os.environ,
        FOLDER: str(tmp_path),
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    names = ("test_packed.py", "test_scores.py", "test_extensions.py")
    tests = [str(Path(__file__).with_name(name)) for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests]
    outcome = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert outcome.returncode == 0, outcome.stdout[-4000:] + outcome.stderr[-4000:]
