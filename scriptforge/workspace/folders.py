"""Where datasets, runs and studies are in a workspace, and what the files inside them are called.

Nothing else in the package knows these names.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from scriptforge.errors import DatasetError, RunError, UsageError, unknown_name
from scriptforge.workspace.files import atomic_write

SPLITS = ("train", "validation", "test")
WORKSPACE_VARIABLE = "SCRIPTFORGE_WORKSPACE"

_NAME = re.compile(r"[\w][\w.-]{0,63}")
_CHECKPOINT = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True)
class DatasetFolder:
    """`data/NAME/`: a prepared dataset on disk."""

    path: Path

    @property
    def name(self) -> str:
        """Return the dataset's name."""
        return self.path.name

    @property
    def description(self) -> Path:
        """Return the path of provenance, level, split sizes and cast; it is written last."""
        return self.path / "dataset.json"

    @property
    def tokenizer(self) -> Path:
        """Return the path of the vocabulary."""
        return self.path / "tokenizer.json"

    @property
    def scripts(self) -> Path:
        """Return the path of the parsed text, element by element, with its document."""
        return self.path / "scripts.parquet"

    def ids(self, split: str) -> Path:
        """Return the path of the token ids of one of `SPLITS`."""
        return self.path / f"{split}.npy"


@dataclass(frozen=True)
class RunFolder:
    """`runs/NAME/`: one training on disk."""

    path: Path

    @property
    def name(self) -> str:
        """Return the run's name."""
        return self.path.name

    @property
    def config(self) -> Path:
        """Return the path of everything about the model and its training that is not a tensor."""
        return self.path / "config.json"

    @property
    def tokenizer(self) -> Path:
        """Return the path of the dataset's vocabulary, copied so that the run stands alone."""
        return self.path / "tokenizer.json"

    @property
    def weights(self) -> Path:
        """Return the path of the best weights."""
        return self.path / "model.safetensors"

    @property
    def metrics(self) -> Path:
        """Return the path of the metrics, one JSON object for each validation."""
        return self.path / "metrics.jsonl"

    @property
    def curves(self) -> Path:
        """Return the path of a plot of the losses, where matplotlib is installed."""
        return self.path / "curves.svg"

    @property
    def tensorboard(self) -> Path:
        """Return the path of the log of a training with `--track tensorboard`."""
        return self.path / "tensorboard"

    @property
    def card(self) -> Path:
        """Return the path of the model card."""
        return self.path / "README.md"

    @property
    def hub(self) -> Path:
        """Return the path of the record of a pull: where the run comes from."""
        return self.path / "hub.json"

    @property
    def needed(self) -> tuple[str, ...]:
        """Return the names of the files without which a run cannot be used."""
        return self.config.name, self.tokenizer.name, self.weights.name

    @property
    def samples(self) -> Path:
        """Return the path of the scripts that were generated at each validation."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """Return the path of the checkpoints."""
        return self.path / "checkpoints"

    def checkpoint(self, step: int) -> Path:
        """Return the path of the checkpoint taken after `step` optimizer steps."""
        return self.checkpoints / f"step-{step:08d}"

    def checkpoint_steps(self) -> list[int]:
        """Return the steps of which there is a checkpoint, newest first."""
        if not self.checkpoints.is_dir():
            return []
        found = (_CHECKPOINT.fullmatch(path.name) for path in self.checkpoints.iterdir())
        return sorted((int(match[1]) for match in found if match), reverse=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Reserve the run for this process while the block lasts.

        Raises:
            RunError: another process is training this run.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        holder = self.path / ".lock.json"
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"Run “{self.name}” is being trained by process {_read_holder(holder)}.",
                "Wait for it, stop it, or train under another name with --name.",
            ) from None
        try:
            atomic_write(holder, json.dumps({"process": os.getpid()}))
            yield
        finally:
            holder.unlink(missing_ok=True)
            lock.release()


@dataclass(frozen=True)
class StudyFolder:
    """`studies/NAME/`: one search for better settings on disk."""

    path: Path

    @property
    def name(self) -> str:
        """Return the study's name."""
        return self.path.name

    @property
    def database(self) -> Path:
        """Return the path of all trials, in SQLite, unless another storage was requested."""
        return self.path / "study.db"

    @property
    def trials(self) -> Path:
        """Return the path of trainings in progress; each is deleted when its trial ends."""
        return self.path / "trials"

    def trial(self, name: str) -> RunFolder:
        """Return the run of one trial."""
        return RunFolder(self.trials / name)

    def dataset(self, origin: str, name: str) -> DatasetFolder:
        """Return the dataset of fingerprint `origin` at another level or with another vocabulary."""
        return DatasetFolder(self.path / "data" / origin[:12] / name)

    def picture(self, what: str, suffix: str) -> Path:
        """Return the path of a plot of the study: its history, or what mattered."""
        return self.path / f"{what}{suffix}"

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Wait for this process's turn at something that the processes of a study do one at a time."""
        self.path.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / f".{what}.lock"):
            yield


