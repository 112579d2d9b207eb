"""What recurrent models have of their own; what all architectures promise is in test_architectures.py."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from scriptforge.inference.configs import RecurrentConfig
from scriptforge.kernel import Unit
from scriptforge.models import build
from scriptforge.models.recurrent import Recurrent

UNITS: tuple[Unit, ...] = ("lstm", "gru", "rnn")
V, E, H = 11, 5, 7


def new_model(**changes: Any) -> Recurrent:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocabulary_size": V, "embedding_size": E, "hidden_size": H}
    model = build(RecurrentConfig(**sizes | changes)).eval()
    assert isinstance(model, Recurrent)
    return model


def ids(*shape: int) -> Tensor:
    return torch.randint(0, V, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("unit", "gates", "states"), [("lstm", 4, 2), ("gru", 3, 1), ("rnn", 1, 1)])
def test_weights_and_states_are_those_of_the_unit(unit: Unit, gates: int, states: int) -> None:
    model = new_model(arch=unit, layers=3)
    layers = gates * H * (E + H + 2) + 2 * gates * H * (2 * H + 2)
    assert sum(weight.numel() for weight in model.parameters()) == V * E + layers + V * H + V
    assert [tensor.shape for tensor in model.initial_state(2)] == [(3, 2, H)] * states
    blocks = model.orthogonal_blocks()
    assert set(blocks.values()) == {gates} and len(blocks) == 6


@pytest.mark.parametrize(("unit", "cell"), [("lstm", nn.LSTMCell), ("gru", nn.GRUCell), ("rnn", nn.RNNCell)])
def test_it_reads_as_its_cell_does(unit: Unit, cell: type[nn.Module]) -> None:
    """The text-book network, written out a step at a time."""
    model = new_model(arch=unit)
    steps = cell(E, H)
    weights = {name.removesuffix("_l0"): weight for name, weight in model.recurrent.state_dict().items()}
    steps.load_state_dict(weights)
    state = model.initial_state(2)
    hidden = state if unit == "lstm" else state[0]
    hidden = tuple(tensor[0] for tensor in hidden) if unit == "lstm" else hidden[0]
    features_BTH, _ = model.features(ids(2, 6), state)
    for step, ids_B in enumerate(ids(2, 6).T):
        hidden = steps(model.embedding(ids_B), hidden)
        shown_BH = hidden[0] if isinstance(hidden, tuple) else hidden
        torch.testing.assert_close(features_BTH[:, step], shown_BH)


def test_forget_gates_of_an_lstm_begin_open() -> None:
    weights = new_model(layers=3).state_dict()
    for layer in range(3):
        biases = (weights[f"recurrent.bias_{side}_l{layer}"] for side in ("ih", "hh"))
        assert torch.equal(sum(biases)[H : 2 * H], torch.ones(H))


@pytest.mark.parametrize("unit", UNITS)
def test_the_same_connections_are_dropped_in_every_gate_and_step(unit: Unit) -> None:
    """With all of them gone, no step hears of the one before."""
    model = new_model(arch=unit, dropout_recurrent=1 - 1e-7).train()
    state = tuple(torch.rand_like(tensor) for tensor in model.initial_state(2)[:1])
    zero = model.initial_state(2)
    features_BTH, _ = model.features(ids(2, 1), (*state, *zero[1:]))
    without_BTH, _ = model.features(ids(2, 1), zero)
    gates_only = unit == "gru"  # whose new state is a mean of what is computed and the old one
    assert torch.equal(features_BTH, without_BTH) is not gates_only


def test_a_tied_head_is_the_embedding() -> None:
    for embedding_size in (E, H):
        model = new_model(tied=True, embedding_size=embedding_size)
        assert model.head.weight is model.embedding.weight
        assert isinstance(model.projection, nn.Linear) is (embedding_size != H)
    assert new_model().head.weight is not new_model().embedding.weight
