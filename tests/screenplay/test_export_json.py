"""Writing JSON, and the law that reading gives back what was written."""

import json
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from support.scripts import scripts

from scriptforge.corpus.cards import LocalPath
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import Source
from scriptforge.screenplay.formats import write
from scriptforge.screenplay.script import Element, Script
from scriptforge.screenplay.table import documents, guess_columns

SOUP = Script.from_elements(
    "The Soup “of” Café",
    [
        Element("heading", "INT. DINER"),
        Element("dialogue", "O soup,\nO bowl.", "Poet"),
        Element("dialogue", "2020-01-01", "7"),
        Element("transition", "CUT TO:"),
    ],
)


def test_the_document_is_a_title_and_elements_and_nothing_else() -> None:
    assert json.loads(write(SOUP, "json")) == {
        "title": "The Soup “of” Café",
        "elements": [
            {"kind": "heading", "speaker": "", "text": "INT. DINER"},
            {"kind": "dialogue", "speaker": "Poet", "text": "O soup,\nO bowl."},
            {"kind": "dialogue", "speaker": "7", "text": "2020-01-01"},
            {"kind": "transition", "speaker": "", "text": "CUT TO:"},
        ],
    }


def test_people_can_read_it_too_an_element_a_line() -> None:
    lines = write(SOUP, "json").splitlines()
    assert lines[3] == '    {"kind": "heading", "speaker": "", "text": "INT. DINER"},'
    assert lines[1] == '  "title": "The Soup “of” Café",'
    assert len(lines) == len(list(SOUP.elements)) + 5


@given(scripts)
@example(Script("", ()))
def test_reading_gives_back_what_was_written(script: Script) -> None:
    row = json.loads(write(script, "json"))
    [(title, elements)] = documents([row], guess_columns(row))
    assert list(elements) == list(script.elements)
    assert title == (script.title or "1")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scripts)
@example(SOUP)
def test_a_file_of_it_is_a_corpus(tmp_path: Path, script: Script) -> None:
    path = tmp_path / "script.json"
    path.write_text(write(script, "json"), encoding="utf-8")
    source = Source("script", LocalPath(path=path))
    rows = list(parse(fetch(source), plain=False, parsing=Parsing()))
    assert [row.element for row in rows] == list(script.elements)
    assert {row.title for row in rows} <= {script.title or "1"}
