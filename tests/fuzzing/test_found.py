"""What fuzzing once found is read again, and what a reader begins with is read rightly; without atheris."""

from pathlib import Path

import pytest
from support.verdict import problem_of

from fuzzing.target import FOUND
from fuzzing.targets import TARGETS

HAVE_FOUND = [each.name for each in TARGETS.values() if each.found]


@pytest.mark.parametrize("name", HAVE_FOUND)
def test_what_was_found_is_read_rightly(name: str, tmp_path: Path) -> None:
    read = TARGETS[name].open(tmp_path)
    problems = {path.name: problem_of(lambda path=path: read(path.read_bytes())) for path in TARGETS[name].found}  # type: ignore[misc]
    assert not {path: problem for path, problem in problems.items() if problem}


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
    read = TARGETS[name].open(tmp_path)
    assert [problem for seed in TARGETS[name].seeds() if (problem := problem_of(lambda: read(seed)))] == []  # noqa: B023
