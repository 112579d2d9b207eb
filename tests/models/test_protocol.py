import torch

from scriptforge.models import build
from scriptforge.models.lstm import LSTMConfig
from scriptforge.models.protocol import detach, forget


def test_back_propagation_ends_at_detach() -> None:
    model = build(LSTMConfig(vocabulary_size=5, embedding_size=3, hidden_size=4))
    _, state = model(torch.tensor([[1, 2]]), model.initial_state(1))
    cut = detach(state)
    assert all(torch.equal(a, b) for a, b in zip(cut, state, strict=True))
    assert state[0].requires_grad and not cut[0].requires_grad


def test_a_stream_forgets_all_or_nothing() -> None:
    torch.manual_seed(0)
    state = tuple(torch.rand(2, 1000, 3) + 1 for _ in range(2))
    hidden_LBH, cell_LBH = forget(state, 0.25)
    forgot_B = (hidden_LBH == 0).all(dim=(0, 2))
    assert 200 < forgot_B.sum() < 300
    assert torch.equal((cell_LBH == 0).any(dim=(0, 2)), forgot_B)
    assert torch.equal(hidden_LBH[:, ~forgot_B], state[0][:, ~forgot_B])


def test_never_and_always_forgetting() -> None:
    state = (torch.rand(1, 4, 2) + 1,)
    assert torch.equal(forget(state, 0.0)[0], state[0])
    assert not forget(state, 1.0)[0].any()
