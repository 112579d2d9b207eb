"""The lesson's network behind the protocol: the same numbers, and what every model has to offer."""

import json
import math
from dataclasses import asdict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from scriptforge.errors import UsageError
from scriptforge.inference.configs import NumPyRNNConfig
from scriptforge.models.numpy_bridge import NumPyRNN

CONFIG = NumPyRNNConfig(vocabulary_size=11, hidden_size=7)


def new_model(dtype: torch.dtype = torch.float32) -> NumPyRNN:
    """A model whose weights are not small."""
    torch.manual_seed(0)
    model = NumPyRNN(CONFIG).to(dtype)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0, 0.7)
    return model


def ids(*shape: int) -> Tensor:
    return torch.randint(0, 11, shape, generator=torch.Generator().manual_seed(1))


def torch_loss(model: NumPyRNN, ids_BT: Tensor, targets_BT: Tensor, state: Tensor) -> Tensor:
    """The same network in PyTorch's operations, step by step."""
    weights, hidden_BH, losses = dict(model.named_parameters()), state[0], []
    for ids_B, targets_B in zip(ids_BT.T, targets_BT.T, strict=True):
        hidden_BH = torch.tanh(
            weights["input"][ids_B] + hidden_BH @ weights["recurrent"] + weights["hidden_bias"]
        )
        losses.append(F.cross_entropy(hidden_BH @ weights["output"] + weights["output_bias"], targets_B))
    return torch.stack(losses).mean()


def test_a_single_vector_is_scored() -> None:
    model = new_model()
    logits_BTV, _ = model(ids(3, 4), model.initial_state(3))
    features_BTH, _ = model.features(ids(3, 4), model.initial_state(3))
    torch.testing.assert_close(model.score(features_BTH[2, 0]), logits_BTV[2, 0])


def test_loss_and_gradients_are_those_of_torch() -> None:
    model = new_model(torch.float64)
    state = (torch.randn(1, 3, 7, dtype=torch.float64).tanh(),)
    weights = list(model.parameters())
    loss, after = model.loss(ids(3, 9), ids(3, 9).flip(0), state)
    expected = torch_loss(model, ids(3, 9), ids(3, 9).flip(0), state[0])
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        torch.autograd.grad(3 * loss, weights),
        torch.autograd.grad(3 * expected, weights),
        rtol=1e-6,
        atol=1e-12,
    )
    torch.testing.assert_close(after, model.features(ids(3, 9), state)[1])


def test_weights_that_torch_changes_are_those_that_numpy_reads_with() -> None:
    model = new_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for _ in range(40):
        loss, _ = model.loss(ids(4, 6), ids(4, 6).flip(0), model.initial_state(4))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3


def test_the_state_keeps_no_way_back() -> None:
    model = new_model()
    _, state = model.loss(ids(2, 5), ids(2, 5), model.initial_state(2))
    assert not state[0].requires_grad
    assert state[0].untyped_storage().nbytes() == 2 * 7 * 4


def test_autocast_changes_nothing() -> None:
    model = new_model()
    loss, _ = model.loss(ids(2, 5), ids(2, 5), model.initial_state(2))
    with torch.autocast("cpu", torch.bfloat16):
        same, _ = model.loss(ids(2, 5), ids(2, 5), model.initial_state(2))
    assert torch.equal(loss, same)


def test_an_untrained_model_is_undecided_and_its_weights_follow_from_the_seed() -> None:
    models = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        models.append(NumPyRNN(CONFIG))
    loss, _ = models[0].loss(ids(4, 50), ids(4, 50).flip(0), models[0].initial_state(4))
    assert loss.item() == pytest.approx(math.log(11), abs=0.01)
    same, other = (
        torch.equal(models[0].get_parameter("recurrent"), model.get_parameter("recurrent"))
        for model in models[1:]
    )
    assert same and not other


def test_away_from_the_cpu_it_says_what_to_do() -> None:
    model = new_model().to("meta")
    for use in (lambda: model.initial_state(1), lambda: model.loss(ids(1, 2), ids(1, 2), ())):
        with pytest.raises(UsageError, match="cannot use a GPU") as caught:
            use()
        assert "--cpu" in caught.value.hint


@given(
    st.builds(NumPyRNNConfig, vocabulary_size=st.integers(2, 4_194_304), hidden_size=st.integers(1, 65_536))
)
def test_json_gives_the_config_back(config: NumPyRNNConfig) -> None:
    assert NumPyRNNConfig(**json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 0},
        {"hidden_size": 65_537},
        {"hidden_size": 7.0},
        {"vocabulary_size": 1},
        {"layers": 1},
    ],
    ids=repr,
)
def test_what_we_would_not_write_is_refused(change: dict[str, object]) -> None:
    with pytest.raises((ValidationError, TypeError)):
        NumPyRNNConfig(**{**asdict(CONFIG), **change})


def test_a_weight_is_one_array_with_two_names() -> None:
    model = new_model()
    model.get_parameter("input").detach().numpy()[:] = 0
    model.get_parameter("hidden_bias").detach().numpy()[:] = np.inf
    features_BTH, _ = model.features(ids(1, 1), model.initial_state(1))
    assert torch.equal(features_BTH, torch.ones(1, 1, 7))
