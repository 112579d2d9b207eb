"""The same commands in other surroundings: the same result."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.campaign import failures

from reliability import sameness
from reliability.furnished import copied
from reliability.sameness import LIGHT, Journey
from reliability.surroundings import Workshop, all_surroundings, sample


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="module")
def short(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Journey:
    workspace = copied(furnished, tmp_path_factory.mktemp("short") / "workspace")
    sameness.write_plays(workspace)
    return Journey(workspace, LIGHT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    with sameness.whole_journey(tmp_path_factory.mktemp("journey")) as journey:
        yield journey


@pytest.mark.slow
def test_the_result_is_the_same_anywhere(short: Journey, workshop: Workshop) -> None:
    assert failures(sameness.attack(short, sample(seed=0), workshop)) == []


@pytest.mark.soak
@pytest.mark.parametrize("sort", dict.fromkeys(each.sort for each in all_surroundings()))
def test_the_result_of_all_commands_is_the_same_anywhere(
    whole: Journey, workshop: Workshop, sort: str
) -> None:
    chosen = [each for each in all_surroundings() if each.sort == sort]
    assert failures(sameness.attack(whole, chosen, workshop)) == []


@pytest.mark.soak
def test_so_many_threads_end_in_the_same_bits(tmp_path: Path) -> None:
    assert failures(sameness.attack_threads(tmp_path)) == []
