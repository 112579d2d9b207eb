"""Vocabularies on disk: whole ones load as they were, all others are refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from scriptforge.errors import DatasetError
from scriptforge.vocabulary import LEVELS, Level, Vocabulary

TEXTS = ["Hello, you!", 'No. Not "you"... été']
SPEAKERS = ["JERRY", "R2 <D2>", "老王"]


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("level", LEVELS)
def test_what_was_saved_loads_as_it_was(level: Level, lower: bool, plain: bool, tmp_path: Path) -> None:
    saved = Vocabulary.train(TEXTS, level, lower=lower, plain=plain, speakers=SPEAKERS)
    saved.save(tmp_path / "tokenizer.json")
    loaded = Vocabulary.load(tmp_path / "tokenizer.json")
    assert (loaded.level, loaded.lower, loaded.plain, loaded.size) == (level, lower, plain, saved.size)
    assert loaded.speakers == saved.speakers
    assert (loaded.end, loaded.unknown) == (saved.end, saved.unknown)
    assert loaded.fingerprint == saved.fingerprint
    assert [*map(loaded.encode, TEXTS)] == [*map(saved.encode, TEXTS)]


@pytest.mark.parametrize("level", LEVELS)
def test_the_library_alone_reads_the_file(level: Level, tmp_path: Path) -> None:
    vocabulary = Vocabulary.train(TEXTS, level, speakers=SPEAKERS)
    vocabulary.save(tmp_path / "tokenizer.json")
    alone = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert alone.encode(TEXTS[1]).ids == vocabulary.encode(TEXTS[1])
    assert alone.decode(alone.encode(TEXTS[1]).ids) == TEXTS[1]


@pytest.fixture(params=LEVELS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    Vocabulary.train(TEXTS, request.param, size=400, speakers=SPEAKERS).save(path)
    return path


def assert_refused(path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        Vocabulary.load(path)
    assert path.name in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "tokenizer.json")


def test_half_a_file_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])
    assert_refused(path)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b"{}", b'{"model": 1}', b"\xff\xfe", b"[" * 100_000]
)
def test_what_is_no_vocabulary_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(content)
    assert_refused(path)


def add_a_pattern_that_never_ends(document: dict[str, Any]) -> None:
    pattern = {"Regex": "(a+)+$"}
    document["normalizer"] = {"type": "Replace", "pattern": pattern, "content": ""}


def add_truncation(document: dict[str, Any]) -> None:
    document["truncation"] = {"max_length": 1, "stride": 0, "strategy": "LongestFirst", "direction": "Right"}


def add_a_field(document: dict[str, Any]) -> None:
    document["auto_map"] = {"AutoTokenizer": "code.py"}


def leave_a_gap(document: dict[str, Any]) -> None:
    ids = document["model"]["vocab"]
    ids[max(ids, key=ids.__getitem__)] += 1


def name_ids_with_text(document: dict[str, Any]) -> None:
    document["model"]["vocab"]["<end>"] = "0"


def name_ids_with_truth(document: dict[str, Any]) -> None:
    document["model"]["vocab"]["<end>"] = False


def add_a_layout_token(document: dict[str, Any]) -> None:
    document["added_tokens"].append(document["added_tokens"][0] | {"content": "<tool>", "id": 99})


def make_layout_ordinary(document: dict[str, Any]) -> None:
    document["added_tokens"][1]["special"] = False


def take_the_layout_away(document: dict[str, Any]) -> None:
    document["added_tokens"] = []


def swap_layout(document: dict[str, Any]) -> None:
    ids = document["model"]["vocab"]
    ids["<end>"], ids["<cue>"] = ids["<cue>"], ids["<end>"]


@pytest.mark.parametrize(
    "damage",
    [
        add_a_pattern_that_never_ends,
        add_truncation,
        add_a_field,
        leave_a_gap,
        name_ids_with_text,
        name_ids_with_truth,
        add_a_layout_token,
        make_layout_ordinary,
        take_the_layout_away,
        swap_layout,
    ],
)
def test_a_file_with_anything_foreign_is_refused(
    damage: Callable[[dict[str, Any]], None], path: Path
) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    damage(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    assert_refused(path)


def test_merges_of_tokens_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    Vocabulary.train(TEXTS, "bpe").save(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    document["model"]["merges"].append(["nowhere", "to be found"])
    path.write_text(json.dumps(document), encoding="utf-8")
    assert_refused(path)


def add_an_unknown_source(document: dict[str, Any]) -> None:
    rename(document, "<cue:b:JERRY>", "<cue:c:JERRY>")


def put_a_source_after_a_cue(document: dict[str, Any]) -> None:
    tokens = document["added_tokens"]
    tokens[7]["content"], tokens[8]["content"] = tokens[8]["content"], tokens[7]["content"]


def name_a_source_twice(document: dict[str, Any]) -> None:
    rename(document, "<source:b>", "<source:a>")


def name_a_speaker_twice(document: dict[str, Any]) -> None:
    rename(document, "<cue:a:Bo>", "<cue:a:jerry>")


def rename(document: dict[str, Any], old: str, new: str) -> None:
    """Gives a layout token another name, wherever it stands."""
    ids = document["model"]["vocab"]
    ids[new] = ids.pop(old)
    for entry in document["added_tokens"]:
        entry["content"] = new if entry["content"] == old else entry["content"]


@pytest.mark.parametrize(
    "damage",
    [add_an_unknown_source, put_a_source_after_a_cue, name_a_source_twice, name_a_speaker_twice],
)
def test_a_mix_with_anything_foreign_is_refused(
    damage: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    path = tmp_path / "tokenizer.json"
    sources = {"a": ["JERRY", "Bo"], "b": ["JERRY"]}
    Vocabulary.train(TEXTS, "char", speakers=["Dee"], sources=sources).save(path)
    assert Vocabulary.load(path).sources == {"a": 6, "b": 7}
    document = json.loads(path.read_text(encoding="utf-8"))
    damage(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    assert_refused(path)
