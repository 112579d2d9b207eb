"""Reading Fountain, after the examples and rules of https://fountain.io/syntax."""

from collections import Counter
from itertools import chain, islice, repeat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.slow import slow

from scriptforge.screenplay.formats import read
from scriptforge.screenplay.script import Element, cast

DEMO = Path(__file__).resolve().parents[2] / "corpora" / "demo"


def parse(text: str) -> list[Element]:
    return list(read(text.split("\n"), format="fountain"))


def action(text: str) -> Element:
    return Element("action", text)


def test_the_title_page_names_the_script() -> None:
    reading = read(["Title:", "    _**Tea**_", "\tfor Two", "Author: A. Nobody", "", "INT. KITCHEN"])
    assert reading.format == "fountain"
    assert reading.reason == "It opens with a title page."
    assert reading.title == "Tea for Two"
    assert list(reading) == [Element("heading", "INT. KITCHEN")]


@pytest.mark.parametrize(
    ("page", "title"),
    [
        (["Title: Tea: for Two"], "Tea: for Two"),
        (["Episode: 4", "Draft date: today", "Title: Tea"], "Tea"),
        (["title:Tea [[or coffee]]", "Contact:", "    Title: no", "    1 Road"], "Tea"),
        (["Title: \\*Tea\\*", "Credit: by", "Source: none"], "*Tea*"),
        (["Author: A. Nobody"], ""),
        (["", "Title: Tea"], "Tea"),
    ],
)
def test_title_pages(page: list[str], title: str) -> None:
    reading = read(page, format="fountain")
    assert (reading.title, list(reading)) == (title, [])


@pytest.mark.parametrize("text", ["FADE IN:", "Anna: Tea?", "Rain.\nTitle: Tea", "Rain.\n\nTitle: Tea"])
def test_what_only_looks_like_a_title_page_is_text(text: str) -> None:
    reading = read(text.split("\n"), format="fountain")
    assert reading.title == ""
    assert "".join(element.text for element in reading) == text.replace("\n\n", "")


