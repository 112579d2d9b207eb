"""A search on two machines, a server on the first: here two network namespaces with a cable, and a disk each.

Where there can be no namespaces, two folders stand for them: they share the server, and no lock of a file.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import namespaces, postgresql, skips
from support.command import COMMAND, environment, wait_until
from support.spaces import SMALL_SPACE
from support.tiny import comedy, prepared

pytestmark = pytest.mark.skipif(not postgresql.program("initdb"), reason=skips.NO_POSTGRESQL)

PATIENCE = 240  # seconds
TUNE = ("tune", "play", "--pruner", "none", "--space", "space.toml", "--json")


@dataclass
class Host:
    """One of the machines: its network and its disk."""

    network: namespaces.Host
    path: Path

    def begin(self, *words: str) -> subprocess.Popen[str]:
        """Start a command there."""
        return subprocess.Popen(
            [*self.network.prefix, *COMMAND, *words],
            cwd=self.path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def tries(self, process: subprocess.Popen[str]) -> None:
        """Wait until a trial is in progress there."""
        wait_until(process, lambda: any((self.path / "studies" / "play" / "trials").glob("*")))


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    said, complained = process.communicate(timeout=PATIENCE)
    return process.returncode, said, complained


def found_by(process: subprocess.Popen[str]) -> dict[str, Any]:
    code, said, complained = ended(process)
    assert code == 0, complained
    found: dict[str, Any] = json.loads(said)
    return found


def assert_repeated(found: dict[str, Any], trials: int) -> None:
    """One trial was broken off and done again; nothing was lost, and nothing was tried twice otherwise."""
    by_state: dict[str, list[dict[str, Any]]] = {}
    for trial in found["trials"]:
        by_state.setdefault(trial["state"], []).append(trial)
    assert {state: len(those) for state, those in by_state.items()} == {"complete": trials, "repeated": 1}
    [broken] = by_state["repeated"]
    assert broken["reason"] == "its process died"
    assert broken["settings"] in [trial["settings"] for trial in by_state["complete"]]
    assert sum(trial["is_default"] for trial in by_state["complete"]) == 1
    assert found["best"] == min(by_state["complete"], key=lambda trial: float(trial["bits_per_character"]))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dataset")
    (path / "play.txt").write_text(comedy(400), encoding="utf-8")
    prepared(path / "play.txt", path / "data" / "play")
    return path / "data"


@pytest.fixture
def hosts(dataset: Path, tmp_path: Path) -> Iterator[list[Host]]:
    with ExitStack() as stack:
        both = (namespaces.Host("127.0.0.1", ()),) * 2
        if namespaces.can_be_had():
            both = stack.enter_context(namespaces.two_hosts())
        found = [Host(network, tmp_path / f"host{number}") for number, network in enumerate(both, 1)]
        for host in found:
            shutil.copytree(dataset, host.path / "data")
            (host.path / "space.toml").write_text(SMALL_SPACE)
        yield found


@pytest.fixture
def server(hosts: list[Host]) -> Iterator[postgresql.Server]:
    with postgresql.server(hosts[0].network.address, hosts[0].network.prefix) as running:
        yield running


@pytest.mark.slow
def test_one_goes_on_when_the_other_dies(hosts: list[Host], server: postgresql.Server) -> None:
    words = (*TUNE, "--trials", "4", "--seconds", "3", "--storage", server.address)
    one, two = [host.begin(*words) for host in hosts]
    hosts[1].tries(two)
    two.kill()
    two.communicate()
    assert_repeated(found_by(one), 4)


@pytest.mark.slow
def test_a_server_that_goes_away_ends_the_search_until_it_is_back(
    hosts: list[Host], server: postgresql.Server
) -> None:
    words = (*TUNE, "--trials", "2", "--seconds", "4", "--storage", server.address)
    process = hosts[1].begin(*words)
    hosts[1].tries(process)
    server.stop()
    code, said, complained = ended(process)
    problem, hint = complained.splitlines()
    assert (code, said) == (1, "")
    assert problem.startswith("Error: The study cannot be kept at postgresql://ann:***@")
    assert "server runs" in hint and postgresql.PASSWORD not in complained
    server.start()
    assert_repeated(found_by(hosts[1].begin(*words)), 2)


@pytest.mark.soak
def test_a_cable_that_is_pulled_ends_the_search_on_the_far_side(
    hosts: list[Host], server: postgresql.Server
) -> None:
    if not namespaces.can_be_had():
        pytest.skip(skips.NO_NAMESPACES)
    words = (*TUNE, "--trials", "4", "--seconds", "30", "--storage", server.address)
    one, two = [host.begin(*words) for host in hosts]
    hosts[1].tries(two)
    hosts[0].network.cut()
    code, _, complained = ended(two)
    problem, _ = complained.splitlines()
    assert code == 1 and problem.startswith("Error: The study cannot be kept at ")
    assert_repeated(found_by(one), 4)
