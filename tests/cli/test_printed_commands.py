"""The commands that messages name can be typed as they are printed."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from scriptforge.characters import UNSAFE, command
from scriptforge.cli.message import with_program_name

ELSEWHERE = "/usr/bin:/bin"
"""A path on which the program is not."""

SCRIPT = "import sys; from scriptforge.cli.app import main; sys.exit(main())"


def run(*line: str, path: str = ELSEWHERE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, env={**os.environ, "PATH": path}, capture_output=True, text=True)


def installed(folder: Path) -> Path:
    """Write the program into a folder as an installation does."""
    folder.mkdir(parents=True)
    program = folder / "scriptforge"
    program.write_text(f"#!{sys.executable}\n{SCRIPT}\n")
    program.chmod(0o755)
    return program


def test_a_command_off_the_path_is_printed_as_it_was_called(workspace_path: Path) -> None:
    installed(workspace_path / ".venv" / "bin")
    listing = run(".venv/bin/scriptforge", "runs")
    assert listing.stderr == "There is no run here yet. Train one: .venv/bin/scriptforge train\n"
    training = run(*shlex.split(listing.stderr.partition("one: ")[2]))
    hint = training.stderr.splitlines()[1]
    assert hint.startswith("Make one: .venv/bin/scriptforge prepare FILE; ")
    assert hint.endswith(": .venv/bin/scriptforge demo")


def test_a_module_is_printed_as_a_module(workspace_path: Path) -> None:
    listing = run(sys.executable, "-m", "scriptforge", "runs")
    printed = listing.stderr.partition("one: ")[2]
    assert printed == f"{sys.executable} -m scriptforge train\n"
    assert "Make one: " in run(*shlex.split(printed)).stderr


def test_on_the_path_the_name_is_enough(workspace_path: Path) -> None:
    program = installed(workspace_path / "bin")
    path = f"{program.parent}:{ELSEWHERE}"
    assert run("scriptforge", "runs", path=path).stderr.endswith(" one: scriptforge train\n")


def test_another_program_of_the_name_is_not_meant(workspace_path: Path) -> None:
    other, mine = installed(workspace_path / "other"), installed(workspace_path / "mine")
    path = f"{other.parent}:{ELSEWHERE}"
    assert run(str(mine), "runs", path=path).stderr.endswith(f" one: {mine} train\n")


def test_a_blank_and_the_home_folder_are_spelt_for_a_shell(
    workspace_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = installed(workspace_path / "my tools" / "bin")
    monkeypatch.setenv("HOME", str(workspace_path))
    printed = run(str(program), "runs").stderr.partition("one: ")[2]
    assert printed == "~/my\\ tools/bin/scriptforge train\n"
    assert "Make one: " in run("sh", "-c", printed).stderr


def test_usage_errors_name_the_program_too(workspace_path: Path) -> None:
    installed(workspace_path / "bin")
    assert "See bin/scriptforge runs --help\n" in run("bin/scriptforge", "runs", "--nonsense").stderr


@pytest.mark.slow
def test_results_for_people_name_it_and_those_for_programs_do_not(workspace_path: Path) -> None:
    installed(workspace_path / "bin")
    (workspace_path / "a.txt").write_text("ann: one\nben: two\n" * 200)
    run("bin/scriptforge", "prepare", "a.txt")
    tiny = ("--epochs", "0.1", "--cpu", "--set", "hidden_size=8", "--set", "embedding_size=8")
    trained = run("bin/scriptforge", "train", *tiny, "--set", "batch_size=4", "--set", "sequence_length=8")
    diagnosis = re.search(r"^diagnosis +(.*)$", trained.stdout, re.MULTILINE)
    assert diagnosis and "Still improving" in diagnosis[1], trained.stderr
    assert "bin/scriptforge train a --resume --minutes 5" in diagnosis[1]
    assert "Next: bin/scriptforge generate a\n" in trained.stderr


def test_pip_is_that_of_the_program(workspace_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = installed(workspace_path / "bin")
    (program.parent / "python").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", ELSEWHERE)
    monkeypatch.setattr(sys, "argv", ["bin/scriptforge", "train"])
    assert (
        with_program_name("Install it: pip install 'x[y]'") == "Install it: bin/python -m pip install 'x[y]'"
    )


def test_what_is_no_command_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bin/scriptforge", "train"])
    for text in ("not ones that scriptforge writes", "x/scriptforge train", "scriptforge-lm trains"):
        assert with_program_name(text) == text


def test_words_are_quoted_where_they_must_be() -> None:
    assert command("generate", "a", "--continue", Path("my page")) == (
        "scriptforge generate a --continue 'my page'"
    )


ODD = (
    "a b", "it's", "$(touch x)", "`touch x`", "x;touch x", "*", "~", "~/x", '"', "\\", "a=b", "-n", "", "#",
    "two\nlines", "tab\t", "\x1b]52;c;eA==\x07", "\x9b31m", "\u202exslx", "\x7f\r'\\", "caf\udce9", "\x1b1",
)  # fmt: skip


@pytest.mark.parametrize("word", ODD)
def test_a_shell_reads_any_word_as_it_was(word: str, tmp_path: Path) -> None:
    printed = command("generate", word)
    assert "\n" not in printed
    assert not UNSAFE.search(printed)
    heard = f"scriptforge() {{ printf '%s\\0' \"$@\"; }}; {printed}"
    done = subprocess.run(["bash", "-c", heard], cwd=tmp_path, capture_output=True, check=True)
    assert os.fsdecode(done.stdout) == f"generate\0{word}\0"
    assert not list(tmp_path.iterdir())


def test_a_path_in_the_home_folder_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    printed = command("train", tmp_path / "my run", f"--config={tmp_path}/my settings.toml")
    assert printed == "scriptforge train ~/'my run' --config ~/'my settings.toml'"
    assert command("inspect", tmp_path) == "scriptforge inspect ~"