@pytest.mark.parametrize(
    ("cue", "speaker", "aside"),
    [
        ("ANNA", "ANNA", ""),
        ("ANNA (O.S.)", "ANNA", "(O.S.) "),
        ("ANNA (on the phone)", "ANNA", "(on the phone) "),
        ("ANNA (CONT'D)", "ANNA", ""),
        ("ANNA (cont'd)", "ANNA", ""),
        ("ANNA (V.O.) (CONT'D)", "ANNA", "(V.O.) "),
        ("ANNA ^", "ANNA", ""),
        ("ANNA (O.S.)^", "ANNA", "(O.S.) "),
        ("ANNA \\^", "ANNA ^", ""),
        ("@McCLANE", "McCLANE", ""),
        ("@小明", "小明", ""),
        ("@Anna ^", "Anna", ""),
        ("R2D2", "R2D2", ""),
        ("C-3PO", "C-3PO", ""),
        ("GROUPIE #1", "GROUPIE #1", ""),
        ("ÉLODIE & BEN", "ÉLODIE & BEN", ""),
        ("MRS. O'BRIEN", "MRS. O'BRIEN", ""),
        ("**ANNA**", "ANNA", ""),
        ("  ANNA", "ANNA", ""),
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
        ("EST. THE SEA - *DAWN*", Element("heading", "EST. THE SEA - DAWN")),
        ("**INT. KITCHEN**", Element("heading", "INT. KITCHEN")),
        ("INT. KITCHEN - DAY #1#", Element("heading", "INT. KITCHEN - DAY")),
        ("INT. KITCHEN - DAY (1978) #1-A.2#", Element("heading", "INT. KITCHEN - DAY (1978)")),
        ("INT. ROOM #7 - DAY", Element("heading", "INT. ROOM #7 - DAY")),
        (".THE KETTLE", Element("heading", "THE KETTLE")),
        (".THE KETTLE #12#", Element("heading", "THE KETTLE")),
        (".#12#", Element("heading", "")),
        ("...and then", action("...and then")),
        ("!INT. is short", action("INT. is short")),
        ("!ANNA\nTea?", action("ANNA\nTea?")),
        ("CUT TO:", Element("transition", "CUT TO:")),
        ("> Later", Element("transition", "Later")),
        ("> Later \\<", Element("transition", "Later <")),
        ("> THE END <", action("THE END")),
        (">THE<\n>END<", action("THE\nEND")),
        ("~La, la\n~La", action("La, la\nLa")),
        ("~LA, LA\nLA", action("LA, LA\nLA")),
        ("ANNA", action("ANNA")),
        ("@Anna", action("Anna")),
        ("9", action("9")),
        ("9\nlives", action("9\nlives")),
        ("She waits.\nIt rains.", action("She waits.\nIt rains.")),
        ("== equal", action("== equal")),
        ("7 #1#", action("7 #1#")),
        ("ANNA\n~", action("ANNA")),
        ("ANNA\n[[what?]]", action("ANNA")),
    ],
)
def test_lines_that_are_not_dialogue(text: str, element: Element) -> None:
    assert parse(text) == [element]


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("*Tea*, **tea**, ***tea***, _tea_", "Tea, tea, tea, tea"),
        ("**Hot *black* tea** and _**more** tea_", "Hot black tea and more tea"),
        ("***Hot* tea**, **hot *tea***", "Hot tea, hot tea"),
        ("un*believ*able", "unbelievable"),
        ("4 * 4 * 4", "4 * 4 * 4"),
        ("He dials *69 and then *23.", "He dials *69 and then *23."),
        ("He dials *69 and then 23*.", "He dials 69 and then 23."),
        ("He dials \\*69 and then 23\\*.", "He dials *69 and then 23*."),
        ("*69 and *23*", "*69 and 23"),
        ("*over\nlines*", "*over\nlines*"),
        ("A **** word, ____ and f**k", "A **** word, ____ and f**k"),
        ("my snake_case_name", "my snake_case_name"),
        ("\\_so\\_ \\*\\*it\\*\\* \\[[is]]", "_so_ **it** [[is]]"),
        ("\\\\server\\share \\", "\\\\server\\share \\"),
        ("a *b", "a *b"),
    ],
)
def test_emphasis_is_dropped_and_signs_are_kept(printed: str, text: str) -> None:
    assert parse(f"{printed} –") == [action(f"{text} –")]
    assert parse(f"ANNA\n{printed} –") == [Element("dialogue", f"{text} –", "ANNA")]


@pytest.mark.parametrize(
    ("spoken", "text"),
    [
        ("Tea\nnow?", "Tea\nnow?"),
        ("Tea?\n  \nNo?\n\n", "Tea?\nNo?"),
        ("(softly)\nTea?\n(beat)\nNow?", "(softly) Tea? (beat) Now?"),
        ("(softly)\n(to Ben)\nTea?", "(softly) (to Ben) Tea?"),
        ("*(softly)*\nTea?", "(softly) Tea?"),
        ("(softly)\n  \nTea?", "(softly)\nTea?"),
        ("Tea? (He drinks.)", "Tea? (He drinks.)"),
        ("~La, la\nTea?", "La, la\nTea?"),
        ("\\~ about", "~ about"),
        (".38 special\n!\n# 1\n= 2\n> 3 <", ".38 special\n!\n# 1\n= 2\n> 3 <"),
        ("INT. KITCHEN\nCUT TO:\nBEN", "INT. KITCHEN\nCUT TO:\nBEN"),
    ],
)
def test_dialogue_keeps_its_lines(spoken: str, text: str) -> None:
    assert parse(f"ANNA\n{spoken}") == [Element("dialogue", text, "ANNA")]


