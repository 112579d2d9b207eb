import pytest

from scriptforge.screenplay.reading import read
from scriptforge.screenplay.script import Element


def parse(*lines: str) -> list[Element]:
    return list(read(lines, format="name-line"))


@pytest.mark.parametrize(
    ("line", "speaker", "text"),
    [
        ("jerry: hi.", "jerry", "hi."),
        ("jerry:hi: there", "jerry", "hi: there"),
        ("jerry (aside): hi.", "jerry", "(aside) hi."),
        ("uncle leo: hello!", "uncle leo", "hello!"),
        ("Moe_Szyslak: (INTO PHONE) Yes?", "Moe Szyslak", "(INTO PHONE) Yes?"),
        ("C-3PO: Oh dear.", "C-3PO", "Oh dear."),
        ("GROUPIE #1: Hi.", "GROUPIE #1", "Hi."),
        ("Mrs. O'Brien: Hi.", "Mrs. O'Brien", "Hi."),
        ("JERRY & ELAINE: Hi.", "JERRY & ELAINE", "Hi."),
        ("Zoë: Hi.", "Zoë", "Hi."),
        ("小明：你好。", "小明", "你好。"),
        ("@so i said: hey", "so i said", "hey"),
    ],
)
def test_a_cue_and_its_line(line: str, speaker: str, text: str) -> None:
    assert parse(line) == [Element("dialogue", text, speaker)]


@pytest.mark.parametrize(
    "line",
    [
        "so i said: hey",
        "https://example.org/tea",
        "9: 15",
        "we wait until 9: 15 for him",
        "jerry:",
        "one two three four five six: no",
        "...and so on",
        "(george shows him the door: it is shut)",
        "[applause]",
        "!jerry: hi.",
        "Nothing of note",
    ],
)
def test_what_is_no_cue_is_action(line: str) -> None:
    assert parse(line) == [Element("action", line.removeprefix("!"))]


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("INT. DINER - NIGHT", "INT. DINER - NIGHT"),
        ("ext. street", "ext. street"),
        ("[setting: the diner]", "the diner"),
        ("setting: the diner", "the diner"),
        ("[cut to: the diner]", "the diner"),
        (".the diner", "the diner"),
        (".", ""),
    ],
)
def test_headings(line: str, heading: str) -> None:
    assert parse(line) == [Element("heading", heading)]


@pytest.mark.parametrize(
    ("line", "transition"), [("CUT TO:", "CUT TO:"), ("FADE OUT.", "FADE OUT."), (">later", "later")]
)
def test_transitions(line: str, transition: str) -> None:
    assert parse(line) == [Element("transition", transition)]


def test_stage_directions_are_understood() -> None:
    reading = read(["jerry: hi.", "(he leaves)"])
    assert len(list(reading)) == 2
    assert reading.unparsed == 0


def test_indented_lines_belong_to_the_line_above() -> None:
    assert parse("poet: o soup,", "    o bowl.", "", "    a line alone") == [
        Element("dialogue", "o soup,\no bowl.", "poet"),
        Element("action", "a line alone"),
    ]


def test_a_text_that_is_indented_throughout_is_still_a_line_an_element() -> None:
    assert len(parse("    jerry: hi.", "    george: hi.")) == 2


def test_a_gap_bigger_than_usual_parts_scenes() -> None:
    close = parse("a: 1", "b: 2", "", "", "a: 3", "b: 4")
    spaced = parse("a: 1", "", "b: 2", "", "a: 3", "", "", "b: 4", "", "a: 5")
    assert [element.kind for element in close].index("heading") == 2
    assert [element.kind for element in spaced].index("heading") == 3
