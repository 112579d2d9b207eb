import errno
import json
import os
import signal
import subprocess
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from support import skips

from scriptforge.errors import DatasetError, RunError, ScriptforgeError, UsageError
from scriptforge.workspace import (
    RunFolder,
    Workspace,
    atomic_file,
    atomic_folder,
    atomic_write,
    creation_moment,
    read_json,
    remove_leftovers,
)
from scriptforge.workspace.entries import rename

DEEP = "[" * 100_000
"""JSON that is nested too deeply for Python's parser."""


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
            make_run(workspace, name, creation_moment(workspace.new_run(name)))
        named = [run.name for run in workspace.runs() if run.name not in ("damaged", "odd")]
        assert named == ["third", "second", "first", "before"]

    def test_the_clock_is_believed_where_nothing_speaks_against_it(self, workspace_path: Path) -> None:
        workspace = Workspace(workspace_path)
        before = datetime.now(UTC)
        make_dataset(workspace, "old", "2020-02-02T02:02:02.000000+00:00")
        make_run(workspace, "of-another-kind", "2999-01-01T00:00:00.000000+00:00")
        moment = datetime.fromisoformat(creation_moment(workspace.new_dataset("new")))
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
        assert "train" in no_run.value.hint and "prepare" in no_dataset.value.hint

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


class TestAtomicWriting:
    def test_a_failure_leaves_the_old_file(self, tmp_path: Path) -> None:
        path = tmp_path / "file"
        atomic_write(path, "old")
        with pytest.raises(ZeroDivisionError), atomic_file(path) as temporary:
            temporary.write_text("half of the n")
            raise ZeroDivisionError
        assert path.read_text() == "old"
        assert names_in(tmp_path) == ["file"]

    @pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
    def test_the_umask_says_who_may_read_what_is_written(self, tmp_path: Path, umask: int) -> None:
        before = os.umask(umask)
        try:
            atomic_write(tmp_path / "above" / "file", b"\xff")
            with atomic_folder(tmp_path / "folder") as temporary:
                (temporary / "inner").touch(mode=0o600)  # as some native libraries do
        finally:
            os.umask(before)
        names = ("above", "above/file", "folder", "folder/inner")
        modes = [(tmp_path / name).stat().st_mode & 0o777 for name in names]
        assert modes == [mode & ~umask for mode in (0o777, 0o666, 0o777, 0o666)]

    def test_what_was_private_stays_so(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch(mode=0o600)
        atomic_write(tmp_path / "file", "new")
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600

    def test_a_folder_takes_the_place_of_the_old_one_whole(self, tmp_path: Path) -> None:
        for content in ("old", "new"):
            with atomic_folder(tmp_path / "data") as temporary:
                (temporary / content).touch()
        assert names_in(tmp_path / "data") == ["new"]
        assert names_in(tmp_path) == ["data"]

    def test_the_folder_that_one_is_in_can_be_replaced(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "data").mkdir()
        monkeypatch.chdir(tmp_path / "data")
        with atomic_folder(Path()) as temporary:
            (temporary / "new").touch()
        assert [path.name for path in (tmp_path / "data").iterdir()] == ["new"]

    def test_a_failure_leaves_the_old_folder(self, tmp_path: Path) -> None:
        with atomic_folder(tmp_path / "data") as temporary:
            (temporary / "old").touch()
        with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "data") as temporary:
            (temporary / "new").touch()
            raise KeyboardInterrupt
        assert names_in(tmp_path / "data") == ["old"]
        assert names_in(tmp_path) == ["data"]

    def test_a_full_disk_is_explained(self, tmp_path: Path) -> None:
        with (
            pytest.raises(ScriptforgeError, match="disk is full") as caught,
            atomic_file(tmp_path / "file"),
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        assert "untouched" in caught.value.hint

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason=skips.NO_DEV_FULL)
    def test_a_really_full_disk_is_explained(self, tmp_path: Path) -> None:
        with (
            pytest.raises(ScriptforgeError, match="disk is full"),
            atomic_file(tmp_path / "file"),
            Path("/dev/full").open("w") as full,
        ):
            full.write("x" * 10_000)

    def test_other_failures_stay_what_they_are(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "file") as temporary:
            temporary.unlink()

    def test_a_kill_leaves_the_old_and_something_to_remove(self, tmp_path: Path) -> None:
        atomic_write(tmp_path / "file", "old")
        (tmp_path / ".lock").touch()
        program = f"""
import os, signal
from pathlib import Path
from scriptforge.workspace import atomic_file, atomic_folder
parent = Path({str(tmp_path)!r})
with atomic_folder(parent / "folder") as folder, atomic_file(parent / "file") as file:
    (folder / "inner").write_text("half")
    file.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
        assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
        assert (tmp_path / "file").read_text() == "old"
        assert len(names_in(tmp_path)) == 4
        with atomic_folder(tmp_path / "living") as living:
            (living / "inner").touch()
            remove_leftovers(tmp_path)
        assert names_in(tmp_path) == [".lock", "file", "living"]
        assert names_in(tmp_path / "living") == ["inner"]

    def test_the_next_command_removes_what_a_kill_left_and_brings_back_what_it_displaced(
        self, workspace_path: Path
    ) -> None:
        """On systems that cannot exchange two folders atomically, a kill leaves this."""
        workspace = Workspace(workspace_path)
        make_dataset(workspace, "play")
        make_run(workspace, "play")
        for name in ("data/.play.0123abcd.tmp", "data/.other.0123abcd.tmp", "runs/play/.x.0123abcd.tmp"):
            (workspace_path / name / "before").mkdir(parents=True)
        (workspace_path / "data" / "play").rename(workspace_path / "data/.play.0123abcd.tmp/before/play")
        (workspace_path / "runs" / ".play.lock").touch()
        found = Workspace.find(workspace_path)
        assert [folder.name for folder in found.datasets()] == ["play"]
        assert [path.name for path in workspace_path.rglob(".*")] == []

    def test_what_is_no_scratch_folder_stays(self, tmp_path: Path) -> None:
        (tmp_path / "mine" / "before" / "play").mkdir(parents=True)
        (tmp_path / ".link.0123abcd.tmp").symlink_to("mine")
        (tmp_path / ".file.0123abcd.tmp").touch()
        (tmp_path / ".play.editor99.tmp").mkdir()
        before = names_in(tmp_path)
        remove_leftovers(tmp_path)
        assert names_in(tmp_path) == before
        assert names_in(tmp_path / "mine" / "before") == ["play"]

    def test_a_training_that_was_to_replace_a_run_that_is_gone_takes_its_name(
        self, workspace_path: Path
    ) -> None:
        run = Workspace(workspace_path).new_run("play")
        atomic_write(run.successor.config, json.dumps({"created": "2027"}))
        run.successor.waiting.touch()
        assert Workspace.find(workspace_path).run("play") == run
        assert [path.name for path in workspace_path.rglob(".*")] == []

    def test_new_folders_are_on_the_disk_in_their_parents(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: set[int] = set()
        sync = os.fsync

        def note_and_sync(handle: int) -> None:
            synced.add(os.fstat(handle).st_ino)
            sync(handle)

        monkeypatch.setattr(os, "fsync", note_and_sync)
        atomic_write(tmp_path / "a" / "b" / "file", "content")
        expected = [path.stat().st_ino for path in (tmp_path, tmp_path / "a", tmp_path / "a" / "b")]
        assert set(expected) <= synced

    def test_nowhere_is_nothing_to_remove(self, tmp_path: Path) -> None:
        remove_leftovers(tmp_path / "missing")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make system calls fail as they do on Windows."""
    fcntl = pytest.importorskip("fcntl")
    open_, sync = os.open, os.fsync

    def open_no_folder(path: str, *arguments: int, **options: int) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return open_(path, *arguments, **options)

    def sync_what_is_writable(handle: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        sync(handle)

    monkeypatch.delattr(os, "fchmod", raising=False)
    monkeypatch.setattr(os, "open", open_no_folder)
    monkeypatch.setattr(os, "fsync", sync_what_is_writable)
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())  # no atomic exchange of two names
    monkeypatch.setattr("shutil._use_fd_functions", False)  # nor do functions of shutil take descriptors


