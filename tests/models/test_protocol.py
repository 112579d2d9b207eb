import torch

from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models import build
from scriptforge.models.base import detach, reset_state


def test_back_propagation_ends_at_detach() -> None:
    model = build(RecurrentConfig(vocabulary_size=5, embedding_size=3, hidden_size=4))
    _, state = model(torch.tensor([[1, 2]]), model.initial_state(1))
    cut = detach(state)
    assert all(torch.equal(a, b) for a, b in zip(cut, state, strict=True))
    assert state[0].requires_grad and not cut[0].requires_grad


def test_a_stream_that_begins_anew_remembers_nothing_and_reads_the_beginning() -> None:
    ids_BT = torch.tensor([[1, 2], [3, 4], [5, 6]])
    state = (torch.rand(2, 3, 4) + 1, torch.rand(2, 3, 4) + 1)
    resets_B, opens_B = torch.tensor([False, True, True]), torch.tensor([False, True, False])
    new_ids_BT, new_state = reset_state(ids_BT, state, resets_B, opens_B, first=9)
    assert new_ids_BT.tolist() == [[1, 2], [9, 4], [5, 6]]
    assert ids_BT.tolist() == [[1, 2], [3, 4], [5, 6]]
    for before, after in zip(state, new_state, strict=True):
        assert not after[:, 1:].any()
        assert torch.equal(after[:, 0], before[:, 0])


def test_without_a_beginning_nothing_changes() -> None:
    ids_BT, state = torch.tensor([[1, 2]]), (torch.rand(1, 1, 4),)
    new_ids_BT, new_state = reset_state(ids_BT, state, torch.tensor([False]), torch.tensor([False]), 9)
    assert torch.equal(new_ids_BT, ids_BT)
    assert torch.equal(new_state[0], state[0])
