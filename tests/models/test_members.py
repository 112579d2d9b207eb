"""Members are, as one model, the mean of what they are alone."""

from typing import Any

import pytest
import torch
from torch import Tensor

from scriptforge.errors import UsageError
from scriptforge.inference import Arithmetic, config_from_json
from scriptforge.models import LanguageModel, TensorAdapter, build
from scriptforge.models.members import Members

SIZES = {"arch": "lstm", "vocabulary_size": 20, "embedding_size": 12, "hidden_size": 18, "layers": 2}
KINDS: dict[str, dict[str, Any]] = {
    "lstm": {},
    "gru": {"arch": "gru"},
    "rnn": {"arch": "rnn", "layers": 1},
    "tied": {"tied": True, "embedding_size": 18},
    "tied and projected": {"tied": True},
    "told who speaks": {"layout_size": 6, "speakers": 4},
    "tied and told who speaks": {"layout_size": 6, "speakers": 4, "tied": True},
}


def members(count: int = 3, **changes: Any) -> Members:
    """Members whose weights are all drawn, those too that would begin with zeros."""
    torch.manual_seed(1)
    model = Members(config_from_json({**SIZES, **changes}), count).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.5)
    return model


def read(model: LanguageModel, ids_BT: Tensor) -> tuple[Tensor, Tensor]:
    """The scores of a text that is read in two parts, and its loss."""
    with torch.no_grad():
        first, state = model(ids_BT[:, :5], model.initial_state(len(ids_BT)))
        second, _ = model(ids_BT[:, 5:], state)
        loss, _ = model.loss(ids_BT[:, :-1], ids_BT[:, 1:], model.initial_state(len(ids_BT)))
    return torch.cat([first, second], dim=1), loss


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_the_whole_model_scores_as_its_members_do_on_average(changes: dict[str, Any]) -> None:
    model = members(**changes)
    ids_BT = torch.randint(20, (4, 12))
    of_members = [read(member, ids_BT) for member in model.members]
    scores_BTV = torch.stack([scores for scores, _ in of_members]).mean(0)
    for one in (model, model.whole()):
        torch.testing.assert_close(read(one, ids_BT)[0], scores_BTV, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(read(model, ids_BT)[1], torch.stack([loss for _, loss in of_members]).mean())


@pytest.mark.parametrize("changes", KINDS.values(), ids=KINDS)
def test_the_whole_model_is_one_of_its_config(changes: dict[str, Any]) -> None:
    model = members(**changes)
    drawn = torch.get_rng_state()
    whole = model.whole()
    assert torch.equal(torch.get_rng_state(), drawn)
    assert whole.config == model.config
    assert {
        name: tuple(weight.shape) for name, weight in whole.state_dict().items() if name != "head.weight"
    } == {name: shape for name, shape in model.config.weight_shapes().items() if name != "head.weight"}
    state, of_whole = model.initial_state(3), whole.initial_state(3)
    assert [tensor.shape for tensor in state] == [tensor.shape for tensor in of_whole]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("streams", [1, 4])
@pytest.mark.parametrize("arithmetic", ["fp32", "int8"])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn", "told who speaks"])
def test_the_inference_model_reads_as_it_does_and_skips_what_is_zero(
    kind: str, arithmetic: Arithmetic, streams: int, count: int
) -> None:
    whole = members(count=count, **KINDS[kind]).whole()
    ids_BT = torch.randint(20, (streams, 12))
    exact_BTV = read(whole, ids_BT)[0]
    scores_BTV = read(TensorAdapter(whole.inference(arithmetic)), ids_BT)[0]
    torch.testing.assert_close(scores_BTV, exact_BTV, rtol=1e-3, atol=1e-4 if arithmetic == "fp32" else 0.5)
    if arithmetic == "int8":  # a number anywhere beside the blocks, and the whole matrix is multiplied
        with torch.no_grad():
            dict(whole.named_parameters())["recurrent.weight_hh_l0"][0, -1] = 1e-20
        filled_BTV = read(TensorAdapter(whole.inference(arithmetic)), ids_BT)[0]
        # Each block rounds its part of the input on a scale of its own, the whole matrix all of it on one.
        torch.testing.assert_close(scores_BTV, filled_BTV, rtol=1e-2, atol=0.05)


def test_each_member_learns_as_if_it_were_alone() -> None:
    model = members(count=2)
    ids_BT = torch.randint(20, (4, 12))
    model.loss(ids_BT[:, :-1], ids_BT[:, 1:], model.initial_state(4))[0].backward()
    member = model.members[1]
    together = member.head.weight.grad
    member.zero_grad()
    member.loss(ids_BT[:, :-1], ids_BT[:, 1:], member.initial_state(4))[0].backward()
    assert together is not None and member.head.weight.grad is not None
    torch.testing.assert_close(together * 2, member.head.weight.grad)


def test_members_begin_with_different_weights() -> None:
    torch.manual_seed(1)
    first, second = Members(config_from_json(SIZES), 2).members
    assert not torch.equal(first.embedding.weight, second.embedding.weight)


def test_every_matrix_of_a_member_takes_orthogonal_steps() -> None:
    model = members(count=2)
    alone = model.members[0].orthogonal_blocks()
    assert model.orthogonal_blocks() == {
        f"{index}.{name}": n for index in (0, 1) for name, n in alone.items()
    }
    assert model.orthogonal_blocks().keys() <= dict(model.named_parameters()).keys()


@pytest.mark.parametrize(
    ("changes", "words", "hint"),
    [
        ({"hidden_size": 20}, "hidden_size = 20 cannot be divided among 3 members", "hidden_size=21"),
        ({"embedding_size": 4}, "embedding_size = 4 cannot", "embedding_size=6"),
    ],
)
def test_sizes_that_cannot_be_divided(changes: dict[str, Any], words: str, hint: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        members(**changes)
    assert hint in caught.value.hint


def test_a_plain_model_is_whole() -> None:
    model = build(config_from_json(SIZES))
    assert model.whole() is model