@pytest.mark.usefixtures("windows")
class TestAtomicWritingOnWindows:
    def test_a_file_is_replaced(self, tmp_path: Path) -> None:
        for content in ("old", "new"):
            atomic_write(tmp_path / "file", content)
        assert (tmp_path / "file").read_text() == "new"
        assert names_in(tmp_path) == ["file"]

    def test_a_folder_is_replaced(self, tmp_path: Path) -> None:
        for content in ("old", "new"):
            with atomic_folder(tmp_path / "data") as temporary:
                (temporary / content).touch(mode=0o600)
        assert names_in(tmp_path / "data") == ["new"]
        assert names_in(tmp_path) == ["data"]

    @pytest.mark.parametrize("moment", [1, 2])
    def test_a_folder_in_use_stays_as_it_was(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
    ) -> None:
        with atomic_folder(tmp_path / "data") as temporary:
            (temporary / "old").touch()
        replace, calls = os.replace, []

        def refuse_once(source: Path, target: Path) -> None:
            calls.append(source)
            if len(calls) == moment:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), source)
            replace(source, target)

        monkeypatch.setattr(os, "replace", refuse_once)
        with pytest.raises(PermissionError), atomic_folder(tmp_path / "data") as temporary:
            (temporary / "new").touch()
        assert names_in(tmp_path / "data") == ["old"]
        assert names_in(tmp_path) == ["data"]


def test_a_drive_that_syncs_no_folders_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync = os.fsync

    def sync_files(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").is_dir() or Path(f"/dev/fd/{handle}").is_dir():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(handle)

    monkeypatch.setattr(os, "fsync", sync_files)
    atomic_write(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


class TestLock:
    def test_a_second_process_is_told_who_holds_the_run(self, tmp_path: Path) -> None:
        run = RunFolder(tmp_path / "runs" / "demo")
        program = f"""
import sys
from pathlib import Path
from scriptforge.workspace import RunFolder
with RunFolder(Path({str(run.path)!r})).lock():
    print("held", flush=True)
    sys.stdin.read()
"""
        with subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(RunError, match=f"trained by process {holder.pid}") as caught, run.lock():
                pass
            assert "another name" in caught.value.hint
            holder.kill()
        with run.lock():
            pass

    def test_it_is_free_again_after_a_failure(self, tmp_path: Path) -> None:
        run = RunFolder(tmp_path / "demo")
        with pytest.raises(ZeroDivisionError), run.lock():
            raise ZeroDivisionError
        with run.lock():
            assert run.trainer() == str(os.getpid())
        assert run.trainer() is None
        assert names_in(tmp_path) == []


def test_checkpoints_are_found_by_their_step(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert run.checkpoint_steps() == []
    for step in (7, 123_456_789, 40):
        run.checkpoint(step).mkdir(parents=True)
    for name in (".step-00000099.x.tmp", "step-1", "step-0000004x", "notes"):
        (run.checkpoints / name).mkdir()
    assert run.checkpoint_steps() == [123_456_789, 40, 7]


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_json_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "demo" / "config.json"
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=r"demo/config\.json cannot be read"):
        read_json(path)
