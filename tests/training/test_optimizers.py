import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scriptforge.config import Settings, resolve
from scriptforge.inference import config_from_json
from scriptforge.models import TrainableModel, build
from scriptforge.training.optimizers import optimizer_of, orthogonalise

MODEL = {"arch": "lstm", "vocabulary_size": 12, "embedding_size": 6, "hidden_size": 8, "layers": 2}


def model_and_gradients(**changes: object) -> TrainableModel:
    """A model with a gradient in every weight, the same at each call."""
    torch.manual_seed(1)
    model = build(config_from_json({**MODEL, **changes}))
    ids_BT = torch.randint(12, (3, 5))
    loss, _ = model.loss(ids_BT, ids_BT.roll(1, 1), model.initial_state(3))
    loss.backward()
    return model


def settings(**changes: object) -> Settings:
    return resolve({"epochs": 1, **changes})


def weights_after_a_step(**changes: object) -> dict[str, Tensor]:
    model = model_and_gradients()
    optimizer_of(model, settings(**changes)).step()
    return {name: weight.detach() for name, weight in model.named_parameters()}


@given(st.integers(1, 3), st.integers(2, 24), st.integers(2, 24), st.integers(0, 2**32))
def test_an_orthogonal_step_has_singular_values_near_one_and_the_same_directions(
    count: int, rows: int, columns: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    left, right = (
        torch.linalg.qr(torch.randn(count, size, size, generator=generator))[0] for size in (rows, columns)
    )
    rank = min(rows, columns)
    values_GR = torch.linspace(1.0, 0.1, rank).expand(count, rank)
    matrices_GMN = left[:, :, :rank] @ torch.diag_embed(values_GR) @ right[:, :rank]
    step_GMN = orthogonalise(matrices_GMN)
    assert step_GMN.shape == matrices_GMN.shape
    turned = left[:, :, :rank].mT @ step_GMN @ right[:, :rank].mT
    diagonal = turned.diagonal(dim1=1, dim2=2)
    assert bool(((diagonal > 0.6) & (diagonal < 1.25)).all())
    assert bool(((turned - torch.diag_embed(diagonal)).abs() < 1e-3).all())


def test_a_step_of_nothing_is_nothing() -> None:
    assert not orthogonalise(torch.zeros(2, 3, 4)).any()


def test_each_gate_of_a_recurrent_matrix_takes_a_step_as_long_as_the_rate_says() -> None:
    before = dict(model_and_gradients().named_parameters())
    after = weights_after_a_step(matrix_learning_rate=0.5)
    change = (after["recurrent.weight_hh_l1"] - before["recurrent.weight_hh_l1"]).detach() / 0.5
    for gate_HH in change.chunk(4):
        assert 0.5 < float(torch.linalg.matrix_norm(gate_HH, 2)) < 1.25


def test_matrices_decay_by_a_share_of_the_rate_whatever_their_gradient() -> None:
    before = dict(model_and_gradients().named_parameters())
    plain = weights_after_a_step(matrix_learning_rate=0.5, matrix_weight_decay=0)
    decayed = weights_after_a_step(matrix_learning_rate=0.5, matrix_weight_decay=0.25)
    for name, weight in before.items():
        lost = 0.125 if "recurrent.weight" in name else 0
        torch.testing.assert_close(decayed[name], plain[name] - lost * weight.detach())


def test_all_but_the_recurrent_matrices_take_the_steps_of_adamw() -> None:
    ours, theirs = weights_after_a_step(optimizer="muon"), weights_after_a_step(optimizer="adamw")
    same = {name for name in ours if torch.equal(ours[name], theirs[name])}
    assert {name for name in ours if "recurrent.weight" in name} == ours.keys() - same


def test_a_weight_without_gradient_stays_as_it_is() -> None:
    model = model_and_gradients()
    model.zero_grad()
    before = copy.deepcopy(model.state_dict())
    optimizer_of(model, settings()).step()
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "adam", "rmsprop"])
def test_every_group_knows_its_highest_rate(optimizer: str) -> None:
    chosen = settings(optimizer=optimizer, learning_rate=0.25, matrix_learning_rate=0.125)
    peaks = {group["peak"] for group in optimizer_of(model_and_gradients(), chosen).param_groups}
    assert peaks == ({0.25, 0.125} if optimizer == "muon" else {0.25})


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_its_steps_lower_the_loss(precision: str) -> None:
    model = model_and_gradients()
    optimizer = optimizer_of(model, settings(precision=precision, learning_rate=0.05))
    ids_BT = torch.randint(12, (3, 5))

    def loss_of() -> Tensor:
        loss, _ = model.loss(ids_BT, ids_BT.roll(1, 1), model.initial_state(3))
        return loss

    first = loss_of().item()
    for _ in range(40):
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()
    assert loss_of().item() < first / 2


@pytest.mark.parametrize(("arch", "gates"), [("lstm", 4), ("gru", 3), ("rnn", 1)])
def test_blocks_of_a_weight_are_as_many_as_its_model_says(arch: str, gates: int) -> None:
    """Each block changes as it would if the weight were that matrix alone."""
    model = model_and_gradients(arch=arch)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer_of(model, settings(matrix_learning_rate=0.5, momentum=0, matrix_weight_decay=0)).step()
    for name, weight in model.named_parameters():
        if "recurrent.weight" in name:
            assert weight.grad is not None
            for block, gradient in zip(
                (weight.detach() - before[name]).chunk(gates), weight.grad.chunk(gates), strict=True
            ):
                rows, columns = block.shape
                step = orthogonalise(gradient[None])[0] * max(1.0, rows / columns) ** 0.5
                torch.testing.assert_close(block, -0.5 * step, atol=1e-3, rtol=1e-3)


def test_rmsprop_divides_by_the_root_of_the_mean_square() -> None:
    model = model_and_gradients()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    gradients = {name: weight.grad for name, weight in model.named_parameters()}
    optimizer_of(model, settings(optimizer="rmsprop", beta2=0.75, weight_decay=0, learning_rate=0.1)).step()
    for name, weight in model.named_parameters():
        gradient = gradients[name]
        assert gradient is not None
        moves = gradient.abs() > 1e-4
        expected = before[name] - 0.1 * gradient.sign() / 0.25**0.5
        torch.testing.assert_close(weight.detach()[moves], expected[moves], atol=1e-3, rtol=1e-3)
