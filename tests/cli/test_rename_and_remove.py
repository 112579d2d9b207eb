"""`rename` and `remove`: what has a name gets another one or goes, whole, or nothing happens."""

import json
import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import COMMAND

import scriptforge
from scriptforge.cli.app import run
from scriptforge.errors import RunError, StudyError, UsageError
from scriptforge.workspace import RunFolder, Workspace


@pytest.fixture
def place(workspace_path: Path) -> Path:
    """A workspace with a dataset, two runs on it, another run and a study."""
    dataset = workspace_path / "data" / "play"
    dataset.mkdir(parents=True)
    description = {"name": "play", "created": "2024-05-01", "fingerprint": "abc"}
    (dataset / "dataset.json").write_text(json.dumps(description), encoding="utf-8")
    for name, fingerprint in {"play": "abc", "other": "abc", "older": "def"}.items():
        config = {"created": "2024-05-02", "dataset": {"name": "play", "fingerprint": fingerprint}}
        (workspace_path / "runs" / name).mkdir(parents=True)
        (workspace_path / "runs" / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (workspace_path / "studies" / "evening" / "trials").mkdir(parents=True)
    (workspace_path / "studies" / "evening" / "study.db").write_bytes(b"trials")
    return workspace_path


def names(place: Path) -> list[str]:
    """Everything in the workspace, hidden things and locks included."""
    rooms = ("data", "runs", "studies")
    return sorted(f"{room}/{path.name}" for room in rooms for path in (place / room).iterdir())


def test_a_run_gets_another_name(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rename", "runs/other", "best-of-may"]) == 0
    assert capsys.readouterr().out == "runs/other is now runs/best-of-may.\n"
    assert names(place) == ["data/play", "runs/best-of-may", "runs/older", "runs/play", "studies/evening"]
    assert list((place / "runs").rglob(".*")) == []


@pytest.mark.parametrize("name", ["other", "other/", "runs/other", "runs/other/", "./runs/other"])
@pytest.mark.parametrize("new", ["new", "new/", "runs/new"])
def test_a_name_can_be_given_in_several_ways(place: Path, name: str, new: str) -> None:
    assert scriptforge.rename(name, new) == Path("runs/new")
    assert (place / "runs" / "new" / "config.json").is_file()


def test_a_study_gets_another_name_and_json_says_so(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rename", "evening", "morning", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"renamed": "studies/evening", "to": "studies/morning"}
    assert (place / "studies" / "morning" / "study.db").is_file()


@pytest.mark.parametrize(
    ("words", "problem", "hint"),
    [
        (
            ["play", "new"],
            "There are a dataset and a run named “play”.",
            "Say which one: data/play or runs/play",
        ),
        (["runs/othr", "new"], "There is no run named “othr”.", "Did you mean runs/other?"),
        (["runs/other", "older"], "There is a run named “older” already.", "scriptforge remove runs/older"),
        (["runs/other", "other"], "The run already has the name “other”.", "Give another name."),
        (["runs/other", "data/new"], "A run cannot become data/new.", "Give a name alone, or runs/NAME."),
        (["runs/other", "a/b"], "“a/b” cannot be the name of a folder.", "Use up to 64 letters"),
        (["runs/other", ".."], "“..” cannot be the name of a folder.", "Use up to 64 letters"),
        (
            ["data/play", "new"],
            "Dataset “play” cannot be renamed: runs other, play learnt from it.",
            "--force",
        ),
    ],
)
def test_what_cannot_be_renamed_stays(
    place: Path, words: list[str], problem: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = names(place)
    assert run(["rename", *words]) == 2
    error, advice = capsys.readouterr().err.splitlines()
    assert error == f"Error: {problem}"
    assert hint in advice
    assert names(place) == before


def test_a_dataset_that_runs_need_goes_only_by_force(place: Path) -> None:
    with pytest.raises(UsageError, match="cannot be removed: runs other, play learnt from it"):
        scriptforge.remove("data/play")
    assert scriptforge.rename("data/play", "new", force=True) == Path("data/new")
    assert scriptforge.remove("data/new") == ["data/new"]


def test_a_dataset_goes_with_its_runs(place: Path) -> None:
    assert scriptforge.remove(["data/play", "runs/play", "other"]) == ["data/play", "runs/play", "runs/other"]
    assert names(place) == ["runs/older", "studies/evening"]


def test_all_go_or_none(place: Path) -> None:
    before = names(place)
    with pytest.raises(UsageError):
        scriptforge.remove(["runs/older", "data/play"])
    with pytest.raises(UsageError):
        scriptforge.remove(["runs/older", "runs/nothing"])
    assert names(place) == before


def test_a_damaged_run_can_be_removed(place: Path) -> None:
    (place / "runs" / "play" / "config.json").write_text("{", encoding="utf-8")
    assert scriptforge.remove("runs/play") == ["runs/play"]


def test_what_a_link_points_to_stays(place: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "play"
    shutil.move(place / "runs" / "other", elsewhere)
    (place / "runs" / "other").symlink_to(elsewhere)
    assert scriptforge.remove("runs/other") == ["runs/other"]
    assert (elsewhere / "config.json").is_file()
    assert "runs/other" not in names(place)


HOLD = """
import sys
from pathlib import Path
from scriptforge.workspace import RunFolder
with RunFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("held", "touched"),
    [("runs/other", "runs/other"), ("runs/other", "data/play"), ("studies/evening/trials/0000-1", "evening")],
)
def test_nothing_in_use_is_touched(place: Path, held: str, touched: str) -> None:
    (place / held).mkdir(exist_ok=True)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, place / held], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    before = names(place)
    for attempt in (
        lambda: scriptforge.rename(touched, "new", force=True),
        lambda: scriptforge.remove(touched, force=True),
    ):
        with pytest.raises((RunError, StudyError), match=rf"by process {holder.pid}\b"):
            attempt()
    assert names(place) == before
    holder.communicate("")
    scriptforge.rename(touched, "new", force=True)


def test_a_study_that_is_kept_elsewhere_keeps_its_name(place: Path) -> None:
    (place / "studies" / "evening" / "study.db").unlink()
    with pytest.raises(StudyError, match="kept in another database"):
        scriptforge.rename("evening", "morning")
    assert scriptforge.remove("evening") == ["studies/evening"]


def test_nobody_is_asked_where_there_is_no_terminal(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = names(place)
    assert run(["remove", "runs/older"]) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error == "Error: There is no terminal to ask on: Delete runs/older (0.0 MB)?"
    assert hint == "Add --yes to delete without being asked."
    assert names(place) == before
    assert run(["remove", "runs/older", "--yes"]) == 0
    assert capsys.readouterr().out == "Deleted: runs/older\n"
    assert "runs/older" not in names(place)


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 130)])
def test_a_person_is_asked(place: Path, answer: str, code: int) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "remove", "runs/older"], stdin=terminal, stderr=terminal, stdout=subprocess.PIPE, cwd=place
    )
    os.close(terminal)
    question = b""
    while b"[y/N]" not in question:
        assert select.select([controller], [], [], 60)[0], question
        question += os.read(controller, 4096)
    assert b"Delete runs/older (0.0 MB)?" in question
    os.write(controller, answer.encode() + b"\n")
    process.communicate(timeout=60)
    os.close(controller)
    assert process.returncode == code
    assert ("runs/older" in names(place)) == (answer == "n")


def test_a_renamed_run_is_found_under_its_new_name_only(place: Path) -> None:
    scriptforge.rename("runs/other", "new")
    workspace = Workspace(place)
    assert workspace.run("new") == RunFolder(place / "runs" / "new")
    with pytest.raises(UsageError):
        workspace.run("other")
