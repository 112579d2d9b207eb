import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptforge.models import LanguageModel, build
from scriptforge.models.lstm import LSTM, LSTMConfig

CONFIGS = {
    "one layer": LSTMConfig(vocabulary_size=11, embedding_size=5, hidden_size=7),
    "three layers": LSTMConfig(vocabulary_size=11, embedding_size=5, hidden_size=7, layers=3),
    "tied": LSTMConfig(vocabulary_size=11, embedding_size=7, hidden_size=7, tied=True),
    "tied with a projection": LSTMConfig(vocabulary_size=11, embedding_size=5, hidden_size=7, tied=True),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def new_model(config: LSTMConfig) -> LSTM:
    torch.manual_seed(0)
    return build(config).eval()


def ids(*shape: int) -> torch.Tensor:
    return torch.randint(0, 11, shape, generator=torch.Generator().manual_seed(1))


@every_config
def test_shapes(config: LSTMConfig) -> None:
    model: LanguageModel = new_model(config)
    logits_BTV, state = model(ids(3, 4), model.initial_state(3))
    assert logits_BTV.shape == (3, 4, 11)
    assert [tensor.shape for tensor in state] == [(config.layers, 3, 7)] * 2
    assert model.config == config


@every_config
@settings(max_examples=20, deadline=None)
@given(cuts=st.lists(st.integers(1, 11), max_size=4, unique=True).map(sorted))
def test_reading_in_parts_is_reading_at_once(config: LSTMConfig, cuts: list[int]) -> None:
    model = new_model(config)
    whole_BTV, end = model(ids(2, 12), model.initial_state(2))
    state = model.initial_state(2)
    parts = []
    for part_BT in ids(2, 12).tensor_split(cuts, dim=1):
        logits_BTV, state = model(part_BT, state)
        parts.append(logits_BTV)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole_BTV)
    torch.testing.assert_close(state, end)


@every_config
def test_streams_do_not_know_of_each_other_nor_of_what_comes(config: LSTMConfig) -> None:
    model = new_model(config)
    ids_BT = ids(2, 6)
    together_BTV, _ = model(ids_BT, model.initial_state(2))
    alone_BTV, _ = model(ids_BT[1:, :4], model.initial_state(1))
    torch.testing.assert_close(together_BTV[1:, :4], alone_BTV)


@every_config
def test_scores_follow_from_features_alone(config: LSTMConfig) -> None:
    model: LanguageModel = new_model(config)
    logits_BTV, expected_state = model(ids(3, 4), model.initial_state(3))
    features_BTH, state = model.features(ids(3, 4), model.initial_state(3))
    assert features_BTH.shape == (3, 4, model.config.feature_size)
    assert torch.equal(model.score(features_BTH), logits_BTV)
    torch.testing.assert_close(model.score(features_BTH[1:, -1:]), logits_BTV[1:, -1:])
    assert all(torch.equal(a, b) for a, b in zip(state, expected_state, strict=True))


@every_config
def test_loss_is_the_mean_cross_entropy(config: LSTMConfig) -> None:
    model = new_model(config)
    ids_BT, targets_BT = ids(2, 5), ids(2, 5).flip(0)
    logits_BTV, expected_state = model(ids_BT, model.initial_state(2))
    loss, state = model.loss(ids_BT, targets_BT, model.initial_state(2))
    chosen = logits_BTV.log_softmax(-1).gather(-1, targets_BT[..., None])
    torch.testing.assert_close(loss, -chosen.mean())
    torch.testing.assert_close(state, expected_state)


def test_an_untrained_model_is_undecided() -> None:
    model = new_model(CONFIGS["one layer"])
    loss, _ = model.loss(ids(4, 50), ids(4, 50).flip(0), model.initial_state(4))
    assert loss.item() == pytest.approx(math.log(11), abs=0.05)


def test_parameters_are_those_of_the_sizes() -> None:
    V, E, H = 11, 5, 7
    recurrent = 4 * H * (E + H + 2)
    expected = {
        "one layer": V * E + recurrent + V * H + V,
        "three layers": V * E + recurrent + 2 * 4 * H * (2 * H + 2) + V * H + V,
        "tied": V * H + 4 * H * (2 * H + 2) + V,
        "tied with a projection": V * E + recurrent + H * E + V,
    }
    counted = {
        name: sum(tensor.numel() for tensor in build(config).parameters()) for name, config in CONFIGS.items()
    }
    assert counted == expected


def test_a_tied_head_is_the_embedding() -> None:
    for name in ("tied", "tied with a projection"):
        model = new_model(CONFIGS[name])
        assert model.head.weight is model.embedding.weight
    assert new_model(CONFIGS["one layer"]).head.weight is not new_model(CONFIGS["one layer"]).embedding.weight


def test_forget_gates_begin_open() -> None:
    model = new_model(CONFIGS["three layers"])
    for layer in range(3):
        biases = (
            getattr(model.recurrent, f"bias_ih_l{layer}") + getattr(model.recurrent, f"bias_hh_l{layer}")
        )[7:14]
        assert torch.equal(biases, torch.ones(7))


@pytest.mark.parametrize("where", ["dropout_input", "dropout_between", "dropout_recurrent", "dropout_output"])
def test_dropout_is_for_training_alone(where: str) -> None:
    model = new_model(replace(CONFIGS["three layers"], **{where: 0.5}))
    state = model.initial_state(2)

    def twice() -> list[torch.Tensor]:
        return [model(ids(2, 6), state)[0] for _ in range(2)]

    assert torch.equal(*twice())
    model.train()
    first, second = twice()
    assert not torch.equal(first, second)


def test_without_dropout_training_reads_as_evaluation_does() -> None:
    model = new_model(CONFIGS["three layers"])
    before, _ = model(ids(2, 6), model.initial_state(2))
    after, _ = model.train()(ids(2, 6), model.initial_state(2))
    torch.testing.assert_close(before, after)
