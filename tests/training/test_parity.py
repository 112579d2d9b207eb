"""The first step on a device beside that on the CPU, with devices that are wrong."""

from dataclasses import replace

import pytest
import torch
from support import skips
from support.toy_architecture import TOY, ToyConfig
from support.wrong_device import OnWrongDevice

from scriptforge.architectures import ARCHITECTURES
from scriptforge.errors import TrainingError
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models import build
from scriptforge.training.parity import TOLERANCE, check_parity, compare

CPU = torch.device("cpu")
IDS_BT = torch.arange(48).reshape(4, 12) % 11
LSTM = RecurrentConfig(
    arch="lstm",
    vocabulary_size=11,
    embedding_size=8,
    hidden_size=8,
    layers=2,
    dropout_between=0.5,
    dropout_recurrent=0.4,
)


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> type[OnWrongDevice]:
    monkeypatch.setitem(ARCHITECTURES, "toy", replace(TOY, model="support.wrong_device:OnWrongDevice"))
    return OnWrongDevice


def toy() -> OnWrongDevice:
    torch.manual_seed(1)
    return OnWrongDevice(ToyConfig(vocabulary_size=11, hidden_size=8))


@pytest.mark.parametrize(("factor", "passes"), [(1.0, True), (1.001, True), (1.5, False), (0.0, False)])
def test_wrong_gradients_are_refused_and_rounding_is_not(
    wrong: type[OnWrongDevice], monkeypatch: pytest.MonkeyPatch, factor: float, passes: bool
) -> None:
    monkeypatch.setattr(wrong, "gradient_factor", factor)
    parity = compare(toy(), IDS_BT, IDS_BT.roll(-1, 1), CPU)
    assert parity.gradient == pytest.approx(abs(factor - 1), rel=1e-4, abs=1e-6)
    assert parity.loss == 0
    if passes:
        check_parity(toy(), IDS_BT, IDS_BT.roll(-1, 1), CPU)
        return
    with pytest.raises(TrainingError, match=r"head\.weight by (50|100)%") as refused:
        check_parity(toy(), IDS_BT, IDS_BT.roll(-1, 1), CPU)
    assert "--gpu" in refused.value.hint


@pytest.mark.parametrize("factor", [1.1, float("nan")])
def test_a_wrong_loss_is_refused(
    wrong: type[OnWrongDevice], monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    monkeypatch.setattr(wrong, "loss_factor", factor)
    with pytest.raises(TrainingError, match="results differ from the CPU"):
        check_parity(toy(), IDS_BT, IDS_BT.roll(-1, 1), CPU)


@pytest.mark.parametrize("members", [1, 2])
def test_the_model_stays_as_it_is_and_nothing_is_drawn(members: int) -> None:
    model = build(LSTM, members)
    weights = {name: weight.clone() for name, weight in model.state_dict().items()}
    generator = torch.get_rng_state()
    parity = compare(model, IDS_BT, IDS_BT.roll(-1, 1), CPU)
    assert parity.loss == 0 and parity.gradient == 0  # with dropout two steps would differ
    assert torch.equal(torch.get_rng_state(), generator)
    assert all(torch.equal(weight, weights[name]) for name, weight in model.state_dict().items())
    assert all(weight.grad is None for weight in model.parameters())


@pytest.mark.skipif(not torch.cuda.is_available(), reason=skips.NO_CUDA)
def test_a_gpu_agrees() -> None:
    parity = compare(build(LSTM), IDS_BT, IDS_BT.roll(-1, 1), torch.device("cuda"))
    assert max(parity.loss, parity.gradient) < TOLERANCE / 2
