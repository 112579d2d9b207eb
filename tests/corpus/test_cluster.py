"""A corpus prepared by a Dask cluster: two machines with a cable between them, and a folder in common."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support import namespaces
from support.installed import older_version
from support.screenplays import folder_of

from scriptforge.corpus import workers
from scriptforge.errors import ScriptforgeError, UsageError
from scriptforge.options import PrepareOptions
from scriptforge.workspace import DatasetFolder

ADDRESS = "tcp://10.77.7.1:8786"
PATIENCE = 240  # seconds

PREPARE = """
import os, signal, sys, time
from pathlib import Path
from distributed import Client
from scriptforge.corpus import workers
from scriptforge.corpus.prepare import prepare
from scriptforge.errors import ScriptforgeError
from scriptforge.options import PrepareOptions
from scriptforge.workspace import Workspace

folder, workspace, cluster, count, stage, at, pause, *victims = sys.argv[1:]
workers.WORKERLESS_SECONDS = 3
with Client(cluster) as client:
    client.wait_for_workers(int(count))

def on_progress(doing, done, total):
    if doing == stage and done >= int(at):
        while victims:
            time.sleep(float(pause))
            os.kill(int(victims.pop()), signal.SIGKILL)

try:
    prepare([folder], PrepareOptions(cluster=cluster), Workspace(Path(workspace)), on_progress=on_progress)
except ScriptforgeError as error:
    sys.exit(f"Error: {error.message}")
"""
"""Prepares when there are so many workers, and kills processes when a stage has come to a number of rows."""


@dataclass
class Cluster:
    """A scheduler on the first machine, and workers on both."""

    hosts: tuple[namespaces.Host, ...]
    place: Path
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, host: int, *words: str, found: Path | None = None) -> int:
        """Start a part of Dask on a machine; return its process. `found` is where Python looks first."""
        path = os.pathsep.join([*([str(found)] if found else []), os.environ.get("PYTHONPATH", "")])
        dask = [sys.executable, "-m", f"distributed.cli.dask_{words[0]}", *words[1:]]
        process = subprocess.Popen(
            [*self.hosts[host].prefix, *dask, "--no-dashboard"],
            env={**os.environ, "PYTHONPATH": path},
            cwd=self.place,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.running.append(process)
        return process.pid

    def start_worker(self, host: int, found: Path | None = None) -> int:
        return self.start(host, "worker", ADDRESS, "--nthreads", "1", "--no-nanny", found=found)

    def prepare(
        self, folder: Path, count: int, *victims: int, at: tuple[str, int, float] = ("Reading", 0, 0)
    ) -> tuple[DatasetFolder, str]:
        """Prepare a folder on the first machine.

        Args:
            folder: what to prepare.
            count: how many workers are waited for.
            victims: processes that are killed on the way.
            at: in which stage, after how many rows, and how many seconds later.

        Returns:
            The dataset, and what was said.
        """
        workspace = self.place / f"workspace{len(list(self.place.glob('workspace*')))}"
        words = [PREPARE, *map(str, (folder, workspace, ADDRESS, count, *at, *victims))]
        done = subprocess.run(
            [*self.hosts[0].prefix, sys.executable, "-c", *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return DatasetFolder(workspace / "data" / folder.name), done.stderr

    def stop(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def hosts() -> Iterator[tuple[namespaces.Host, ...]]:
    with namespaces.two_hosts() as both:
        yield both


@pytest.fixture
def cluster(hosts: tuple[namespaces.Host, ...], tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(hosts, tmp_path)
    cluster.start(0, "scheduler", "--host", hosts[0].address)
    yield cluster
    cluster.stop()


def alone(folder: Path, place: Path) -> DatasetFolder:
    """The dataset that one process makes."""
    from scriptforge.corpus.prepare import prepare
    from scriptforge.workspace import Workspace

    return prepare([str(folder)], PrepareOptions(), Workspace(place / "alone")).folder


def contents(dataset: DatasetFolder) -> dict[str, bytes]:
    """The files of a dataset, but for the time at which it was made."""
    made = {path.name: path.read_bytes() for path in dataset.path.iterdir()}
    lines = made["dataset.json"].splitlines()
    made["dataset.json"] = b"\n".join(line for line in lines if b'"created"' not in line)
    return made


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_makes_what_one_machine_makes(cluster: Cluster, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, files=40, scenes=40)
    lasting, dying = (cluster.start_worker(host) for host in (0, 1))
    made, said = cluster.prepare(folder, 2, dying, at=("Reading", 4096, 0))
    assert not said
    assert contents(made) == contents(alone(folder, tmp_path))
    assert cluster.running[-1].wait(PATIENCE) == -signal.SIGKILL, "it was killed on the way"

    other = cluster.start_worker(1, found=older_version(tmp_path))
    _, said = cluster.prepare(folder, 2)
    assert "scriptforge-lm is 0.0.1, but here it is " in said and said.count("\n") == 1
    os.kill(other, signal.SIGKILL)
    cluster.running[-1].wait(PATIENCE)

    _, said = cluster.prepare(folder, 1, lasting)
    assert said == f"Error: All workers of the cluster at {ADDRESS} were lost.\n"


@pytest.mark.soak
def test_nothing_is_lost_by_twenty_kills(cluster: Cluster, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, files=60, scenes=40)
    wanted = contents(alone(folder, tmp_path))
    draw = random.Random(1)
    cluster.start_worker(0)
    for _ in range(20):
        dying = cluster.start_worker(1)
        at = (draw.choice(["Reading", "Tokenising"]), draw.choice([0, 4096, 8192]), draw.random() / 2)
        made, said = cluster.prepare(folder, 2, dying, at=at)
        assert not said
        assert cluster.running[-1].wait(PATIENCE) == -signal.SIGKILL
        assert contents(made) == wanted


def test_without_dask_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="needs Dask") as problem, workers.parsing_pool(1, "tcp://x:1", []):
        pass
    assert "scriptforge-lm[cluster]" in problem.value.hint


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        ("127.0.0.1:1", ScriptforgeError, "No Dask scheduler answers at 127.0.0.1:1"),
        ("the cellar", UsageError, "not the address of a Dask scheduler"),
        ("gopher://127.0.0.1:1", UsageError, "not the address of a Dask scheduler"),
    ],
)
def test_an_address_that_cannot_be_reached_is_an_error(
    address: str, kind: type[ScriptforgeError], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "CONNECT_SECONDS", 0.5)
    with pytest.raises(ScriptforgeError, match=message) as problem, workers.parsing_pool(1, address, []):
        pass
    assert type(problem.value) is kind
