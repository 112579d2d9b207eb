import pytest

from scriptforge.screenplay.formats import read
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
        ("@McCLANE: Hi.", "McCLANE", "Hi."),
        ("JERRY (cont'd): Hi.", "JERRY", "Hi."),
        ("HOMER_(CONT'D: Hi.", "HOMER", "Hi."),
        ("BILL (O.S.) (tired): Hi.", "BILL", "(O.S.) (tired) Hi."),
        ("jerry [on the phone]: Hi.", "jerry", "[on the phone] Hi."),
        ("小明（旁白）：你好。", "小明", "（旁白） 你好。"),
        ("Núñez: Hi.", "Núñez", "Hi."),
        ("2ND COP: At 9:15.", "2ND COP", "At 9:15."),
        ("MAN IN HAT: Hi.", "MAN IN HAT", "Hi."),
        ("DR. VAN NOSTRAND: Hi.", "DR. VAN NOSTRAND", "Hi."),
        ("VOICE ON P.A.: Hi.", "VOICE ON P.A.", "Hi."),
        ("JERRY: https://example.org/tea: tea", "JERRY", "https://example.org/tea: tea"),
        ("JERRY: SCENE 2: THE DINER", "JERRY", "SCENE 2: THE DINER"),
        ("[12:03] jerry: hi", "jerry", "hi"),
        ("[12:03:59 PM] jerry (aside): hi", "jerry", "(aside) hi"),
        ("00:12:03 jerry: hi", "jerry", "hi"),
        ("[12:03] <jerry_s> hi: there", "jerry s", "hi: there"),
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
        "at 9:15 jerry: hi",
        "Note: this was typed by hand",
        "Written by: A. Nobody",
        "Props: a kettle",
        "C:\\tea\\pot",
        "[12:03]",
        "[12:03] * jerry waves",
        "[12:03] we said: hi",
        "我们说，好：不好",
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
        ("ACT ONE", "ACT ONE"),
        ("Scene 2: the diner", "Scene 2: the diner"),
        ("EXT. ROOF: rain", "EXT. ROOF: rain"),
        (".", ""),
    ],
)
def test_headings(line: str, heading: str) -> None:
    assert parse(line) == [Element("heading", heading)]


@pytest.mark.parametrize(
    ("line", "transition"),
    [
        ("CUT TO:", "CUT TO:"),
        ("FADE OUT.", "FADE OUT."),
        ("THE ROOF: CUT TO:", "THE ROOF: CUT TO:"),
        (">later", "later"),
    ],
)
def test_transitions(line: str, transition: str) -> None:
    assert parse(line) == [Element("transition", transition)]


@pytest.mark.parametrize("line", ["(he leaves)", "[applause].", "*sighs*", "♪ la ♪", "Note: he left."])
def test_what_is_marked_as_no_speech_is_understood(line: str) -> None:
    reading = read(["jerry: hi.", line])
    assert len(list(reading)) == 2
    assert reading.unparsed == 0


def test_a_line_that_nothing_marks_may_be_anything_and_counts_as_not_understood() -> None:
    reading = read(["jerry: hi.", "george: hi.", "he leaves", "jerry: oh."])
    assert list(reading)[2] == Element("action", "he leaves")
    assert reading.unparsed == len("he leaves")


def test_a_line_right_below_a_speech_is_the_rest_of_it_where_blank_lines_part_speeches() -> None:
    lines = [
        "jerry: o soup,",
        "o bowl,",
        "(he sighs)",
        "",
        "george: no.",
        "",
        "a silence",
        "",
        "jerry: o",
        "soup",
    ]
    assert parse(*lines) == [
        Element("dialogue", "o soup, o bowl,", "jerry"),
        Element("action", "(he sighs)"),
        Element("dialogue", "no.", "george"),
        Element("action", "a silence"),
        Element("dialogue", "o soup", "jerry"),
    ]


def test_names_that_never_come_again_are_a_list_and_no_cast() -> None:
    recipe = ["Flour: much", "Milk: some", "Eggs: two", "Salt: a pinch", "Pan: hot"]
    assert read(recipe).format == "prose"
    assert read([*recipe, "Milk: more"]).format == "name-line"
    assert read(recipe[:3]).format == "name-line"


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
