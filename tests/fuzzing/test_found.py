"""What fuzzing once found is read again, and what it begins with is read rightly; without atheris."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest
from support.verdict import problem_of

from fuzzing.target import FOUND, Read
from fuzzing.targets import TARGETS


def problems(read: Read, inputs: Iterable[bytes]) -> list[str]:
    return [problem for content in inputs if (problem := problem_of(partial(read, content)))]


@pytest.mark.parametrize("name", [each.name for each in TARGETS.values() if each.found])
def test_what_was_found_is_read_rightly(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    assert problems(target.open(tmp_path), map(Path.read_bytes, target.found)) == []


def test_each_folder_of_what_was_found_is_of_a_target() -> None:
    assert {path.name for path in FOUND.glob("*") if path.is_dir()} <= set(TARGETS)


@pytest.mark.parametrize("name", ["fountain", "fdx", "jsonl"])
def test_seeds_are_sound(name: str, tmp_path: Path) -> None:
    read = TARGETS[name].open(tmp_path)
    seeds = list(TARGETS[name].seeds())
    assert seeds
    for seed in seeds:
        read(seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_is_read_as_it_should_be(name: str, tmp_path: Path) -> None:
    assert problems(TARGETS[name].open(tmp_path), TARGETS[name].seeds()) == []
