"""Preparing takes the same memory whatever the size of the text."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

MEGABYTE = 2**20
_PROBE = """
import resource, sys
from scriptforge.cli.app import run
assert run(sys.argv[1:]) == 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""
_UNIT = 1 if sys.platform == "darwin" else 1024


def write_text(path: Path, size: int, blank: bool) -> None:
    """A play of so many bytes, its turns parted by blank lines or not."""
    draw = random.Random(0)
    words = [f"word{number}" for number in range(3000)]
    with path.open("w") as file:
        while file.tell() < size:
            turn = f"{draw.choice(('ANN', 'Bo'))}: {' '.join(draw.choices(words, k=200))}.\n"
            file.write(turn * 5 + "\n" * blank)


def peak(workspace: Path, size: int, *words: str, blank: bool = False) -> int:
    """The most bytes that `prepare` held at once on a text of so many."""
    write_text(workspace / "play.txt", size, blank)
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, "prepare", "play.txt", "--quiet", "--force", *words],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stderr) * _UNIT


@pytest.mark.slow
def test_a_dense_plain_text(tmp_path: Path) -> None:
    small, large = (peak(tmp_path, size * MEGABYTE, "--plain", "--level", "char") for size in (2, 12))
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
    small, large = (peak(tmp_path, size * MEGABYTE, *words, blank=blank) for size in (4, 60))
    assert large - small < 60 * MEGABYTE


@pytest.mark.slow
def test_a_line_of_sixty_megabytes(tmp_path: Path) -> None:
    (tmp_path / "play.txt").write_text("word " * (12 * MEGABYTE))
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, "prepare", "play.txt", "--quiet", "--plain", "--level", "char"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stderr) * _UNIT < 1000 * MEGABYTE
