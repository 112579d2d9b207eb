"""What comes from outside, attacked: environments and more; the long forms are those of the page."""

from pathlib import Path

import pytest
from support import skips
from support.campaign import ATTEMPTS, DRAW, failures

from reliability import damaged, damaged_commands, environments, interrupted
from scriptforge.cli.app import COMMAND_NAMES

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason=skips.NO_DEV_FULL)


@pytest.mark.slow
def test_odd_environments(furnished: Path) -> None:
    chosen = environments.sample(1, seed=0)
    assert failures(environments.attack(furnished, chosen)) == []


@pytest.mark.soak
def test_all_odd_environments(furnished: Path) -> None:
    assert failures(environments.attack(furnished)) == []


@pytest.mark.slow
def test_damaged_files(furnished: Path) -> None:
    assert failures(damaged.attack(furnished, times=20)) == []


@pytest.mark.soak
def test_damaged_files_through_commands(furnished: Path) -> None:
    assert failures(damaged_commands.attack(furnished, times=12, seed=DRAW)) == []


@pytest.mark.soak
def test_damaged_files_again_and_again(furnished: Path) -> None:
    assert failures(damaged.attack(furnished, times=1_000, seed=DRAW)) == []


@pytest.mark.soak
def test_damaged_files_through_commands_again_and_again(furnished: Path) -> None:
    assert failures(damaged_commands.attack(furnished, times=500, seed=DRAW)) == []


@pytest.mark.slow
def test_interrupts(furnished: Path) -> None:
    assert failures(interrupted.attack(furnished, 1, ["inspect", "prepare", "train"])) == []


def test_every_command_is_interrupted() -> None:
    assert {command.words[0] for command in interrupted.COMMANDS.values()} == set(COMMAND_NAMES)


@pytest.mark.soak
@pytest.mark.parametrize("name", interrupted.COMMANDS)
def test_interrupts_at_every_moment(furnished: Path, name: str) -> None:
    assert failures(interrupted.attack(furnished, ATTEMPTS or 300, [name], DRAW)) == []
