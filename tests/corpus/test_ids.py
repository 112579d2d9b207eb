import hashlib
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptforge.corpus.tokenize import IdsWriter

parts = st.lists(st.lists(st.integers(0, 255), max_size=50), max_size=8)


@settings(max_examples=30)
@given(parts=parts, dtype=st.sampled_from((np.uint8, np.uint16, np.uint32)))
def test_what_was_appended_is_loaded(
    parts: list[list[int]], dtype: type, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ids") / "train.npy"
    writer = IdsWriter(path, np.dtype(dtype))
    for part in parts:
        writer.append(np.array(part, dtype))
    digest = writer.close()
    expected: np.ndarray = np.array(list(chain.from_iterable(parts)), dtype)
    loaded = np.load(path, mmap_mode="r" if len(expected) else None, allow_pickle=False)
    assert loaded.dtype == dtype and np.array_equal(loaded, expected)
    assert writer.count == len(expected)
    assert digest == hashlib.sha256(expected.tobytes()).hexdigest()


@pytest.mark.parametrize("count", [9, 99_999, 10_000_000])
def test_the_header_has_room_for_the_length(tmp_path: Path, count: int) -> None:
    writer = IdsWriter(tmp_path / "ids.npy", np.dtype(np.uint8))
    writer.append(np.zeros(count, np.uint8))
    writer.close()
    assert len(np.load(tmp_path / "ids.npy", mmap_mode="r")) == count


def test_an_empty_split_is_a_file_that_loads(tmp_path: Path) -> None:
    IdsWriter(tmp_path / "test.npy", np.dtype(np.uint16)).close()
    assert len(np.load(tmp_path / "test.npy", mmap_mode="r")) == 0
