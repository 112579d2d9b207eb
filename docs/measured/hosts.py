"""Trains on one host and on two with a cable between them, fast and slow; writes hosts.md.

    PYTHONPATH=tests python docs/measured/hosts.py CORPUS [UNITS...]

CORPUS is `seinfeld.txt`, UNITS the sizes of the models' layers, 256 and 512. It needs root on Linux; nothing
else should run on the machine meanwhile; it takes five minutes. The hosts are network namespaces, and the
cable's bandwidth is the kernel's (`tc`).
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from support.namespaces import DEVICE, Host, two_hosts

from scriptforge import __version__

PAGE = Path(__file__).with_suffix(".md")
STEPS = 30
BATCH_SIZE, SEQUENCE_LENGTH = 32, 64
MODELS = ("256", "512")
NETWORKS = {"cable, not limited": None, "1 Gbit/s, a cable": "1gbit", "100 Mbit/s, as Wi-Fi": "100mbit"}
TRAIN = (
    *("train", "play", "--from", "none", "--name", "both", "--cpu", "--set=threads=1"),
    *(f"--set=batch_size={BATCH_SIZE}", f"--set=sequence_length={SEQUENCE_LENGTH}", "--set=validations=3"),
    "--set=members=1",
)


@dataclass(frozen=True)
class Measured:
    """One training run.

    Attributes:
        parameters: of the model.
        steps: that it made.
        tokens_per_second: of all processes, in the steps alone.
        bytes_per_step: that one process sends to the other, between the first and the last validation; 0 if
            there was only one.
    """

    parameters: int
    steps: int
    tokens_per_second: float
    bytes_per_step: float


def main(corpus: Path, models: Sequence[int], folder: Path) -> None:
    """Measure, and write the page."""
    places = [folder / "one", folder / "two"]
    for place in places:
        place.mkdir()
        scriptforge((), place, "prepare", corpus, "--name", "play", "--quiet")
    rows, load = [], os.getloadavg()[0]
    with two_hosts() as hosts:
        for units in models:
            options = [f"--set=hidden_size={units}", f"--set=embedding_size={units}"]
            first, *others = [
                ("one process", measured(hosts[:1], places, options)),
                ("two processes on one host", measured([hosts[0]] * 2, places, options)),
                *over_the_cable(hosts, places, options),
            ]
            rows += [row(units, where, each, first[1]) for where, each in (first, *others)]
    PAGE.write_text(page(rows, load), encoding="utf-8")


def over_the_cable(
    hosts: Sequence[Host], places: Sequence[Path], options: Sequence[str]
) -> list[tuple[str, Measured]]:
    """Measure two hosts over each network."""
    found = []
    for name, rate in NETWORKS.items():
        for host in hosts if rate else ():
            limit = ("rate", rate, "burst", "256kb", "latency", "50ms")
            traffic = [*host.prefix, "tc", "qdisc", "replace", "dev", DEVICE, "root", "tbf", *limit]
            subprocess.run(list(map(str, traffic)), check=True)
        found.append((f"two hosts: {name}", measured(hosts, places, options)))
    for host in hosts:
        subprocess.run([*host.prefix, "tc", "qdisc", "del", "dev", DEVICE, "root"], check=True)
    return found


def measured(hosts: Sequence[Host], places: Sequence[Path], options: Sequence[str]) -> Measured:
    """Train with one process on each host named, and measure the first."""
    device = DEVICE if len(set(hosts)) == 2 else "lo"
    shutil.rmtree(places[0] / "runs", ignore_errors=True)
    about = json.loads((places[0] / "data" / "play" / "dataset.json").read_text("utf-8"))
    read = STEPS * len(hosts) * BATCH_SIZE * SEQUENCE_LENGTH
    options = [*options, f"--epochs={read / about['splits']['train']['tokens']}"]
    running = [begin(rank, hosts, places, device, options) for rank in range(len(set(hosts)))]
    metrics = places[0] / "runs" / "both" / "metrics.jsonl"
    moments: list[tuple[int, int, int]] = []
    while running[0].poll() is None:
        time.sleep(0.02)
        if metrics.exists():
            lines = metrics.read_text("utf-8").splitlines()
            if lines and (not moments or len(lines) > moments[-1][0]):
                moments.append((len(lines), json.loads(lines[-1])["step"], sent(hosts[0], device)))
    told = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        sys.exit(f"A training run has failed:\n{''.join(told)}")
    (_, before, sent_before), (_, after, sent_after) = moments[0], moments[-1]
    config = json.loads((places[0] / "runs" / "both" / "config.json").read_text("utf-8"))
    result = Measured(
        parameters=config["parameters"],
        steps=after,
        tokens_per_second=json.loads(told[0])["tokens_per_second"],
        bytes_per_step=(sent_after - sent_before) / max(after - before, 1),
    )
    sys.stderr.write(f"{[host.address for host in hosts]} {options[0]} {result}\n")
    return result


def begin(
    rank: int, hosts: Sequence[Host], places: Sequence[Path], device: str, options: Sequence[str]
) -> subprocess.Popen[str]:
    """Start what trains on a host: torchrun, unless there is one process in all."""
    words = ["-m", "scriptforge", *TRAIN, *options, "--json"]
    if len(hosts) > 1:
        nodes = len(set(hosts))
        torchrun = f"-m torch.distributed.run --nnodes={nodes} --node-rank={rank} --master-port=29509"
        where = f"--nproc-per-node={len(hosts) // nodes} --master-addr={hosts[0].address}"
        words = [*torchrun.split(), *where.split(), *words]
    return subprocess.Popen(
        [*hosts[rank].prefix, sys.executable, *words],
        cwd=places[rank],
        env={**os.environ, "GLOO_SOCKET_IFNAME": device, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


def sent(host: Host, device: str) -> int:
    """Return how many bytes a host has sent; between two processes on one, what either has."""
    counter = f"/sys/class/net/{device}/statistics/tx_bytes"
    done = subprocess.run([*host.prefix, "cat", counter], capture_output=True, text=True, check=True)
    return int(done.stdout) // (2 if device == "lo" else 1)


def scriptforge(prefix: Sequence[str], place: Path, *words: object) -> None:
    """Run a command."""
    subprocess.run([*prefix, sys.executable, "-m", "scriptforge", *map(str, words)], cwd=place, check=True)


def row(units: int, where: str, each: Measured, alone: Measured) -> list[str]:
    """Return the cells of one training run."""
    return [
        f"{units} units, {each.parameters:,} weights",
        where,
        f"{each.steps:,}",
        f"{each.tokens_per_second:,.0f}",
        f"{each.tokens_per_second / alone.tokens_per_second:.2f}",
        f"{each.bytes_per_step:,.0f}" if each.bytes_per_step else "–",
        f"{each.bytes_per_step / (4 * each.parameters):.2f}" if each.bytes_per_step else "–",
    ]


def page(rows: list[list[str]], load: float) -> str:
    """Return the page."""
    header = [
        "model",
        "machines",
        "steps",
        "tokens/s",
        "against one",
        "bytes sent a step",
        "by the gradients'",
    ]
    table = [header, ["---", "---", *["---:"] * 5], *rows]
    lines = [f"| {' | '.join(cells)} |" for cells in table]
    return "\n".join(
        [
            "# Training on two hosts",
            "",
            "<!-- Written by docs/measured/hosts.py. -->",
            "",
            f"Measured on {datetime.now(UTC):%Y-%m-%d} with scriptforge {__version__}, "
            f"torch {torch.__version__}, on {os.cpu_count()} cores, whose load was {load:.1f} when it began.",
            "",
            "```",
            " ".join(
                ["PYTHONPATH=tests python docs/measured/hosts.py", Path(sys.argv[1]).name, *sys.argv[2:]]
            ),
            "```",
            "",
            f"{STEPS} steps each, one thread a process. The hosts are two network "
            "namespaces of one machine, joined by a cable whose bandwidth the kernel limits; their processes "
            "share its memory and caches. Tokens/s are those of both together, each of which reads its own "
            "streams: a step has twice as many. Bytes are what one process sends in a step, counted at "
            "the network device, headers included; it receives as many. The last column is their number by "
            "that of the gradients' own, four a weight.",
            "",
            *lines,
            "",
            "[How to train on several machines](../how-to/train-on-several-machines.md).",
            "",
        ]
    )


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        main(Path(sys.argv[1]).resolve(), list(map(int, sys.argv[2:] or MODELS)), Path(name))
