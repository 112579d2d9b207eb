"""Scripts from rows."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from support.scripts import scripts

from scriptforge.errors import CorpusError, UsageError
from scriptforge.screenplay.script import Element, Script, cast, speaker_key
from scriptforge.screenplay.table import (
    Columns,
    choose_columns,
    documents,
    guess_columns,
    parse_columns,
)


def test_a_column_without_a_name_has_no_role() -> None:
    rows: list[dict[str, object]] = [{"": 0, "Line": "Tea?"}]
    [(_, elements)] = read_all(rows, Columns(line="Line"))
    assert elements == [Element("action", "Tea?")]


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
            Columns(speaker="speaker", line="line_text", scene="scene", document=("season", "episode")),
        ),
        (
            ["index", "season no.", "episode no.", "episode name", "name", "line"],
            Columns(speaker="name", line="line", document=("season no.", "episode no.")),
        ),
        (["title", "script"], Columns(title="title", script="script")),
        (["Name", "Script"], Columns(title="Name", script="Script")),
        (["conversations"], Columns(turns="conversations")),
        (["TEXT", "METADATA", "SOURCE"], Columns(text="TEXT")),
        (["kind", "speaker", "text"], Columns(speaker="speaker", line="text", kind="kind")),
        (["title", "elements"], Columns(turns="elements", title="title")),
        (["run", "seed", "text", "elements"], Columns(turns="elements")),
        (["meta", "data"], Columns(turns="data")),
        (["Speaker", "Line", "Data"], Columns(speaker="Speaker", line="Line")),
    ],
)
def test_usual_names_of_columns_are_recognised(names: list[str], columns: Columns) -> None:
    assert guess_columns(names) == columns


@pytest.mark.parametrize(
    ("names", "missing"),
    [(["colour", "weight"], "the lines of a script"), (["Season", "Line"], "the speaker of its lines")],
)
def test_columns_that_say_too_little_are_named_in_the_error(names: list[str], missing: str) -> None:
    with pytest.raises(CorpusError, match=f"{missing}; its columns are {', '.join(names)}") as raised:
        guess_columns(names)
    assert "--columns speaker=" in raised.value.hint


def test_an_error_shows_each_column_on_one_line() -> None:
    with pytest.raises(CorpusError, match=r"its columns are A long name, B\."):
        guess_columns(["A long\r\nname", "B"])


def test_what_is_said_of_columns_wins_over_their_names() -> None:
    said = Columns(speaker="From", line="what said", document=("season", "NO."))
    names = ["speaker", "line", "From", "What-Said", "Season", "No."]
    assert choose_columns(names, said) == Columns(
        speaker="From", line="What-Said", document=("Season", "No.")
    )
    assert choose_columns(names) == guess_columns(names)


@pytest.mark.parametrize(
    "said", [Columns(speaker="Who", line="line"), Columns(line="line", document=("Who",))]
)
def test_a_column_that_is_not_there_is_an_error(said: Columns) -> None:
    with pytest.raises(CorpusError, match="Who") as raised:
        choose_columns(["speaker", "line"], said)
    assert "speaker, line" in raised.value.hint


def test_columns_are_said_as_roles() -> None:
    assert parse_columns("speaker=Character, line=Line said,document=Season+Episode") == Columns(
        speaker="Character", line="Line said", document=("Season", "Episode")
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("speker=Who,line=What", "speaker, line, kind, scene, document, title, script, turns, text"),
        ("speaker", "speaker=COLUMN"),
        ("speaker=,line=What", "speaker=COLUMN"),
        ("speaker=Who", "line, script, turns, text"),
        ("", "speaker, line, kind, scene, document, title, script, turns, text"),
    ],
)
def test_roles_that_cannot_be_are_errors_that_name_those_that_can(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_columns(text)
    assert hint in raised.value.hint


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


NASTY_NAMES = [
    "C-3PO", "GROUPIE #1", "McCLANE", "Mrs. O'Brien", "JERRY & ELAINE", "ZOË", "Núñez", "小明", "2ND COP",
    "MAN IN HAT", "DR. VAN NOSTRAND", "VOICE ON P.A.", "Note",
]  # fmt: skip


@pytest.mark.parametrize("name", NASTY_NAMES)
@pytest.mark.parametrize("text", ["At 9:15.", "https://example.org: no", "Note: this", "你好。", "JERRY: hi"])
def test_in_a_row_a_name_is_a_name_and_a_text_a_text(name: str, text: str) -> None:
    rows: list[dict[str, object]] = [{"speaker": name, "line": text}]
    assert read_all(rows, guess_columns(rows[0])) == [("1", [Element("dialogue", text, name)])]


@given(scripts)
def test_elements_come_back_from_rows_and_from_documents(script: Script) -> None:
    elements = list(script.elements)
    rows: list[dict[str, object]] = [
        {"kind": element.kind, "speaker": element.speaker, "text": element.text} for element in elements
    ]
    document = json.loads(json.dumps({"title": "Tea", "elements": rows}))
    expected = [("1", elements)] if elements else []
    assert read_all(rows, guess_columns(["kind", "speaker", "text"])) == expected
    assert read_all([document], guess_columns(document)) == [("Tea", elements)]


def test_a_kind_that_there_is_not_is_dialogue() -> None:
    rows: list[dict[str, object]] = [
        {"kind": "Heading", "speaker": "", "text": "INT. KITCHEN"},
        {"kind": "speech", "speaker": "ANNA", "text": "Tea?"},
        {"kind": None, "speaker": "", "text": "Rain."},
    ]
    assert read_all(rows, guess_columns(rows[0])) == [
        (
            "1",
            [
                Element("heading", "INT. KITCHEN"),
                Element("dialogue", "Tea?", "ANNA"),
                Element("action", "Rain."),
            ],
        )
    ]


TEA = [Element("dialogue", "Tea?", "ANNA"), Element("dialogue", "No.", "BEN")]


@pytest.mark.parametrize(
    "cell",
    [
        [{"role": "ANNA", "content": "Tea?"}, {"role": "BEN", "content": "No."}],
        {"character": ["ANNA", "BEN"], "line": ["Tea?", "No."]},
        ["ANNA: Tea?", "BEN: No."],
        "ANNA: Tea?\nBEN: No.",
        '[{"role": "ANNA", "content": "Tea?"}, {"role": "BEN", "content": "No."}]',
        [{"speaker": "ANNA", "text": "Tea?", "kind": "dialogue"}, {"speaker": "BEN", "text": "No."}],
        [None, {"speaker": "ANNA", "text": "Tea?"}, {"text": None}, {"speaker": "BEN", "text": "No."}],
    ],
)
def test_turns_come_in_many_shapes(cell: object) -> None:
    assert read_all([{"turns": cell}], Columns(turns="turns")) == [("1", TEA)]
    if not isinstance(cell, str):
        assert read_all([{"title": "T", "script": cell}], guess_columns(["title", "script"])) == [("T", TEA)]


@pytest.mark.parametrize("cell", [None, "", [], {}, 5, [5], [[]]])
def test_a_cell_without_turns_is_empty(cell: object) -> None:
    assert read_all([{"turns": cell}], Columns(turns="turns")) == [("1", [])]


def test_turns_may_lie_in_scenes() -> None:
    scenes = [
        {"heading": "INT. KITCHEN", "lines": [{"speaker": "ANNA", "line": "Tea?"}]},
        {"lines": [{"speaker": "BEN", "line": "No."}]},
    ]
    row: dict[str, object] = {"title": "Tea", "scenes": scenes}
    assert read_all([row], guess_columns(row)) == [
        ("Tea", [Element("heading", "INT. KITCHEN"), TEA[0], Element("heading", ""), TEA[1]])
    ]


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


def told(rows: list[dict[str, object]]) -> list[list[str]]:
    """The documents in rows, each line as `name: text`, or `[heading]`."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [
        [f"{e.speaker}: {e.text}" if e.kind == "dialogue" else f"[{e.text}]" for e in elements]
        for _, elements in read_all(rows, guess_columns(names))
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "Tea?"}, {"type": "image_url", "image_url": {"url": "a.png"}}], "Tea?"),
        (["Tea?", {"type": "input_text", "text": "Now?"}], "Tea?\nNow?"),
        ([{"type": "tool_use", "input": {"text": "x"}}, {"type": "text", "text": {"value": "Tea?"}}], "Tea?"),
        ({"content_type": "text", "parts": ["Tea?"]}, "Tea?"),
        ("[Tea?]", "[Tea?]"),
    ],
)
def test_the_content_of_a_message_is_the_text_in_its_parts(content: object, text: str) -> None:
    rows: list[dict[str, object]] = [{"messages": [{"role": "user", "content": content}]}]
    assert told(rows) == [[f"user: {text}"]]


