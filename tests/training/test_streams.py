from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptforge.training.streams import Streams

sizes = st.integers(1, 6)
texts = st.integers(1, 80).map(lambda length: np.arange(length, dtype=np.uint8))
seeds = st.integers(0, 2**63 - 1)


@given(texts, sizes, sizes, seeds, st.integers(0, 50))
def test_each_row_is_contiguous_text_and_its_targets_are_one_token_later(
    ids: np.ndarray, batch_size: int, length: int, seed: int, step: int
) -> None:
    inputs_BT, targets_BT = Streams(ids, batch_size, length, seed).batch(step)
    assert inputs_BT.shape == targets_BT.shape == (batch_size, length)
    first_B1 = inputs_BT[:, :1]
    assert torch.equal(inputs_BT, (first_B1 + torch.arange(length)) % len(ids))
    assert torch.equal(targets_BT, (inputs_BT + 1) % len(ids))


@settings(max_examples=60)
@given(st.sampled_from([0, 1, 19]), st.integers(64, 80), seeds)
def test_no_token_is_read_twice_in_an_epoch(more: int, steps: int, seed: int) -> None:
    streams = Streams(np.arange(steps * 20 + more, dtype=np.uint16), 4, 5, seed)
    for first in (0, steps, 2 * steps):
        read = torch.cat([streams.batch(first + step)[0] for step in range(steps)]).flatten().tolist()
        assert len(read) == len(set(read)) == steps * 20


@given(st.integers(1, 100), sizes, sizes, seeds)
def test_streams_go_on_where_they_stopped_for_whole_epochs_and_then_move(
    steps: int, batch_size: int, length: int, seed: int
) -> None:
    tokens = batch_size * length * steps
    streams = Streams(np.arange(tokens, dtype=np.uint16), batch_size, length, seed)
    jumps = []
    for step, (before, after) in enumerate(pairwise(map(streams.batch, range(201)))):
        moves_B = (after[0][:, 0] - before[1][:, -1]) % tokens
        assert len(set(moves_B.tolist())) == 1
        if moves_B[0]:
            jumps.append(step + 1)
    assert all(jump % steps == 0 for jump in jumps)
    assert all(after - before >= 64 for before, after in pairwise([0, *jumps]))
    assert jumps or tokens < 20


def test_every_epoch_has_batches_of_its_own() -> None:
    steps, ids = 64, np.arange(64 * 100, dtype=np.uint16)
    streams, other = Streams(ids, 2, 50, seed=1), Streams(ids, 2, 50, seed=2)
    batches = {tuple(sorted(streams.batch(step)[0][:, 0].tolist())) for step in range(4 * steps)}
    assert len(batches) == 4 * steps
    assert not torch.equal(streams.batch(0)[0], other.batch(0)[0])


def test_the_order_of_a_seed_stays_as_it_is() -> None:
    """A run may be resumed by a later version, on another machine."""
    streams = Streams(np.arange(257, dtype=np.uint16), 2, 2, seed=1)
    firsts = [streams.batch(step)[0][:, 0].tolist() for step in (0, 1, 63, 64, 127, 128)]
    assert firsts == [[133, 4], [135, 6], [2, 130], [67, 195], [193, 64], [60, 188]]


@given(texts, sizes, sizes, seeds, st.integers(0, 50))
def test_ids_that_a_device_holds_give_the_same_batches(
    ids: np.ndarray, batch_size: int, length: int, seed: int, step: int
) -> None:
    streams = Streams(ids, batch_size, length, seed)
    moved = streams.to(torch.device("cpu"))
    for ours, theirs in zip(streams.batch(step), moved.batch(step), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@given(texts, sizes, sizes, st.integers(0, 50), st.integers(1, 4))
def test_the_streams_of_all_processes_are_those_of_one(
    ids: np.ndarray, batch_size: int, length: int, step: int, processes: int
) -> None:
    each = [Streams(ids, batch_size, length, 7, rank, processes) for rank in range(processes)]
    alone = Streams(ids, batch_size * processes, length, 7)
    together_BT = torch.cat([streams.batch(step)[0] for streams in each])
    assert torch.equal(together_BT, alone.batch(step)[0])
    assert {streams.steps_per_epoch for streams in each} == {alone.steps_per_epoch}


def test_processes_read_different_tokens_in_an_epoch() -> None:
    ids = np.arange(240, dtype=np.uint8)
    each = [Streams(ids, 4, 5, 1, rank, 3) for rank in range(3)]
    steps = int(each[0].steps_per_epoch)
    read = [
        {token for step in range(steps) for token in streams.batch(step)[0].flatten().tolist()}
        for streams in each
    ]
    assert steps == 4
    assert [len(tokens) for tokens in read] == [80, 80, 80]
    assert set.union(*read) == set(range(240))


def test_ids_come_as_int64_from_a_memory_map(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.arange(100, dtype=np.uint16))
    streams = Streams(np.load(tmp_path / "ids.npy", mmap_mode="r"), 2, 8)
    inputs_BT, targets_BT = streams.batch(3)
    assert inputs_BT.dtype == targets_BT.dtype == torch.int64
    assert torch.equal(inputs_BT, Streams(np.arange(100, dtype=np.uint16), 2, 8).batch(3)[0])
