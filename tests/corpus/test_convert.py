"""Conversion: every format that is written, read back, and what goes into files and folders."""

import json
from itertools import chain
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from support import tin_roof
from support.scripts import scripts
from support.tin_roof import write

import scriptforge
from scriptforge.cli.app import run
from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import find_source
from scriptforge.documents.kinds import WRITTEN
from scriptforge.documents.kinds import write as write_scripts
from scriptforge.errors import UsageError
from scriptforge.options import OutputFormat
from scriptforge.screenplay.script import Element, Script

READ_AS = {
    "txt": "name-line",
    "fdx": "fdx",
    "fountain": "fountain",
    "json": "table",
    "html": "html",
    "docx": "docx",
}
PLAYS = sorted((Path(__file__).parents[2] / "corpora").glob("demo/*.fountain"))


def read_back(path: Path) -> tuple[str, list[Element]]:
    parsing = Parsing()
    rows = parse(fetch(find_source(str(path), Cards({}, {}))), False, parsing)
    elements = [row.element for row in rows]
    return parsing.text_format, elements


def test_every_format_that_is_written_can_be_asked_for() -> None:
    assert get_args(OutputFormat) == WRITTEN


@pytest.mark.parametrize("format", WRITTEN)
def test_what_is_written_is_read_back_as_what_it_is(tmp_path: Path, format: str) -> None:
    source = write(tmp_path, "a.fountain", tin_roof.FOUNTAIN)
    scriptforge.convert(source, tmp_path / f"b.{format}")
    scriptforge.convert(tmp_path / f"b.{format}", tmp_path / "c.txt")
    for path, name in ((tmp_path / f"b.{format}", format), (tmp_path / "c.txt", "txt")):
        assert read_back(path) == (READ_AS.get(name, "indented"), list(tin_roof.ELEMENTS))


