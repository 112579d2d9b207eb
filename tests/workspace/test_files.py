"""Files and folders that are written whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from support import skips

from scriptforge.errors import RunError, ScriptforgeError
from scriptforge.workspace import (
    atomic_file,
    atomic_folder,
    atomic_write,
    read_json,
    remove_leftovers,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


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
                (temporary / "inner").touch(mode=0o600)  # as libraries of other languages do
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

    def test_what_cannot_be_removed_is_removed_the_next_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.unlink

        def unlink(path: "os.PathLike[str] | str", *, dir_fd: int | None = None) -> None:
            if Path(path).name == "stuck":
                raise OSError(errno.EIO, "Input/output error", path)
            real(path, dir_fd=dir_fd)

        monkeypatch.setattr(os, "unlink", unlink)
        with suppress(ZeroDivisionError), atomic_folder(tmp_path / "folder") as folder:
            (folder / "stuck").touch()
            raise ZeroDivisionError
        assert len(names_in(tmp_path)) == 1
        monkeypatch.undo()
        remove_leftovers(tmp_path)
        assert names_in(tmp_path) == []

    def test_what_is_no_scratch_folder_stays(self, tmp_path: Path) -> None:
        (tmp_path / "mine" / "before" / "play").mkdir(parents=True)
        (tmp_path / ".link.0123abcd.tmp").symlink_to("mine")
        (tmp_path / ".file.0123abcd.tmp").touch()
        (tmp_path / ".play.editor99.tmp").mkdir()
        before = names_in(tmp_path)
        remove_leftovers(tmp_path)
        assert names_in(tmp_path) == before
        assert names_in(tmp_path / "mine" / "before") == ["play"]

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

    def test_what_is_removed_meanwhile_does_not_come_back(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            atomic_write(tmp_path / "gone" / "file", "new", makes_parents=False)
        assert names_in(tmp_path) == []

    def test_a_link_is_replaced_and_a_pipe_never(self, tmp_path: Path) -> None:
        (tmp_path / "mine").write_text("mine")
        (tmp_path / "link").symlink_to("mine")
        atomic_write(tmp_path / "link", "new")
        assert (tmp_path / "mine").read_text() == "mine" and not (tmp_path / "link").is_symlink()
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(FileExistsError):
            atomic_write(tmp_path / "pipe", "new")
        assert (tmp_path / "pipe").is_fifo()

    def test_nowhere_is_nothing_to_remove(self, tmp_path: Path) -> None:
        remove_leftovers(tmp_path / "missing")


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the operating system refuse what Windows refuses."""
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
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: object())  # nothing that exchanges two names
    monkeypatch.setattr("shutil._use_fd_functions", False)  # shutil has ways of its own there, too


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


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_json_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "demo" / "config.json"
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunError, match=r"demo/config\.json cannot be read"):
        read_json(path)
