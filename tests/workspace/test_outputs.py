"""Files and folders that a person names: two at once, links, pipes and devices."""

import errno
import os
import re
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from scriptforge.errors import UsageError
from scriptforge.workspace import output_file, output_folder, write_output

IN_FILE = """
from scriptforge.workspace import output_file
with output_file(path, force=False) as temporary:
    temporary.write_text(said)
    wait()
"""
IN_FOLDER = """
from scriptforge.workspace import output_folder
with output_folder(path, ["page"], "a page", force=force) as temporary:
    (temporary / "page").write_text(said)
    wait()
"""
APPENDING = """
from scriptforge.workspace import turn_to_write, write_output
wait()
for number in range(10):
    with turn_to_write(path):
        held = path.read_text() if path.exists() else ""
        write_output(path, f"{held}{said} {number}\\n", force=bool(held))
"""


def begin(program: str, path: Path, said: str, force: bool = False) -> subprocess.Popen[str]:
    """Run a program in a process of its own up to the place where it waits."""
    start = f"""
import sys
from pathlib import Path
path, said, force = Path({str(path)!r}), {said!r}, {force!r}
def wait():
    print("waits", flush=True)
    sys.stdin.readline()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", start + program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waits\n"
    return process


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Let a program go on, and return its exit code and the end of its stderr: an error and its hint."""
    _, errors = process.communicate("\n")
    return process.returncode, "\n".join(errors.splitlines()[-2:])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestTwoAtOnce:
    @pytest.mark.parametrize("program", [IN_FILE, IN_FOLDER])
    def test_one_is_refused(self, tmp_path: Path, program: str) -> None:
        path = tmp_path / "made"
        first, second = (begin(program, path, said) for said in ("first", "second"))
        assert end(second) == (0, "")
        code, said = end(first)
        assert code == 1 and "UsageError: There is a" in said and "already" in said
        assert (path if path.is_file() else path / "page").read_text() == "second"
        assert names_in(tmp_path) == ["made"]

    def test_what_was_put_into_a_folder_meanwhile_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "made"
        with output_folder(path, ["page"], "a page", force=False) as temporary:
            (temporary / "page").touch()
        process = begin(IN_FOLDER, path, "again", force=True)
        (path / "diary").write_text("Dear")
        code, said = end(process)
        assert code == 1 and "holds diary, which is not part of a page" in said
        assert (path / "diary").read_text() == "Dear"

    def test_nothing_is_lost_of_what_several_write_at_the_end(self, tmp_path: Path) -> None:
        names = ("a", "b", "c")
        processes = [begin(APPENDING, tmp_path / "page", name) for name in names]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        assert [end(process) for process in processes] == [(0, "")] * 3
        lines = (tmp_path / "page").read_text().splitlines()
        assert sorted(lines) == sorted(f"{name} {number}" for name in names for number in range(10))
        assert names_in(tmp_path) == ["page"]

    def test_an_empty_folder_is_filled(self, tmp_path: Path) -> None:
        (tmp_path / "made").mkdir()
        with output_folder(tmp_path / "made", ["page"], "a page", force=False) as temporary:
            (temporary / "page").touch()
        assert names_in(tmp_path / "made") == ["page"]

    def test_a_disk_without_links_tells_two_apart_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def link(*_: object, **__: object) -> None:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", link)
        path = tmp_path / "page"
        with pytest.raises(UsageError, match="already"), output_file(path, force=False) as temporary:
            temporary.write_text("first")
            write_output(path, "second", force=False)
        assert path.read_text() == "second"
        assert names_in(tmp_path) == ["page"]


class TestWhatIsNoFile:
    @pytest.mark.parametrize("force", [False, True])
    def test_a_link_stays_and_its_file_is_written(self, tmp_path: Path, force: bool) -> None:
        (tmp_path / "link").symlink_to("there/page")
        write_output(tmp_path / "link", "old", force=force)
        with pytest.raises(UsageError, match="already"):
            write_output(tmp_path / "link", "new", force=False)
        write_output(tmp_path / "link", "new", force=True)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "page").read_text() == "new"
        assert not (tmp_path / "there" / "page").is_symlink()

    def test_a_link_to_a_folder_stays_and_the_folder_is_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to("there")
        for force in (False, True):
            with output_folder(tmp_path / "link", ["page"], "a page", force=force) as temporary:
                (temporary / "page").write_text(f"{force}")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "page").read_text() == "True"

    @pytest.mark.parametrize("force", [False, True])
    @pytest.mark.parametrize("name", ["pipe", "link"])
    def test_a_pipe_is_written_into(self, tmp_path: Path, name: str, force: bool) -> None:
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "link").symlink_to("pipe")
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.append((tmp_path / "pipe").read_text()))
        reader.start()
        write_output(tmp_path / name, "a page", force=force)
        reader.join()
        assert said == ["a page"]
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
        assert names_in(tmp_path) == ["link", "pipe"]

    def test_a_terminal_is_written_into(self) -> None:
        inside, outside = os.openpty()
        write_output(Path(os.ttyname(outside)), "a page", force=True)
        assert os.read(inside, 100) == b"a page"
        os.close(inside)
        os.close(outside)

    @pytest.mark.parametrize("force", [False, True])
    def test_a_socket_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool) -> None:
        monkeypatch.chdir(tmp_path)  # the path of a socket has to be short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
            with pytest.raises(UsageError, match="not a file that can be written"):
                write_output(tmp_path / "socket", "a page", force=force)
            assert (tmp_path / "socket").is_socket()

    @pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1"])
    def test_stdout_is_written_wherever_it_leads(self, tmp_path: Path, path: str) -> None:
        program = f"""
from pathlib import Path
from scriptforge.workspace import write_output
for said in ("a page", "\\n"):
    write_output(Path({path!r}), said, force=False)
"""
        command = [sys.executable, "-c", program]
        assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout == b"a page\n"
        (tmp_path / "log").write_text("before\n")
        for mode, expected in (("a", "before\na page\n"), ("w", "a page\n")):
            with (tmp_path / "log").open(mode) as log:
                subprocess.run(command, stdout=log, check=True)
            assert (tmp_path / "log").read_text() == expected


def test_a_folder_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for force in (False, True):
        with pytest.raises(UsageError, match=re.escape(f"{tmp_path / 'folder'} is a folder")):
            write_output(tmp_path / "folder", "a page", force=force)
