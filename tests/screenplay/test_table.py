"""Scripts from rows."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from scriptforge.errors import CorpusError
from scriptforge.screenplay.cast import cast
from scriptforge.screenplay.formats.table import Columns, documents, guess_columns
from scriptforge.screenplay.script import Element, speaker_key


def read_all(rows: list[dict[str, object]], columns: Columns) -> list[tuple[str, list[Element]]]:
    return [(name, list(elements)) for name, elements in documents(rows, columns)]


@pytest.mark.parametrize(
    ("names", "columns"),
    [
        (
            ["Season", "Episode", "Character", "Line"],
            Columns(speaker="Character", line="Line", document=("Season", "Episode")),
        ),
        (
            ["id", "season", "episode", "scene", "line_text", "speaker", "deleted"],
            Columns(speaker="speaker", line="line_text", document=("season", "episode")),
        ),
        (
            ["index", "season no.", "episode no.", "episode name", "name", "line"],
            Columns(speaker="name", line="line", document=("season no.", "episode no.")),
        ),
        (["title", "script"], Columns(title="title", script="script")),
        (["Name", "Script"], Columns(title="Name", script="Script")),
        (["conversations"], Columns(turns="conversations")),
        (["TEXT", "METADATA", "SOURCE"], Columns(text="TEXT")),
    ],
)
def test_usual_names_of_columns_are_recognised(names: list[str], columns: Columns) -> None:
    assert guess_columns(names) == columns


def test_columns_that_say_nothing_are_named_in_the_error() -> None:
    with pytest.raises(CorpusError, match="colour, weight"):
        guess_columns(["colour", "weight"])


def test_a_column_that_is_not_there_is_an_error() -> None:
    with pytest.raises(CorpusError, match="Who") as raised:
        read_all([{"speaker": "A", "line": "Hi."}], Columns(speaker="Who", line="line"))
    assert "speaker, line" in raised.value.hint


def test_consecutive_rows_of_one_document_belong_together() -> None:
    rows: list[dict[str, object]] = [
        {"season": 1, "episode": 1, "speaker": "ANNA", "line": "Tea?\n"},
        {"season": 1, "episode": 1, "speaker": "", "line": "Rain."},
        {"season": 1, "episode": 1, "speaker": float("nan"), "line": None},
        {"season": 1, "episode": 2, "speaker": "BEN (on phone)", "line": "No."},
    ]
    assert read_all(rows, guess_columns(rows[0])) == [
        ("season 1, episode 1", [Element("dialogue", "Tea?", "ANNA"), Element("action", "Rain.")]),
        ("season 1, episode 2", [Element("dialogue", "(on phone) No.", "BEN")]),
    ]


def test_rows_without_document_columns_are_one_document() -> None:
    rows: list[dict[str, object]] = [{"name": "A", "line": "One."}, {"name": "B", "line": "Two."}]
    assert [name for name, _ in read_all(rows, guess_columns(rows[0]))] == ["1"]


def test_a_script_in_a_cell_is_read_in_its_own_format() -> None:
    rows: list[dict[str, object]] = [
        {"title": "Tea", "script": "anna: Tea?\nben: No.\n"},
        {"title": "", "script": "ANNA:\nTea?\n\nBEN:\nNo.\n"},
    ]
    spoken = [Element("dialogue", "Tea?", "anna"), Element("dialogue", "No.", "ben")]
    shouted = [Element("dialogue", "Tea?", "ANNA"), Element("dialogue", "No.", "BEN")]
    assert read_all(rows, guess_columns(rows[0])) == [("Tea", spoken), ("2", shouted)]


@pytest.mark.parametrize(("who", "what"), [("role", "content"), ("character", "line"), ("from", "value")])
def test_turns_are_lines(who: str, what: str) -> None:
    rows: list[dict[str, object]] = [
        {"conversations": [{who: "ANNA", what: "Tea?"}, {who: "BEN", what: "No."}]},
        {"conversations": None},
    ]
    assert read_all(rows, guess_columns(rows[0])) == [
        ("1", [Element("dialogue", "Tea?", "ANNA"), Element("dialogue", "No.", "BEN")]),
        ("2", []),
    ]


def test_text_comes_in_lines_or_in_documents() -> None:
    lines: list[dict[str, object]] = [{"text": "anna: Tea?"}, {"text": ""}, {"text": "ben: No."}]
    plays: list[dict[str, object]] = [{"text": "anna: Tea?\nben: No."}, {"text": "anna: Yes?\nben: Yes."}]
    assert [len(elements) for _, elements in read_all(lines, Columns(text="text"))] == [2]
    assert [len(elements) for _, elements in read_all(plays, Columns(text="text"))] == [2, 2]


def test_south_park_has_the_cast_that_its_table_has(shared_corpora: Path) -> None:
    rows: list[dict[str, object]] = []
    for season in range(1, 5):
        with (shared_corpora / "southpark" / f"Season-{season}.csv").open(
            encoding="utf-8", newline=""
        ) as file:
            rows += csv.DictReader(file)
    expected = Counter(speaker_key(str(row["Character"]).partition("(")[0]) for row in rows)
    scripts = read_all(rows, guess_columns(rows[0]))
    members = cast(element for _, elements in scripts for element in elements)
    assert {speaker_key(member.speaker): member.lines for member in members} == expected
    assert scripts[0][0] == "Season 1, Episode 1"
    assert len(scripts) == len({(row["Season"], row["Episode"]) for row in rows})
