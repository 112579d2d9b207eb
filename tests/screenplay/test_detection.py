"""Every text is taken for what it is: fixtures in each format, what nearly is one, and the real corpora.

A fixture is named `FORMAT--WHAT`.
"""

from pathlib import Path

import pytest

from scriptforge.screenplay.formats import read
from scriptforge.screenplay.script import Element, normalise
from scriptforge.screenplay.table import Columns, guess_columns

FIXTURES = sorted((Path(__file__).parent / "fixtures").iterdir())

NASTY_NAMES = [
    "C-3PO", "BILL", "GROUPIE #1", "JERRY & ELAINE", "Mrs. O'Brien", "ZOË", "小明", "2ND COP",
    "DR. VAN NOSTRAND", "VOICE ON P.A.",
]  # fmt: skip

REASONS = {
    "name-line--nasty-names": "85 % of 20 lines are `name: text`.",
    "name-line--blank-lines-between": "83 % of 6 lines are `name: text`.",
    "name-line--wrapped-speeches": "80 % of 5 paragraphs open with `name: text`.",
    "name-line--scenes-and-gaps": "64 % of 11 lines are `name: text`.",
    "name-line--underscores": "100 % of 5 lines are `Full_Name: text`.",
    "chat--of-irc": "100 % of 6 lines open with a time and a name.",
    "name-line--transcript-with-times": "100 % of 5 lines are `[time] name: text`.",
    "name-line--acts": "50 % of 8 lines are `name: text`.",
    "shakespeare--acts": "44 % of 9 paragraphs open with `NAME:`.",
    "shakespeare--no-blank-lines": "100 % of 4 paragraphs open with `NAME:`.",
    "indented--tabs": "91 % of 11 lines begin at column 16 (action), 32 (dialogue) or 48 (cue).",
    "indented--pages": "94 % of 17 lines begin at column 5 (action), 10 (dialogue) or 15 (cue).",
    "indented--one-margin-for-action-and-dialogue": (
        "92 % of 12 lines begin at column 0 (action and dialogue) or 20 (cue)."
    ),
    "prose--recipe": "No known layout was recognised, so every paragraph is an action.",
}
"""Counted by hand."""


def fixture(stem: str) -> Path:
    return next(path for path in FIXTURES if path.stem == stem)


def elements(stem: str) -> list[Element]:
    with fixture(stem).open(encoding="utf-8") as lines:
        return list(read(lines))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name)
def test_a_fixture_is_taken_for_what_it_is(path: Path) -> None:
    with path.open(encoding="utf-8") as lines:
        reading = read(lines)
        found = list(reading)
    assert reading.format == path.name.partition("--")[0]
    assert not reading.reason[0].islower() and reading.reason.endswith(".")
    assert found == list(map(normalise, found))
    if reading.format == "prose":
        assert reading.unparsed == reading.characters
    else:
        assert reading.unparsed < 0.2 * reading.characters


@pytest.mark.parametrize("stem", REASONS)
def test_the_reason_is_true(stem: str) -> None:
    with fixture(stem).open(encoding="utf-8") as lines:
        assert read(lines).reason == REASONS[stem]


def test_the_first_lines_are_enough_if_they_leave_no_doubt() -> None:
    plain = ["ann: It rains again.", "bob: So it does, and the tea is cold."] * 250
    assert read(plain * 3).reason == "100 % of 500 lines are `name: text`."
    doubtful = ["It rains.", "The tea is cold.", "", "ann: So it does."] * 125
    assert "500 lines" not in read(doubtful + plain * 3).reason


@pytest.mark.parametrize("format", ["name-line", "shakespeare", "indented", "fountain", "fdx"])
def test_names_that_break_parsers_are_read_in_every_format(format: str) -> None:
    found = elements(f"{format}--nasty-names")
    speakers = {element.speaker for element in found}
    expected = {name.replace("JERRY", "BILL").replace("ELAINE", "C-3PO") for name in NASTY_NAMES}
    assert speakers >= (expected if format == "name-line" else set(NASTY_NAMES))
    assert not any(mark in speaker for speaker in speakers for mark in "(@:")
    assert any(element.speaker == "BILL" and element.text.startswith("(O.S.) ") for element in found)
    assert any("9:15" in element.text for element in found)


def test_a_speech_across_a_page_is_one_and_the_page_leaves_nothing() -> None:
    assert elements("indented--pages") == [
        Element("heading", "INT. LIGHTHOUSE - NIGHT"),
        Element("action", "The stairs, from above."),
        Element(
            "dialogue",
            "I have climbed these stairs every night for thirty years, "
            "and every night there is one more of them.",
            "KEEPER",
        ),
        Element("dialogue", "One more stair?", "VISITOR"),
        Element("action", "The visitor counts."),
        Element("dialogue", "One more stair.", "KEEPER"),
        Element("heading", "EXT. LIGHTHOUSE - DAY"),
        Element("action", "It is taller than it was."),
        Element("dialogue", "42.", "VISITOR"),
    ]


def test_a_chat_is_a_script_without_its_times() -> None:
    found = elements("chat--of-irc")
    assert found[0] == Element("dialogue", "anybody here?", "bob")
    assert found[3] == Element("action", "* ida_b waves")
    assert found[4] == Element("dialogue", "bring: rope, tape, cake", "ida b")


def test_acts_are_headings() -> None:
    kinds = [element.kind for element in elements("name-line--acts")]
    assert kinds[:3] == ["heading", "heading", "dialogue"]


@pytest.mark.parametrize(
    ("file", "format", "reason"),
    [
        ("seinfeld.txt", "name-line", "lines are `name: text`."),
        ("moes_tavern.txt", "name-line", "lines are `Full_Name: text`."),
        ("tinyshakespeare.txt", "shakespeare", "paragraphs open with `NAME:`."),
        (
            "biglebowski.txt",
            "indented",
            "lines begin at column 16 (action), 32 (dialogue) or 48 (cue).",
        ),
    ],
)
def test_real_texts_are_taken_for_what_they_are(
    shared_corpora: Path, file: str, format: str, reason: str
) -> None:
    with (shared_corpora / file).open(encoding="utf-8") as lines:
        reading = read(lines)
    assert reading.format == format
    assert reading.reason.endswith(reason)


def test_every_real_file_is_among_those_tested(shared_corpora: Path) -> None:
    texts = {path.name for path in shared_corpora.glob("*.txt")}
    assert texts == {"seinfeld.txt", "moes_tavern.txt", "tinyshakespeare.txt", "biglebowski.txt"}
    for path in shared_corpora.glob("southpark/*.csv"):
        with path.open(encoding="utf-8") as lines:
            header = next(lines).strip().split(",")
        assert guess_columns(header) == Columns(
            speaker="Character", line="Line", document=("Season", "Episode")
        )
