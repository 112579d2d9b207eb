import pytest

from scriptforge.screenplay.reading import read
from scriptforge.screenplay.script import Element

SCREENPLAY = """\
\t\tINT.  KITCHEN

\t\tSteam rises from a kettle that
\t\thas seen better days.

\t\t\t\t\t\tANNA (O.S.)
\t\t\t\t\t(calling)
\t\t\t\tIs there tea in
\t\t\t\tthe pot?

\t\t\t\t\t\t(MORE)
 42.

(CONTINUED)

\t\t\t\t\t\tGROUPIE #1 (CONT'D)
\t\t\t\tNO.

\t\t\t\tNot for you.
\t\tA silence.

\t\tTHE KETTLE

\t\t\t\t\t\t\tSMASH CUT TO:
"""

EXPECTED = [
    Element("heading", "INT.  KITCHEN"),
    Element("action", "Steam rises from a kettle that has seen better days."),
    Element("dialogue", "(O.S.) (calling) Is there tea in the pot?", "ANNA"),
    Element("dialogue", "NO.", "GROUPIE #1"),
    Element("dialogue", "Not for you.", "GROUPIE #1"),
    Element("action", "A silence."),
    Element("heading", "THE KETTLE"),
    Element("transition", "SMASH CUT TO:"),
]


@pytest.mark.parametrize("indent", ["\t", "    ", "     "])
def test_margins_are_found_whatever_they_are_made_of(indent: str) -> None:
    reading = read(SCREENPLAY.replace("\t", indent).splitlines())
    assert reading.format == "indented"
    assert list(reading) == EXPECTED
    assert reading.unparsed == 0


def test_dialogue_may_stand_at_the_margin_of_action() -> None:
    lines = ["Steam.", "", "        ANNA", "Tea?", "", "She waits.", "", "        BEN", "No."]
    assert list(read(lines)) == [
        Element("action", "Steam."),
        Element("dialogue", "Tea?", "ANNA"),
        Element("action", "She waits."),
        Element("dialogue", "No.", "BEN"),
    ]


def test_a_cue_that_says_nothing_and_a_speech_without_cue_are_not_understood() -> None:
    lines = [
        "      Stray words.",
        *SCREENPLAY.replace("\t", "  ").splitlines(),
        "",
        "            ANNA",
        "",
        "    Rain.",
    ]
    reading = read(lines, format="indented")
    elements = list(reading)
    assert elements[-2:] == [Element("action", "ANNA"), Element("action", "Rain.")]
    assert reading.unparsed == len("ANNA")
