"""Writing Fountain, the law that reading gives back what was written, and that other programs read it too."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from screenplain.parsers.fountain import parse as parse_with_screenplain
from screenplain.types import Dialog, DualDialog
from screenplay_tools.fountain.parser import Parser as ScreenplayTools
from screenplay_tools.screenplay import ElementType
from support.scripts import scripts

from scriptforge.screenplay import fountain
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.script import KINDS, Element, Scene, Script, normalise
from scriptforge.screenplay.table import documents, guess_columns

DEMO = Path(__file__).resolve().parents[2] / "corpora" / "demo"
CORPORA = ["biglebowski.txt", "moes_tavern.txt", "seinfeld.txt", "tinyshakespeare.txt"]
SLICE = 7000
"""Lines of a real corpus that are read in a second."""


def read_back(lines: Iterable[str]) -> Script:
    reading = read(lines, format="fountain")
    return Script.from_elements(reading.title, reading)


def write(*elements: Element, title: str = "") -> list[str]:
    return list(fountain.write(Script.from_elements(title, elements)))


MARKS = [
    "*", "**", "***", "_", "\\", "[[", "]]", "/*", "*/", "#1#", "#", "~", "^", "<", ">", "(a)", " (b) ", "(",
    "\n", "!", ".", "@", "=", "===", "Title: x", "Date:", "CUT TO:", "FADE OUT.", "INT. X", "A", "b", " ",
    "(O.S.) ",
]  # fmt: skip
marks = st.lists(st.sampled_from(MARKS), max_size=8).map("".join)
marked_elements = (
    st.builds(Element, st.sampled_from(KINDS), marks, marks)
    .map(normalise)
    .filter(lambda element: element is not None)
)
marked_titles = marks.map(lambda text: " ".join(text.split()))
marked_scripts = st.builds(Script.from_elements, marked_titles, st.lists(marked_elements, max_size=4))


@given(scripts | marked_scripts)
@example(Script("", ()))
@example(Script("", (Scene("", ()), Scene("", ()))))
@example(Script.from_elements("", [Element("action", "Title: of a song\nDate: unknown")]))
def test_reading_gives_back_what_was_written(script: Script) -> None:
    lines = list(fountain.write(script))
    assert all(line.splitlines() in ([], [line]) for line in lines)
    assert read_back(lines) == script


def test_a_script_is_written_as_people_write_it() -> None:
    elements = [
        Element("transition", "FADE IN:"),
        Element("heading", "INT. KITCHEN - DAY"),
        Element("action", "Steam rises.\nIt is HOT."),
        Element("action", "THE KETTLE"),
        Element("dialogue", "(O.S.) (softly) Tea? (beat) Or (strong) coffee?", "ANNA"),
        Element("dialogue", "Neither,\nnor both.", "MRS. O'BRIEN"),
        Element("dialogue", "...", "McClane"),
        Element("transition", "CUT TO:"),
        Element("heading", "The garden"),
        Element("action", "Rain."),
    ]
    assert write(*elements, title="Tea for Two") == [
        "Title: Tea for Two",
        "",
        "> FADE IN:",
        "",
        "INT. KITCHEN - DAY",
        "",
        "Steam rises.",
        "It is HOT.",
        "",
        "THE KETTLE",
        "",
        "ANNA (O.S.)",
        "(softly)",
        "Tea?",
        "(beat)",
        "Or (strong) coffee?",
        "",
        "MRS. O'BRIEN",
        "Neither,",
        "nor both.",
        "",
        "@McClane",
        "...",
        "",
        "CUT TO:",
        "",
        ".The garden",
        "",
        "Rain.",
    ]


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.fountain")), ids=lambda file: file.stem)
def test_the_demo_is_written_as_its_authors_wrote_it(file: Path) -> None:
    printed = file.read_text(encoding="utf-8").replace(" (CONT'D)\n", "\n")
    written = "".join(f"{line}\n" for line in fountain.write(read_back([printed])))
    first, *_ = printed.splitlines()
    assert written == first + printed[printed.index("\n\n") :]


@pytest.mark.parametrize(
    ("element", "lines"),
    [
        (Element("heading", "ext. garden"), ["ext. garden"]),
        (Element("heading", "INTERIOR  HALL"), [".INTERIOR  HALL"]),
        (Element("heading", ".38"), [". .38"]),
        (Element("heading", "ROOM #1#"), [".ROOM #1# #1#"]),
        (Element("heading", "INT. ROOM #1#"), ["INT. ROOM #1# #1#"]),
        (Element("heading", "Act one\nMorning"), [".Act one", ".Morning"]),
        (Element("transition", "FADE OUT."), ["> FADE OUT."]),
        (Element("transition", "Later"), ["> Later"]),
        (Element("transition", "home <"), [r"> home \<"]),
        (Element("action", "INT. is short for it."), ["!INT. is short for it."]),
        (Element("action", "CUT TO:"), ["", "!CUT TO:"]),
        (Element("action", "#1 of 2"), ["!#1 of 2"]),
        (Element("action", "@home"), ["!@home"]),
        (Element("action", "!"), ["!!"]),
        (Element("action", "HE SAYS\nnothing."), ["!HE SAYS", "nothing."]),
        (Element("action", "He says\n> nothing"), ["He says", "!> nothing"]),
        (Element("action", "Title: none"), ["", "!Title: none"]),
        (Element("action", "5 * 3 is 15_"), ["5 * 3 is 15_"]),
        (Element("action", "He dials *69 and *23."), [r"He dials \*69 and \*23."]),
        (Element("action", "snake_case_name"), [r"snake\_case\_name"]),
        (Element("action", "a [[b]] /* c */"), [r"a [\[b]] /\* c \*/"]),
        (Element("action", r"A\*.* and \\home"), [r"A\\*.\* and \\home"]),
        (Element("dialogue", "Tea?", "R2D2"), ["R2D2", "Tea?"]),
        (Element("dialogue", "Tea?", "GROUPIE #1"), ["GROUPIE #1", "Tea?"]),
        (Element("dialogue", "Tea?", "ÉLODIE"), ["@ÉLODIE", "Tea?"]),
        (Element("dialogue", "Tea?", "小明"), ["@小明", "Tea?"]),
        (Element("dialogue", "Tea?", "9"), ["@9", "Tea?"]),
        (Element("dialogue", "Tea?", "INT. MAN"), ["@INT. MAN", "Tea?"]),
        (Element("dialogue", "Tea?", "ANNA ^"), [r"ANNA \^", "Tea?"]),
        (Element("dialogue", "(v.o.) Tea?", "Anna"), ["@Anna (v.o.)", "Tea?"]),
        (Element("dialogue", "(LOUD) Tea?", "ANNA"), ["ANNA", "(LOUD)", "Tea?"]),
        (Element("dialogue", "(O.S.)", "ANNA"), ["ANNA", "(O.S.)"]),
        (Element("dialogue", "(CONT'D) Tea?", "ANNA"), ["ANNA", "(CONT'D)", "Tea?"]),
        (Element("dialogue", "(softly)\nTea?", "ANNA"), ["ANNA", "(softly)", "  ", "Tea?"]),
        (Element("dialogue", "No. (beat) (aside) No.", "BEN"), ["BEN", "No.", "(beat)", "(aside)", "No."]),
        (Element("dialogue", "No. (He leaves.)", "BEN"), ["BEN", "No. (He leaves.)"]),
        (Element("dialogue", "~ La\n# 1", "BEN"), ["BEN", r"\~ La", "# 1"]),
    ],
)  # fmt: skip
def test_what_would_be_misread_is_marked_and_nothing_else(element: Element, lines: list[str]) -> None:
    script = Script.from_elements("", [element])
    assert list(fountain.write(script)) == lines
    assert read_back(lines) == script


def test_scenes_without_a_heading_are_numbered() -> None:
    rain, nowhere = Element("action", "Rain."), Element("heading", "")
    assert write(rain, nowhere, rain, nowhere) == ["Rain.", "", ".#2#", "", "Rain.", "", ".#3#"]


def test_a_title_of_several_lines_is_read_on_one() -> None:
    lines = write(title="Tea\nfor *Two*")
    assert lines == ["Title:", "    Tea", r"    for \*Two\*"]
    assert read_back(lines).title == "Tea for *Two*"


@pytest.mark.slow
@pytest.mark.parametrize("file", CORPORA)
def test_real_scripts_survive(shared_corpora: Path, file: str) -> None:
    with (shared_corpora / file).open(encoding="utf-8") as lines:
        reading = read(islice(lines, SLICE))
        script = Script.from_elements(reading.title, reading)
    assert read_back(fountain.write(script)) == script


@pytest.mark.soak
@pytest.mark.parametrize("file", CORPORA)
def test_whole_real_corpora_survive(shared_corpora: Path, file: str) -> None:
    with (shared_corpora / file).open(encoding="utf-8") as lines:
        reading = read(lines)
        script = Script.from_elements(reading.title, reading)
    assert read_back(fountain.write(script)) == script


def southpark(shared_corpora: Path) -> Iterator[Script]:
    for file in sorted((shared_corpora / "southpark").glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as table:
            rows = csv.DictReader(table)
            columns = guess_columns(rows.fieldnames or [])
            for name, elements in documents(rows, columns):
                yield Script.from_elements(name, elements)


def test_scripts_from_tables_survive(shared_corpora: Path) -> None:
    for script in islice(southpark(shared_corpora), 30):
        assert read_back(fountain.write(script)) == script


@pytest.mark.soak
def test_all_scripts_from_tables_survive(shared_corpora: Path) -> None:
    for script in southpark(shared_corpora):
        assert read_back(fountain.write(script)) == script


Speech = tuple[str, str]
"""A cue without its extension, and what is said after that, words parted by single spaces."""


def speech(speaker: str, text: str) -> Speech:
    element = normalise(Element("dialogue", text, speaker))
    return (element.speaker, " ".join(element.text.split())) if element else ("", "")


def our_speeches(script: Script) -> list[Speech]:
    return [speech(line.speaker, line.text) for line in script.elements if line.kind == "dialogue"]


def speeches_of_screenplain(text: str) -> list[Speech]:
    speeches: list[Speech] = []
    for paragraph in parse_with_screenplain(io.StringIO(text)):
        assert not isinstance(paragraph, DualDialog)
        if isinstance(paragraph, Dialog):
            said = " ".join(str(line) for _, line in paragraph.blocks)
            speeches.append(speech(str(paragraph.character), said))
    return speeches


def speeches_of_screenplay_tools(text: str) -> list[Speech]:
    parser = ScreenplayTools()
    parser.add_text(text)
    speeches: list[tuple[str, list[str]]] = []
    for element in parser.script.elements:
        if element.type == ElementType.CHARACTER:
            extension = f" ({element.extension})" if element.extension else ""
            speeches.append((element.name + extension, []))
        elif element.type == ElementType.PARENTHETICAL:
            speeches[-1][1].append(f"({element.text_raw})")
        elif element.type == ElementType.DIALOGUE:
            speeches[-1][1].append(element.text_raw)
    # It leaves emphasis and escapes to those who use it.
    return [speech(cue, re.sub(r"\\([*_\[~^<])", r"\1", " ".join(said))) for cue, said in speeches]


def assert_others_read_the_same(script: Script) -> None:
    text = "".join(f"{line}\n" for line in fountain.write(script))
    ours = our_speeches(script)
    # It underlines what stands between underscores that are escaped, and keeps the backslashes.
    underlined = str.maketrans("", "", "\\_")
    assert [(cue, said.translate(underlined)) for cue, said in speeches_of_screenplain(text)] == [
        (cue, said.translate(underlined)) for cue, said in ours
    ]
    theirs = speeches_of_screenplay_tools(text)
    assert [cue for cue, _ in theirs] == [cue for cue, _ in ours]
    for (_, said), (_, meant) in zip(theirs, ours, strict=True):
        # Behind a parenthetical that ends a speech, it takes the next paragraph of action for dialogue.
        assert said == meant or (meant.endswith(")") and said.startswith(meant))


names = st.sampled_from([
    "ANNA", "BEN", "C-3PO", "R2D2", "GROUPIE #1", "JERRY & ELAINE", "MRS. O'BRIEN", "ÉLODIE", "Jerry",
    "McCLANE", "小明", "9TH MAN", "INT. MAN", "THE GUY WHO GOES TO", "Uncle Leo",
])  # fmt: skip
sentences = st.sampled_from([
    "Tea?", "No.", "I *said* no, and *you* said yes.", "He dialed *69 and then *23.", "...and then we left.",
    "It is 5 * 3 * 2.", "My snake_case_name.", "Look: a [[note]]?", "What /* is */ this?", "OH NO!",
    "CUT TO:", "INT. KITCHEN", "Ångström, naïve – “quoted”.", "我不知道。", "THE END",
    "Super: 1999", "A\\B", "...",
]) | st.text("abcdefg ,.'", min_size=1).map(lambda text: f"Well, {text.strip()}")  # fmt: skip
# In dialogue, screenplay-tools takes `INT.` for a heading, and capitals behind two spaces for a cue.
asides = st.sampled_from(["", "", "(softly) ", "(O.S.) ", "(v.o.) ", "(to Anna, aside) ", "(softly)\nOh. "])
spoken = st.builds(
    "{}{}{}{}".format, asides, sentences, st.sampled_from([" ", "\n", " (beat) "]), sentences
).filter(lambda text: "INT." not in text)
headings = st.sampled_from(["INT. DINER - DAY", "THE KETTLE", "", "ROOM #1#"])
ordinary_elements = st.one_of(
    st.builds(Element, st.just("dialogue"), spoken, names),
    st.builds(Element, st.just("action"), st.lists(sentences, min_size=1, max_size=3).map("\n".join)),
    st.builds(Element, st.just("heading"), headings),
    st.builds(Element, st.just("transition"), st.sampled_from(["CUT TO:", "FADE OUT.", "FADE IN:", "Later"])),
)
ordinary_scripts = st.builds(
    Script.from_elements, st.sampled_from(["", "Tea for Two"]), st.lists(ordinary_elements, max_size=8)
)


@given(ordinary_scripts)
def test_other_programs_find_the_same_speeches(script: Script) -> None:
    assert_others_read_the_same(script)


@pytest.mark.slow
@pytest.mark.parametrize("file", CORPORA)
def test_other_programs_find_the_same_speeches_in_real_scripts(shared_corpora: Path, file: str) -> None:
    with (shared_corpora / file).open(encoding="utf-8") as lines:
        assert_others_read_the_same(Script.from_elements("", read(islice(lines, SLICE))))


def test_other_programs_find_the_same_speeches_in_scripts_from_tables(shared_corpora: Path) -> None:
    for script in islice(southpark(shared_corpora), 10):
        assert_others_read_the_same(script)
