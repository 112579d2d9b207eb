"""`scriptforge page`: a folder that any static server can serve."""

import json
import re
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from support.command import COMMAND, environment

from scriptforge.cli.app import run
from scriptforge.workspace import RunFolder


@pytest.mark.parametrize("flag", ["-o", "--output", "--out"])
def test_the_folder_has_all_that_the_page_asks_for(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    folder = tmp_path / "site"
    words = ["page", "harbour", flag, str(folder), "--workspace", str(tiny_run.path.parent.parent), "--json"]
    assert run(words) == 0
    files = json.loads(capsys.readouterr().out)["files"]
    assert files == sorted(path.name for path in folder.iterdir())
    assert {"index.html", "space.json", "model.safetensors"} <= set(files)
    assert json.loads((folder / "space.json").read_text(encoding="utf-8"))["name"] == "harbour"
    assert (folder / "model.safetensors").read_bytes() == tiny_run.weights.read_bytes()


def test_an_earlier_page_is_replaced_only_if_that_is_insisted_on(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["page", str(tiny_run.path), "-o", str(tmp_path / "site")]
    assert run(words) == 0
    before = (tmp_path / "site").stat().st_ino
    assert run(words) == 2
    assert "There is a page in" in capsys.readouterr().err and (tmp_path / "site").stat().st_ino == before
    assert run([*words, "--force"]) == 0
    assert (tmp_path / "site").stat().st_ino != before


def test_what_is_no_page_is_never_replaced(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "diary.txt").write_text("Dear", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for folder in (".", str(tmp_path)):
        assert run(["page", str(tiny_run.path), "-o", folder, "--force"]) == 2
        assert "holds diary.txt, which is not part of a page." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_the_folder_that_one_is_in_can_be_the_page(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["page", str(tiny_run.path), "-o", "."]) == 0
    assert (tmp_path / "index.html").is_file()


@contextmanager
def shown(run: RunFolder, folder: Path) -> Iterator[tuple[subprocess.Popen[str], httpx.URL]]:
    """Yield the command that shows the page of a run, and the address of the page."""
    words = [*COMMAND, "page", str(run.path), "-o", str(folder), "--show"]
    env = {**environment(), "BROWSER": "true"}
    with subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"http://127\.0\.0\.1:\d+/", process.stderr.readline())
            assert found
            yield process, httpx.URL(found[0])
        finally:
            process.send_signal(signal.SIGINT)


@pytest.mark.slow
def test_a_browser_that_hangs_up_is_no_error(tiny_run: RunFolder, tmp_path: Path) -> None:
    with shown(tiny_run, tmp_path / "site") as (process, address):
        for _ in range(3):
            with socket.create_connection((address.host, address.port or 0)) as connection:
                connection.sendall(b"GET /model.safetensors HTTP/1.1\r\n")
                at_once = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        assert httpx.get(address, trust_env=False).status_code == 200
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert "Error" not in said


@pytest.mark.slow
def test_a_page_that_is_shown_is_not_for_other_sites(tiny_run: RunFolder, tmp_path: Path) -> None:
    with shown(tiny_run, tmp_path / "site") as (_, address):
        answer = httpx.get(address, headers={"host": "evil.example"}, trust_env=False)
        assert answer.status_code == 403
