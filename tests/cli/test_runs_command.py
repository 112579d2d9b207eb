import copy
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.slow import slow
from syrupy.assertion import SnapshotAssertion

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
        "settings": {"arch": "lstm", "hidden_size": 384, "epochs": None, "minutes": 3.0},
        "parameters": 1234567,
        "result": {
            "best": {"stream": figures, "cold_256": {**figures, "bits_per_character": 1.9}},
            "share": 1.0,
            "step": 1520,
            "seconds": 61.7,
            "tokens_per_second": 9e4,
            "diagnosis": "Good.",
        },
        **changes,
    }


def write(root: Path, name: str, content: Any) -> None:
    path = Workspace(root).new_run(name).config
    path.parent.mkdir(parents=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def write_metrics(root: Path, name: str, bits: list[float]) -> None:
    """A history in which a validation comes every ten seconds."""
    lines = [
        {
            "step": 100 * number,
            "epochs": number / 2,
            "seconds": 10.0 * number,
            "training_nats_per_token": 2.0 * each,
            "nats_per_token": 2.1 * each,
            "perplexity": math.exp(2.1 * each),
            "nats_per_character": each * math.log(2),
            "bits_per_character": each,
            "is_best": each == min(bits[:number]),
        }
        for number, each in enumerate(bits, start=1)
    ]
    path = Workspace(root).new_run(name).metrics
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def rows(capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    return [line.split() for line in capsys.readouterr().out.splitlines()[1:]]


def test_lists_runs_with_their_figures_the_latest_first(
    workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(workspace_path, "old", config(created="2024-04-01T10:00:00+00:00"))
    write(workspace_path, "new", config())
    assert run(["runs"]) == 0
    assert rows(capsys) == [
        ["new", "seinfeld", "word", "lstm", "1,234,567", "1.250", "1.803", "1:02", "2024-05-01", "10:00"],
        ["old", "seinfeld", "word", "lstm", "1,234,567", "1.250", "1.803", "1:02", "2024-04-01", "10:00"],
    ]


def test_an_unfinished_run_has_no_figures_yet(
    workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(workspace_path, "going", config(result=None))
    assert run(["runs"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[5:8] == ["–", "–", "–"]
    assert "going has not been trained to its end; " in err and "scriptforge train --resume going" in err
    assert run(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["nats_per_character"] is None


@pytest.mark.parametrize("names", [[], ["short", "long"]])
def test_a_figure_of_a_part_of_the_split_is_marked(
    names: list[str], workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = config()["result"]
    write(workspace_path, "long", config())
    write(workspace_path, "short", config(result={**whole, "share": 0.47}))
    assert run(["runs", *names]) == 0
    out, err = capsys.readouterr()
    assert out.count("~1.803") == 1 and out.count("1.803") == 2
    assert "~ was measured on a part" in err and "scriptforge evaluate short --split validation" in err


def test_json_names_its_figures(workspace_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(workspace_path, "new", config())
    assert run(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {
            "run": "new",
            "dataset": "seinfeld",
            "level": "word",
            "plain": False,
            "arch": "lstm",
            "parameters": 1234567,
            "nats_per_character": 1.25,
            "bits_per_character": 1.8034,
            "share": 1.0,
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


ODD: tuple[Any, ...] = (
    "NaN", "Infinity", "-Infinity", "1e400", "1" * 400, "-" + "1" * 400, "-1", "1e308", "null", "true", "0.5",
    '""', '"x"', json.dumps("x" * 70_000), r'"\u001b[31m\ud800"', "[]", "[[1]]", "{}", '{"a": NaN}',
)  # fmt: skip
"""Values as JSON has them, most of them nowhere in a config."""


def damaged_configs(places: int | None = None) -> Iterator[str]:
    """Yield configs of which one value is odd, or missing, at up to so many places for each oddity."""

    def places_in(node: Any, *above: str) -> Iterator[tuple[str, ...]]:
        for key, value in node.items() if isinstance(node, dict) else ():
            yield (*above, key)
            yield from places_in(value, *above, key)

    whole = config()
    all_places = list(places_in(whole))
    for number, odd in enumerate((*ODD, None)):
        chosen = all_places if places is None else all_places[number % 3 :: max(len(all_places) // places, 1)]
        for place in chosen:
            document = copy.deepcopy(whole)
            node = document
            for key in place[:-1]:
                node = node[key]
            if odd is None:
                del node[place[-1]]
            else:
                node[place[-1]] = "ODD"
            yield json.dumps(document).replace('"ODD"', odd or "")


@pytest.mark.parametrize("places", [5, *slow([None])])
def test_one_damaged_config_breaks_nothing_and_is_one_line(
    places: int | None, workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(workspace_path, "good", config())
    write(workspace_path, "damaged", config())
    write_metrics(workspace_path, "good", [2.6, 2.1])
    write_metrics(workspace_path, "damaged", [2.6, 2.1])
    path = Workspace(workspace_path).new_run("damaged").config
    for content in damaged_configs(places):
        path.write_text(content, encoding="utf-8")
        assert run(["runs"]) == 0, content
        out, err = capsys.readouterr()
        (good,) = [line for line in out.splitlines() if line.startswith("good ")]
        assert good.split()[1:] == [
            "seinfeld", "word", "lstm", "1,234,567", "1.250", "1.803", "1:02", "2024-05-01", "10:00",
        ]  # fmt: skip
        said = [line for line in (*out.splitlines()[1:], *err.splitlines()) if line != good]
        notes = ("~ was measured", "damaged has not been trained to its end")
        assert all(line.startswith(notes) for line in said[1:])
        assert len(said[0]) < 500
        assert said[0].startswith("damaged ") or "Restore it from a copy" in said[0]

        assert run(["runs", "--json"]) == 0, content
        listed = json.loads(capsys.readouterr().out, parse_constant=refuse)
        assert "good" in [row["run"] for row in listed]
        for names in (["damaged"], ["damaged", "good"]):
            for as_json in ([], ["--json"]):
                code = run(["runs", *names, *as_json])
                out, err = capsys.readouterr()
                assert code in (0, 1) and "should not have happened" not in err, content
                assert (code == 1) == ("damaged" not in [row["run"] for row in listed]), content
                if code == 1:
                    problem, hint = err.splitlines()
                    assert problem.startswith("Error: damaged/config.json") and hint
                elif as_json:
                    json.loads(out, parse_constant=refuse)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize("created", ["NaN", "1e400", "9" * 400, '"zzz"', '{"a": 1}', "true"])
def test_a_run_whose_time_is_damaged_is_never_the_latest(
    created: str, workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b", "c"):
        write(workspace_path, name, config(created="2026-01-02T10:00:00+00:00"))
    path = Workspace(workspace_path).new_run("b").config
    path.write_text(json.dumps(config(created="ODD")).replace('"ODD"', created), encoding="utf-8")
    assert Workspace(workspace_path).run().name in ("a", "c")
    assert Workspace(workspace_path).runs()[-1].name == "b"


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "1e400", "9" * 400, "-1", "1e308", '"1"', "true", "null"])
@pytest.mark.parametrize("key", ["step", "seconds", "bits_per_character"])
def test_damaged_metrics_are_one_line(
    key: str, odd: str, workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("good", "damaged"):
        write(workspace_path, name, config())
        write_metrics(workspace_path, name, [2.6, 2.1])
    path = Workspace(workspace_path).new_run("damaged").metrics
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1][key] = "ODD"
    path.write_text("".join(json.dumps(line).replace('"ODD"', odd) + "\n" for line in lines))
    code = run(["runs", "good", "damaged"])
    err = capsys.readouterr().err
    if code == 0:
        assert odd == "1e308" and err == ""
    else:
        problem, hint = err.splitlines()
        assert (
            code == 1 and problem.startswith(f"Error: damaged/metrics.jsonl cannot be read: {key} ") and hint
        )
    assert run(["runs"]) == 0


def test_no_run_at_all(workspace_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1
    assert err == "There is no run here yet. Train one: scriptforge train\n"
    assert run(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("created", ["going", "small", "large"]),
        ("name", ["going", "large", "small"]),
        ("bits", ["large", "small", "going"]),
        ("parameters", ["small", "going", "large"]),
        ("time", ["small", "large", "going"]),
    ],
)
def test_runs_in_an_order(
    order: str, names: list[str], workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def result(bits: float, seconds: float) -> dict[str, Any]:
        return {"best": {"stream": {"bits_per_character": bits}}, "seconds": seconds}

    write(workspace_path, "large", config(parameters=9, created="2024-01", result=result(1.5, 90)))
    write(workspace_path, "small", config(parameters=1, created="2024-02", result=result(2.5, 30)))
    write(workspace_path, "going", config(parameters=5, created="2024-03", result=None))
    assert run(["runs", "--sort", order, "--json"]) == 0
    assert [row["run"] for row in json.loads(capsys.readouterr().out)] == names


class TestComparing:
    @pytest.fixture
    def two(self, workspace_path: Path) -> Path:
        """A run at word level, and a larger one at char level that is not finished."""
        write(workspace_path, "first", config())
        write_metrics(workspace_path, "first", [2.6, 2.1, 1.9, 1.81, 1.8034])
        dataset = {"name": "seinfeld-char", "level": "char", "plain": True}
        settings = {"arch": "lstm", "hidden_size": 640, "epochs": 5.0, "minutes": None}
        write(workspace_path, "second", config(dataset=dataset, settings=settings, result=None))
        write_metrics(workspace_path, "second", [2.4, 2.2, 2.1])
        return workspace_path

    def test_side_by_side(
        self, two: Path, snapshot: SnapshotAssertion, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["runs", "first", "second"]) == 0
        out, err = capsys.readouterr()
        assert out == snapshot
        assert "second has not been trained to its end" in err

    def test_an_unfinished_run_has_the_figures_of_its_best_validation(
        self, two: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["runs", "second"]) == 0
        figures = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:14])
        assert figures["bits/char"] == "2.100" and figures["nats/token"] == "4.410"
        assert (figures["best at step"], figures["time"], figures["diagnosis"]) == ("300", "0:30", "–")

    def test_a_run_beside_itself_is_one(self, two: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["runs", "first", "first", "--json"]) == 0
        assert [document["run"] for document in json.loads(capsys.readouterr().out)] == ["first"]

    def test_json_has_settings_and_history(self, two: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["runs", "second", "first", "--json"]) == 0
        second, first = json.loads(capsys.readouterr().out)
        assert (first["run"], first["step"], first["settings"]["hidden_size"]) == ("first", 1520, 384)
        assert first["best"]["cold_256"]["bits_per_character"] == 1.9
        assert [row["bits_per_character"] for row in second["history"]] == [2.4, 2.2, 2.1]
        assert second["best"] is second["diagnosis"] is second["seconds"] is None

    def test_a_run_without_metrics_has_no_curve(self, two: Path, capsys: pytest.CaptureFixture[str]) -> None:
        write(two, "ann--harbour", config(settings=None, result={"best": {"stream": {}}}))
        assert run(["runs", "ann--harbour", "first"]) == 0
        out, err = capsys.readouterr()
        assert err == "ann--harbour has no metrics.jsonl, and so no curve.\n"
        assert "\nb first\n" in out
        assert run(["runs", "ann--harbour"]) == 0
        assert "over training time" not in capsys.readouterr().out

    def test_an_unknown_name(self, two: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(["runs", "first", "secnod"]) == 2
        assert capsys.readouterr().err.splitlines() == [
            "Error: There is no run named “secnod”.",
            "Did you mean second?",
        ]

    @pytest.mark.parametrize("name", ["config.json", "metrics.jsonl"])
    def test_damage_is_said(self, name: str, two: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (two / "runs" / "second" / name).write_text("[")
        assert run(["runs", "first", "second"]) == 1
        assert capsys.readouterr().err.startswith(f"Error: second/{name} cannot be read")
