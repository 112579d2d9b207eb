"""A saved state may be a stranger's: continuing it works, or says what is wrong, but never crashes."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.command import environment, scriptforge
from support.hostile_states import Arrays, contents

from scriptforge.workspace import RunFolder

DAMAGED = "is missing or damaged, or was not written by --save-state"
UNFIT = "The saved state does not match these options"


def waiting_candidates(arrays: Arrays) -> None:
    """The candidates beside the text waited at every step, longer than what is kept of them."""
    arrays["ids"] = np.tile(arrays["ids"], (200, 1))
    arrays["ids"][:, 1:] = -1


def waiting_text(arrays: Arrays) -> None:
    """The text itself waits."""
    arrays["ids"] = np.concatenate([arrays["ids"], np.full_like(arrays["ids"], -1)])


def unknown_tokens(arrays: Arrays) -> None:
    """A token is that after the last one."""
    arrays["ids"][-1] = arrays["logits"].shape[1]


def distant_position(arrays: Arrays) -> None:
    """The random numbers come from two billion words after those of the generator."""
    arrays["sampler.generators"] = arrays["sampler.generators"].astype(np.int64)
    arrays["sampler.generators"][0, -1] = 2_000_000_000


def wide_words(arrays: Arrays) -> None:
    """The words of a generator have more than 32 bits."""
    arrays["sampler.generators"] = arrays["sampler.generators"].astype(np.int64) + 2**40


def speaker_before_the_first(arrays: Arrays) -> None:
    """Who spoke last has a number so low that less the first one it is a high one."""
    arrays["decoder.turns"][0, 1] = -(2**63) + 3


def layout_as_speaker(arrays: Arrays) -> None:
    """Who spoke last is a heading."""
    arrays["decoder.turns"][0, 1] = 1


def unknown_speaker(arrays: Arrays) -> None:
    """The model's memory is of a speaker that it does not have."""
    arrays["decoder.state.2"][:] = 4e9


@pytest.mark.parametrize(
    ("damage", "options", "what"),
    [
        (waiting_candidates, ("--best-of", "4"), DAMAGED),
        (waiting_text, (), UNFIT),
        (unknown_tokens, ("--best-of", "4"), UNFIT),
        (unknown_tokens, ("--seed", "3"), UNFIT),
        (distant_position, (), UNFIT),
        (wide_words, (), UNFIT),
        (speaker_before_the_first, (), UNFIT),
        (layout_as_speaker, (), UNFIT),
        (unknown_speaker, (), UNFIT),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_numbers_that_no_text_leads_to_are_refused(
    tiny_run: RunFolder, tmp_path: Path, damage: Callable[[Arrays], None], options: tuple[str, ...], what: str
) -> None:
    shutil.copytree(tiny_run.path, tmp_path / "runs" / "play")
    first = ("generate", "play", "--lines", "2", *options, "--save-state", "state")
    assert scriptforge(*first, workspace=tmp_path).returncode == 0
    arrays, metadata = contents(tmp_path / "state")
    damage(arrays)
    save_file(arrays, tmp_path / "state", metadata)
    again = scriptforge("generate", "play", *options, "--continue", "state", workspace=tmp_path)
    assert (again.returncode, again.stdout) == (1, "")
    message, hint = again.stderr.splitlines()
    assert what in message and "--save-state" in hint


@pytest.mark.parametrize("attempts", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_number_crashes_what_continues_a_text(tiny_run: RunFolder, tmp_path: Path, attempts: int) -> None:
    """In a process of its own, whose last line says which attempt ended it."""
    attack = (sys.executable, "-m", "support.hostile_states", tiny_run.path, tmp_path, str(attempts))
    tests = Path(__file__).parents[1]
    done = subprocess.run(attack, cwd=tests, env=environment(), capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr[-300:]
