import pytest

from scriptforge.screenplay.formats import read
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
    Element("dialogue", "NO. Not for you.", "GROUPIE #1"),
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


def page(*lines: str) -> list[Element]:
    """What lines mean in a screenplay whose action, dialogue and cues stand at columns 2, 6 and 10."""
    opening = ["  Rain.", "", "          ADA", "      Hm.", "", "  Sun.", ""]
    return list(read([*opening, *lines], format="indented"))[3:]


@pytest.mark.parametrize(
    "artefact",
    [
        "(CONTINUED)",
        "                                        (CONTINUED)",
        "CONTINUED:",
        "CONTINUED: (2)",
        "12   CONTINUED: (2)                                        12",
        "                                        42.",
        "- 42 -",
        "42A",
        "Page 42",
        "\x0c",
        "\x0c                                    42.",
        "                                                           *",
    ],
)
def test_what_belongs_to_the_page_is_dropped(artefact: str) -> None:
    assert page("  Fog.", "", artefact, "", "  Hail.") == [
        Element("action", "Fog."),
        Element("action", "Hail."),
    ]


@pytest.mark.parametrize("number", ["42.", "                                        42.", "\x0c42."])
def test_a_page_number_at_a_margin_needs_no_blank_lines_around_it(number: str) -> None:
    assert page("          BEN", "      Fog?", number, "          ADA", "      Hail.") == [
        Element("dialogue", "Fog?", "BEN"),
        Element("dialogue", "Hail.", "ADA"),
    ]


def test_a_number_that_is_spoken_is_no_page_number() -> None:
    assert page("          BEN", "      42.") == [Element("dialogue", "42.", "BEN")]


@pytest.mark.parametrize(
    "line",
    [
        "12   INT. HOUSE - DAY   12",
        "12A. INT. HOUSE - DAY                          12A.",
        "  INT. HOUSE - DAY                             42.",
        "A12  INT. HOUSE - DAY   *",
    ],
)
def test_numbers_beside_a_heading_are_not_part_of_it(line: str) -> None:
    assert page(line) == [Element("heading", "INT. HOUSE - DAY")]


def test_numbers_at_both_margins_make_a_heading_of_a_caption_too() -> None:
    assert page("7    THE KETTLE    7") == [Element("heading", "THE KETTLE")]


def test_asterisks_at_the_right_margin_are_not_text() -> None:
    assert page("          BEN     *", "      Fog,      *", "      and hail.  **") == [
        Element("dialogue", "Fog, and hail.", "BEN")
    ]


@pytest.mark.parametrize("cue", ["JERRY (cont'd)", "JERRY (CONT’D)", "JERRY (CONTINUED)", "Jerry (CONT'D)"])
def test_a_speech_that_a_page_parts_is_one_again(cue: str) -> None:
    lines = [
        "          JERRY",
        "      Fog",
        "          (MORE)",
        "",
        "  (CONTINUED)",
        "",
        "                  9.",
    ]
    assert page(*lines, "CONTINUED: (2)", "", f"          {cue}", "      and hail.", "", "  Wind.") == [
        Element("dialogue", "Fog and hail.", "JERRY"),
        Element("action", "Wind."),
    ]


def test_a_speech_that_is_said_to_go_on_after_action_is_another() -> None:
    assert page(
        "          BEN", "      Fog.", "", "  He waits.", "", "          BEN (CONT'D)", "      Hail."
    ) == [
        Element("dialogue", "Fog.", "BEN"),
        Element("action", "He waits."),
        Element("dialogue", "Hail.", "BEN"),
    ]


def test_a_speech_that_goes_on_in_another_way_is_another() -> None:
    assert page("          BEN", "      Fog.", "", "          BEN (V.O.) (CONT'D)", "      Hail.") == [
        Element("dialogue", "Fog.", "BEN"),
        Element("dialogue", "(V.O.) Hail.", "BEN"),
    ]


@pytest.mark.parametrize("blank", [[], [""], ["", ""]])
def test_a_cue_and_a_blank_line_and_what_is_said(blank: list[str]) -> None:
    assert page("          BEN", *blank, "      Fog.", *blank, "      Hail.") == [
        Element("dialogue", "Fog. Hail.", "BEN")
    ]


def test_a_screenplay_may_be_written_without_small_letters() -> None:
    lines = ["　　雨。", "", "          小明（旁白）", "      你好。", "", "          小红", "      你好！"]
    assert [element.kind for element in read(lines, format="indented")] == ["action", "dialogue", "dialogue"]


@pytest.mark.parametrize("count", [3, 199, 200, 201, 300])
def test_a_page_that_is_shifted_reads_as_if_it_was_not(count: int) -> None:
    straight = ["  Rain.", "", "          ADA", "      Hm.", ""] * 400
    shifted = [
        *("             BEN", "           (softly)", "         Fog.", ""),
        *["     Hail.", ""] * count,
        *("             ADA", "           (softly)", "         Sun."),
    ]
    assert list(read([*straight, *shifted], format="indented"))[800:] == [
        Element("dialogue", "(softly) Fog.", "BEN"),
        *[Element("action", "Hail.")] * count,
        Element("dialogue", "(softly) Sun.", "ADA"),
    ]
