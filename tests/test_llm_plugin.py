"""The plugin in the real `llm`: what it offers, and that it writes what the library writes."""

import json
from collections.abc import Iterator
from pathlib import Path

import llm
import pytest
from click.testing import CliRunner, Result
from llm.cli import cli
from llm.plugins import load_plugins, pm

import scriptforge
from scriptforge import llm_plugin
from scriptforge.workspace import RunFolder


@pytest.fixture(autouse=True)
def plugged(tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give `llm` the plugin, logs of its own, and the workspace of the tiny run."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    monkeypatch.setenv("SCRIPTFORGE_WORKSPACE", str(tiny_run.path.parent.parent))
    load_plugins()  # type: ignore[no-untyped-call]
    added = not pm.is_registered(llm_plugin)  # `llm` finds the plugin itself if the package is installed
    if added:
        pm.register(llm_plugin)
    yield
    if added:
        pm.unregister(llm_plugin)


def ask(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["-m", "scriptforge/harbour", *arguments])


def test_every_run_is_a_model_with_our_options() -> None:
    listed = CliRunner().invoke(cli, ["models", "list", "-m", "scriptforge/harbour", "--options"]).output
    assert "scriptforge/harbour" in listed
    for option in ("temperature", "seed", "voice", "lines", "cast", "max_copy", "best_of"):
        assert f"{option}:" in listed
    assert "0 always takes the likeliest token" in listed
    assert "continue_from" not in listed


def test_it_writes_what_the_library_writes_and_logs_the_seed() -> None:
    done = ask("elaine:", "-o", "seed", "7", "-o", "lines", "4", "-o", "temperature", "0.8")
    assert done.exit_code == 0, done.output
    [expected] = scriptforge.generate("harbour", prime="elaine:", seed=7, lines=4, temperature=0.8)
    assert done.output.strip() == expected.text.strip()
    assert ask("elaine:", "-o", "lines", "4").exit_code == 0
    logged = json.loads(CliRunner().invoke(cli, ["logs", "list", "--json"]).output)
    seeds = [each["response_json"]["seed"] for each in logged]
    assert len(seeds) == 2 and seeds[0] == 7 and seeds[1] > 0


def test_it_is_streamed() -> None:
    model = llm.get_model("scriptforge/harbour")
    response = model.prompt("elaine:", seed=7, lines=4)
    parts = list(response)
    assert len(parts) > 4
    assert "".join(parts) == response.text()
    [expected] = scriptforge.generate("harbour", prime="elaine:", seed=7, lines=4)
    assert response.text().strip() == expected.text.strip()


def test_only_the_cast_speaks() -> None:
    text = ask(
        "-o",
        "cast",
        "elaine, bo",
        "-o",
        "turns",
        "12",
        "-o",
        "seed",
        "1",
        "-o",
        "stage_directions",
        "false",
        " ",
    )
    assert text.exit_code == 0, text.output
    assert {line.partition(":")[0] for line in text.output.splitlines() if line} <= {"ELAINE", "Bo"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["-o", "temperature", "-1", "elaine:"], "temperature"),
        (["-o", "temperature", "hot", "elaine:"], "temperature"),
        (["-o", "cast", "nobody-at-all", "elaine:"], "nobody-at-all"),
        (["-o", "lines", "3", "-o", "turns", "3", "elaine:"], "lines and turns cannot be used together"),
        (["-o", "no_such_option", "1", "elaine:"], "no_such_option"),
        (["-s", "Be funny.", "elaine:"], "follows no instructions"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(arguments: list[str], problem: str) -> None:
    done = ask(*arguments)
    assert done.exit_code == 1
    assert problem in done.output
    assert "Traceback" not in done.output


def test_without_runs_there_are_no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTFORGE_WORKSPACE", str(tmp_path / "nowhere"))
    assert not [model for model in llm.get_models() if model.model_id.startswith("scriptforge/")]
