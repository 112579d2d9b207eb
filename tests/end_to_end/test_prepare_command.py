import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
from support.command import scriptforge
from support.tiny import comedy


def prepare(workspace: Path, *words: str) -> dict[str, Any]:
    done = scriptforge("prepare", *words, "--json", workspace=workspace)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def refused(workspace: Path, *words: str) -> list[str]:
    """The two lines on stderr of a command that fails."""
    done = scriptforge("prepare", *words, "--quiet", workspace=workspace)
    assert done.returncode == 1 and done.stdout == ""
    assert not (workspace / "data").exists() or not list((workspace / "data").iterdir())
    return done.stderr.splitlines()


def test_the_result_is_on_stdout_and_progress_on_stderr(tmp_path: Path) -> None:
    """A file as Windows leaves it, with a few bytes too many."""
    play = comedy(300).replace("harbour", "caf\xe9").replace("\n", "\r\n")
    (tmp_path / "old.txt").write_bytes(play.encode("latin-1") + b"Bo: \0Hm.\r\n")
    done = scriptforge("prepare", "old.txt", "--level", "char", workspace=tmp_path)
    assert done.returncode == 0
    assert re.search(
        r"^vocabulary +\d+ tokens at char level, \d+ of them speakers and layout$", done.stdout, re.M
    )
    assert "…" not in done.stdout
    assert "Tokenising" in done.stderr and "Next: scriptforge train old" in done.stderr
    assert "old.txt: read as Windows-1252, 1 NUL byte removed, CRLF line ends" in done.stderr.splitlines()


@pytest.mark.slow
def test_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "marked.txt").write_text(comedy(300), encoding="utf-8-sig")
    description = prepare(tmp_path, "marked.txt", "--level", "char", "--plain")
    assert "marked.txt: read as UTF-8 with a byte-order mark" in description["notes"]
    held = sum(split["characters"] for split in description["splits"].values())
    assert held == len(comedy(300))


def test_a_folder_and_a_table(tmp_path: Path) -> None:
    folder = tmp_path / "season"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(comedy(60, seed=number))
    rows = [line.partition(": ") for line in comedy(120).split("\n\n")[:-1]]
    (folder / "4.csv").write_text(
        "Season,Character,Line\n" + "".join(f"1,{a},{b[::-1]}\n" for a, _, b in rows)
    )
    (folder / "cover.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    description = prepare(tmp_path, "season", "--level", "word")
    assert description["documents"] == 4
    assert sum(split["lines"] for split in description["splits"].values()) == 300
    assert any("cover.png" in note for note in description["notes"])


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("picture.txt", b"\x89PNG\r\n\x1a\n" + random.Random(0).randbytes(500), "it is a PNG image"),
        ("empty.txt", b"", "is empty"),
    ],
)
@pytest.mark.slow
def test_what_is_no_script_is_refused_in_two_lines(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    (tmp_path / name).write_bytes(content)
    error, hint = refused(tmp_path, name)
    assert error.startswith(f"Error: “{name}” ") and problem in error
    assert hint


@pytest.mark.slow
def test_a_single_line_of_five_megabytes(tmp_path: Path) -> None:
    draw = random.Random(0)
    words = [comedy(1, seed=seed).split()[-1] for seed in range(20)]
    line = " ".join(draw.choice(words) for _ in range(800_000))[:5_000_000]
    (tmp_path / "line.txt").write_text(line)
    description = prepare(tmp_path, "line.txt", "--plain", "--validation", "0.1", "--test", "0")
    splits = description["splits"]
    assert splits["train"]["characters"] == 4_500_000
    assert splits["train"]["characters"] + splits["validation"]["characters"] == 5_000_000


@pytest.mark.slow
def test_only_force_replaces(tmp_path: Path) -> None:
    (tmp_path / "play.txt").write_text(comedy(200))
    prepare(tmp_path, "play.txt", "--level", "char")
    again = scriptforge("prepare", "play.txt", "--level", "word", workspace=tmp_path)
    assert again.returncode == 2 and again.stdout == ""
    assert again.stderr.splitlines()[0] == "Error: There is a dataset named “play” already."
    assert prepare(tmp_path, "play.txt", "--level", "word", "--force")["level"] == "word"


@pytest.mark.slow
def test_a_file_name_that_no_folder_can_have(tmp_path: Path) -> None:
    (tmp_path / "My play (draft 2).txt").write_text(comedy(200))
    description = prepare(tmp_path, "My play (draft 2).txt")
    assert (tmp_path / "data" / description["name"] / "dataset.json").is_file()
