import json
from pathlib import Path
from typing import Any

import pytest

from scriptforge.cli.app import run
from scriptforge.workspace import Workspace


def config(**changes: Any) -> dict[str, Any]:
    figures = {
        "nats_per_token": 3.5,
        "perplexity": 33.1,
        "nats_per_character": 1.25,
        "bits_per_character": 1.8034,
    }
    return {
        "format": 1,
        "name": "sitcom",
        "created": "2024-05-01T10:00:00+00:00",
        "dataset": {"name": "seinfeld", "level": "word", "plain": False},
        "parameters": 1234567,
        "result": {
            "best": {"stream": figures},
            "seconds": 61.7,
            "tokens_per_second": 9e4,
            "verdict": "Good.",
        },
        **changes,
    }


def write(root: Path, name: str, content: Any) -> None:
    path = Workspace(root).new_run(name).config
    path.parent.mkdir(parents=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def rows(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()[1:]]


def test_lists_runs_with_their_figures_the_latest_first(
    workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(workspace_path, "old", config(created="2024-04-01T10:00:00+00:00"))
    write(workspace_path, "new", config())
    assert run(["runs"]) == 0
    assert rows(capsys) == [
        ["new", "seinfeld", "word", "1,234,567", "1.250", "1.803", "62", "2024-05-01", "10:00"],
        ["old", "seinfeld", "word", "1,234,567", "1.250", "1.803", "62", "2024-04-01", "10:00"],
    ]


def test_an_unfinished_run_has_no_figures_yet(
    workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(workspace_path, "going", config(result=None))
    assert run(["runs"]) == 0
    assert rows(capsys)[0][4:7] == ["–", "–", "–"]
    assert run(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["nats_per_character"] is None


def test_json_names_its_figures(workspace_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(workspace_path, "new", config())
    assert run(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "run": "new",
            "dataset": "seinfeld",
            "level": "word",
            "plain": False,
            "parameters": 1234567,
            "nats_per_character": 1.25,
            "bits_per_character": 1.8034,
            "seconds": 61.7,
            "created": "2024-05-01T10:00:00+00:00",
        }
    ]


@pytest.mark.parametrize(
    "content",
    ["{", "[]", "null", "{}", '{"result": []}', config(dataset=[]), config(parameters="many")],
    ids=str,
)
def test_a_damaged_run_is_warned_of_and_hides_no_other(
    content: Any, workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(workspace_path, "damaged", content)
    write(workspace_path, "good", config())
    assert run(["runs", "--json"]) == 0
    out, err = capsys.readouterr()
    assert [row["run"] for row in json.loads(out)] == ["good"]
    assert err.startswith("Warning: damaged/config.json")


def test_no_run_at_all(workspace_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err == "There is no run here yet. Train one: scriptforge train\n"
    assert run(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
