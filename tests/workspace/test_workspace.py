"""Which folder is found under which name, and which names there may be."""

import json
import shutil
import signal
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Literal

import pytest

from scriptforge.errors import DatasetError, RunError, UsageError
from scriptforge.workspace import (
    RunFolder,
    Workspace,
    atomic_folder,
    atomic_write,
    creation_time,
)
from scriptforge.workspace.entries import rename

DEEP = "[" * 100_000
"""JSON that is nested more deeply than Python reads it."""


def make_run(workspace: Workspace, name: str, created: str = "2026") -> RunFolder:
    folder = workspace.new_run(name)
    atomic_write(folder.config, json.dumps({"created": created}))
    return folder


def make_dataset(workspace: Workspace, name: str, created: str = "2026") -> None:
    atomic_write(workspace.new_dataset(name).description, json.dumps({"created": created}))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestFinding:
    def test_the_choice_wins_over_the_environment_and_that_over_here(
        self, workspace_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert Workspace.find().root.resolve() == workspace_path.resolve()
        monkeypatch.setenv("SCRIPTFORGE_WORKSPACE", "~/plays")
        assert Workspace.find().root == Path.home() / "plays"
        assert Workspace.find(workspace_path / "other").root == workspace_path / "other"

    def test_a_run_is_found_below_the_home(self, workspace_path: Path, own_home: Path) -> None:
        run = make_run(Workspace(own_home), "play")
        make_run(Workspace(workspace_path), "other")
        found = Workspace(workspace_path).run("~/runs/play")
        assert found.path.resolve() == run.path.resolve()

    def test_the_latest_is_the_one_created_last(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        for name, created in (("b", "2026-02"), ("a", "2026-03"), ("c", "2026-01")):
            make_run(workspace, name, created)
            make_dataset(workspace, name, created)
        assert workspace.run().name == workspace.dataset().name == "a"
        assert [run.name for run in workspace.runs()] == ["a", "b", "c"]

    def test_what_is_made_last_is_the_latest_though_the_clock_was_set_back(
        self, workspace_path: Path
    ) -> None:
        workspace = Workspace(workspace_path)
        make_run(workspace, "before", "2999-01-01T00:00:00.000000+00:00")
        make_run(workspace, "damaged", "9999-12-31T23:59:59.999999+00:00")
        make_run(workspace, "odd", "tomorrow")
        for name in ("first", "second", "third"):
            make_run(workspace, name, creation_time(workspace.new_run(name)))
        named = [run.name for run in workspace.runs() if run.name not in ("damaged", "odd")]
        assert named == ["third", "second", "first", "before"]

    def test_the_clock_is_believed_where_nothing_speaks_against_it(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        before = datetime.now(UTC)
        make_dataset(workspace, "old", "2020-02-02T02:02:02.000000+00:00")
        make_run(workspace, "of-another-kind", "2999-01-01T00:00:00.000000+00:00")
        moment = datetime.fromisoformat(creation_time(workspace.new_dataset("new")))
        assert before <= moment <= datetime.now(UTC)

    @pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
    def test_a_name_is_found_however_its_letters_are_composed(
        self, workspace_path: Path, form: Literal["NFC", "NFD"], other: Literal["NFC", "NFD"]
    ) -> None:
        workspace = Workspace(workspace_path)
        folder = RunFolder(workspace_path / "runs" / unicodedata.normalize(form, "Amélie"))
        atomic_write(folder.config, json.dumps({"created": "2026"}))
        name = unicodedata.normalize(other, "Amélie")
        assert workspace.run(name).path == folder.path
        assert rename(name, "renamed", workspace=workspace_path) == workspace.new_run("renamed").path

    def test_a_damaged_description_comes_last(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        make_run(workspace, "good")
        for name, content in (("list", "[]"), ("torn", '{"created": "20'), ("deep", DEEP)):
            atomic_write(workspace.new_run(name).config, content)
        assert workspace.run().name == "good"
        assert len(workspace.runs()) == 4

    def test_a_dataset_can_be_renamed_beside_a_run_that_is_nested_too_deeply(
        self, workspace_path: Path
    ) -> None:
        workspace = Workspace(workspace_path)
        make_dataset(workspace, "play")
        atomic_write(workspace.new_run("deep").config, DEEP)
        rename("data/play", "comedy", workspace=workspace_path)
        assert [folder.name for folder in workspace.datasets()] == ["comedy"]

    def test_nothing_there(self, workspace_path: Path) -> None:
        with pytest.raises(RunError, match="no run here") as no_run:
            Workspace(workspace_path).run()
        with pytest.raises(DatasetError, match="no prepared dataset") as no_dataset:
            Workspace(workspace_path).dataset("demo")
        assert "train" in no_run.value.hint and "scriptforge demo" in no_run.value.hint
        assert (
            no_dataset.value.hint == "Make one: scriptforge prepare FILE; or see all steps: scriptforge demo"
        )

    def test_a_text_that_lies_there_is_named(self, workspace_path: Path) -> None:
        (workspace_path / "my play.txt").write_text("ann: one\n" * 9)
        (workspace_path / "notes.txt").write_text("later\n")
        workspace = Workspace(workspace_path)
        with pytest.raises(DatasetError) as no_dataset:
            workspace.dataset()
        assert "prepare 'my play.txt';" in no_dataset.value.hint
        with pytest.raises(RunError) as no_run:
            workspace.run()
        assert "prepare 'my play.txt';" in no_run.value.hint
        make_dataset(workspace, "play")
        with pytest.raises(RunError) as untrained:
            workspace.run()
        assert untrained.value.hint == "Train one: scriptforge train"

    def test_an_unknown_name_brings_the_nearest(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        make_run(workspace, "seinfeld")
        make_dataset(workspace, "seinfeld")
        for find in (workspace.run, workspace.dataset):
            with pytest.raises(UsageError, match="seinfled") as caught:
                find("seinfled")
            assert caught.value.hint == "Did you mean seinfeld?"

    def test_a_run_may_be_named_by_its_folder(self, workspace_path: Path) -> None:
        folder = make_run(Workspace(workspace_path / "elsewhere"), "old")
        assert Workspace(workspace_path).run("elsewhere/runs/old").path == folder.path.resolve()

    def test_what_is_in_the_making_is_not_there(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        make_dataset(workspace, "whole")
        with atomic_folder(workspace.new_dataset("made").path) as temporary:
            (temporary / "dataset.json").write_text('{"created": "2027"}')
            assert [folder.name for folder in workspace.datasets()] == ["whole"]
        assert workspace.dataset().name == "made"

    def test_the_next_command_removes_what_a_kill_left_and_brings_back_what_it_displaced(
        self, workspace_path: Path
    ) -> None:
        """As it is left by systems that cannot exchange two folders at one moment."""
        workspace = Workspace(workspace_path)
        make_dataset(workspace, "play")
        make_run(workspace, "play")
        for name in (
            "data/.play.0123abcd.tmp",
            "data/.other.0123abcd.tmp",
            "runs/play/.x.0123abcd.tmp",
            ".page.txt.0123abcd.tmp",
        ):
            (workspace_path / name / "before").mkdir(parents=True)
            (workspace_path / name / ".scriptforge").touch()
        (workspace_path / "data" / "play").rename(workspace_path / "data/.play.0123abcd.tmp/before/play")
        (workspace_path / "runs" / ".play.scriptforge.lock").touch()
        (workspace_path / ".page.txt.scriptforge.lock").touch()
        found = Workspace.find(workspace_path)
        assert [folder.name for folder in found.datasets()] == ["play"]
        assert [path.name for path in workspace_path.rglob(".*")] == []

    def test_a_training_that_was_to_replace_a_run_that_is_gone_takes_its_name(
        self, workspace_path: Path
    ) -> None:
        run = Workspace(workspace_path).new_run("play")
        atomic_write(run.successor.folder.config, json.dumps({"created": "2027"}))
        run.successor.folder.successor_marker.touch()
        assert Workspace.find(workspace_path).run("play") == run
        assert [path.name for path in workspace_path.rglob(".*")] == []

    def test_a_run_that_was_replaced_is_removed(self, workspace_path: Path) -> None:
        """As it is left by a kill just after the new run has taken its name."""
        run = make_run(Workspace(workspace_path), "play", "2026")
        atomic_write(run.successor.folder.config, json.dumps({"created": "2027"}))
        run.successor.folder.successor_marker.touch()
        assert killed("RunFolder(Path('runs/play')).successor.replace_run()", "unlink", workspace_path)
        assert run.successor_marker.exists()
        assert Workspace.find(workspace_path).run("play").latest == run
        assert json.loads(run.config.read_text()) == {"created": "2027"}
        assert [path.name for path in workspace_path.rglob("*")] == ["runs", "play", "config.json"]

    def test_a_run_and_its_successor_are_renamed_together(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        for call in count(1):
            run = make_run(workspace, "play", "2026")
            atomic_write(run.successor.folder.config, json.dumps({"created": "2027"}))
            run.successor.folder.successor_marker.touch()
            is_killed = killed("rename('runs/play', 'other')", "rename", workspace_path, call)
            Workspace.find(workspace_path)
            (found,) = workspace.runs()
            assert found.name in ("play", "other")
            assert json.loads(found.config.read_text()) == {"created": "2026"}
            assert found.latest == found.successor.folder
            assert names_in(found.path) == ["config.json"]
            assert names_in(found.path.parent) == [f".{found.name}.new", found.name]
            shutil.rmtree(workspace_path / "runs")
            if not is_killed:
                break
        assert call > 3 and found.name == "other"


def killed(work: str, name: str, workspace: Path, call: int = 1) -> bool:
    """Do some work in a process that is killed before a call of a function of `os` that would succeed.

    Args:
        work: the statement.
        name: the function, `unlink` or `rename`.
        workspace: the current folder of the process.
        call: which of its calls.

    Returns:
        Whether the process was killed; else it came to its end.
    """
    program = f"""
import os, signal
from pathlib import Path
from scriptforge.workspace import RunFolder
from scriptforge.workspace.entries import rename
real, left = os.{name}, {call}
def counted(path, *rest, **options):
    global left
    if os.path.lexists(path) and Path(path).name != ".scriptforge":
        left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(path, *rest, **options)
os.{name} = counted
{work}
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=workspace)
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


class TestNames:
    @pytest.mark.parametrize("name", ["a", "My.Run-2_b", "Ünïcode", "9", "x" * 64, "हिन्दी"])
    def test_good_ones(self, name: str) -> None:
        assert Workspace(Path("w")).new_run(name).path == Path("w/runs") / name

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", ".hidden", "a b", "-x", "x" * 65, "a\n"])
    def test_bad_ones(self, name: str) -> None:
        for make in (Workspace(Path("w")).new_run, Workspace(Path("w")).new_dataset):
            with pytest.raises(UsageError, match="cannot be the name"):
                make(name)

    @pytest.mark.parametrize("name", ["con", "NUL", "Com1", "lpt9", "aux.txt", "prn.a.b", "play."])
    def test_ones_that_windows_keeps_for_itself(self, name: str) -> None:
        for make in (Workspace(Path("w")).new_run, Workspace(Path("w")).new_dataset):
            with pytest.raises(UsageError, match="on Windows"):
                make(name)
        Workspace(Path("w")).new_run(f"{name}s".replace(".", "-"))

    def test_a_free_name_is_free_where_case_does_not_count(self, workspace_path: Path) -> None:
        make_run(Workspace(workspace_path), "Play")
        assert Workspace(workspace_path).free_run_name("play") == "play-2"

    def test_a_free_name_counts_on(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        names = []
        for _ in range(3):
            names.append(workspace.free_run_name("demo"))
            make_run(workspace, names[-1])
        assert names == ["demo", "demo-2", "demo-3"]

    def test_two_trainings_without_a_name_have_two(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        claimed = [workspace.claim_run(None, "play") for _ in range(2)]
        assert [run.name for run in claimed] == ["play", "play-2"]
        with pytest.raises(RunError, match="“play” is being trained by process"):
            workspace.claim_run("play", "play")
        for run in claimed:
            run.release()

    def test_only_force_replaces(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        workspace.refuse_overwriting(workspace.new_run("demo"), force=False)
        folder = make_run(workspace, "demo")
        with pytest.raises(UsageError, match="named “demo” already") as caught:
            workspace.refuse_overwriting(folder, force=False)
        assert "--force" in caught.value.hint
        workspace.refuse_overwriting(folder, force=True)

    def test_a_training_that_could_not_begin_takes_no_name(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        folder = workspace.new_run("demo")
        with folder.lock():
            pass
        workspace.refuse_overwriting(folder, force=False)
        assert workspace.free_run_name("demo") == "demo"
