"""Where commands that write are attacked: workspaces to begin with, a Hub, and a disk that can fail.

Commands run as forks of one process that has imported everything, below which `faults.c` counts what they
change on the disk and lets it fail.
"""

import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from support import prefork, skips
from support.command import environment
from support.loopback_hub import TOKEN, Hub
from support.tiny import comedy

HERE = Path(__file__).resolve().parent
_PATIENCE = 300.0
_IMPORTED = (
    *prefork.LIBRARIES, "accelerate", "safetensors.torch", "tokenizers", "huggingface_hub", "sqlalchemy",
    "optuna.storages", "optuna.samplers", "scriptforge.cli.app", "scriptforge.cli.train",
    "scriptforge.corpus.prepare", "scriptforge.hub.push", "scriptforge.training_runs.train",
    "scriptforge.tuning.search", "scriptforge.generation.generate", "scriptforge.serve.drafts",
)  # fmt: skip
_SMALL = (
    "--from", "none", "--set=hidden_size=8", "--set=embedding_size=8", "--set=batch_size=4",
    "--set=sequence_length=16", "--set=threads=1", "--set=precision=fp32", "--set=dropout_output=0.2",
)  # fmt: skip
TRAIN = ("train", "play", "--name", "play", "--epochs", "1", "--set=validations=2", *_SMALL)
TRANSFORMER = (
    "train", "play", "--name", "play", "--arch", "transformer", "--epochs", "1", "--from", "none",
    "--set=hidden_size=8", "--set=batch_size=4", "--set=sequence_length=16", "--set=threads=1",
    "--set=precision=fp32", "--set=validations=2", "--set=speaker_embedding=false",
)  # fmt: skip
MORE = ("train", "--resume", "play", "--epochs", "0.5")


