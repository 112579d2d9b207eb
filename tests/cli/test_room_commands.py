"""`serve` and `drafts` on the command line: what is missing is said in a line, drafts outlive their runs."""

import json
from pathlib import Path

import pytest
from support.room import action

from scriptforge.cli.app import run
from scriptforge.screenplay.formats import read
from scriptforge.serve.drafts import Drafts
from scriptforge.serve.elements import PageElement
from scriptforge.workspace import RunFolder, Workspace


@pytest.fixture
def drafts(workspace_path: Path) -> Drafts:
    """Two drafts of a run that is gone, one of them twice under one title."""
    found = Drafts(Workspace(workspace_path).room.drafts)
    page = [PageElement(**{**action("1", "INT. PIER - DAY"), "kind": "heading"})]
    page += [PageElement(**action("2", "It rains."))]
    for title in ("The Soup", "Twice", "Twice"):
        found.create(title, "gone", page)
    return found


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nosuch"], "There is no run named “nosuch”"),
        (["harbour", "--host", "0.0.0.0"], "password"),
        (["harbour", "--for-anyone"], "--read-only"),
        (["harbour", "--password-file", "none.txt"], "cannot be read"),
        (["harbour", "--password-file", "short.txt"], "fewer than"),
    ],
)
def test_what_keeps_a_room_from_opening_is_said(
    tiny_run: RunFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("abc\n", encoding="utf-8")
    assert run(["serve", *words, "--no-browser", "--workspace", str(tiny_run.path.parent.parent)]) == 2
    assert says in capsys.readouterr().err


def test_a_workspace_without_a_run_and_a_run_without_weights_are_said(
    workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--no-browser"]) == 1
    said = capsys.readouterr().err
    assert "There is no run here yet" in said and "scriptforge demo" in said
    (workspace_path / "runs" / "young").mkdir(parents=True)
    (workspace_path / "runs" / "young" / "config.json").write_text("{}", encoding="utf-8")
    assert run(["serve", "young", "--no-browser"]) == 1
    assert "has no weights yet" in capsys.readouterr().err


def test_drafts_are_listed_and_written_into_files(
    workspace_path: Path, drafts: Drafts, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["drafts", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert sorted(each["title"] for each in listed) == ["The Soup", "Twice", "Twice"]
    assert run(["drafts", "The Soup", "--export", "soup.fountain"]) == 0
    text = (workspace_path / "soup.fountain").read_text(encoding="utf-8")
    assert [each.text for each in read(text.splitlines())] == ["INT. PIER - DAY", "It rains."]
    assert run(["drafts", "--export", "all", "--to", "fdx"]) == 0
    assert len(list((workspace_path / "all").glob("*.fdx"))) == 3
    assert run(["drafts", "The Soup", "--export", "soup.fountain"]) == 2


def test_a_draft_is_written_to_stdout(drafts: Drafts, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["drafts", "The Soup", "--export", "/dev/stdout"]) == 0
    text = capfd.readouterr().out
    assert text.startswith("Title: The Soup") and text.endswith("It rains.\n")


def test_titles_that_differ_in_case_alone_become_files_for_every_disk(
    workspace_path: Path, drafts: Drafts
) -> None:
    drafts.create("the soup", "gone", [])
    assert run(["drafts", "--export", "all"]) == 0
    assert len({path.name.casefold() for path in (workspace_path / "all").iterdir()}) == 4


def test_files_have_the_titles_of_drafts_in_any_script(workspace_path: Path, drafts: Drafts) -> None:
    for title in ("Ödipus", "茶馆"):
        drafts.create(title, "gone", [])
        assert run(["drafts", title, "--export", "all"]) == 0
    assert sorted(path.name for path in (workspace_path / "all").iterdir()) == [
        "Ödipus.fountain",
        "茶馆.fountain",
    ]


def test_only_drafts_that_are_named_are_deleted(drafts: Drafts, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drafts", "--remove", "--yes"]) == 2
    assert run(["drafts", "Twice", "--remove", "--yes"]) == 2
    assert "Say which one" in capsys.readouterr().err
    assert run(["drafts", "the soup", "--remove", "--yes"]) == 0
    assert [each["title"] for each in drafts.summaries()] == ["Twice", "Twice"]
    one = drafts.summaries()[0]["id"]
    assert run(["drafts", one[:8], "--remove", "--yes"]) == 0
    assert len(drafts.summaries()) == 1


def test_without_a_room_there_are_no_drafts(workspace_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drafts", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert not (workspace_path / "room").exists()
