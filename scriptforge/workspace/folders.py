"""Where datasets, runs and studies are in a workspace, and what the files inside them are called.

Nothing else in the package knows these names.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from scriptforge.errors import DatasetError, RunError, UsageError, unknown_name
from scriptforge.workspace.files import atomic_write, parse_json, rename_folder

if TYPE_CHECKING:
    from filelock import FileLock

SPLITS = ("train", "validation", "test")
WORKSPACE_VARIABLE = "SCRIPTFORGE_WORKSPACE"

_NAME = re.compile(r"[\w][\w.-]{0,63}")
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that are devices on Windows, whatever follows behind a dot."""
_CHECKPOINT = re.compile(r"step-(\d{8,})")

Folder = TypeVar("Folder", "DatasetFolder", "RunFolder")


class _Inside:
    """The path of something that has a fixed name inside a folder."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: "_Folder", owner: type) -> Path:
        return folder.path / self._name


@dataclass(frozen=True)
class _Folder:
    path: Path

    @property
    def name(self) -> str:
        """Return the name of what is in the folder."""
        return self.path.name


class DatasetFolder(_Folder):
    """`data/NAME/`: a prepared dataset on disk.

    Attributes:
        description: provenance, level, split sizes and cast; it is written last.
        tokenizer: the vocabulary.
        lexicon: the words of the training text; none at word level.
        scripts: the parsed text, element by element, with its document.
    """

    description = _Inside("dataset.json")
    tokenizer = _Inside("tokenizer.json")
    lexicon = _Inside("lexicon.txt")
    scripts = _Inside("scripts.parquet")

    def ids(self, split: str) -> Path:
        """Return the path of the token ids of one of `SPLITS`."""
        return self.path / f"{split}.npy"


class RunFolder(_Folder):
    """`runs/NAME/`: one training on disk.

    Attributes:
        config: everything about the model and its training that is not a tensor.
        tokenizer: the dataset's vocabulary, copied so that the run stands alone.
        lexicon: the words of its training text, beyond which it does not go; none at word level.
        weights: the best weights.
        metrics: the metrics, one JSON object for each validation.
        curves: a plot of the losses, where matplotlib is installed.
        tensorboard: the log of a training with `--track tensorboard`.
        profile: what a reader notices on its pages, if that was measured.
        card: the model card.
        hub: the record of a pull: where the run comes from.
        samples: the scripts that were generated at each validation.
        checkpoints: the checkpoints.
    """

    config = _Inside("config.json")
    tokenizer = _Inside("tokenizer.json")
    lexicon = _Inside("lexicon.txt")
    weights = _Inside("model.safetensors")
    metrics = _Inside("metrics.jsonl")
    curves = _Inside("curves.svg")
    tensorboard = _Inside("tensorboard")
    profile = _Inside("profile.json")
    card = _Inside("README.md")
    hub = _Inside("hub.json")
    samples = _Inside("samples")
    checkpoints = _Inside("checkpoints")

    @property
    def needed(self) -> tuple[str, ...]:
        """Return the names of the files without which a run cannot be used."""
        return self.config.name, self.tokenizer.name, self.weights.name

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
        lock = _file_lock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except TimeoutError:
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

    def trainer(self) -> str | None:
        """Return the number of the process that trains this run; None if nobody does."""
        if not (self.path / ".lock").exists():
            return None
        try:
            with _file_lock(self.path / ".lock").acquire(timeout=0):
                return None
        except TimeoutError:
            return _read_holder(self.path / ".lock.json")

    def rename(self, target: "RunFolder") -> None:
        """Give the run the name of another folder, which must not exist.

        Raises:
            RunError: another process is training this run.
        """
        with self.lock():
            if os.name != "nt":
                rename_folder(self.path, target.path)
                (target.path / ".lock.json").unlink(missing_ok=True)
        if os.name == "nt":  # Windows renames no folder in which a file is open, and a lock is one
            rename_folder(self.path, target.path)


class StudyFolder(_Folder):
    """`studies/NAME/`: one search for better settings on disk.

    Attributes:
        database: all trials, in SQLite, unless another storage was requested.
        trials: trainings in progress; each is deleted when its trial ends.
    """

    database = _Inside("study.db")
    trials = _Inside("trials")

    def trial(self, name: str) -> RunFolder:
        """Return the run of one trial."""
        return RunFolder(self.trials / name)

    def dataset(self, origin: str, name: str) -> DatasetFolder:
        """Return the dataset of fingerprint `origin` at another level or with another vocabulary."""
        return DatasetFolder(self.path / "data" / origin[:12] / name)

    def picture(self, what: str, suffix: str) -> Path:
        """Return the path of a plot of the study: its history, or what mattered."""
        return self.path / f"{what}{suffix}"

    def searcher(self) -> str | None:
        """Return the number of a process that trains one of the trials; None if nobody does."""
        trials = map(RunFolder, _folders(self.trials))
        return next((process for trial in trials if (process := trial.trainer())), None)

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Wait for this process's turn at something that the processes of a study do one at a time."""
        self.path.mkdir(parents=True, exist_ok=True)
        with _file_lock(self.path / f".{what}.lock"):
            yield


