"""Writing `name: text`, and the law that reading gives back what was written."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.scripts import normal_elements, scripts

from scriptforge.screenplay import formats as writing
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.name_line import render_line, rendered_length, write
from scriptforge.screenplay.script import Element, Script
from scriptforge.screenplay.table import documents, guess_columns


@given(st.lists(normal_elements, max_size=8))
@example([Element("heading", ""), Element("heading", ""), Element("action", "!")])
@example([Element("dialogue", "15 dollars", "MAN 2"), Element("dialogue", "//", "http")])
def test_reading_gives_back_what_was_written(elements: list[Element]) -> None:
    assert list(read(write(elements), format="name-line")) == elements


@given(scripts)
def test_a_script_comes_back_but_for_its_title(script: Script) -> None:
    text = writing.write(script, "txt")
    assert Script.from_elements(script.title, read([text], format="name-line")) == script


def real_scripts(corpora: Path) -> Iterator[Script]:
    for path in sorted(corpora.glob("*.txt")):
        with path.open(encoding="utf-8") as lines:
            yield Script.from_elements(path.stem, read(lines))
    for path in sorted(corpora.glob("southpark/*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            for title, elements in documents(rows, guess_columns(rows.fieldnames or ())):
                yield Script.from_elements(title, elements)


@pytest.mark.slow
def test_every_real_script_comes_back_and_is_known_for_what_it_is(shared_corpora: Path) -> None:
    count = 0
    for script in real_scripts(shared_corpora):
        lines = writing.write(script, "txt").splitlines(keepends=True)
        reading = read(lines)
        assert reading.format == "name-line", script.title
        assert Script.from_elements(script.title, reading) == script, script.title
        count += 1
    assert count > 60


@given(st.lists(normal_elements, max_size=8))
def test_rendered_lengths_add_up_to_the_length_of_the_text(elements: list[Element]) -> None:
    text = "".join(line + "\n" for line in write(elements))
    blank_at_the_start = bool(elements) and elements[0].kind == "heading"
    assert sum(map(rendered_length, elements)) == len(text) + blank_at_the_start


def test_the_layout_is_one_element_a_line() -> None:
    elements = [
        Element("heading", "INT. DINER - NIGHT"),
        Element("dialogue", "(aside) Soup?", "Jerry"),
        Element("action", "They wait."),
        Element("dialogue", "O soup,\nO bowl.", "Poet"),
        Element("transition", "CUT TO:"),
        Element("heading", ""),
    ]
    assert list(write(elements)) == [
        "INT. DINER - NIGHT",
        "Jerry: (aside) Soup?",
        "They wait.",
        "Poet: O soup,",
        "    O bowl.",
        "CUT TO:",
        "",
        ".",
    ]


@pytest.mark.parametrize(
    ("element", "line"),
    [
        (Element("action", "jerry: not a line"), "!jerry: not a line"),
        (Element("action", "INT. is an abbreviation"), "!INT. is an abbreviation"),
        (Element("action", "!"), "!"),
        (Element("action", "!!"), "! !!"),
        (Element("heading", "The diner"), ".The diner"),
        (Element("heading", ".38"), ". .38"),
        (Element("transition", "Later"), ">Later"),
        (Element("dialogue", "Hi.", "so i said"), "@so i said: Hi."),
        (Element("dialogue", "Hi.", "GROUPIE #1"), "GROUPIE #1: Hi."),
        (Element("dialogue", "Hi.", "JERRY & ELAINE"), "JERRY & ELAINE: Hi."),
        (Element("dialogue", "Hi.", "9"), "@9: Hi."),
    ],
)
def test_a_line_is_marked_only_where_it_would_be_misread(element: Element, line: str) -> None:
    assert render_line(element) == line


def test_elements_are_written_as_they_come() -> None:
    lines = write(Element("dialogue", str(number), "COUNTER") for number in iter(int, 1))
    assert next(lines) == "COUNTER: 0"
