"""The text of a dataset at another level is what `prepare` would have made at that level."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny import comedy, mixed, prepared

from scriptforge.corpus.prepare import retokenize
from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError, UsageError
from scriptforge.vocabulary import Level
from scriptforge.workspace import DatasetFolder

LEVELS: list[tuple[Level, int | None]] = [("char", None), ("bpe", 400), ("word", 80)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of documents."""
    path = tmp_path / "plays"
    path.mkdir()
    for number in range(30):
        (path / f"{number}.txt").write_text(comedy(30, seed=number), encoding="utf-8")
    return path


def same(one: Dataset, other: Dataset) -> bool:
    """Whether two datasets are the same but for name and date."""
    fields: dict[str, Any] = {"name": "", "created": ""}
    ids = all(np.array_equal(one.ids(split), other.ids(split)) for split in ("train", "validation", "test"))
    described = [each.description.model_copy(update=fields) for each in (one, other)]
    return ids and described[0] == described[1] and list(one.rows("test")) == list(other.rows("test"))


@pytest.mark.parametrize(("level", "size"), LEVELS)
@pytest.mark.parametrize("options", [{}, {"plain": True}, {"lower": True}], ids=["script", "plain", "lower"])
def test_of_documents(
    folder: Path, tmp_path: Path, level: Level, size: int | None, options: dict[str, Any]
) -> None:
    first = prepared(folder, tmp_path / "first", level="bpe", vocabulary_size=500, **options)
    expected = prepared(
        folder,
        tmp_path / "expected",
        level=level,
        vocabulary_size=size,
        min_count=1 + (level == "word"),
        **options,
    )
    retokenize(first, level, size, DatasetFolder(tmp_path / "again"))
    again = Dataset(DatasetFolder(tmp_path / "again"))
    assert same(again, expected)
    assert again.description.created == first.description.created


@pytest.mark.parametrize("merge_casts", [False, True])
def test_of_a_mix(tmp_path: Path, merge_casts: bool) -> None:
    for number, name in enumerate(("harbour", "island")):
        (tmp_path / f"{name}.txt").write_text(comedy(300, seed=number), encoding="utf-8")
    corpora = [f"{tmp_path / 'harbour.txt'}=1.5", str(tmp_path / "island.txt")]
    first = mixed(corpora, tmp_path / "first", merge_casts=merge_casts)
    expected = mixed(
        corpora, tmp_path / "expected", level="bpe", vocabulary_size=400, merge_casts=merge_casts
    )
    retokenize(first, "bpe", 400, DatasetFolder(tmp_path / "again"))
    assert same(Dataset(DatasetFolder(tmp_path / "again")), expected)


@pytest.mark.parametrize(("level", "size"), LEVELS)
def test_pieces_that_are_no_longer_borrowed_are_not_noted(
    tiny_text: Path, tmp_path: Path, level: Level, size: int | None
) -> None:
    first = prepared(tiny_text, tmp_path / "first", level="bpe")
    *others, borrowed = first.description.notes
    assert "subwords of the base model" in borrowed
    about = retokenize(first, level, size, DatasetFolder(tmp_path / "again"))
    assert about.notes == others


def test_a_vocabulary_that_cannot_be(tiny_dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too small"):
        retokenize(tiny_dataset, "bpe", 20, DatasetFolder(tmp_path / "again"))
    assert not list(tmp_path.iterdir())


def test_text_that_is_missing(tiny_text: Path, tmp_path: Path) -> None:
    dataset = prepared(tiny_text, tmp_path / "first")
    dataset.folder.scripts.unlink()
    with pytest.raises(DatasetError, match="missing or damaged"):
        retokenize(dataset, "char", None, DatasetFolder(tmp_path / "again"))
