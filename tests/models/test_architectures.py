"""What every architecture promises: the protocol, and that it is all one how a text is cut into parts."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.architectures import CONFIGS, V
from support.half_precision import has_bf16
from torch import Tensor

from scriptforge.architectures import ARCHITECTURES
from scriptforge.config import resolve
from scriptforge.errors import UsageError
from scriptforge.inference import ModelConfig, config_from_settings
from scriptforge.models import LanguageModel, TrainableModel, attention, build
from scriptforge.models.base import reset_state
from scriptforge.training.machine import can_train

every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
every_architecture = pytest.mark.parametrize("arch", CONFIGS)
cuts = st.lists(st.integers(1, 19), max_size=5, unique=True).map(sorted)


def new_model(config: ModelConfig) -> TrainableModel:
    """A model whose weights are large enough for everything to matter."""
    torch.manual_seed(0)
    model = build(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(1.5)
    return model


def ids(*shape: int) -> Tensor:
    return torch.randint(0, V, shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=[attention.STEPS_AT_ONCE, 3], ids=["at once", "three at once"])
def steps_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(attention, "STEPS_AT_ONCE", request.param)
    yield


def test_every_architecture_that_can_be_asked_for_is_there_and_tried_here() -> None:
    assert {config.arch for config in CONFIGS.values()} == {*ARCHITECTURES}


@every_config
def test_its_config_knows_every_weight_beforehand(config: ModelConfig) -> None:
    weights = build(config).named_parameters()
    assert {name: tuple(weight.shape) for name, weight in weights} == config.weight_shapes()


@every_config
def test_shapes(config: ModelConfig) -> None:
    model: LanguageModel = new_model(config)
    before = model.initial_state(3)
    logits_BTV, state = model(ids(3, 4), before)
    assert logits_BTV.shape == (3, 4, V)
    assert [tensor.shape for tensor in state] == [tensor.shape for tensor in before]
    assert all(tensor.dim() == 3 and tensor.shape[1] == 3 for tensor in state)
    assert not any(tensor.any() for tensor in before)
    assert model.config == config


@every_config
@settings(max_examples=15)
@given(cuts=cuts)
def test_reading_in_parts_is_reading_at_once(config: ModelConfig, cuts: list[int]) -> None:
    model = new_model(config)
    whole_BTV, end = model(ids(2, 20), model.initial_state(2))
    state = model.initial_state(2)
    parts = []
    for part_BT in ids(2, 20).tensor_split(cuts, dim=1):
        kept = [tensor.clone() for tensor in state]
        logits_BTV, after = model(part_BT, state)
        assert all(torch.equal(a, b) for a, b in zip(state, kept, strict=True)), "a state was overwritten"
        state = after
        parts.append(logits_BTV)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole_BTV)
    torch.testing.assert_close(state, end)


@every_config
@settings(max_examples=15)
@given(
    first=st.integers(1, 9), second=st.integers(1, 9), begins=st.lists(st.booleans(), min_size=3, max_size=3)
)
def test_a_stream_that_begins_anew_reads_as_if_nothing_had_been(
    config: ModelConfig, first: int, second: int, begins: list[bool]
) -> None:
    model = new_model(config)
    ids_BT = ids(3, first + second)
    _, state = model(ids_BT[:, :first], model.initial_state(3))
    none_B = torch.zeros(3, dtype=torch.bool)
    rest_BT, state = reset_state(ids_BT[:, first:], state, torch.tensor(begins), none_B, first=0)
    logits_BTV, _ = model(rest_BT, state)
    for stream, begins_anew in enumerate(begins):
        read_BT = ids_BT[stream : stream + 1, first if begins_anew else 0 :]
        expected_BTV, _ = model(read_BT, model.initial_state(1))
        torch.testing.assert_close(logits_BTV[stream], expected_BTV[0, -second:])


@every_config
def test_streams_do_not_know_of_each_other_nor_of_what_comes(config: ModelConfig) -> None:
    model = new_model(config)
    together_BTV, _ = model(ids(2, 6), model.initial_state(2))
    alone_BTV, _ = model(ids(2, 6)[1:, :4], model.initial_state(1))
    torch.testing.assert_close(together_BTV[1:, :4], alone_BTV)


@every_config
@pytest.mark.usefixtures("steps_at_once")
def test_a_text_of_any_length_can_be_read(config: ModelConfig) -> None:
    model = new_model(config)
    logits_BTV, state = model(ids(1, 10), model.initial_state(1))
    one_by_one = model.initial_state(1)
    for step in range(10):
        step_BTV, one_by_one = model(ids(1, 10)[:, step : step + 1], one_by_one)
        torch.testing.assert_close(step_BTV[:, 0], logits_BTV[:, step])
    torch.testing.assert_close(state, one_by_one)


@every_config
def test_scores_follow_from_features_alone(config: ModelConfig) -> None:
    model: LanguageModel = new_model(config)
    logits_BTV, expected_state = model(ids(3, 4), model.initial_state(3))
    features_BTH, state = model.features(ids(3, 4), model.initial_state(3))
    assert features_BTH.shape == (3, 4, model.config.feature_size)
    assert torch.equal(model.score(features_BTH), logits_BTV)
    torch.testing.assert_close(model.score(features_BTH[1:, -1:]), logits_BTV[1:, -1:])
    assert all(torch.equal(a, b) for a, b in zip(state, expected_state, strict=True))


@every_config
def test_loss_is_the_mean_cross_entropy(config: ModelConfig) -> None:
    model = new_model(config)
    ids_BT, targets_BT = ids(2, 5), ids(2, 5).flip(0)
    logits_BTV, expected_state = model(ids_BT, model.initial_state(2))
    loss, state = model.loss(ids_BT, targets_BT, model.initial_state(2))
    chosen = logits_BTV.log_softmax(-1).gather(-1, targets_BT[..., None])
    torch.testing.assert_close(loss, -chosen.mean())
    torch.testing.assert_close(state, expected_state)


@every_config
def test_every_weight_learns_and_a_few_steps_lower_the_loss(config: ModelConfig) -> None:
    torch.manual_seed(0)
    model = build(config)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    state, losses = model.initial_state(4), []
    for _ in range(80):
        loss, _ = model.loss(ids(4, 9), ids(4, 9).roll(-1, 1), state)
        optimizer.zero_grad()
        loss.backward()
        assert all(weight.grad is not None and weight.grad.any() for weight in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(V), abs=0.6)
    assert losses[-1] < losses[0] / 2


def _dropouts(config: Any) -> list[str]:
    return [name for name in config.__dataclass_fields__ if name.startswith("dropout")]


@every_architecture
def test_dropout_is_for_training_alone(arch: str) -> None:
    config: Any = CONFIGS[arch]
    for where in _dropouts(config):
        if where == "dropout_between" and config.layers == 1:
            continue
        model = new_model(replace(config, **{where: 0.5}))
        first, second = (model(ids(2, 6), model.initial_state(2))[0] for _ in range(2))
        assert torch.equal(first, second)
        model.train()
        first, second = (model(ids(2, 6), model.initial_state(2))[0] for _ in range(2))
        assert not torch.equal(first, second), where


@every_config
def test_without_dropout_training_reads_as_evaluation_does(config: ModelConfig) -> None:
    model = new_model(config)
    before, _ = model(ids(2, 6), model.initial_state(2))
    after, _ = model.train()(ids(2, 6), model.initial_state(2))
    torch.testing.assert_close(before, after)


@every_config
def test_half_precision_reads_nearly_the_same_and_remembers_in_full(config: ModelConfig) -> None:
    model = new_model(config)
    expected_BTV, _ = model(ids(2, 9), model.initial_state(2))
    if not has_bf16(config.arch):
        assert not can_train(config.arch, "bf16", "cpu")
        return
    assert can_train(config.arch, "bf16", "cpu")
    with torch.autocast("cpu", torch.bfloat16):
        _, state = model(ids(2, 4), model.initial_state(2))
        logits_BTV, _ = model(ids(2, 9)[:, 4:], model(ids(2, 9)[:, :4], model.initial_state(2))[1])
    torch.testing.assert_close(logits_BTV.float(), expected_BTV[:, 4:], atol=0.15, rtol=0.1)
    assert state[-1].dtype == torch.float32 or config.arch in ("lstm", "gru", "rnn")


@every_config
def test_orthogonal_blocks_are_matrices_of_the_model(config: ModelConfig) -> None:
    model = build(config)
    weights = dict(model.named_parameters())
    for name, blocks in model.orthogonal_blocks().items():
        assert weights[name].dim() == 2 and len(weights[name]) % blocks == 0
    assert not any("embedding" in name or "head" in name for name in model.orthogonal_blocks())


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_settings_make_a_config(arch: str) -> None:
    asked = {"arch": arch, "hidden_size": 12, "layers": 2, "memory": 9, "dropout_output": 0.25, "tied": True}
    config: Any = config_from_settings(resolve({"epochs": 1}, asked), vocabulary_size=V)
    assert (config.arch, config.vocabulary_size, config.hidden_size) == (arch, V, 12)
    known = config.__dataclass_fields__
    assert all(getattr(config, name) == value for name, value in asked.items() if name in known)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"arch": "transformer", "hidden_size": 100, "heads": 3}, "cannot be divided evenly among 3 heads"),
        (
            {"arch": "transformer", "hidden_size": 65_536, "layers": 8, "memory": 4096},
            "numbers of memory are more than",
        ),
        (
            {"arch": "lstm-attention", "hidden_size": 65_536, "memory": 4096},
            "numbers of memory are more than",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_explained(asked: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        config_from_settings(resolve({"epochs": 1}, asked), vocabulary_size=V)
    assert "\n" not in caught.value.message and "--set" in caught.value.hint