def _own(variables: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what a person has set of scriptforge, the Hub's client and folders."""
    foreign = ("HF_", "SCRIPTFORGE_", "XDG_")
    return {name: value for name, value in variables.items() if not name.startswith(foreign)}


class Said(NamedTuple):
    """How a command ended: its exit code, negative after a signal, and what it said on stderr."""

    code: int
    errors: str


class Call(NamedTuple):
    """A call of a command that changes something on the disk.

    Attributes:
        process: which process makes it.
        name: what it is called.
        size: how many bytes it writes.
        path: what it changes, below the workspace.
    """

    process: int
    name: str
    size: int
    path: str

    @classmethod
    def read(cls, log: Path) -> "list[Call]":
        """Return the calls of a log."""
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        parts = (line.split(" ", 3) for line in lines)
        return [cls(int(process), name, int(size), path) for process, name, size, path in parts]


class Stage:
    """Where commands are attacked: a Hub, a process that forks, and workspaces to begin with.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        library = folder / "faults.so"
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None or sys.platform != "linux":
            pytest.skip(skips.NO_FAULTS)
        words = (compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "faults.c"), "-ldl")
        subprocess.run(words, check=True, capture_output=True)
        self.hub = Hub()
        self.hub.enrol("ann", TOKEN)
        self._environment = {
            "HOME": str(folder / "home"),
            "HF_HOME": str(folder / "home" / "huggingface"),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_XET": "1",
            "HF_ENDPOINT": self.hub.address,
            "HF_TOKEN": TOKEN,
            "NO_PROXY": "127.0.0.1",
            "COLUMNS": "100",
            "PYTHONPATH": os.pathsep.join(map(str, (HERE.parent, HERE.parent.parent))),
        }
        (folder / "home").mkdir()
        self._servers: dict[str, prefork.Server] = {}
        self._preload = {**self._environment, "LD_PRELOAD": str(library)}

    def close(self) -> None:
        """End what was started."""
        for server in self._servers.values():
            server.end()
        self.hub.stop()

    def _server(self, name: str) -> prefork.Server:
        if name not in self._servers:
            foreign = dict.fromkeys(os.environ.keys() - _own(os.environ).keys(), "")
            self._servers[name] = prefork.Server(_IMPORTED, {**foreign, **self._preload})
        return self._servers[name]

    def run_beside(self, words: tuple[str, ...], workspace: Path) -> Said:
        """Run a command while `run` runs another one."""
        return self.run(words, workspace, server="second")

    def run(
        self,
        words: tuple[str, ...],
        workspace: Path,
        plan: str | None = None,
        log: Path | None = None,
        server: str = "first",
        sends: bool = False,
    ) -> Said:
        """Run a command to its end.

        Args:
            words: what follows `scriptforge`; or `-m`, a module, and what follows that.
            workspace: where.
            plan: the fault, as `faults.c` reads it.
            log: where its calls are written.
            server: the process that forks itself into the command; each runs one at a time.
            sends: whether connections, and what is sent over them, are counted, too.
        """
        faults = {"FAULT_ROOT": str(workspace)} if plan or log else {}
        if sends and faults:
            faults["FAULT_SENDING"] = "1"
        if plan:
            faults["FAULT_PLAN"] = plan
        if log:
            faults["FAULT_LOG"] = str(log)
        module, words = (words[1], words[2:]) if words[0] == "-m" else ("scriptforge", words)
        with tempfile.TemporaryFile("w+") as errors, Path(os.devnull).open("r+") as nothing:
            files = [nothing.fileno(), nothing.fileno(), errors.fileno()]
            surroundings = {**_own(environment()), **self._environment, **faults}
            try:
                code = self._server(server).run(
                    module, list(words), workspace, surroundings, files, _PATIENCE
                )
            except TimeoutError:
                del self._servers[server]  # it has ended, and another one is begun for the next command
                return Said(-signal.SIGALRM, f"It did not end in {_PATIENCE:.0f} seconds.")
            errors.seek(0)
            return Said(code, errors.read())

    def succeed(self, words: tuple[str, ...], workspace: Path) -> None:
        """Run a command that nothing keeps from succeeding."""
        said = self.run(words, workspace)
        assert said.code == 0, f"{words}: {said.code} {said.errors}"

    @functools.cached_property
    def with_text(self) -> Path:
        """A workspace with texts and nothing else."""
        workspace = self._folder / "text"
        workspace.mkdir()
        (workspace / "play.txt").write_text(comedy(120), encoding="utf-8")
        (workspace / "plays").mkdir()
        for seed, name in enumerate(("one.txt", "two.txt")):
            (workspace / "plays" / name).write_text(comedy(20, seed), encoding="utf-8")
        return workspace

    @functools.cached_property
    def with_dataset(self) -> Path:
        """The same with a dataset."""
        return self._after(self.with_text, "dataset", ("prepare", "play.txt", "--level", "word"))

    @functools.cached_property
    def with_run(self) -> Path:
        """The same with a run."""
        return self._after(self.with_dataset, "run", TRAIN)

    @functools.cached_property
    def with_transformer(self) -> Path:
        """A workspace with a transformer that other programs can read."""
        return self._after(self.with_dataset, "transformer", TRANSFORMER)

    @functools.cached_property
    def with_held_out(self) -> Path:
        """A workspace with a run of which much text is held out."""
        workspace = self._after(self.with_text, "held-out")
        (workspace / "play.txt").write_text(comedy(400), encoding="utf-8")
        held_out = ("--validation", "0.2", "--test", "0.2")
        self.succeed(("prepare", "play.txt", "--level", "word", *held_out), workspace)
        self.succeed(TRAIN, workspace)
        return workspace

    @functools.cached_property
    def with_page(self) -> Path:
        """The same with a page that it has written, a state that it has saved, and a draft."""
        write = ("generate", "play", "--lines", "3", "--seed", "1", "-o", "page.txt", "--save-state", "state")
        edit = ("-m", "reliability.edit", "room/drafts.db")
        return self._after(self.with_run, "page", write, edit)

    @functools.cached_property
    def with_pulled(self) -> Path:
        """A workspace with a pulled model."""
        self.succeed(("push", "play", "--quiet"), self.with_run)
        return self._after(self.with_text, "pulled", ("pull", "ann/play"))

    @functools.cached_property
    def with_outdated(self) -> Path:
        """A workspace with a pulled model and notes in its folder; it has changed on the Hub since."""
        pulled = self.with_pulled
        (pulled / "runs" / "ann--play" / "notes.txt").write_text("mine")
        trained = self._after(self.with_run, "changed", MORE)
        self.succeed(("push", "play", "--quiet"), trained)
        return pulled

    def _after(self, before: Path, name: str, *commands: tuple[str, ...]) -> Path:
        workspace = self._folder / name
        shutil.copytree(before, workspace)
        for words in commands:
            self.succeed(words, workspace)
        return workspace

    @contextmanager
    def copy(self, workspace: Path) -> Iterator[Path]:
        """Yield a copy of a workspace to attack."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            shutil.copytree(workspace, Path(folder) / "w")
            yield Path(folder) / "w"


@contextmanager
def staged() -> Iterator[Stage]:
    """Yield a stage as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder).resolve())
        try:
            yield stage
        finally:
            stage.close()