def test_a_message_of_pictures_alone_says_nothing() -> None:
    parts = [{"type": "image", "source": {"data": "x"}}]
    messages = [{"role": "user", "parts": parts}, {"role": "model", "parts": [{"text": "A hen."}]}]
    assert told([{"messages": messages}]) == [["model: A hen."]]


@pytest.mark.parametrize(
    ("column", "scenes", "lines"),
    [
        ("scene", ["1", "1", "2"], ["A: x", "A: x", "[]", "A: x"]),
        ("Scene_Number", [1, 1, 2], ["A: x", "A: x", "[]", "A: x"]),
        ("scene_id", ["s01e02c1", "s01e02c1", "s01e02c2"], ["A: x", "A: x", "[]", "A: x"]),
        ("scene", ["INT. BARN", "", "EXT. YARD"], ["[INT. BARN]", "A: x", "A: x", "[EXT. YARD]", "A: x"]),
        ("ActSceneLine", ["1.1.1", "", "1.2.1"], ["A: x", "A: x", "[]", "A: x"]),
        ("scene", [None, None, None], ["A: x", "A: x", "A: x"]),
        ("scenery", ["1", "1", "2"], ["A: x", "A: x", "A: x"]),
    ],
)
def test_a_column_for_scenes_begins_them(column: str, scenes: list[object], lines: list[str]) -> None:
    rows: list[dict[str, object]] = [{"speaker": "A", "line": "x", column: scene} for scene in scenes]
    assert told(rows) == [lines]
