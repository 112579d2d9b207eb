"""`scriptforge page`: a folder that any static server can serve."""

import json
from pathlib import Path

import pytest

from scriptforge.cli.app import run
from scriptforge.workspace import RunFolder


def test_the_folder_has_all_that_the_page_asks_for(
    tiny_run: RunFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "site"
    words = ["page", "harbour", "-o", str(folder), "--workspace", str(tiny_run.path.parent.parent), "--json"]
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
        assert "holds diary.txt, which is no part of a page." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_the_folder_that_one_is_in_can_be_the_page(
    tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["page", str(tiny_run.path), "-o", "."]) == 0
    assert (tmp_path / "index.html").is_file()
