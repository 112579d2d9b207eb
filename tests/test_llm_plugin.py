"""The plugin in the real `llm`: what it offers, and that it writes what the library writes."""

import json
import shutil
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
        (["-s", "Be funny.", "elaine:"], "do not follow instructions"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(arguments: list[str], problem: str) -> None:
    done = ask(*arguments)
    assert done.exit_code == 1
    assert problem in done.output
    assert "Traceback" not in done.output


ESCAPE, TOKEN = "\x1b[31m", "hf_abcdefghijklmnop"


@pytest.fixture
def strange(tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in the home folder, with runs whose names would steer a terminal or give a token away."""
    for name in (f"red{ESCAPE}\nx\x9b\udcff", TOKEN):
        shutil.copytree(tiny_run.path, tmp_path / "runs" / name)
    monkeypatch.setenv("SCRIPTFORGE_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_names_of_runs_are_safe_to_list_and_can_be_typed(strange: Path) -> None:
    listed = CliRunner().invoke(cli, ["models", "list"])
    assert listed.exit_code == 0
    assert ESCAPE not in listed.output and "\x9b" not in listed.output and TOKEN not in listed.output
    for name in ("red␛[31m x��", "hf_…"):
        assert f"scriptforge/{name}\n" in listed.output
        written = CliRunner().invoke(cli, ["-m", f"scriptforge/{name}", "elaine:", "-o", "lines", "2"])
        assert written.exit_code == 0, written.output


def test_errors_are_safe_and_say_nothing_private(strange: Path) -> None:
    damaged = strange / "runs" / f"red{ESCAPE}\nx\x9b\udcff"
    config = json.loads((damaged / "config.json").read_text())
    (damaged / "config.json").write_text(json.dumps({**config, f"key{ESCAPE}": f"{strange}/secret"}))
    said = CliRunner().invoke(cli, ["-m", "scriptforge/red␛[31m x��", "elaine:"])
    assert said.exit_code == 1 and "key␛[31m is not a known key" in said.output
    assert len(said.output.splitlines()) == 1
    lexicon = strange / "runs" / TOKEN / "lexicon.txt"
    lexicon.unlink(missing_ok=True)
    lexicon.symlink_to(lexicon)
    weights = strange / "runs" / TOKEN / "model.safetensors"
    weights.unlink()
    weights.mkdir()
    said = CliRunner().invoke(cli, ["-m", "scriptforge/hf_…", "elaine:"])
    assert said.exit_code == 1 and "Run “hf_…” has no weights yet" in said.output


def test_a_text_cannot_steer_the_terminal(strange: Path) -> None:
    folder = strange / "runs" / TOKEN
    tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
    for name in ("ELAINE", "Bo"):
        tokenizer = tokenizer.replace(f"<cue:{name}>", rf"<cue:\u202e{name}>")
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")
    words = ["mrs ash:", "-o", "lines", "12", "-o", "seed", "1"]
    said = CliRunner().invoke(cli, ["-m", "scriptforge/hf_…", *words])
    assert said.exit_code == 0, said.output
    assert "�Bo:" in said.output and "\u202e" not in said.output


def test_a_folder_that_is_none_of_ours_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    for name in ("data/.foreign.lock", "runs/.net.lock", "runs/.net.new/x", "studies/a/.b.lock"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("theirs")
    monkeypatch.setenv("SCRIPTFORGE_WORKSPACE", str(project))
    before = sorted(project.rglob("*"))
    assert CliRunner().invoke(cli, ["models", "list"]).exit_code == 0
    assert sorted(project.rglob("*")) == before


@pytest.mark.parametrize("what", ["runs", "runs/odd/config.json"])
def test_what_cannot_be_read_disturbs_no_other_command(
    what: str, tiny_run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if what != "runs":
        shutil.copytree(tiny_run.path, tmp_path / "runs" / "harbour")
    (tmp_path / what).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / what).symlink_to("x" * 300)  # no name is so long, so that to look at it is an error
    monkeypatch.setenv("SCRIPTFORGE_WORKSPACE", str(tmp_path))
    listed = CliRunner().invoke(cli, ["models", "list"])
    assert listed.exit_code == 0 and "OpenAI" in listed.output
    assert ("scriptforge/harbour" in listed.output) == (what != "runs")


def test_without_runs_there_are_no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTFORGE_WORKSPACE", str(tmp_path / "nowhere"))
    assert not [model for model in llm.get_models() if model.model_id.startswith("scriptforge/")]
