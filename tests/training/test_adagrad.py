"""The lesson's Adagrad as an optimizer: the steps of torch's, and a checkpoint that loses nothing."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from scriptforge.errors import UsageError
from scriptforge.inference.configs import NumPyRNNConfig
from scriptforge.models.numpy_bridge import NumPyRNN
from scriptforge.training.checkpoint import StepTensors, newest_checkpoint, restore, save_checkpoint
from scriptforge.training.optimizers import Adagrad
from scriptforge.training.schedule import TrainingSegment
from scriptforge.training.state import TrainingState
from scriptforge.workspace import RunFolder

IDS_BT = torch.randint(9, (4, 60), generator=torch.Generator().manual_seed(1))


def new_moment(largest: float = 0.05) -> StepTensors:
    torch.manual_seed(3)
    model = NumPyRNN(NumPyRNNConfig(vocabulary_size=9, hidden_size=12))
    return StepTensors(
        model=model,
        optimizer=Adagrad(model.parameters(), rate=0.1, largest=largest),
        recurrent=model.initial_state(4),
        generators=torch.zeros(1),
        scaler={},
    )


def train(
    step_tensors: StepTensors, optimizer: torch.optim.Optimizer, first: int, last: int
) -> tuple[Tensor, ...]:
    """Steps over the text from one place to another; the state in the end."""
    state = step_tensors.recurrent
    for step in range(first, last):
        read_BT = IDS_BT[:, 5 * step : 5 * step + 6]
        loss, state = step_tensors.model.loss(read_BT[:, :-1], read_BT[:, 1:], state)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return state


def test_its_steps_are_those_of_torch_where_nothing_is_cut_off() -> None:
    ours, theirs = new_moment(largest=1e9), new_moment()
    train(ours, ours.optimizer, 0, 10)
    train(theirs, torch.optim.Adagrad(theirs.model.parameters(), lr=0.1, eps=1e-8), 0, 10)
    torch.testing.assert_close(ours.model.state_dict(), theirs.model.state_dict())


def test_it_cuts_off_and_takes_the_rate_of_its_group() -> None:
    weight = nn.Parameter(torch.zeros(3))
    optimizer = Adagrad([weight], rate=0.1, largest=0.2)
    weight.grad = torch.tensor([3.0, -0.1, 0.0])
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([-0.5, 0.5, 0.0]))
    torch.testing.assert_close(optimizer.state[weight]["memory"], torch.tensor([0.04, 0.01, 0.0]))


def test_what_has_no_gradient_stays() -> None:
    weight = nn.Parameter(torch.ones(2))
    Adagrad([weight], rate=0.1, largest=1).step()
    assert torch.equal(weight, torch.ones(2))


def test_going_on_from_a_checkpoint_is_not_having_stopped(tmp_path: Path) -> None:
    straight, stopped, resumed = new_moment(), new_moment(), new_moment()
    expected_state = train(straight, straight.optimizer, 0, 11)
    folder = RunFolder(tmp_path / "runs" / "lesson")
    stopped = StepTensors(**{**vars(stopped), "recurrent": train(stopped, stopped.optimizer, 0, 5)})
    save_checkpoint(folder, stopped, TrainingState(TrainingSegment(0, 0.0, 5, None), step=5), {})
    checkpoint, _ = newest_checkpoint(folder)
    resumed = restore(checkpoint, resumed)
    state = train(resumed, resumed.optimizer, 5, 11)
    assert torch.equal(state[0], expected_state[0])
    for weight, expected in zip(resumed.model.parameters(), straight.model.parameters(), strict=True):
        assert torch.equal(weight, expected)


def test_away_from_the_cpu_it_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="cannot use a GPU"):
        Adagrad([nn.Parameter(torch.zeros(2, device="meta"))], rate=0.1, largest=1)
