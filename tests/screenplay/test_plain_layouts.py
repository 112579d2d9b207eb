import pytest

from scriptforge.screenplay.formats import read
from scriptforge.screenplay.script import Element

PLAY = """\
ACT I

SCENE II. A kitchen.

Enter ANNA and BEN

First Cook:
The kettle sings, and thus it sings:
  O tea.

ANNA:

[Exit ANNA]
"""


def test_speeches_keep_their_verse() -> None:
    reading = read(PLAY.splitlines(), format="shakespeare")
    assert list(reading) == [
        Element("heading", "ACT I"),
        Element("heading", "SCENE II. A kitchen."),
        Element("action", "Enter ANNA and BEN"),
        Element("dialogue", "The kettle sings, and thus it sings:\nO tea.", "First Cook"),
        Element("action", "[Exit ANNA]"),
    ]
    assert reading.unparsed == 0


def test_where_blank_lines_part_nothing_every_name_opens_a_speech() -> None:
    lines = ["ANNA:", "Tea,", "perhaps?", "BEN:", "No.", "", "ANNA:", "Oh.", "BEN:", "Well."]
    assert list(read(lines)) == [
        Element("dialogue", "Tea,\nperhaps?", "ANNA"),
        Element("dialogue", "No.", "BEN"),
        Element("dialogue", "Oh.", "ANNA"),
        Element("dialogue", "Well.", "BEN"),
    ]


def test_where_they_do_a_line_with_a_colon_is_verse() -> None:
    lines = ["ANNA:", "Hear me:", "tea.", "", "BEN:", "I hear:", "", "ANNA:", "Oh."]
    assert [element.text for element in read(lines)] == ["Hear me:\ntea.", "I hear:", "Oh."]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("ACT I", "heading"),
        ("SCENE II. A kitchen.", "heading"),
        ("Act 3", "heading"),
        ("EPILOGUE", "heading"),
        ("BLACKOUT. CUT TO:", "transition"),
        ("Re-enter BEN", "action"),
        ("Flourish. Exeunt", "action"),
        ("(He drinks.)", "action"),
    ],
)
def test_what_is_no_speech(line: str, kind: str) -> None:
    reading = read(["ANNA:", "Tea.", "", line, "", "BEN:", "No."], format="shakespeare")
    assert [element.kind for element in reading] == ["dialogue", kind, "dialogue"]
    assert reading.unparsed == 0


def test_a_stanza_without_a_name_is_not_understood() -> None:
    reading = read(["ANNA:", "Tea.", "", "More tea."], format="shakespeare")
    assert list(reading)[1] == Element("action", "More tea.")
    assert reading.unparsed == len("More tea.")