def test_a_blank_line_ends_dialogue_even_if_it_has_some_spaces() -> None:
    assert parse("ANNA\nTea?\n   \nRain.\n  \nSun.") == [
        Element("dialogue", "Tea?", "ANNA"),
        action("Rain."),
        action("Sun."),
    ]


def test_who_speaks_at_the_same_time_speaks_too() -> None:
    assert parse("ANNA\nTea?\n\nBEN ^\n(loud)\nNo!") == [
        Element("dialogue", "Tea?", "ANNA"),
        Element("dialogue", "(loud) No!", "BEN"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "# Act one",
        "### Deeper",
        "= They meet.",
        "===",
        "=====",
        "[[a note]]",
        "[[a note\n  \nin two parts]]",
        "/* cut\n\nall this */",
        "/* one */ /* two\n*/",
    ],
)
def test_what_is_not_the_script_is_dropped(text: str) -> None:
    assert parse(f"Rain.\n\n{text}\n\nSun.") == [action("Rain."), action("Sun.")]


def test_comments_are_cut_from_within() -> None:
    assert parse(
        "ANNA [[who?]]\nTea [[or\ncoffee]] now?\n[[why?]]\nYes.\n\nRain /* and\n\nhail */ falls."
    ) == [
        Element("dialogue", "Tea  now?\nYes.", "ANNA"),
        action("Rain  falls."),
    ]
    assert parse("A /* [[ */ b [[ /* ]] */ c ]] d [[e]].") == [action("A  b  d .")]


def test_a_comment_that_never_ends_is_text() -> None:
    assert parse("Rain [[a]] falls /*/.\n\nSun [[shines.\nOn\n\nsea ]] and /* land.") == [
        action("Rain  falls /*/."),
        action("Sun [[shines.\nOn"),
        action("sea ]] and /* land."),
    ]


open_marks = st.sampled_from(
    ["/*", "[[", "**", "_", "***a", " b", "c ", "D\n", "\n\n", "~", ">", "(", "@", "\\", "^"]
)


@given(st.lists(open_marks).map("".join).filter(lambda text: "*/" not in text))
def test_marks_that_nothing_closes_take_no_letter_along(text: str) -> None:
    elements = parse(text)
    letters = Counter(filter(str.isalnum, chain.from_iterable(line.speaker + line.text for line in elements)))
    assert letters == Counter(filter(str.isalnum, text))


@pytest.mark.parametrize(
    "unit", ["[[a", "/*a", "a */ b /*", "**a ", " *a", "***a", "_a", "(a) ", "\\*", "ANNA\n", "ANNA\n  \n"]
)
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_much_of_anything_is_read_in_passing(unit: str, end: str) -> None:
    for _ in read([(unit + end) * 10_000], format="fountain"):
        pass


@pytest.mark.parametrize("line", ["/* cut", *slow(["ANNA", "[[ note", "*"])])
def test_a_text_without_end_is_read_as_it_comes(line: str) -> None:
    lines = chain([line], repeat("It rains and rains."))
    assert len(list(islice(read(lines, format="fountain"), 3))) == 3


def test_a_file_named_fountain_is_fountain() -> None:
    reading = read(["anna: tea?", "ben: no."], suffix=".fountain")
    assert reading.format == "fountain"
    assert list(reading) == [action("anna: tea?\nben: no.")]


def test_the_demo_is_understood() -> None:
    elements: list[Element] = []
    for file in sorted(DEMO.glob("*.fountain")):
        with file.open(encoding="utf-8") as lines:
            reading = read(lines)
            assert (reading.format, reading.title[:12]) == ("fountain", "EXACT CHANGE")
            elements += reading
    members = cast(elements)
    assert {member.speaker for member in members[:8]} >= {"WALT", "DEE", "PRU", "OTIS", "IDA"}
    assert sum(member.lines for member in members[:8]) > 1000
    assert {element.kind for element in elements} == {"heading", "action", "dialogue", "transition"}
