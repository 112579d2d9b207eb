from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.training.stepper import Streams

sizes = st.integers(1, 6)
texts = st.integers(1, 80).map(lambda length: np.arange(length, dtype=np.uint8))


@given(texts, sizes, sizes, st.integers(0, 50))
def test_a_batch_is_a_slice_of_the_text_without_end(
    ids: np.ndarray, batch_size: int, length: int, step: int
) -> None:
    inputs_BT, targets_BT = Streams(ids, batch_size, length).batch(step)
    endless = list(ids) * (2 + (step + 1) * length // len(ids) + 1)
    for stream in range(batch_size):
        begin = stream * len(ids) // batch_size + step * length
        assert inputs_BT[stream].tolist() == endless[begin : begin + length]
        assert targets_BT[stream].tolist() == endless[begin + 1 : begin + length + 1]


@given(texts, sizes, sizes, st.integers(0, 50))
def test_a_stream_goes_on_where_it_stopped(ids: np.ndarray, batch_size: int, length: int, step: int) -> None:
    streams = Streams(ids, batch_size, length)
    _, targets_BT = streams.batch(step)
    inputs_BT, _ = streams.batch(step + 1)
    assert torch.equal(inputs_BT[:, 0], targets_BT[:, -1])


@given(texts, sizes, sizes, st.integers(0, 50))
def test_ids_that_a_device_holds_give_the_same_batches(
    ids: np.ndarray, batch_size: int, length: int, step: int
) -> None:
    streams = Streams(ids, batch_size, length)
    moved = streams.to(torch.device("cpu"))
    for ours, theirs in zip(streams.batch(step), moved.batch(step), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@given(texts, sizes, sizes, st.integers(0, 50), st.integers(1, 4))
def test_the_shares_of_processes_are_the_streams_of_one(
    ids: np.ndarray, batch_size: int, length: int, step: int, processes: int
) -> None:
    shares = [Streams(ids, batch_size, length, (rank, processes)) for rank in range(processes)]
    alone = Streams(ids, batch_size * processes, length)
    together_BT = torch.cat([share.batch(step)[0] for share in shares])
    assert torch.equal(together_BT, alone.batch(step)[0])
    assert {share.steps_per_epoch for share in shares} == {alone.steps_per_epoch}


def test_shares_are_disjoint_in_an_epoch() -> None:
    ids = np.arange(240, dtype=np.uint8)
    shares = [Streams(ids, 4, 5, (rank, 3)) for rank in range(3)]
    steps = int(shares[0].steps_per_epoch)
    read = [
        {token for step in range(steps) for token in share.batch(step)[0].flatten().tolist()}
        for share in shares
    ]
    assert steps == 4
    assert [len(tokens) for tokens in read] == [80, 80, 80]
    assert set.union(*read) == set(range(240))


def test_ids_come_as_int64_from_a_memory_map(tmp_path: Path) -> None:
    np.save(tmp_path / "ids.npy", np.arange(100, dtype=np.uint16))
    inputs_BT, targets_BT = Streams(np.load(tmp_path / "ids.npy", mmap_mode="r"), 2, 8).batch(3)
    assert inputs_BT.dtype == targets_BT.dtype == torch.int64
    assert inputs_BT.tolist() == [list(range(24, 32)), list(range(74, 82))]
