"""Inference models, which need no PyTorch, against the models that learnt their weights."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.kernels import all_kernels, computing_with

from scriptforge.config import resolve
from scriptforge.errors import UsageError
from scriptforge.inference import Arithmetic, ModelConfig, State, config_from_settings
from scriptforge.inference.configs import (
    LSTMAttentionConfig,
    NumPyRNNConfig,
    RecurrentConfig,
    TransformerConfig,
)
from scriptforge.inference.products import prepare_product
from scriptforge.models import TensorAdapter, TrainableModel, build, build_with
from scriptforge.models.layers import HeadedModel

V = 11
SIZES: dict[str, Any] = {"vocabulary_size": V, "embedding_size": 5, "hidden_size": 7}
SPEAKERS: dict[str, Any] = {"layout_size": 9, "speakers": 3}
RECURRENT = {
    "one layer": RecurrentConfig(**SIZES),
    "three layers": RecurrentConfig(**SIZES, layers=3),
    "tied": RecurrentConfig(**{**SIZES, "embedding_size": 7}, tied=True),
    "tied with a projection": RecurrentConfig(**{**SIZES, "embedding_size": 9}, tied=True),
    "gru": RecurrentConfig(**SIZES, layers=3, arch="gru"),
    "rnn": RecurrentConfig(**SIZES, layers=3, arch="rnn"),
    "one layer, speakers": RecurrentConfig(**SIZES, **SPEAKERS),
    "gru, speakers": RecurrentConfig(**SIZES, **SPEAKERS, layers=2, arch="gru"),
    "tied with a projection, speakers": RecurrentConfig(
        **{**SIZES, "embedding_size": 9}, **SPEAKERS, tied=True
    ),
}
OTHERS: dict[str, ModelConfig] = {
    "lstm-attention": LSTMAttentionConfig(**SIZES, memory=4),
    "lstm-attention, tied, two layers": LSTMAttentionConfig(
        **{**SIZES, "embedding_size": 9}, memory=4, layers=2, tied=True
    ),
    "lstm-attention, speakers": LSTMAttentionConfig(**SIZES, **SPEAKERS, memory=4),
    "transformer": TransformerConfig(vocabulary_size=V, hidden_size=8, memory=4),
    "transformer, speakers": TransformerConfig(vocabulary_size=V, hidden_size=8, memory=4, **SPEAKERS),
    "transformer, two heads, three layers": TransformerConfig(
        vocabulary_size=V, hidden_size=12, memory=4, heads=2, layers=3, tied=True
    ),
    "numpy-rnn": NumPyRNNConfig(vocabulary_size=V, hidden_size=7),
}
CONFIGS: dict[str, ModelConfig] = {**RECURRENT, **OTHERS}
CASES = [
    *(pytest.param(config, "fp32", id=f"{name}, fp32") for name, config in CONFIGS.items()),
    *(pytest.param(config, "int8", id=f"{name}, int8") for name, config in RECURRENT.items()),
]
every_case = pytest.mark.parametrize(("config", "arithmetic"), CASES)
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
every_recurrent = pytest.mark.parametrize("config", RECURRENT.values(), ids=RECURRENT.keys())
every_arithmetic = pytest.mark.parametrize("arithmetic", ["fp32", "int8"])
TOLERANCE = {"fp32": 1e-5, "int8": 0.05}


@pytest.fixture(autouse=True, scope="module", params=["kernel", "numpy"])
def computing(request: pytest.FixtureRequest) -> Iterator[None]:
    """What computes."""
    with computing_with(all_kernels()[0] if request.param == "kernel" else None):
        yield


def new_model(config: ModelConfig) -> TrainableModel:
    """A model whose weights are as large as those of a trained one."""
    torch.manual_seed(0)
    model = build(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if not name.startswith(("embedding", "head")):
                weight.mul_(2)
        if isinstance(model, HeadedModel):
            model.head.bias.uniform_(-1, 1)
            if model.speaker_embedding is not None:
                for weight in model.speaker_embedding.parameters():
                    weight.normal_(0, 10)
    return model


@torch.no_grad()
def read(model: TrainableModel, ids_BT: Any, state: State | None = None) -> tuple[Any, State]:
    """What the model itself says of a text, in arrays."""
    before = (
        model.initial_state(len(ids_BT))
        if state is None
        else tuple(torch.from_numpy(each.copy()) for each in state)
    )
    logits_BTV, after = model(torch.from_numpy(ids_BT), before)
    return logits_BTV.numpy(), tuple(tensor.numpy() for tensor in after)


def ids(*shape: int) -> Any:
    return np.random.default_rng(1).integers(0, V, shape)


def assert_close(found: State, expected: State, tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance, rtol=0)


@every_case
@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 1), (3, 4)])
def test_it_reads_as_its_model_does(
    config: ModelConfig, arithmetic: Arithmetic, shape: tuple[int, int], begins: bool
) -> None:
    model = new_model(config)
    inference = model.inference(arithmetic)
    before = inference.initial_state(shape[0])
    if not begins:
        _, before = read(model, ids(shape[0], 3)[::-1].copy())
    kept = [array.copy() for array in before]
    expected_BTV, expected_state = read(model, ids(*shape), before)
    logits_BTV, state = inference(ids(*shape), before)
    assert_close((logits_BTV, *state), (expected_BTV, *expected_state), TOLERANCE[arithmetic])
    assert all(np.array_equal(one, other) for one, other in zip(before, kept, strict=True))


@every_config
def test_hundreds_of_tokens_later_it_still_does(config: ModelConfig) -> None:
    model = new_model(config)
    text_BT = ids(2, 400)
    expected_BTV, expected_state = read(model, text_BT)
    inference = model.inference()
    state, logits = inference.initial_state(2), []
    for ids_B in text_BT.T:
        logits_B1V, state = inference(ids_B[:, None], state)
        logits.append(logits_B1V)
    assert_close((np.concatenate(logits, axis=1), *state), (expected_BTV, *expected_state), 1e-4)


@every_case
def test_it_compares_the_scores_of_single_tokens(config: ModelConfig, arithmetic: Arithmetic) -> None:
    exact, inference = new_model(config).inference(), new_model(config).inference(arithmetic)
    features_BTH, _ = exact.features(ids(3, 2), exact.initial_state(3))
    features_BH, others_BH = features_BTH[:, 0], features_BTH[:, 1]
    rows_N, ids_N = np.array([0, 0, 2, 1]), np.array([3, 10, 0, 3])
    expected_N = (exact.score(features_BH) - exact.score(others_BH))[rows_N, ids_N]
    margins_N = inference.margins(features_BH, others_BH, rows_N, ids_N)
    assert margins_N == pytest.approx(expected_N, abs=1e-5)


@pytest.mark.parametrize("name", [name for name in CONFIGS if "speakers" in name])
def test_who_speaks_and_who_spoke_before_are_heard_until_the_line_ends(name: str) -> None:
    first, second, other, word = 6, 7, 8, 10
    model = new_model(CONFIGS[name])
    for heard in (model, TensorAdapter(model.inference())):
        with torch.no_grad():
            same, _ = heard(torch.tensor([[first, second, *[word] * 30]]), heard.initial_state(1))
            speaker, _ = heard(torch.tensor([[first, other, *[word] * 30]]), heard.initial_state(1))
            before, _ = heard(torch.tensor([[other, second, *[word] * 30]]), heard.initial_state(1))
        assert (same - speaker)[0, -1].abs().max() > 0.1
        assert (same - before)[0, -1].abs().max() > 0.1


@every_case
@settings(max_examples=8)
@given(cuts=st.lists(st.integers(1, 11), max_size=11, unique=True).map(sorted))
def test_reading_in_parts_is_reading_at_once(
    config: ModelConfig, arithmetic: Arithmetic, cuts: list[int]
) -> None:
    inference = new_model(config).inference(arithmetic)
    whole_BTV, end = inference(ids(2, 12), inference.initial_state(2))
    state = inference.initial_state(2)
    parts = []
    for part_BT in np.split(ids(2, 12), cuts, axis=1):
        logits_BTV, state = inference(part_BT, state)
        parts.append(logits_BTV)
    assert_close((np.concatenate(parts, axis=1), *state), (whole_BTV, *end), 1e-5)


@every_recurrent
def test_no_stream_is_rounded_otherwise_for_those_beside_it(config: RecurrentConfig) -> None:
    inference = new_model(config).inference("int8")
    together_BTV, _ = inference(ids(4, 6), inference.initial_state(4))
    alone_BTV, _ = inference(ids(4, 6)[1:2], inference.initial_state(1))
    np.testing.assert_allclose(together_BTV[1:2], alone_BTV, atol=1e-5)


@every_recurrent
def test_eight_bits_hardly_change_what_a_model_expects(config: RecurrentConfig) -> None:
    model = new_model(config)
    inference = TensorAdapter(model.inference("int8"))
    ids_BT = torch.from_numpy(ids(8, 40))
    targets_BT = ids_BT.flip(0)
    with torch.no_grad():
        loss, _ = model.loss(ids_BT, targets_BT, model.initial_state(8))
    rounded, _ = inference.loss(ids_BT, targets_BT, inference.initial_state(8))
    assert not torch.equal(rounded, loss)
    assert math.exp(rounded) == pytest.approx(math.exp(loss), rel=0.01)


@every_arithmetic
@pytest.mark.parametrize("kept", [0, 3, V])
def test_more_tokens_come_than_are_remembered(
    arithmetic: Arithmetic, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = new_model(CONFIGS["one layer"])
    monkeypatch.setattr("scriptforge.inference.tables.MAX_NUMBERS", kept * 4 * 7)
    monkeypatch.setattr("scriptforge.inference.tables._TOGETHER", 2)
    inference = model.inference(arithmetic)
    expected_BTV, _ = read(model, ids(3, 30))
    state, logits = inference.initial_state(3), []
    for part_BT in np.split(ids(3, 30), [1, 2, 3, 12], axis=1):
        logits_BTV, state = inference(part_BT, state)
        logits.append(logits_BTV)
    assert_close((np.concatenate(logits, axis=1),), (expected_BTV,), TOLERANCE[arithmetic])


@pytest.mark.parametrize("name", CONFIGS)
def test_a_model_can_be_had_back_from_its_weights(name: str) -> None:
    model = new_model(CONFIGS[name])
    weights = {name: weight.detach().numpy() for name, weight in model.named_parameters()}
    again = build_with(model.config, weights)
    assert not again.training
    assert_close(read(again, ids(2, 5))[1], read(model, ids(2, 5))[1], 0)
    assert_close(
        again.inference()(ids(2, 5), again.inference().initial_state(2))[1], read(model, ids(2, 5))[1], 1e-5
    )


@pytest.mark.parametrize("arch", ["lstm-attention", "transformer", "numpy-rnn"])
def test_others_are_not_rounded(arch: str) -> None:
    config = config_from_settings(resolve({"arch": arch, "hidden_size": 8, "epochs": 1}), V)
    with pytest.raises(UsageError, match=f"not {arch}") as raised:
        build(config).eval().inference("int8")
    assert "--int8" in raised.value.hint


def test_whole_numbers_are_multiplied_exactly() -> None:
    rng = np.random.default_rng(2)
    weight_MK = rng.standard_normal((40, 1000)).astype(np.float32)
    input_RK = (rng.standard_normal((3, 1000)) * [[0.1], [1], [0]]).astype(np.float32)
    scale_M1, scale_R1 = (
        np.maximum(np.abs(rows).max(1, keepdims=True), np.float32(1e-30)) / np.float32(127)
        for rows in (weight_MK, input_RK)
    )
    whole_MK, whole_RK = (
        np.rint(rows / scales).astype(np.int64)
        for rows, scales in ((weight_MK, scale_M1), (input_RK, scale_R1))
    )
    output_RM = prepare_product(weight_MK, None, "int8")(input_RK)
    np.testing.assert_allclose(output_RM, (whole_RK @ whole_MK.T) * scale_R1 * scale_M1[:, 0], rtol=1e-6)
    assert np.abs(output_RM - input_RK @ weight_MK.T).max() < 0.02 * np.abs(output_RM).max()
