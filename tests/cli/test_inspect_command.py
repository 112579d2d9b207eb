import json
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from scriptforge.cli.app import run

TOLL = """\
INT. BOOTH ONE - MORNING
Walt (O.S.): Any cars?
Dee: Not one, and there was not one yesterday either, nor on the day before that.
WALT: Then we can raise the toll.
Wlat: Can we?
CUT TO:
INT. BOOTH TWO - MORNING
A goose stands in lane two.
Walt: \x1b[31mAny geese?
"""


@pytest.fixture
def tolls(workspace_path: Path) -> Path:
    """A workspace with a folder `tolls`: two episodes, one of them twice, and one that is none."""
    folder = workspace_path / "tolls"
    folder.mkdir()
    text = TOLL + "Walt: Hm.\n" * 4
    (folder / "episode 1.txt").write_text(text, encoding="utf-8")
    (folder / "episode 2.txt").write_text(
        text.replace("toll", "price").replace("Not", "No"), encoding="utf-8"
    )
    (folder / "episode 3.txt").write_bytes(text.replace("\n", "\r\n").encode())
    (folder / "episode 4.fdx").write_text("<FinalDraft><Content>", encoding="utf-8")
    return folder


def test_help(snapshot: SnapshotAssertion, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "--help"]) == 0
    assert capsys.readouterr().out == snapshot


def test_a_folder_for_people(
    tolls: Path, snapshot: SnapshotAssertion, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", "tolls"]) == 0
    out, err = capsys.readouterr()
    assert out == snapshot
    assert err == "Reading …\n"


def test_a_folder_as_json(
    tolls: Path, snapshot: SnapshotAssertion, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", "tolls", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == snapshot
    assert err == ""


def test_the_promised_keys(tolls: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "tolls/episode 1.txt", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"format", "scenes", "cast", "unparsed_share"} <= document.keys()
    assert all({"speaker", "lines", "words"} <= speaker.keys() for speaker in document["cast"])


def test_what_has_nothing_to_say_is_not_shown(
    workspace_path: Path, snapshot: SnapshotAssertion, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace_path / "prose.txt").write_text("The bridge was older than the river.\n", encoding="utf-8")
    assert run(["inspect", "prose.txt", "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert out == snapshot
    assert err.startswith("Warning: Nobody speaks in “prose”: it was read as prose. ")


def test_a_corpus_by_name(workspace_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", "demo", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["format"] == "fountain"
    assert {"DEE", "WALT"} <= {speaker["speaker"] for speaker in document["cast"]}


def test_columns_can_be_named(workspace_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace_path / "tolls.csv").write_text("driver,shout\nWalt,Hm.\n", encoding="utf-8")
    assert run(["inspect", "tolls.csv"]) == 1
    assert "“tolls.csv”" in capsys.readouterr().err
    assert run(["inspect", "tolls.csv", "--columns", "speaker=driver,line=shout", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sample"] == ["Walt: Hm."]


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["tolls/episode 4.fdx"], 1, "“episode 4.fdx”"),
        (["tolls/episode 5.txt"], 1, "episode 5.txt"),
        (["tolls", "--format", "name-lines"], 2, "There is no format named “name-lines”."),
        ([], 2, "PATH"),
    ],
)
def test_what_is_wrong_is_said_in_two_lines(
    tolls: Path, arguments: list[str], code: int, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["inspect", *arguments, "--quiet"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    error, hint = err.splitlines()
    assert error.startswith("Error: ") and problem in error
    assert hint
