"""JSON, in all the shapes that people give rows."""

import json
from pathlib import Path

import pytest

from scriptforge.corpus.json_rows import json_rows
from scriptforge.errors import CorpusError

ROWS = [{"speaker": "ANNA", "line": "Tea?"}, {"speaker": "BEN", "line": "No."}]
DOCUMENT = {"title": "Tea", "elements": [{"kind": "dialogue", "speaker": "ANNA", "text": "Tea?"}]}


def rows_of(tmp_path: Path, text: str, name: str = "tea.json") -> list[dict[str, object]]:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return list(json_rows(tmp_path / name, name, "utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "".join(json.dumps(row) + "\n" for row in ROWS),
        "\n".join(json.dumps(row) + "\r\n" for row in ROWS),
        json.dumps({"speaker": ["ANNA", "BEN"], "line": ["Tea?", "No."]}, indent=1),
        json.dumps({"speaker": {"0": "ANNA", "1": "BEN"}, "line": {"0": "Tea?", "1": "No."}}),
        json.dumps({"made": 1999, "by": {"hand": True}, "replies": ROWS}),
    ],
    ids=["list", "tall list", "lines", "spaced lines", "lists", "numbered", "nested"],
)
def test_rows_are_found(tmp_path: Path, text: str) -> None:
    assert rows_of(tmp_path, text) == ROWS


@pytest.mark.parametrize("indent", [None, 2])
def test_a_script_is_one_row(tmp_path: Path, indent: int | None) -> None:
    assert rows_of(tmp_path, json.dumps(DOCUMENT, indent=indent)) == [DOCUMENT]
    assert rows_of(tmp_path, json.dumps([DOCUMENT, DOCUMENT], indent=indent)) == [DOCUMENT, DOCUMENT]
    assert rows_of(tmp_path, json.dumps({"show": "T", "plays": [DOCUMENT]}, indent=indent)) == [DOCUMENT]


def test_what_is_no_object_becomes_one(tmp_path: Path) -> None:
    assert rows_of(tmp_path, '["ANNA: Tea?", null]') == [{"text": "ANNA: Tea?"}, {"text": ""}]
    assert rows_of(tmp_path, json.dumps([ROWS])) == [{"turns": ROWS}]


def test_cells_of_a_column_may_be_of_any_type(tmp_path: Path) -> None:
    lines = '{"a": 1, "type": "x", "message": 1}\n{"a": "one", "message": [1]}\n{"a": {"b": null}}\n'
    assert [row["a"] for row in rows_of(tmp_path, lines, "tea.jsonl")] == [1, "one", {"b": None}]


def test_control_characters_and_marks_do_no_harm(tmp_path: Path) -> None:
    text = '{"a": "one\ttwo\0"}\n\ufeff{"a": "three"}\n'
    assert rows_of(tmp_path, text, "tea.jsonl") == [{"a": "one\ttwo"}, {"a": "three"}]


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("tea.jsonl", '{"a": 1}\n' * 6 + '{"a": \n' + '{"a": 1}\n', 7),
        ("tea.json", '{"a": 1}\n' * 6 + '{"a": \n' + '{"a": 1}\n', 7),
        ("tea.jsonl", '\n\n{"a" 1}\n', 3),
        ("tea.json", '[\n {"a": 1},\n {"a": 2\n', 4),
        ("tea.json", "[" * 100_000, 1),
        ("tea.json", "[" + "9" * 5000 + "]", 1),
        ("tea.json", "ANNA: Tea?\nBEN: No.\n", 1),
    ],
)
def test_what_is_broken_is_named_with_its_line(tmp_path: Path, name: str, text: str, line: int) -> None:
    with pytest.raises(CorpusError, match=f"“{name}” is not JSON in line {line}: "):
        rows_of(tmp_path, text, name)


def test_rows_before_a_broken_line_have_been_given(tmp_path: Path) -> None:
    (tmp_path / "tea.jsonl").write_text('{"a": 1}\n{"a": 2}\n{"a"')
    rows = json_rows(tmp_path / "tea.jsonl", "tea.jsonl", "utf-8")
    assert [next(rows), next(rows)] == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    "document",
    [
        {"Tea": ROWS, "Mud": ROWS},
        {"made": {"by": "hand"}, "Tea": ROWS, "Mud": ROWS, "people": [{"name": "ANNA"}]},
        {"scripts": {"Tea": {"year": 1, "lines": ROWS}, "Mud": {"lines": ROWS}}},
    ],
)
def test_rows_under_titles_are_scripts(tmp_path: Path, document: dict[str, object]) -> None:
    expected = [{"title": "Tea", "turns": ROWS}, {"title": "Mud", "turns": ROWS}]
    assert rows_of(tmp_path, json.dumps(document)) == expected


def test_parts_of_titles_are_joined_and_texts_may_be_scripts(tmp_path: Path) -> None:
    text = "ANNA: Tea?\nBEN: No."
    document = {"One": {"Tea": text, "Mud": text.splitlines()}, "Two": {"Tea": ROWS, "note": "by\nhand"}}
    assert rows_of(tmp_path, json.dumps(document)) == [
        {"title": "One, Tea", "turns": text},
        {"title": "One, Mud", "turns": text.splitlines()},
        {"title": "Two, Tea", "turns": ROWS},
    ]


def test_splits_and_rows_that_name_their_script_are_one_table(tmp_path: Path) -> None:
    assert rows_of(tmp_path, json.dumps({"train": ROWS, "test": ROWS})) == ROWS + ROWS
    named = [{"episode": 1, **row} for row in ROWS]
    assert rows_of(tmp_path, json.dumps({"Season 1": named, "Season 2": named})) == named + named
