"""Preparing takes the same memory whatever the size of the text."""

import random
from pathlib import Path

import pytest
from support.memory import MEGABYTE, peak

_WORDS = [f"word{number}" for number in range(3000)]


def write_text(path: Path, megabytes: int, blank: bool) -> None:
    """A play of so many megabytes, its turns parted by blank lines or not."""
    draw = random.Random(0)
    with path.open("w") as file:
        while file.tell() < megabytes * MEGABYTE:
            turn = f"{draw.choice(('ANN', 'Bo'))}: {' '.join(draw.choices(_WORDS, k=200))}.\n"
            file.write(turn * 5 + "\n" * blank)


def write_line(path: Path, megabytes: int) -> None:
    """A text of so many megabytes in one line."""
    draw = random.Random(0)
    with path.open("w") as file:
        while file.tell() < megabytes * MEGABYTE:
            file.write(" ".join(draw.choices(_WORDS, k=20_000)) + " ")


def peak_on_text(workspace: Path, megabytes: int, *words: str, blank: bool = False) -> int:
    """The most bytes that `prepare` held at once on a text of so many."""
    write_text(workspace / "play.txt", megabytes, blank)
    return peak("prepare", "play.txt", "--force", *words, workspace=workspace)


def peak_on_line(workspace: Path, megabytes: int, *words: str) -> int:
    """The most bytes that `prepare` held at once on a text of one line."""
    write_line(workspace / "line.txt", megabytes)
    return peak("prepare", "line.txt", "--force", "--level", "char", *words, workspace=workspace)


@pytest.mark.slow
def test_a_dense_plain_text(tmp_path: Path) -> None:
    small, large = (peak_on_text(tmp_path, megabytes, "--plain", "--level", "char") for megabytes in (2, 12))
    assert large - small < 50 * MEGABYTE


@pytest.mark.soak
@pytest.mark.parametrize(
    ("words", "blank"),
    [
        (["--level", "char", "--plain"], False),
        (["--level", "bpe"], True),
        (["--level", "word"], False),
    ],
    ids=["dense plain text", "script", "dense script"],
)
def test_sixty_megabytes(tmp_path: Path, words: list[str], blank: bool) -> None:
    small, large = (peak_on_text(tmp_path, megabytes, *words, blank=blank) for megabytes in (4, 60))
    assert large - small < 60 * MEGABYTE


@pytest.mark.slow
def test_a_line_of_sixty_megabytes(tmp_path: Path) -> None:
    (tmp_path / "line.txt").write_text("word " * (12 * MEGABYTE))
    assert peak("prepare", "line.txt", "--plain", "--level", "char", workspace=tmp_path) < 1000 * MEGABYTE


@pytest.mark.slow
def test_a_long_line_takes_no_more_memory_the_longer_it_is(tmp_path: Path) -> None:
    small, large = (peak_on_line(tmp_path, megabytes, "--plain") for megabytes in (1, 8))
    assert large - small < 40 * MEGABYTE


@pytest.mark.soak
@pytest.mark.parametrize("words", [(), ("--plain",)], ids=["script", "plain"])
def test_a_line_of_two_hundred_megabytes(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert peak_on_line(tmp_path, 200, *words) < 1500 * MEGABYTE
