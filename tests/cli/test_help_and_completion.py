"""`scriptforge help`, and what a shell is told when somebody presses the tab key."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import scriptforge

from scriptforge.cli.app import COMMAND_NAMES, run


@pytest.mark.parametrize("command", [None, *COMMAND_NAMES])
def test_help_is_what_the_option_shows(command: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    names = [command] if command else []
    assert run(["help", *names]) == 0
    shown = capsys.readouterr().out
    assert run([*names, "--help"]) == 0
    assert capsys.readouterr().out == shown


def test_help_of_what_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "trian"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "Error: There is no command named “trian”.",
        "Did you mean train?",
    ]


@pytest.fixture
def place(workspace_path: Path) -> Path:
    """A workspace with a run, a dataset, a study and a card."""
    for room, name, file in (("runs", "sitcom", "config.json"), ("data", "seinfeld", "dataset.json")):
        (workspace_path / room / name).mkdir(parents=True)
        (workspace_path / room / name / file).write_text(json.dumps({"created": "2024"}), encoding="utf-8")
    (workspace_path / "studies" / "evening").mkdir(parents=True)
    (workspace_path / "corpora").mkdir()
    (workspace_path / "corpora" / "my-show.toml").write_text("", encoding="utf-8")
    return workspace_path


def completed(line: str, place: Path) -> tuple[list[str], str]:
    """What bash is told about a line whose end is to be completed, and what stands on stderr."""
    words = line.split(" ")
    asked = {
        "_SCRIPTFORGE_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    done = scriptforge(workspace=place, variables=asked)
    return done.stdout.split(), done.stderr


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("scriptforge ev", ["evaluate"]),
        ("scriptforge re", ["rename", "remove"]),
        ("scriptforge help tr", ["train"]),
        ("scriptforge train --res", ["--resume"]),
        ("scriptforge train ", ["seinfeld"]),
        ("scriptforge train --resume ", ["sitcom"]),
        ("scriptforge train --arch g", ["gru"]),
        ("scriptforge train --preset c", ["classroom"]),
        ("scriptforge evaluate s", ["sitcom"]),
        ("scriptforge runs sitcom s", ["sitcom"]),
        ("scriptforge tune --study ", ["evening"]),
        ("scriptforge prepare my", ["my-show"]),
        ("scriptforge prepare tiny-shakespeare-", ["tiny-shakespeare-hub"]),
        ("scriptforge rename runs/", ["runs/sitcom"]),
        ("scriptforge remove runs/sitcom d", ["data/seinfeld"]),
        ("scriptforge evaluate --workspace nowhere ", []),
    ],
)
def test_what_a_shell_is_told(line: str, names: list[str], place: Path) -> None:
    assert completed(line, place) == (names, "")


@pytest.mark.parametrize(
    "line", ["scriptforge trian ", "scriptforge train --no-such-option ", "scriptforge x y z"]
)
def test_nothing_is_said_about_a_line_that_is_wrong(line: str, place: Path) -> None:
    assert completed(line, place)[1] == ""


def test_completion_can_be_installed(own_home: Path, place: Path) -> None:
    program = "import shellingham; shellingham.detect_shell = lambda: ('bash', '/bin/bash')"
    code = f"{program}\nfrom scriptforge.cli.app import run; sys.exit(run(['--install-completion']))"
    done = subprocess.run([sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    script = (own_home / ".bash_completions" / "scriptforge.sh").read_text(encoding="utf-8")
    assert "_SCRIPTFORGE_COMPLETE=complete_bash" in script
    assert "scriptforge.sh" in (own_home / ".bashrc").read_text(encoding="utf-8")


def test_names_that_would_act_in_a_shell_are_not_offered(place: Path) -> None:
    for name in ("$(touch x)", "a b", "it's", "`x`", "\x1b[2J", "a;b", "-rf", "*"):
        (place / "runs" / name).mkdir()
        (place / "runs" / name / "config.json").write_text("{}", encoding="utf-8")
        (place / "corpora" / f"{name}.toml").write_text("", encoding="utf-8")
    assert completed("scriptforge evaluate ", place) == (["sitcom"], "")
    named = ["data/seinfeld", "runs/-rf", "runs/sitcom", "studies/evening"]  # as a path it is no option
    assert completed("scriptforge rename ", place) == (named, "")
    assert "my-show" in completed("scriptforge prepare ", place)[0]
    assert "it's" not in completed("scriptforge prepare ", place)[0]


@pytest.mark.parametrize("content", ["[" * 5000, '{"created": NaN}', '{"created": 1e400}', "9" * 5000, "\0"])
def test_a_damaged_run_is_offered_last(content: str, place: Path) -> None:
    (place / "runs" / "zebra").mkdir()
    (place / "runs" / "zebra" / "config.json").write_text(content, encoding="utf-8")
    assert completed("scriptforge evaluate ", place) == (["sitcom", "zebra"], "")
    assert completed("scriptforge remove runs/", place) == (["runs/sitcom", "runs/zebra"], "")