@pytest.mark.parametrize("format", sorted(READ_AS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=scripts)
def test_any_script_is_read_back_without_being_told_its_format(
    tmp_path: Path, format: str, script: Script
) -> None:
    elements = list(script.elements)
    if not elements:
        return
    path = tmp_path / f"a.{format}"
    path.write_bytes(write_scripts([script], format))
    found, back = read_back(path)
    assert found == READ_AS[format]
    if format != "html":
        assert back == elements


def test_several_scripts_go_into_one_file_or_a_folder(tmp_path: Path) -> None:
    rows = [{"title": f"Act {name}?", "elements": [{"speaker": "Nora", "text": "Tea?"}]} for name in "AB" * 2]
    source = write(tmp_path, "rows.json", json.dumps(rows))
    done = scriptforge.convert(source, tmp_path / "all.json")
    assert [(file.scripts, file.lines) for file in done.files] == [(4, 4)]
    assert [script["title"] for script in json.loads((tmp_path / "all.json").read_text())] == [
        row["title"] for row in rows
    ]
    done = scriptforge.convert(source, tmp_path / "each", to="fdx")
    assert [file.path.name for file in done.files] == ["Act A.fdx", "Act B.fdx", "Act A 2.fdx", "Act B 2.fdx"]
    with pytest.raises(UsageError, match="One fdx document holds one script, not 4"):
        scriptforge.convert(source, tmp_path / "all.fdx")


@pytest.mark.parametrize("force", [False, True])
def test_a_numbered_name_is_not_that_of_another_script(tmp_path: Path, force: bool) -> None:
    titles = ("Pilot", "pilot", "Pilot 2", "PILOT")
    rows = [{"title": title, "elements": [{"speaker": "Nora", "text": title}]} for title in titles]
    source = write(tmp_path, "rows.json", json.dumps(rows))
    done = scriptforge.convert(source, tmp_path / "each", to="txt", force=force)
    names = ["Pilot.txt", "pilot 2.txt", "Pilot 2 2.txt", "PILOT 3.txt"]
    assert [file.path.name for file in done.files] == names
    said = [element.text for name in names for element in read_back(tmp_path / "each" / name)[1]]
    assert said == list(titles)


def test_a_folder_may_have_a_dot_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        write(folder, f"{name}.txt", f"NORA: {name}\n\nBO: Tea?\n")
    done = scriptforge.convert(folder, tmp_path / "drafts.v2", to="fountain")
    assert [file.path.relative_to(tmp_path).as_posix() for file in done.files] == [
        "drafts.v2/a.fountain",
        "drafts.v2/b.fountain",
    ]


def test_a_title_stays_if_the_file_has_the_same_name(tmp_path: Path) -> None:
    for name, title in (("Hamlet", "Title: Hamlet\n\n"), ("Untitled", "")):
        source = write(tmp_path, f"{name}.fountain", f"{title}INT. KRONBORG\n\nHAMLET\nWords.\n")
        scriptforge.convert(source, tmp_path / "out.fountain", force=True)
        assert ("Title: " in (tmp_path / "out.fountain").read_text(encoding="utf-8")) == bool(title)


def test_scripts_are_written_to_stdout(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path, "a.fountain", tin_roof.FOUNTAIN)
    assert run(["convert", str(source), "/dev/stdout", "--to", "txt"]) == 0
    scriptforge.convert(source, tmp_path / "b.txt")
    assert capfd.readouterr().out == (tmp_path / "b.txt").read_text(encoding="utf-8")


def test_all_files_are_written_or_none(tmp_path: Path) -> None:
    rows = [{"title": name, "elements": [{"speaker": "Nora", "text": "Tea?"}]} for name in ("One", "Two")]
    source = write(tmp_path, "rows.json", json.dumps(rows))
    place = tmp_path / "each"
    place.mkdir()
    write(place, "Two.txt", "Mine.")
    with pytest.raises(UsageError, match=r"Two\.txt"):
        scriptforge.convert(source, place, to="txt")
    assert [path.name for path in place.iterdir()] == ["Two.txt"]


def test_a_folder_of_files_is_converted_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder, "a.fountain", tin_roof.FOUNTAIN)
    write(folder, "b.rtf", tin_roof.rich_text())
    write(folder, "broken.pdf", b"%PDF-1.4")
    done = scriptforge.convert(folder, tmp_path / "out", to="docx")
    assert sorted(file.path.name for file in done.files) == ["Tin Roof.docx", "a.docx"]
    assert any("“broken.pdf” is a PDF document that is damaged" in note for note in done.notes)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("a.fountain", "b.odt"), "A .odt file cannot be written."),
        (("a.fountain", "folder"), "folder is a folder, and no format is named."),
        (("a.fountain", "a.fountain"), "There is a file a.fountain already."),
        (("nothing.txt", "b.pdf"), "There is no file or folder “nothing.txt”."),
        (("a.fountain", "b.pdf", "--format", "indentd"), "There is no format named “indentd”."),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    problem: str,
) -> None:
    write(tmp_path, "a.fountain", tin_roof.FOUNTAIN)
    monkeypatch.chdir(tmp_path)
    assert run(["convert", *words]) != 0
    assert problem in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.fountain"]


def test_the_command_says_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "a.fountain", tin_roof.FOUNTAIN)
    monkeypatch.chdir(tmp_path)
    assert run(["convert", "a.fountain", "b.pdf", "--scene-numbers"]) == 0
    assert capsys.readouterr().out == "b.pdf (10 lines)\n"
    assert (tmp_path / "b.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize("format", sorted(READ_AS))
def test_the_demo_is_read_back_episode_by_episode(tmp_path: Path, format: str) -> None:
    done = scriptforge.convert(PLAYS[0].parent, tmp_path / "out", to=format)
    originals = chain.from_iterable(read_back(play)[1] for play in PLAYS)
    back = [read_back(file.path) for file in sorted(done.files, key=lambda file: file.path.name)]
    assert {found for found, _ in back} == {READ_AS[format]}
    assert sorted(map(repr, chain.from_iterable(elements for _, elements in back))) == sorted(
        map(repr, originals)
    )


@pytest.mark.parametrize("title", ["CON", "nul.x", "Lpt1", "aux.", "prn "])
def test_no_file_has_the_name_of_a_device(tmp_path: Path, title: str) -> None:
    rows = [{"title": title, "elements": [{"speaker": "Nora", "text": "Tea?"}]}]
    source = write(tmp_path, "rows.json", json.dumps(rows))
    (file,) = scriptforge.convert(source, tmp_path / "each", to="fdx").files
    assert file.path.name == f"script {title.strip(' .')}.fdx"
