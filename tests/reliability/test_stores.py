"""What commands leave on the disk when they are killed, when it fails, and when there are two of them."""

from collections.abc import Iterator

import pytest
from support.campaign import ATTEMPTS, DRAW, failures

from reliability import killed, refused, rivals
from reliability.stage import Stage, staged
from reliability.targets import TARGETS


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_kills(stage: Stage, seed: int) -> None:
    assert failures(killed.attack(stage, most=1, seed=seed)) == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0])
def test_failing_disks(stage: Stage, seed: int) -> None:
    assert failures(refused.attack(stage, most=1, seed=seed)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("prepare, new", "prepare, new"),
        ("train --force", "remove a run"),
        ("pull, new", "pull, new"),
        ("rename a dataset", "prepare --force"),
    ],
)
def test_rivals(stage: Stage, first: str, second: str) -> None:
    assert failures(rivals.attack(stage, [(first, second)], most=1)) == []


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_every_kill(stage: Stage, name: str) -> None:
    assert failures(killed.attack(stage, [name], ATTEMPTS, DRAW)) == []


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_every_failure_of_the_disk(stage: Stage, name: str) -> None:
    assert failures(refused.attack(stage, [name], ATTEMPTS, DRAW)) == []


@pytest.mark.soak
@pytest.mark.parametrize("first", rivals.RIVALS)
def test_every_pair(stage: Stage, first: str) -> None:
    pairs = rivals.all_pairs([first])
    assert failures(rivals.attack(stage, pairs, most=3, seed=DRAW)) == []
