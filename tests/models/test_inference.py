"""A model's inference model against the model itself."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import skips

from scriptforge.config import resolve
from scriptforge.errors import UsageError
from scriptforge.models import (
    Arithmetic,
    LanguageModel,
    ModelConfig,
    State,
    build,
    config_from_settings,
    inference_model,
)
from scriptforge.models.attention import LSTMAttentionConfig
from scriptforge.models.layers import HeadedModel
from scriptforge.models.numpy_bridge import NumPyRNNConfig
from scriptforge.models.recurrent import RecurrentConfig
from scriptforge.models.transformer import TransformerConfig

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
}
ATTENTIVE: dict[str, ModelConfig] = {
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
}
CONFIGS: dict[str, ModelConfig] = {**RECURRENT, **ATTENTIVE}
CASES = [
    *(pytest.param(config, "fp32", id=f"{name}, fp32") for name, config in CONFIGS.items()),
    *(pytest.param(config, "int8", id=f"{name}, int8") for name, config in RECURRENT.items()),
]
every_case = pytest.mark.parametrize(("config", "arithmetic"), CASES)
every_recurrent = pytest.mark.parametrize("config", RECURRENT.values(), ids=RECURRENT.keys())
every_arithmetic = pytest.mark.parametrize("arithmetic", ["fp32", "int8"])
TOLERANCE = {"fp32": 1e-5, "int8": 0.05}


def new_model(config: ModelConfig) -> HeadedModel:
    """A model whose weights are as large as those of a trained one."""
    torch.manual_seed(0)
    model = build(config).eval()
    assert isinstance(model, HeadedModel)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if not name.startswith(("embedding", "head")):
                weight.mul_(2)
        model.head.bias.uniform_(-1, 1)
        if model.speaker_embedding is not None:
            for weight in model.speaker_embedding.parameters():
                weight.normal_(0, 10)
    return model


def state_after(model: LanguageModel, streams: int) -> State:
    """A state that a text has led to, another one in each stream."""
    with torch.no_grad():
        _, state = model.features(ids(streams, 3).flip(0), model.initial_state(streams))
    return state


def ids(*shape: int) -> torch.Tensor:
    return torch.randint(0, V, shape, generator=torch.Generator().manual_seed(1))


@every_case
@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 1), (3, 4)])
def test_it_reads_as_its_model_does(
    config: ModelConfig, arithmetic: Arithmetic, shape: tuple[int, int], begins: bool
) -> None:
    model: LanguageModel = new_model(config)
    inference = inference_model(model, arithmetic)
    assert inference is not model
    before = model.initial_state(shape[0]) if begins else state_after(model, shape[0])
    kept = [tensor.clone() for tensor in before]
    with torch.no_grad():
        expected_BTV, expected_state = model(ids(*shape), before)
    logits_BTV, state = inference(ids(*shape), before)
    tolerance = TOLERANCE[arithmetic]
    torch.testing.assert_close(logits_BTV, expected_BTV, atol=tolerance, rtol=0)
    torch.testing.assert_close(state, expected_state, atol=tolerance, rtol=0)
    assert all(torch.equal(a, b) for a, b in zip(before, kept, strict=True))


@every_case
def test_it_compares_the_scores_of_single_tokens(config: ModelConfig, arithmetic: Arithmetic) -> None:
    model = new_model(config)
    with torch.no_grad():
        features_BTH, _ = model.features(ids(3, 2), model.initial_state(3))
        features_BH, others_BH = features_BTH.unbind(1)
        rows_N, ids_N = np.array([0, 0, 2, 1]), np.array([3, 10, 0, 3])
        expected_N = (model.score(features_BH) - model.score(others_BH))[rows_N, ids_N]
        for each in (model, inference_model(model, arithmetic)):
            margins_N = each.margins(features_BH, others_BH, rows_N, ids_N)
            assert margins_N == pytest.approx(expected_N.numpy(), abs=1e-5)


@pytest.mark.parametrize("name", [name for name in CONFIGS if "speakers" in name])
def test_who_speaks_and_who_spoke_before_are_heard_until_the_line_ends(name: str) -> None:
    first, second, other, word = 6, 7, 8, 10
    model = new_model(CONFIGS[name])
    for heard in (model, inference_model(model)):
        with torch.no_grad():
            same, _ = heard(torch.tensor([[first, second, *[word] * 30]]), heard.initial_state(1))
            speaker, _ = heard(torch.tensor([[first, other, *[word] * 30]]), heard.initial_state(1))
            before, _ = heard(torch.tensor([[other, second, *[word] * 30]]), heard.initial_state(1))
        assert (same - speaker)[0, -1].abs().max() > 0.1
        assert (same - before)[0, -1].abs().max() > 0.1


@every_case
@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, 11), max_size=11, unique=True).map(sorted))
def test_reading_in_parts_is_reading_at_once(
    config: ModelConfig, arithmetic: Arithmetic, cuts: list[int]
) -> None:
    inference = inference_model(new_model(config), arithmetic)
    whole_BTV, end = inference(ids(2, 12), inference.initial_state(2))
    state = inference.initial_state(2)
    parts = []
    for part_BT in ids(2, 12).tensor_split(cuts, dim=1):
        logits_BTV, state = inference(part_BT, state)
        parts.append(logits_BTV)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole_BTV)
    torch.testing.assert_close(state, end)


@every_recurrent
def test_no_stream_is_rounded_otherwise_for_those_beside_it(config: RecurrentConfig) -> None:
    inference = inference_model(new_model(config), "int8")
    together_BTV, _ = inference(ids(4, 6), inference.initial_state(4))
    alone_BTV, _ = inference(ids(4, 6)[1:2], inference.initial_state(1))
    torch.testing.assert_close(together_BTV[1:2], alone_BTV)


@every_recurrent
def test_eight_bits_hardly_change_what_a_model_expects(config: RecurrentConfig) -> None:
    model = new_model(config)
    inference = inference_model(model, "int8")
    ids_BT, targets_BT = ids(8, 40), ids(8, 40).flip(0)
    with torch.no_grad():
        loss, _ = model.loss(ids_BT, targets_BT, model.initial_state(8))
    rounded, _ = inference.loss(ids_BT, targets_BT, inference.initial_state(8))
    assert not torch.equal(rounded, loss)
    assert math.exp(rounded) == pytest.approx(math.exp(loss), rel=0.01)


@every_arithmetic
def test_more_tokens_come_than_are_remembered(
    arithmetic: Arithmetic, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = new_model(CONFIGS["one layer"])
    monkeypatch.setattr("scriptforge.models.inference.recurrent._REMEMBERED_NUMBERS", 3 * 4 * 7)
    inference = inference_model(model, arithmetic)
    with torch.no_grad():
        expected_BTV, _ = model(ids(3, 30), model.initial_state(3))
    logits_BTV, _ = inference(ids(3, 30), inference.initial_state(3))
    torch.testing.assert_close(logits_BTV, expected_BTV, atol=TOLERANCE[arithmetic], rtol=0)


@pytest.mark.parametrize("name", ["one layer", "lstm-attention", "transformer"])
def test_an_inference_model_stays_as_it_is(name: str) -> None:
    inference = inference_model(new_model(CONFIGS[name]))
    assert inference_model(inference) is inference


def test_a_model_that_has_none_generates_as_it_is() -> None:
    model = build(NumPyRNNConfig(vocabulary_size=V, hidden_size=7)).eval()
    assert inference_model(model) is model


@pytest.mark.parametrize("arch", ["lstm-attention", "transformer", "numpy-rnn"])
def test_others_are_not_rounded(arch: str) -> None:
    config = config_from_settings(resolve({"arch": arch, "hidden_size": 8, "epochs": 1}), V)
    with pytest.raises(UsageError, match=f"not {arch}") as raised:
        inference_model(build(config).eval(), "int8")
    assert "--int8" in raised.value.hint


def test_it_has_the_weights_of_its_model() -> None:
    model = new_model(CONFIGS["tied"])
    assert inference_model(model).state_dict().keys() == model.state_dict().keys()
    assert inference_model(model).config == model.config


def test_rounding_leaves_no_trace_in_torch() -> None:
    engine = torch.backends.quantized.engine
    inference_model(new_model(CONFIGS["one layer"]), "int8")
    assert torch.backends.quantized.engine == engine


@every_recurrent
def test_the_engine_of_other_processors_rounds_as_well(
    config: RecurrentConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "qnnpack" not in torch.backends.quantized.supported_engines:
        pytest.skip(skips.NO_QNNPACK)
    monkeypatch.setattr("scriptforge.models.inference.linear._ENGINES", ("qnnpack",))
    model = new_model(config)
    inference = inference_model(model, "int8")
    with torch.no_grad():
        expected_BTV, _ = model(ids(3, 9), model.initial_state(3))
    logits_BTV, _ = inference(ids(3, 9), inference.initial_state(3))
    torch.testing.assert_close(logits_BTV, expected_BTV, atol=TOLERANCE["int8"], rtol=0)
    alone_BTV, _ = inference(ids(3, 9)[1:2], inference.initial_state(1))
    torch.testing.assert_close(logits_BTV[1:2], alone_BTV)


def test_sums_that_must_stay_narrow_are_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scriptforge.models.inference.linear._has_wide_sums", lambda: False)
    model = new_model(CONFIGS["three layers"])
    inference = inference_model(model, "int8")
    with torch.no_grad():
        expected_BTV, _ = model(ids(3, 9), model.initial_state(3))
    logits_BTV, _ = inference(ids(3, 9), inference.initial_state(3))
    torch.testing.assert_close(logits_BTV, expected_BTV, atol=TOLERANCE["int8"], rtol=0)


def test_without_packed_products_several_streams_are_as_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scriptforge.models.inference.linear._has_packed_fp32", lambda: False)
    model = new_model(CONFIGS["tied with a projection"])
    inference = inference_model(model)
    with torch.no_grad():
        expected_BTV, _ = model(ids(3, 9), model.initial_state(3))
    logits_BTV, _ = inference(ids(3, 9), inference.initial_state(3))
    torch.testing.assert_close(logits_BTV, expected_BTV)


def test_a_machine_without_eight_bits_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scriptforge.models.inference.linear._ENGINES", ())
    with pytest.raises(UsageError, match="eight bits") as raised:
        inference_model(new_model(CONFIGS["one layer"]), "int8")
    assert "--int8" in raised.value.hint


def test_a_model_elsewhere_than_on_the_cpu_generates_as_it_is() -> None:
    model = new_model(CONFIGS["one layer"]).to("meta")
    assert inference_model(model) is model
    with pytest.raises(UsageError, match="CPU"):
        inference_model(model, "int8")