@dataclass(frozen=True)
class Workspace:
    """The folder that holds `data/`, `runs/`, `studies/` and a person's own `corpora/`."""

    root: Path

    @classmethod
    def find(cls, chosen: str | Path | None = None) -> "Workspace":
        """Return the workspace requested, else that of the environment, else the current directory."""
        return cls(Path(chosen or os.environ.get(WORKSPACE_VARIABLE) or ".").expanduser())

    @property
    def cards(self) -> Path:
        """Return the path of the person's own cards."""
        return self.root / "corpora"

    def datasets(self) -> list[DatasetFolder]:
        """Return every whole dataset, the latest first."""
        folders = [DatasetFolder(path) for path in _folders(self.root / "data")]
        return _latest_first([folder for folder in folders if folder.description.is_file()])

    def runs(self) -> list[RunFolder]:
        """Return every run, the latest first."""
        folders = [RunFolder(path) for path in _folders(self.root / "runs")]
        return _latest_first([folder for folder in folders if folder.config.is_file()])

    def new_dataset(self, name: str) -> DatasetFolder:
        """Return the folder for a dataset of this name, whether or not it exists."""
        return DatasetFolder(self.root / "data" / _checked_name(name))

    def new_run(self, name: str) -> RunFolder:
        """Return the folder for a run of this name, whether or not it exists."""
        return RunFolder(self.root / "runs" / _checked_name(name))

    def study(self, name: str) -> StudyFolder:
        """Return the folder for a study of this name, whether or not it exists."""
        return StudyFolder(self.root / "studies" / _checked_name(name))

    def dataset(self, name: str | None = None) -> DatasetFolder:
        """Return the dataset of this name, or the latest.

        Raises:
            UsageError: no such dataset.
            DatasetError: none at all.
        """
        datasets = self.datasets()
        if not datasets:
            raise DatasetError(
                "There is no prepared dataset here yet.", "Make one: scriptforge prepare seinfeld"
            )
        if name is None:
            return datasets[0]
        for folder in datasets:
            if folder.name == name:
                return folder
        raise unknown_name("dataset", name, (folder.name for folder in datasets))

    def run(self, name: str | None = None) -> RunFolder:
        """Return the run of this name or at this path, or the latest.

        Raises:
            UsageError: no such run.
            RunError: none at all.
        """
        if name is not None and RunFolder(Path(name)).config.is_file():
            return RunFolder(Path(name).resolve())
        runs = self.runs()
        if name is None and runs:
            return runs[0]
        for folder in runs:
            if folder.name == name:
                return folder
        if not runs:
            raise RunError("There is no run here yet.", "Train one: scriptforge train")
        raise unknown_name("run", str(name), (folder.name for folder in runs))

    def refuse_overwriting(self, folder: "DatasetFolder | RunFolder", force: bool) -> None:
        """Refuse to replace something without `--force`.

        Raises:
            UsageError: the folder holds something and `force` is false.
        """
        if _holds_something(folder.path) and not force:
            what = "dataset" if isinstance(folder, DatasetFolder) else "run"
            raise UsageError(
                f"There is a {what} named “{folder.name}” already.",
                "Replace it with --force, or choose another name with --name.",
            )

    def free_run_name(self, stem: str) -> str:
        """Return `stem`, or `stem-2`, `stem-3`, … if that run exists."""
        taken = {path.name for path in _folders(self.root / "runs") if _holds_something(path)}
        number = 1
        while (name := stem if number == 1 else f"{stem}-{number}") in taken:
            number += 1
        return name


Folder = TypeVar("Folder", DatasetFolder, RunFolder)


def _read_holder(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["process"])
    except (OSError, ValueError, KeyError):
        return "(unknown)"


def _folders(parent: Path) -> list[Path]:
    """Return the folders in one, without those that are still being written."""
    return [path for path in _visible(parent) if path.is_dir()] if parent.is_dir() else []


def _holds_something(path: Path) -> bool:
    """Return whether there is something; a lock, left by a training that could not start, does not count."""
    return bool(_visible(path)) if path.is_dir() else path.exists()


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _latest_first(folders: list[Folder]) -> list[Folder]:
    def created(folder: Folder) -> str:
        path = folder.description if isinstance(folder, DatasetFolder) else folder.config
        try:
            return str(json.loads(path.read_text(encoding="utf-8")).get("created", ""))
        except (OSError, ValueError, AttributeError):
            return ""

    return sorted(folders, key=created, reverse=True)


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"“{name}” cannot be the name of a folder.",
            "Use up to 64 letters, digits, dots, dashes and underscores.",
        )
    return name
