import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from support.tiny import prepared

from scriptforge.dataset import Dataset, Division
from scriptforge.errors import DatasetError
from scriptforge.script_rows import PLAIN, ScriptRow
from scriptforge.workspace import SPLITS, DatasetFolder


@pytest.fixture
def folder(tiny_dataset: Dataset, tmp_path: Path) -> DatasetFolder:
    """Return a copy of the dataset to damage."""
    return DatasetFolder(shutil.copytree(tiny_dataset.folder.path, tmp_path / "harbour"))


def test_ids_are_mapped_and_cannot_be_changed(tiny_dataset: Dataset) -> None:
    for split in SPLITS:
        ids = tiny_dataset.ids(split)
        assert isinstance(ids, np.memmap)
        assert len(ids) == tiny_dataset.description.splits[split].tokens
        assert ids.max() < tiny_dataset.vocabulary.size == tiny_dataset.description.vocabulary_size
        with pytest.raises(ValueError, match="read-only"):
            ids[0] = 1


def test_little_text_brings_advice_that_holds_with_and_without_the_base_model(tiny_dataset: Dataset) -> None:
    advice = tiny_dataset.description.advice_on_little_text()
    assert advice is not None and "American plays where it suits" in advice and "--from RUN" in advice


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": 1', b"[]", b"\xff"])
def test_a_damaged_description(folder: DatasetFolder, content: bytes) -> None:
    folder.description.write_bytes(content)
    with pytest.raises(DatasetError, match=r"dataset\.json is missing or damaged") as caught:
        Dataset(folder)
    assert "--force" in caught.value.hint


