"""Lets a Hub on this machine misbehave, and strangers try their models; writes hub.md beside this file.

    PYTHONPATH=tests:tests/hub python docs/measured/hub.py

Every row is a real command, a process of its own, against the Hub of the tests. Nothing may be left of a
failed one, and the same command must work when the Hub does again.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from support.loopback_hub import TOKEN, Fault, Hub
from support.zoo import ZOO

from scriptforge import __version__
from scriptforge.workspace import RunFolder

PAGE = Path(__file__).with_suffix(".md")
PATIENCE = {"HF_HUB_DOWNLOAD_TIMEOUT": "3", "HF_HUB_ETAG_TIMEOUT": "3"}
SMALL = ("--epochs", "0.2", "--set", "hidden_size=32", "--set", "validations=1")
CSV = "speaker,line\n" + "".join(f"ANN,Line {number} is said.\n" for number in range(200))
FAULTS: Mapping[str, Fault] = {
    "401": Fault(status=401),
    "403": Fault(status=403),
    "gated": Fault(status=403, headers={"X-Error-Code": "GatedRepo"}),
    "404": Fault(status=404, headers={"X-Error-Code": "RepoNotFound"}),
    "429, Retry-After": Fault(status=429, headers={"Retry-After": "1"}),
    "500": Fault(status=500),
    "503": Fault(status=503),
    "connection reset": Fault(resets=True),
    "silence": Fault(stalls=True),
    "half a file": Fault(keeps=0.5),
    "more than the file": Fault(adds=9),
    "other bytes": Fault(corrupts=True),
    "Range ignored": Fault(ignores_ranges=True),
}


@dataclass(frozen=True)
class Operation:
    """A command that needs the Hub.

    Attributes:
        name: what it is called in the table.
        words: the command.
        path: the part of a request's path at which the Hub misbehaves.
        leaves: the folder in which a failed one must leave nothing.
    """

    name: str
    words: tuple[str, ...]
    path: str
    leaves: str


OPERATIONS = (
    Operation("fetch", ("prepare", "hf:bob/show", "--force"), "/show.csv", "data"),
    Operation("fetch, asking", ("prepare", "hf:bob/show", "--force"), "/api/datasets/", "data"),
    Operation("pull", ("pull", "bob/play"), "/model.safetensors", "runs"),
    Operation("pull, asking", ("pull", "bob/play"), "/api/models/", "runs"),
    Operation("push, uploading", ("push", "../here/runs/play", "--repo", "ann/play"), "/lfs/", "runs"),
    Operation("push, committing", ("push", "../here/runs/play", "--repo", "ann/play"), "/commit/", "runs"),
)


def main() -> None:
    """Lets everything go wrong once, and writes the page."""
    with TemporaryDirectory() as folder:
        here = Path(folder) / "here"
        here.mkdir()
        hub = Hub()
        try:
            hub.enrol("ann", TOKEN)
            trained = model(here, hub)
            rows = [
                fault_row(Path(folder), hub, operation, name) for operation in OPERATIONS for name in FAULTS
            ]
            strangers = [stranger_row(Path(folder), hub, trained, attempt) for attempt in ZOO]
        finally:
            hub.stop()
    PAGE.write_text(page(rows, strangers), encoding="utf-8")


def model(here: Path, hub: Hub) -> dict[str, bytes]:
    """Trains a model for a moment, and puts it and a corpus on the Hub."""
    for words in (("prepare", "demo"), ("train", "--name", "play", *SMALL)):
        done = command(here, hub, *words)
        assert done.returncode == 0, done.stderr
    run = RunFolder(here / "runs" / "play")
    files = {name: (run.path / name).read_bytes() for name in run.needed}
    hub.publish("model", "bob/play", files)
    hub.publish("dataset", "bob/show", {"show.csv": CSV.encode()})
    return files


def fault_row(folder: Path, hub: Hub, operation: Operation, name: str) -> list[str]:
    """What a person hears of a fault, how soon, and whether all is well before and after."""
    hub.repositories.pop(("model", "ann/play"), None)
    hub.misbehave(FAULTS[name], path=operation.path)
    with TemporaryDirectory(dir=folder) as place:
        begun = time.monotonic()
        done = command(Path(place), hub, *operation.words)
        seconds = time.monotonic() - begun
        kept = [path for path in (Path(place) / operation.leaves).rglob("*") if path.suffix != ".lock"]
        is_clean = done.returncode == 0 or not any(path.is_file() for path in kept)
        hub.behave()
        heals = command(Path(place), hub, *operation.words).returncode == 0
    said = "done all the same" if done.returncode == 0 else done.stderr.strip().split("\n")[-2]
    verdict = "yes" if is_clean and heals else "**no**"
    return [operation.name, name, said.removeprefix("Error: "), f"{seconds:.0f} s", verdict]


def stranger_row(folder: Path, hub: Hub, files: Mapping[str, bytes], attempt: str) -> list[str]:
    """What a person hears of a hostile model, how soon, and how much memory that took."""
    hub.repositories.pop(("model", "eve/zoo"), None)
    hub.publish("model", "eve/zoo", ZOO[attempt](files))
    with TemporaryDirectory(dir=folder) as place:
        begun = time.monotonic()
        done = command(Path(place), hub, "pull", "eve/zoo", memory=True)
        seconds = time.monotonic() - begun
    *_, said, _hint, peak = done.stderr.strip().split("\n")
    verdict = "yes" if done.returncode else "**no**"
    return [attempt, said.removeprefix("Error: "), f"{seconds:.1f} s", f"{int(peak) / 1000:.0f} MB", verdict]


MEASURED = """
import sys
from scriptforge.cli.app import run
code = run(sys.argv[1:])
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(int(status["VmHWM"].split()[0]) - int(status["RssFile"].split()[0]), file=sys.stderr)
sys.exit(code)
"""


def command(place: Path, hub: Hub, *words: str, memory: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs scriptforge in a folder, with a home of its own; with `memory`, its peak in kB comes last."""
    environment = {
        **os.environ,
        **PATIENCE,
        "HOME": str(place),
        "HF_HOME": str(place / "huggingface"),
        "HF_ENDPOINT": hub.address,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
    }
    way = ("-c", MEASURED) if memory else ("-m", "scriptforge")
    return subprocess.run(
        [sys.executable, *way, *words],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def page(faults: list[list[str]], strangers: list[list[str]]) -> str:
    """The page, in Markdown."""
    well = sum(row[-1] == "yes" for row in faults)
    refused = sum(row[-1] == "yes" for row in strangers)
    slowest = max(float(row[2].split()[0]) for row in strangers)
    largest = max(float(row[3].split()[0]) for row in strangers)
    return "\n".join(
        [
            "# When the Hub misbehaves, and what strangers try",
            "",
            "<!-- Written by docs/measured/hub.py. -->",
            "",
            f"Measured on {datetime.now(UTC):%Y-%m-%d} with scriptforge {__version__}.",
            "",
            "```",
            "PYTHONPATH=tests:tests/hub python docs/measured/hub.py",
            "```",
            "",
            "## A Hub that misbehaves",
            "",
            f"**{well} of {len(faults)} times nothing wrong was left behind, and the command worked when the",
            "Hub did again.** The time includes the tries of the Hub's client, five at most.",
            "",
            *table(["what", "fault", "what is said", "after", "clean and healed"], faults),
            "",
            "## Models from strangers",
            "",
            f"**{refused} of {len(strangers)} hostile models were refused**, the slowest after {slowest:.1f}",
            f"seconds, with {largest:.0f} MB of memory at most, not counting libraries mapped from disk.",
            "",
            *table(["what a stranger tries", "what is said", "after", "memory", "refused"], strangers),
            "",
        ]
    )


def table(heads: list[str], rows: list[list[str]]) -> list[str]:
    """Rows under heads, in Markdown."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *cells)]


if __name__ == "__main__":
    main()
