"""Locks where a file system cannot lock, or only what can be written, and the files of other programs."""

import errno
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptforge.errors import RunError
from scriptforge.workspace import RunFolder, Workspace, atomic_folder, remove_leftovers
from scriptforge.workspace.locks import Lock, LockHeldError, holder, remove_free_locks

fcntl = pytest.importorskip("fcntl")
HOLDING = """
import sys
from pathlib import Path
from scriptforge.workspace.locks import Lock
with Lock.acquire(Path(sys.argv[1]), "being trained"):
    print("held", flush=True)
    sys.stdin.read()
"""
WITHOUT_LOCKS = """
import errno, fcntl
def flock(handle, operation):
    raise OSError(errno.ENOLCK, "No locks available")
fcntl.flock = flock
"""


def holding(path: Path, before: str = "") -> subprocess.Popen[str]:
    """Start a process that holds a lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", before + HOLDING, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def lock_file(folder: Path) -> Path:
    (found,) = folder.glob(".*.lock")
    return found


@pytest.fixture
def without_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file system have no locks."""

    def flock(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("without_locks")
class TestWithoutLocks:
    def test_a_living_process_holds_its_lock(self, tmp_path: Path) -> None:
        with holding(tmp_path / "play", WITHOUT_LOCKS) as process:
            with pytest.raises(LockHeldError, match=f"being trained by process {process.pid}") as caught:
                Lock.acquire(tmp_path / "play", "being renamed")
            assert "stop it" in caught.value.hint
            remove_free_locks(tmp_path)
            held = holder(tmp_path / "play")
            assert held is not None and held.process == str(process.pid)
            kill(process)
        assert holder(tmp_path / "play") is None
        with Lock.acquire(tmp_path / "play", "being renamed"):
            pass
        assert list(tmp_path.iterdir()) == []

    def test_what_a_kill_left_is_removed(self, tmp_path: Path) -> None:
        with holding(tmp_path / "play", WITHOUT_LOCKS) as process:
            kill(process)
        remove_free_locks(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_of_another_machine_nothing_is_known(self, tmp_path: Path) -> None:
        run = RunFolder(tmp_path / "play")
        with holding(run.path, WITHOUT_LOCKS) as process:
            kill(process)
        place = lock_file(tmp_path)
        place.write_text(place.read_text().replace(platform.node(), "elsewhere"))
        remove_free_locks(tmp_path)
        assert run.training_process() == str(process.pid)
        with pytest.raises(RunError, match="is being trained by process") as caught, run.lock():
            pass
        assert f"on elsewhere, remove {place}" in caught.value.hint
        with pytest.raises(LockHeldError):
            Lock.acquire(run.path, "being written", on_wait=lambda: None)

    def test_what_is_being_made_stays(self, tmp_path: Path) -> None:
        with atomic_folder(tmp_path / "made") as temporary:
            (temporary / "inner").touch()
            remove_leftovers(tmp_path)
        assert [path.name for path in (tmp_path / "made").iterdir()] == ["inner"]


def test_a_lock_is_seen_where_only_what_is_written_can_be_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS."""
    lock = fcntl.flock

    def flock(handle: int, operation: int) -> None:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        lock(handle, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with holding(tmp_path / "play") as process:
        remove_free_locks(tmp_path)
        held = holder(tmp_path / "play")
        assert held is not None and held.process == str(process.pid)
        kill(process)
    assert holder(tmp_path / "play") is None
    with atomic_folder(tmp_path / "made") as temporary:
        (temporary / "inner").touch()
        remove_leftovers(tmp_path)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["inner"]


def test_the_files_of_other_programs_stay(workspace_path: Path) -> None:
    for folder in ("data", "runs", "studies", "room"):
        (workspace_path / folder).mkdir()
        (workspace_path / folder / ".foreign.lock").touch()
        (workspace_path / folder / ".foreign.0123abcd.tmp").mkdir()
        (workspace_path / folder / ".foreign.0123abcd.tmp" / "page").touch()
    before = sorted(workspace_path.rglob("*"))
    Workspace.find(workspace_path)
    assert sorted(workspace_path.rglob("*")) == before


class TestScratchFolders:
    """Those of killed processes; `files` has the rest."""

    def killed(self, path: Path, machine: Callable[[str], str] = str) -> Path:
        """Return the scratch folder that a killed process of a machine has left for a path."""
        program = f"""
import os, signal
from pathlib import Path
from scriptforge.workspace import atomic_folder
with atomic_folder(Path({str(path)!r})) as folder:
    (folder / "inner").touch()
    os.kill(os.getpid(), signal.SIGKILL)
"""
        assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
        (left,) = path.parent.iterdir()
        (mark,) = left.glob(".*")
        mark.write_text(machine(mark.read_text()))
        return mark

    @pytest.mark.parametrize("name", ["page", "two\nlines"])
    def test_those_of_this_machine_are_removed(self, tmp_path: Path, name: str) -> None:
        self.killed(tmp_path / name)
        remove_leftovers(tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_those_of_another_machine_are_removed_after_a_day(self, tmp_path: Path) -> None:
        mark = self.killed(tmp_path / "page", lambda _: "elsewhere")
        (mark.parent / "before" / "page").mkdir(parents=True)
        remove_leftovers(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == [mark.parent.name, "page"]
        yesterday = time.time() - 25 * 3600
        os.utime(mark, (yesterday, yesterday))
        remove_leftovers(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["page"]