@pytest.mark.parametrize("name", ["dataset.json", "tokenizer.json", "train.npy", "scripts.parquet"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(folder: DatasetFolder, name: str) -> None:
    (folder.path / name).unlink()
    os.mkfifo(folder.path / name)
    with pytest.raises(DatasetError, match="cannot be read"):
        Dataset(folder)


def test_a_description_with_more_in_it_is_of_another_version(folder: DatasetFolder) -> None:
    description = json.loads(folder.description.read_text())
    folder.description.write_text(json.dumps({**description, "loader": "somewhere.load"}))
    with pytest.raises(DatasetError):
        Dataset(folder)


def test_a_description_from_before_there_were_mixes(folder: DatasetFolder) -> None:
    description = json.loads(folder.description.read_text())
    del description["sources"]
    for member in description["cast"]:
        del member["source"]
    folder.description.write_text(json.dumps(description))
    dataset = Dataset(folder)
    assert dataset.description.sources == []
    assert sum(row.lines for row in dataset.rows("test")) == dataset.description.splits["test"].lines


@pytest.mark.parametrize("plain", [False, True])
def test_a_missing_lexicon(tiny_text: Path, tmp_path: Path, plain: bool) -> None:
    dataset = prepared(tiny_text, tmp_path / "harbour", level="char", plain=plain)
    assert dataset.vocabulary.lexicon
    assert dataset.vocabulary.lexicon.words >= {"elaine", "mrs", "ferryman", "umbrellas"}
    dataset.folder.lexicon.unlink()
    with pytest.raises(DatasetError, match=r"lexicon\.txt"):
        Dataset(dataset.folder)


def test_a_missing_vocabulary(folder: DatasetFolder) -> None:
    folder.tokenizer.unlink()
    with pytest.raises(DatasetError):
        Dataset(folder)


@pytest.mark.parametrize(
    "damage", ["missing", "empty", "cut", "longer", "pickled", "square", "signed", "beyond"]
)
def test_damaged_ids(folder: DatasetFolder, damage: str) -> None:
    path = folder.ids("train")
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "pickled":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    elif damage == "square":
        np.save(path, np.zeros((2, 2), np.uint8))
    elif damage == "signed":
        np.save(path, np.load(path).astype(np.int64))
    elif damage == "beyond":
        np.save(path, np.full_like(np.load(path), 255))
    elif damage == "longer":
        np.save(path, np.append(np.load(path), 0))
    else:
        path.write_bytes({"empty": b"", "cut": content[: len(content) // 2]}[damage])
    with pytest.raises(DatasetError, match=r"train\.npy of dataset “harbour”") as caught:
        Dataset(folder).ids("train")
    assert "--force" in caught.value.hint


ROWS: dict[str, Callable[[pyarrow.Table], pyarrow.Table]] = {
    "a column missing": lambda table: table.drop_columns("speaker"),
    "a column of another type": lambda table: table.set_column(
        0, "document", table["characters"].cast("int64")
    ),
    "columns in another order": lambda table: table.select(table.column_names[::-1]),
    "holes": lambda table: table.set_column(4, "text", pyarrow.nulls(len(table), "large_string")),
    "a kind that there is not": lambda table: table.set_column(
        2, "kind", pyarrow.array(["song"] * len(table))
    ),
    "documents that there are not": lambda table: table.set_column(
        0, "document", pyarrow.array(range(len(table)), "int32")
    ),
    "documents backwards": lambda table: table.set_column(
        0, "document", pyarrow.array(range(len(table), 0, -1), "int32")
    ),
}


@pytest.mark.parametrize("damage", ROWS.values(), ids=ROWS)
def test_damaged_rows(folder: DatasetFolder, damage: Callable[[pyarrow.Table], pyarrow.Table]) -> None:
    description = json.loads(folder.description.read_text())
    description["division"] = {"by": "document", "documents": ["train"]}
    folder.description.write_text(json.dumps(description))
    pyarrow.parquet.write_table(damage(pyarrow.parquet.read_table(folder.scripts)), folder.scripts)
    with pytest.raises(DatasetError, match=r"scripts\.parquet of dataset “harbour” is missing or damaged"):
        list(Dataset(folder).rows("train"))


@pytest.mark.parametrize(
    "changes",
    [
        {"division": None},
        {"division": {"by": "block", "boundaries": [5]}},
        {"division": {"by": "block", "boundaries": [9, 5]}},
        {"division": {"by": "document", "documents": ["training"]}},
        {"splits": {}},
        {"documents": 10**400},
        {"unparsed_share": 2.0},
    ],
    ids=str,
)
def test_a_description_that_contradicts_itself(folder: DatasetFolder, changes: dict[str, Any]) -> None:
    description = json.loads(folder.description.read_text())
    folder.description.write_text(json.dumps(description | changes))
    with pytest.raises(DatasetError, match="missing or damaged"):
        Dataset(folder)


@pytest.mark.parametrize("changes", [{"vocabulary_size": 5}, {"level": "char"}, {"plain": True}], ids=str)
def test_a_vocabulary_of_another_dataset(folder: DatasetFolder, changes: dict[str, Any]) -> None:
    description = json.loads(folder.description.read_text())
    folder.description.write_text(json.dumps(description | changes))
    with pytest.raises(DatasetError, match=r"tokenizer\.json of dataset “harbour” does not match"):
        Dataset(folder)


def test_which_split_a_row_is_in() -> None:
    lengths = (9, 1, 4, 1, 84, 3)  # they begin at 0, 9, 10, 14, 15 and 99
    lines = [ScriptRow(0, "", "action", "", "", length) for length in lengths]
    blocks = Division(by="block", boundaries=(10, 15))
    assert [split for split, _ in blocks.divide(lines)] == [
        "train", "train", "validation", "validation", "test", "test",
    ]  # fmt: skip
    documents = Division(by="document", documents=("train", "test"))
    pair = [line._replace(document=7 + number) for number, line in enumerate(lines[:2])]
    assert [split for split, _ in documents.divide(pair)] == ["train", "test"]


def test_an_element_stays_whole_and_plain_text_is_cut() -> None:
    blocks = Division(by="block", boundaries=(2, 5))
    element = ScriptRow(0, "", "action", "", "abcdef", 6)
    assert list(blocks.divide([element, element])) == [("train", element), ("test", element)]
    text = element._replace(kind=PLAIN)
    cut = [(split, row.text, row.characters) for split, row in blocks.divide([text, text])]
    assert cut == [("train", "ab", 2), ("validation", "cde", 3), ("test", "f", 1), ("test", "abcdef", 6)]


def test_a_split_of_nothing_is_passed_over() -> None:
    blocks = Division(by="block", boundaries=(2, 2))
    text = ScriptRow(0, "", PLAIN, "", "abcd", 4)
    assert [(split, row.text) for split, row in blocks.divide([text])] == [
        ("train", "ab"),
        ("test", "cd"),
    ]
