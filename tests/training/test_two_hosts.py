"""A training on two machines: here two network namespaces with a cable between them, and a disk each."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support import namespaces
from support.installed import older_version
from support.tiny import comedy, prepared

TRAIN = (
    *("train", "play", "--from", "none", "--epochs", "6", "--name", "both", "--set=hidden_size=16"),
    *("--set=embedding_size=8", "--set=batch_size=4", "--set=sequence_length=16", "--set=threads=1"),
    *("--set=validations=6", "--set=dropout_output=0.2"),
)
PATIENCE = 240  # seconds


@dataclass
class Host:
    """One of the machines: its place among them, its network, and its disk."""

    rank: int
    path: Path
    prefix: tuple[str, ...] = ()

    @property
    def weights(self) -> bytes:
        return (self.path / "runs" / "both" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def network() -> Iterator[tuple[namespaces.Host, ...]]:
    with namespaces.two_hosts() as both:
        yield both


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dataset")
    (path / "play.txt").write_text(comedy(400), encoding="utf-8")
    prepared(path / "play.txt", path / "data" / "play")
    return path / "data"


@pytest.fixture
def hosts(network: tuple[namespaces.Host, ...], dataset: Path, tmp_path: Path) -> list[Host]:
    both = [Host(rank, tmp_path / f"host{rank}", network[rank].prefix) for rank in (0, 1)]
    for host in both:
        shutil.copytree(dataset, host.path / "data")
    return both


def begin(host: Host, *words: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start torchrun on a host, and with it one process."""
    torchrun = ["-m", "torch.distributed.run", "--nnodes=2", f"--node-rank={host.rank}", "--nproc-per-node=1"]
    where = ["--master-addr=10.77.7.1", "--master-port=29507", "-m", "scriptforge", *words]
    return subprocess.Popen(
        [*host.prefix, sys.executable, *torchrun, *where],
        cwd=host.path,
        env={**os.environ, "GLOO_SOCKET_IFNAME": namespaces.DEVICE, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def together(hosts: list[Host], *words: str) -> list[tuple[int, str]]:
    """Run the same command on both, and return the exit code and the words of each."""
    return ended([begin(host, *words) for host in hosts])


def ended(running: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    said = [process.communicate(timeout=PATIENCE)[0] for process in running]
    return [(process.returncode, words) for process, words in zip(running, said, strict=True)]


def worker_of(torchrun: subprocess.Popen[str]) -> int:
    """Return the process that torchrun has started."""
    children = Path(f"/proc/{torchrun.pid}/task/{torchrun.pid}/children").read_text().split()
    return int(children[0])


@pytest.fixture(scope="module")
def on_one_host(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights of the same training by two processes on one machine."""
    path = tmp_path_factory.mktemp("one")
    shutil.copytree(dataset, path / "data")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, "-m", "scriptforge", *TRAIN], cwd=path, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr
    return Host(0, path).weights


@pytest.mark.slow
def test_two_hosts_train_what_two_processes_of_one_do(hosts: list[Host], on_one_host: bytes) -> None:
    for code, said in together(hosts, *TRAIN):
        assert code == 0, said
    assert hosts[0].weights == on_one_host
    assert not (hosts[1].path / "runs").exists(), "only the first one writes"


@pytest.mark.slow
def test_a_killed_worker_ends_both_and_both_resume_as_if_nothing_had_been(
    hosts: list[Host], on_one_host: bytes
) -> None:
    running = [begin(host, *TRAIN) for host in hosts]
    validated = hosts[0].path / "runs" / "both" / "metrics.jsonl"
    deadline = time.monotonic() + PATIENCE
    while not (validated.exists() and validated.read_text().count("\n") >= 2):
        assert time.monotonic() < deadline and running[0].poll() is None
        time.sleep(0.05)
    os.kill(worker_of(running[1]), signal.SIGKILL)
    (code, said), (other_code, _) = ended(running)
    assert code != 0 and other_code != 0
    assert said.count("Error: Another process of this training has ended, or can no longer be reached") == 1
    assert "This should not have happened" not in said
    for code, said in together(hosts, "train", "both", "--resume"):
        assert code == 0, said
    assert hosts[0].weights == on_one_host


@pytest.mark.slow
def test_hosts_that_disagree_say_in_what(hosts: list[Host], tmp_path: Path) -> None:
    shutil.rmtree(hosts[1].path / "data")
    (tmp_path / "other.txt").write_text(comedy(400, seed=1), encoding="utf-8")
    prepared(tmp_path / "other.txt", hosts[1].path / "data" / "play")
    for code, said in together(hosts, *TRAIN):
        assert code != 0
        assert said.count("Error: These processes cannot train together: ") == 1
        assert "the fingerprint of the dataset is" in said and "for process 1 on " in said
    shutil.rmtree(hosts[1].path / "data")
    shutil.copytree(hosts[0].path / "data", hosts[1].path / "data")
    found = {"PYTHONPATH": os.pathsep.join([str(older_version(tmp_path)), os.environ.get("PYTHONPATH", "")])}
    for code, said in ended([begin(hosts[0], *TRAIN), begin(hosts[1], *TRAIN, environment=found)]):
        assert code != 0
        assert "Error: These processes cannot train together: scriptforge is " in said
        assert "and 0.0.1 for process 1 on " in said
