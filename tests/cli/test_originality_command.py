"""The command on a run that was trained on a little play."""

import io
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.terminal import received
from support.tiny import comedy, prepared

from scriptforge.cli.app import run
from scriptforge.copying import examine_texts, lines_of_text
from scriptforge.copying.view import longest_copy_words
from scriptforge.dataset import Dataset
from scriptforge.workspace import RunFolder

Ask = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tiny_dataset: Dataset, tiny_run: RunFolder) -> Path:
    """The workspace of the run."""
    return tiny_run.path.parent.parent


@pytest.fixture
def ask(place: Path, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs the command there: exit code, stdout, stderr."""

    def asked(*words: str | Path) -> tuple[int, str, str]:
        code = run(["originality", "--workspace", str(place), *map(str, words)])
        return (code, *capsys.readouterr())

    return asked


@pytest.fixture
def script(tmp_path: Path, tiny_dataset: Dataset) -> Path:
    """A script with two lines of the training text between new ones."""
    copied = [row.text for row in tiny_dataset.rows("train")][:2]
    lines = ["Bo: Hello?", *(f"ELAINE: {text}" for text in copied), "Bo: [red]Quite\x1b[2J so.[/red]"]
    path = tmp_path / "draft.txt"
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_figures_stand_beside_those_of_people_and_copies_are_marked(ask: Ask, script: Path) -> None:
    code, out, err = ask(script)
    assert (code, err) == (0, "")
    heading, longest, *_ = out.splitlines()
    assert heading.split() == ["this", "text", "human"]
    assert longest.split()[:2] == ["longest", "copy"]
    lines = out.splitlines()
    assert lines[-1] == "Bo: [red]Quite[2J so.[/red]"
    marked = [line for line in lines if line.startswith("ELAINE: ⟦")]
    assert len(marked) == 2
    assert "↑" in out and "“harbour”, parsed line 1" in out
    assert "Bo: Hello?" in lines


def test_the_longest_copy_is_quoted_with_its_place(ask: Ask, script: Path) -> None:
    _, out, _ = ask(script)
    longest = next(line for line in out.splitlines() if line.startswith("The longest copy, “"))
    assert re.fullmatch(r"The longest copy, “.+”: \d+ words, as in “harbour”, parsed line 1\.", longest)


def test_a_page_of_fountain_is_told_the_scene(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes = "".join(
        f"INT. ROOM {number} - DAY\n\nIDA\nSay {number} of all words once.\n\n" for number in range(80)
    )
    (tmp_path / "play.fountain").write_text(scenes, encoding="utf-8")
    dataset = prepared(tmp_path / "play.fountain", tmp_path / "data" / "play")
    (copied,) = [row for row in dataset.rows("train") if row.text.startswith("Say 7 ")]
    (report,) = examine_texts([lines_of_text(copied.text)], dataset)
    assert "scene “INT. ROOM 7 - DAY”, parsed line 16" in longest_copy_words(report)


def test_json_holds_what_is_promised(ask: Ask, script: Path) -> None:
    code, out, err = ask(script, "--json", "--run", "harbour")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["run"] == "harbour"
    assert document["longest_copy"].keys() == {"words", "text", "source"}
    assert document["longest_copy"]["words"] >= 12
    assert document["longest_copy"]["source"] == {"document": "harbour", "line": 1, "scene": ""}
    assert document["novelty"].keys() == document["human"]["novelty"].keys() == {"4", "6", "8"}
    assert document["human"]["longest_copy"].keys() == {"words", "most"}
    (copy,) = document["copies"]
    assert copy["start"] == {"line": 2, "character": 0}
    assert copy["end"]["line"] == 3


def test_a_page_is_written_once(ask: Ask, script: Path, tmp_path: Path) -> None:
    page = tmp_path / "out" / "page.html"
    code, out, err = ask(script, "--html", page)
    assert (code, err) == (0, f"{page} shows the text with its copies marked.\n")
    assert "longest copy" in out and "ELAINE" not in out
    assert "<mark" in page.read_text(encoding="utf-8")
    code, out, err = ask(script, "--html", page)
    assert (code, out) == (2, "")
    assert err.splitlines()[0].endswith("already.")
    assert ask(script, "--html", page, "--force", "--quiet")[0] == 0


def test_what_is_piped_in_is_read_as_a_file_is(
    ask: Ask, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbf" + script.read_bytes().replace(b"\n", b"\r\n")))
    monkeypatch.setattr(sys, "stdin", stdin)
    piped = ask("-", "--json")
    assert json.loads(piped[1]) == json.loads(ask(script, "--json")[1])


def test_a_file_of_any_format_is_read(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "draft.fountain"
    path.write_text(
        "INT. PIER - DAY\n\nRain.\n\nELAINE\nMy aunt hid a bell again.\n\n> CUT TO:\n", encoding="utf-8"
    )
    assert json.loads(ask(path, "--json")[1])["words"] == 3 + 1 + 6 + 2


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "There is no file"), (b"", "is empty"), (b"\x89PNG\r\n", "is not text")]
)
def test_a_file_that_cannot_be_read_is_explained(
    content: bytes | None, problem: str, ask: Ask, tmp_path: Path
) -> None:
    path = tmp_path / "draft.txt"
    if content is not None:
        path.write_bytes(content)
    code, out, err = ask(path)
    assert (code, out) == (1, "")
    error, hint = err.splitlines()
    assert problem in error and "draft.txt" in error
    assert hint


def test_a_name_is_a_path_even_where_a_corpus_has_it(
    ask: Ask, script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = ask("demo")
    assert code == 1
    assert err.startswith("Error: There is no file or folder “demo”.")
    shutil.copy(script, tmp_path / "demo")
    assert ask("demo")[0] == 0


def test_the_dataset_must_be_there_and_the_same(ask: Ask, script: Path, place: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(place / "runs" / "harbour", elsewhere / "runs" / "harbour")
    code, out, err = ask(script, "--workspace", elsewhere)
    assert (code, out) == (1, "")
    assert "no prepared dataset" in err
    other = tmp_path / "harbour.txt"
    other.write_text(comedy(400, seed=1), encoding="utf-8")
    prepared(other, elsewhere / "data" / "harbour")
    code, out, err = ask(script, "--workspace", elsewhere)
    assert (code, out) == (1, "")
    assert "is not the one that run “harbour” was trained on" in err


def test_a_run_on_plain_text_reads_plain_text(
    ask: Ask, tiny_run: RunFolder, tiny_text: Path, tmp_path: Path
) -> None:
    dataset = prepared(tiny_text, tmp_path / "data" / "harbour", plain=True)
    config = json.loads(tiny_run.config.read_text(encoding="utf-8"))
    config["dataset"] |= {"plain": True, "fingerprint": dataset.description.fingerprint}
    folder = tmp_path / "runs" / "plain"
    folder.mkdir(parents=True)
    RunFolder(folder).config.write_text(json.dumps(config), encoding="utf-8")
    document: dict[str, Any] = json.loads(ask(tiny_text, "--workspace", tmp_path, "--json")[1])
    assert document["longest_copy"]["source"] == {"document": "harbour", "line": 1, "scene": ""}
    assert document["longest_copy"]["text"].startswith(tiny_text.read_text(encoding="utf-8")[:40])


def test_a_terminal_gets_colours(script: Path, place: Path) -> None:
    shown = received("-m", "scriptforge", "originality", script, "--workspace", place)
    assert "\x1b[30;48;5;" in shown
    assert "⟦" not in shown
    assert "\x1b[2J" not in shown
