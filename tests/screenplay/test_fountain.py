import pytest

from scriptforge.screenplay.reading import read
from scriptforge.screenplay.script import Element


def parse(text: str) -> list[Element]:
    return list(read(text.split("\n"), format="fountain"))


def test_the_title_page_names_the_script() -> None:
    reading = read(["Title:", "    _**Tea**_", "    for Two", "Author: A. Nobody", "", "INT. KITCHEN"])
    assert reading.format == "fountain"
    assert reading.title == "Tea for Two"
    assert list(reading) == [Element("heading", "INT. KITCHEN")]


@pytest.mark.parametrize(
    ("cue", "speaker", "aside"),
    [
        ("ANNA", "ANNA", ""),
        ("ANNA (O.S.)", "ANNA", "(O.S.) "),
        ("ANNA (CONT'D)", "ANNA", ""),
        ("ANNA ^", "ANNA", ""),
        ("@McCLANE", "McCLANE", ""),
        ("@小明", "小明", ""),
        ("R2D2", "R2D2", ""),
        ("C-3PO", "C-3PO", ""),
        ("GROUPIE #1", "GROUPIE #1", ""),
        ("ÉLODIE & BEN", "ÉLODIE & BEN", ""),
    ],
)
def test_cues(cue: str, speaker: str, aside: str) -> None:
    assert parse(f"{cue}\n(softly)\nTea?") == [Element("dialogue", f"{aside}(softly) Tea?", speaker)]


@pytest.mark.parametrize(
    ("text", "element"),
    [
        ("INT. KITCHEN", Element("heading", "INT. KITCHEN")),
        ("int./ext. car", Element("heading", "int./ext. car")),
        ("I/E CAR", Element("heading", "I/E CAR")),
        (".THE KETTLE", Element("heading", "THE KETTLE")),
        ("...and then", Element("action", "...and then")),
        ("!INT. is short", Element("action", "INT. is short")),
        ("CUT TO:", Element("transition", "CUT TO:")),
        ("> Later", Element("transition", "Later")),
        ("> THE END <", Element("action", "THE END")),
        ("ANNA", Element("action", "ANNA")),
        ("9", Element("action", "9")),
        ("She waits.\nIt rains.", Element("action", "She waits.\nIt rains.")),
    ],
)
def test_lines_that_are_not_dialogue(text: str, element: Element) -> None:
    assert parse(text) == [element]


@pytest.mark.parametrize("text", ["# Act one", "= They meet.", "===", "[[a note]]", "/* cut\n\nall this */"])
def test_what_is_not_the_script_is_dropped(text: str) -> None:
    assert parse(f"Rain.\n\n{text}\n\nSun.") == [Element("action", "Rain."), Element("action", "Sun.")]


def test_comments_are_cut_from_within() -> None:
    assert parse("ANNA [[who?]]\nTea [[or\ncoffee]] now?\n\nRain /* and\n\nhail */ falls.") == [
        Element("dialogue", "Tea  now?", "ANNA"),
        Element("action", "Rain  falls."),
    ]


def test_a_comment_that_never_ends_is_text() -> None:
    assert parse("Rain /* falls.\n\nSun [[shines.") == [
        Element("action", "Rain /* falls."),
        Element("action", "Sun [[shines."),
    ]


def test_dialogue_is_one_line_unless_two_spaces_hold_it_apart() -> None:
    assert parse("ANNA\nTea\nnow?\n  \nNo?\n\nRain.") == [
        Element("dialogue", "Tea now?\nNo?", "ANNA"),
        Element("action", "Rain."),
    ]
