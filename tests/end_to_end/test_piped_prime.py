"""What is piped into `generate` is its prime, however slowly it comes; a silent pipe does not stop it."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from support.command import COMMAND, TrainedWorkspace, scriptforge

WORDS = ("generate", "play", "--lines", "2", "--seed", "1")


@pytest.fixture
def expected(stage: TrainedWorkspace) -> str:
    """What is written after the prime of these tests."""
    done = scriptforge(*WORDS, "--prime", "elaine", workspace=stage.path)
    assert done.returncode == 0
    assert done.stdout.lower().startswith("elaine: ")
    return done.stdout


def generate(
    *words: str, stage: TrainedWorkspace, stdin: int | None = None, before: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run `generate`, after a shell command whose output is piped into it if there is one."""
    command = [*COMMAND, *WORDS, *words]
    if before:
        command = ["sh", "-c", f'({before}) | "$@"', "sh", *command]
    return subprocess.run(
        command,
        cwd=stage.path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"},
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.mark.slow
def test_a_slow_writer_is_waited_for(stage: TrainedWorkspace, expected: str) -> None:
    done = generate("--prime", "-", stage=stage, before="sleep 1; echo elaine")
    assert done.stdout == expected


def test_a_pipe_with_data_is_read_whole(stage: TrainedWorkspace, expected: str) -> None:
    assert generate(stage=stage, before="echo elaine").stdout == expected


@pytest.mark.parametrize("words", [(), ("--prime", "-")], ids=["left out", "-"])
def test_a_file_is_read_whole(
    stage: TrainedWorkspace, tmp_path: Path, expected: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "prime.txt").write_text("elaine\n", encoding="utf-8")
    with (tmp_path / "prime.txt").open(encoding="utf-8") as file:
        assert generate(*words, stage=stage, stdin=file.fileno()).stdout == expected


def test_a_pipe_is_read_in_whatever_encoding_it_is(stage: TrainedWorkspace, expected: str) -> None:
    in_utf_16 = r"printf '\377\376e\000l\000a\000i\000n\000e\000'"
    assert generate("--prime", "-", stage=stage, before=in_utf_16).stdout == expected


def test_a_pipe_without_text_is_an_error(stage: TrainedWorkspace) -> None:
    done = generate("--prime", "-", stage=stage, before=r"printf '\211PNG\r\n'")
    assert (done.returncode, done.stdout) == (1, "")
    assert "“standard input” is not text: it is a PNG image" in done.stderr


@pytest.mark.slow
def test_a_pipe_that_stays_silent_and_open_is_left_alone(stage: TrainedWorkspace) -> None:
    reader, writer = os.pipe()
    try:
        done = generate(stage=stage, stdin=reader)
        assert done.returncode == 0
        assert done.stdout == scriptforge(*WORDS, workspace=stage.path).stdout
        assert "--prime - waits for it" in done.stderr
    finally:
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("my scene.fountain", "--prime - < 'my scene.fountain'"),
        ("scene.fdx", "convert scene.fdx scene.fountain"),
    ],
)
def test_the_name_of_a_file_is_no_prime(stage: TrainedWorkspace, name: str, hint: str) -> None:
    (stage.path / name).write_text("elaine\n", encoding="utf-8")
    done = scriptforge(*WORDS, "--prime", name, workspace=stage.path)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"“{name}” is a file" in done.stderr
    assert hint in done.stderr


def test_a_speaker_may_be_called_like_a_file(stage: TrainedWorkspace, expected: str) -> None:
    (stage.path / "elaine").write_text("", encoding="utf-8")
    assert scriptforge(*WORDS, "--prime", "elaine", workspace=stage.path).stdout == expected


def test_a_piped_screenplay_is_read_as_one(stage: TrainedWorkspace) -> None:
    scene = "Title: Tea\nAuthor: Me\n\nELAINE\nmy aunt\nhid my hat.\n\nBO\n"
    done = scriptforge(*WORDS, workspace=stage.path, stdin=scene)
    assert done.returncode == 0, done.stderr
    assert done.stdout.lower().startswith("elaine: my aunt\n    hid my hat.\nbo: ")


@pytest.mark.parametrize("words", [(), ("--prime", "-")], ids=["left out", "-"])
def test_a_piped_text_can_be_written_again(stage: TrainedWorkspace, words: tuple[str, ...]) -> None:
    prime = "elaine: my aunt\n"
    done = scriptforge("generate", "play", "--lines", "2", *words, workspace=stage.path, stdin=prime)
    (printed,) = re.findall(r"To write this again: .*scriptforge (.*) < the same text$", done.stderr, re.M)
    assert "--prime -" in printed
    again = scriptforge(*shlex.split(printed), workspace=stage.path, stdin=prime)
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_an_empty_file_is_no_prime_to_give_again(stage: TrainedWorkspace, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    with (tmp_path / "empty.txt").open() as file:
        command = [*COMMAND, "generate", "play", "--lines", "1"]
        done = subprocess.run(
            command, cwd=stage.path, stdin=file, capture_output=True, text=True, timeout=200
        )
    assert done.returncode == 0
    assert "again" in done.stderr and "<" not in done.stderr