class RoomFolder(_Folder):
    """`room/`: what the writing room keeps.

    Attributes:
        drafts: all drafts, in SQLite.
        token: the secret that lets the page in; only its owner can read it.
        address: the port of the last time, so that an open tab finds the server again.
    """

    drafts = _Inside("drafts.db")
    token = _Inside("token")
    address = _Inside("address.json")


AnyFolder: TypeAlias = DatasetFolder | RunFolder | StudyFolder


@dataclass(frozen=True)
class Workspace:
    """The folder that holds `data/`, `runs/`, `studies/`, `room/` and a person's own `corpora/`."""

    root: Path

    @classmethod
    def find(cls, chosen: str | Path | None = None) -> "Workspace":
        """Return the workspace requested, else that of the environment, else the current directory."""
        return cls(Path(chosen or os.environ.get(WORKSPACE_VARIABLE) or ".").expanduser())

    @property
    def cards(self) -> Path:
        """Return the folder of the person's own cards."""
        return self.root / "corpora"

    @property
    def room(self) -> RoomFolder:
        """Return the folder of the writing room."""
        return RoomFolder(self.root / "room")

    def datasets(self) -> list[DatasetFolder]:
        """Return every whole dataset, the latest first."""
        folders = map(DatasetFolder, _folders(self.root / "data"))
        return _latest_first({folder: folder.description for folder in folders})

    def runs(self) -> list[RunFolder]:
        """Return every run, the latest first."""
        return _latest_first(
            {folder: folder.config for folder in map(RunFolder, _folders(self.root / "runs"))}
        )

    def studies(self) -> list[StudyFolder]:
        """Return every study, by name."""
        return list(map(StudyFolder, _folders(self.root / "studies")))

    def entries(self) -> "list[AnyFolder]":
        """Return everything that has a name here: datasets, runs and studies, whole or damaged."""
        datasets, runs = _folders(self.root / "data"), _folders(self.root / "runs")
        return [*map(DatasetFolder, datasets), *map(RunFolder, runs), *self.studies()]

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
        datasets = {folder.name: folder for folder in self.datasets()}
        if not datasets:
            raise DatasetError(
                "There is no prepared dataset here yet.", "Make one: scriptforge prepare seinfeld"
            )
        return _named("dataset", name, datasets)

    def run(self, name: str | None = None) -> RunFolder:
        """Return the run of this name or at this path, or the latest.

        Raises:
            UsageError: no such run.
            RunError: none at all.
        """
        if name is not None and RunFolder(Path(name)).config.is_file():
            return RunFolder(Path(name).resolve())
        runs = {folder.name: folder for folder in self.runs()}
        if not runs:
            raise RunError("There is no run here yet.", "Train one: scriptforge train")
        return _named("run", name, runs)

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
        # Where a system is blind to case, `Play` is the folder `play`.
        taken = {path.name.lower() for path in _folders(self.root / "runs") if _holds_something(path)}
        names = chain([stem], (f"{stem}-{number}" for number in count(2)))
        return next(name for name in names if name.lower() not in taken)


def _file_lock(path: Path) -> "FileLock":
    """Return a lock that one process at a time can hold; to wait too long for it raises a `TimeoutError`."""
    from filelock import FileLock  # and with it asyncio

    return FileLock(path)


def _read_holder(path: Path) -> str:
    try:
        return str(parse_json(path.read_bytes())["process"])
    except (OSError, ValueError, KeyError, TypeError):
        return "(unknown)"


def _folders(parent: Path) -> list[Path]:
    """Return the folders in one, without those that are still being written."""
    return [path for path in _visible(parent) if path.is_dir()] if parent.is_dir() else []


def _holds_something(path: Path) -> bool:
    """Return whether there is something; a lock, left by a training that could not start, does not count."""
    return bool(_visible(path)) if path.is_dir() else path.exists()


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _latest_first(descriptions: Mapping[Folder, Path]) -> list[Folder]:
    """Return those of some folders that have their description, as it says when they were created."""

    def created(folder: Folder) -> str:
        try:
            return str(parse_json(descriptions[folder].read_bytes()).get("created", ""))
        except (OSError, ValueError, AttributeError):
            return ""

    return sorted(
        (folder for folder, path in descriptions.items() if path.is_file()), key=created, reverse=True
    )


def _named(what: str, name: str | None, folders: Mapping[str, Folder]) -> Folder:
    """Return the folder of a name, or the first one."""
    if name is None:
        return next(iter(folders.values()))
    if name not in folders:
        raise unknown_name(what, name, folders)
    return folders[name]


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"“{name}” cannot be the name of a folder.",
            "Use up to 64 letters, digits, dots, dashes and underscores.",
        )
    if _DEVICE.fullmatch(name) or name.endswith("."):
        raise UsageError(
            f"“{name}” cannot be the name of a folder on Windows.",
            "Choose another one, without a dot at its end: runs and datasets move from machine to machine.",
        )
    return name
