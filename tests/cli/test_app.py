import re
import subprocess
import sys

import pytest
from syrupy.assertion import SnapshotAssertion

import scriptforge
from scriptforge.cli.app import COMMAND_NAMES, COMMANDS, run


@pytest.mark.parametrize("command", ["corpora", "runs", "doctor"])
def test_help_of_a_command(
    command: str, snapshot: SnapshotAssertion, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--help"]) == 0
    assert capsys.readouterr().out == snapshot


def test_help_names_every_command_in_order_and_on_one_line_or_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run([]) == run(["--help"]) == run(["-h"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    listed = re.findall(r"^  ([a-z]+) +\S", out, flags=re.MULTILINE)
    assert [name for name in listed if name in COMMAND_NAMES] == COMMAND_NAMES * 3


@pytest.mark.parametrize(
    ("name", "summary"), [entry for commands in COMMANDS.values() for entry in commands.items()]
)
def test_the_summary_of_a_command_is_the_beginning_of_its_help(
    name: str, summary: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([name, "--help"]) == 0
    usage, about, *_ = capsys.readouterr().out.split("\n\n")
    assert usage.startswith(f"Usage: scriptforge {name} ")
    assert " ".join(about.split()) == summary


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["rehearse"], "There is no command named “rehearse”."),
        (["do\x1b[31mctor-of-another-kind"], "There is no command named “do␛[31mctor-of-another-kind”."),
        (["--versoin"], "No such option: --versoin"),
        (["runs", "-z"], "No such option: -z"),
        (["doctor", "surplus"], "Got unexpected extra argument(s) (surplus)"),
        (["corpora", "nowhere-to-be-found"], "There is no corpus named “nowhere-to-be-found”."),
    ],
)
def test_wrong_usage_is_two_lines_and_2(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    error, hint = captured.err.splitlines()
    assert error == f"Error: {problem}"
    assert hint


@pytest.mark.parametrize("words", [["page", "--out", "site"], ["evaluate", "--voice"]])
def test_former_names_of_options_are_known_but_not_shown(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--help"]) == 0
    assert words[1] not in capsys.readouterr().out.replace("--output", "")


def test_the_nearest_names_are_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    run(["corproa"])
    run(["runs", "--worksapce", "x"])
    run(["generate", "--temp", "1"])
    assert capsys.readouterr().err.splitlines() == [
        "Error: There is no command named “corproa”.",
        "Did you mean corpora?",
        "Error: No such option: --worksapce",
        "Did you mean --workspace?",
        "Error: No such option: --temp",
        "Did you mean --temperature?",
    ]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["generate", "--lines", "0"], "'--lines': must be 1 or more."),
        (["train", "--patience", "x"], "'--patience': must be a whole number."),
        (["evaluate", "--split", "training"], "'--split': 'training' is not one of 'validation', 'test'."),
    ],
)
def test_a_wrong_value_is_refused_in_words_for_people(
    words: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    error, hint = capsys.readouterr().err.splitlines()
    assert error == f"Error: Invalid value for {problem}"
    assert hint == f"See scriptforge {words[0]} --help"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"scriptforge {scriptforge.__version__}\n"


def test_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scriptforge", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"scriptforge {scriptforge.__version__}\n"


def test_a_name_that_is_not_public_cannot_be_had() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = scriptforge.nothing
