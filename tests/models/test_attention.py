import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from scriptforge.inference.configs import LSTMAttentionConfig, TransformerConfig
from scriptforge.models import build
from scriptforge.models.attention import Rotation, attend, attention_mask, filled_after

sizes = st.integers(1, 6)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=3), sizes, sizes)
def test_a_step_looks_at_itself_and_what_there_is_of_the_steps_before(
    read: list[int], steps: int, memory: int
) -> None:
    filled_1B1 = filled_after(torch.zeros(1, len(read), 1), 0, memory)
    filled_1B1 = torch.tensor(read, dtype=torch.float32).view(1, -1, 1).clamp(max=memory) + filled_1B1
    visible_B1TK = attention_mask(filled_1B1, steps, memory) == 0
    assert visible_B1TK.shape == (len(read), 1, steps, memory + steps)
    for stream, before in enumerate(read):
        for step in range(steps):
            rows = visible_B1TK[stream, 0, step].nonzero().flatten().tolist()
            own = memory + step
            assert rows == list(range(own - min(memory, min(before, memory) + step), own + 1))


@given(st.integers(1, 3), sizes, sizes, st.sampled_from([1, 2, 4]))
def test_attention_is_a_mean_weighed_by_how_well_keys_fit(
    streams: int, steps: int, memory: int, heads: int
) -> None:
    size = 8
    rng = torch.Generator().manual_seed(steps)
    query_TBE = torch.randn(steps, streams, size, generator=rng)
    keys_KBE, values_KBE = torch.randn(2, memory + steps, streams, size, generator=rng)
    filled_1B1 = torch.arange(streams, dtype=torch.float32).clamp(max=memory).view(1, -1, 1)
    mask_B1TK = attention_mask(filled_1B1, steps, memory)
    found_TBE = attend(query_TBE, keys_KBE, values_KBE, mask_B1TK, heads)
    width = size // heads
    for stream in range(streams):
        for head in range(heads):
            part = (slice(None), stream, slice(head * width, (head + 1) * width))
            scores_TK = query_TBE[part] @ keys_KBE[part].T / math.sqrt(width)
            shares_TK = (scores_TK + mask_B1TK[stream, 0]).softmax(1)
            torch.testing.assert_close(found_TBE[part], shares_TK @ values_KBE[part])


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 20))
def test_turned_keys_and_queries_only_tell_how_far_apart_they_are(one: int, other: int, further: int) -> None:
    rotation = Rotation(6, 40)
    rng = torch.Generator().manual_seed(1)
    query_1BE, key_1BE = torch.randn(2, 1, 1, 12, generator=rng)

    def product(query_place: int, key_place: int) -> Tensor:
        turned_1BE: Tensor = rotation(query_1BE, query_place) * rotation(key_1BE, key_place)
        return turned_1BE.sum()

    torch.testing.assert_close(product(one, other), product(one + further, other + further))
    torch.testing.assert_close(rotation(query_1BE, one).norm(), query_1BE.norm())


def test_turning_makes_a_difference() -> None:
    rotation, rows_KBE = Rotation(4, 8), torch.ones(8, 1, 4)
    assert len({tuple(row) for row in rotation(rows_KBE)[:, 0].tolist()}) == 8
    assert torch.equal(rotation(rows_KBE)[0], rows_KBE[0])


@pytest.mark.parametrize("heads", [1, 3])
def test_one_layer_looks_back_just_as_far_as_its_memory_goes(heads: int) -> None:
    """Changing the token M steps back changes what is said now; the one before that is out of sight."""
    torch.manual_seed(0)
    memory, length = 5, 9
    model = build(TransformerConfig(11, 12, memory=memory, heads=heads)).eval()
    ids_BT = torch.arange(length)[None]
    expected_BTV, _ = model(ids_BT, model.initial_state(1))
    for back in range(length):
        changed_BT = ids_BT.clone()
        changed_BT[0, -1 - back] = 10
        logits_BTV, _ = model(changed_BT, model.initial_state(1))
        is_same = torch.equal(logits_BTV[0, -1], expected_BTV[0, -1])
        assert is_same is (back > memory), back


def test_a_layer_more_sees_as_far_again() -> None:
    torch.manual_seed(0)
    model = build(TransformerConfig(11, 12, memory=3, layers=2)).eval()
    ids_BT = torch.arange(9)[None]
    expected_BTV, _ = model(ids_BT, model.initial_state(1))
    for back, is_seen in ((6, True), (7, False)):
        changed_BT = ids_BT.clone()
        changed_BT[0, -1 - back] = 10
        logits_BTV, _ = model(changed_BT, model.initial_state(1))
        assert torch.equal(logits_BTV[0, -1], expected_BTV[0, -1]) is not is_seen


def test_an_lstm_that_looks_back_finds_what_it_met() -> None:
    """What is found is a mean of the states of the last steps."""
    torch.manual_seed(0)
    model = build(LSTMAttentionConfig(11, 5, 8, memory=3)).eval()
    ids_BT = torch.arange(9)[None]
    _, (*_, filled_1B1, memory_MBH) = model.features(ids_BT, model.initial_state(1))
    assert filled_1B1.item() == 3
    _, (*_, filled_1B1, shorter_MBH) = model.features(ids_BT[:, :8], model.initial_state(1))
    torch.testing.assert_close(memory_MBH[:-1], shorter_MBH[1:])
    _, (*_, filled_1B1, young_MBH) = model.features(ids_BT[:, :2], model.initial_state(1))
    assert filled_1B1.item() == 2 and not young_MBH[0].any() and young_MBH[1:].any()
