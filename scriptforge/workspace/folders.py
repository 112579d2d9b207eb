"""The folders of datasets, runs, studies and the writing room: the names of their files, and their locks.

No other module knows these names.
"""

import os
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from scriptforge.characters import command
from scriptforge.errors import (
    DatasetError,
    RunError,
    ScriptforgeError,
    StudyError,
)
from scriptforge.workspace.files import atomic_folder, remove_folder, rename_folder
from scriptforge.workspace.locks import Lock, LockHeldError, holder
from scriptforge.workspace.scratch import make_folder, put, remove_leftovers

SPLITS = ("train", "validation", "test")

_CHECKPOINT = re.compile(r"step-(\d{8,})")


class _Inside:
    """A descriptor for the path of a file or folder with a fixed name inside a folder."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, folder: "_Folder", owner: type) -> Path:
        return folder.path / self._name


@dataclass(frozen=True)
class _Folder:
    path: Path

    _what: ClassVar[str] = "Folder"
    _problem: ClassVar[type[ScriptforgeError]] = ScriptforgeError

    @property
    def name(self) -> str:
        """Return the name of the folder, composed (NFC), since some file systems decompose names."""
        return unicodedata.normalize("NFC", self.path.name)

    def acquire(self, doing: str) -> Lock:
        """Lock the folder's name for this process, until the lock is released.

        Args:
            doing: what is being done, for the message to other processes: "being trained".

        Raises:
            ScriptforgeError: another process holds the lock.
        """
        make_folder(self.path.parent)
        try:
            return Lock.acquire(self.path, doing)
        except LockHeldError as held:
            raise self._problem(
                f"{self._what} “{self.name}” is {held.holder.doing} by process {held.holder.process}.",
                held.hint,
            ) from None

    @contextmanager
    def lock(self, doing: str) -> Iterator[None]:
        """Hold the lock of `acquire` for the duration of the block."""
        with self.acquire(doing):
            yield


class DatasetFolder(_Folder):
    """`data/NAME/`: a prepared dataset on disk.

    Attributes:
        description: provenance, level, split sizes and cast; it is written last.
        tokenizer: the vocabulary.
        lexicon: the words of the training text; none at word level.
        scripts: the parsed text, element by element, with its document.
    """

    _what = "Dataset"
    _problem = DatasetError

    description = _Inside("dataset.json")
    tokenizer = _Inside("tokenizer.json")
    lexicon = _Inside("lexicon.txt")
    scripts = _Inside("scripts.parquet")

    def ids(self, split: str) -> Path:
        """Return the path of the token ids of one of `SPLITS`."""
        return self.path / f"{split}.npy"


@dataclass(frozen=True)
class RunFolder(_Folder):
    """`runs/NAME/`: one training run on disk.

    Attributes:
        claim: the lock of the run, if this process acquired it when it chose the name.
        config: everything about the model and its training that is not a tensor.
        tokenizer: the dataset's vocabulary, copied so that the run stands alone.
        lexicon: the words of its training text, to which generated text is limited; none at word level.
        weights: the best weights.
        metrics: the metrics, one JSON object for each validation.
        curves: a plot of the losses, where matplotlib is installed.
        tensorboard: the log of a training run with `--track tensorboard`.
        profile: measures of its pages beside people's, if they were made.
        card: the model card.
        hub: the record of a pull: where the run comes from.
        samples: the scripts that were generated at each validation.
        checkpoints: the checkpoints.
        successor_marker: a marker that exists while the run is the `Successor` of another one.
        carried: the new run of its `Successor`, while both are renamed.
    """

    claim: Lock | None = field(default=None, compare=False, repr=False)

    _what = "Run"
    _problem = RunError

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
    successor_marker = _Inside(".successor")
    carried = _Inside(".renamed")

    @property
    def needed(self) -> tuple[str, ...]:
        """Return the names of the files that a run needs in order to be used."""
        return self.config.name, self.tokenizer.name, self.weights.name

    def checkpoint(self, step: int) -> Path:
        """Return the path of the checkpoint taken after `step` optimizer steps."""
        return self.checkpoints / f"step-{step:08d}"

    def checkpoint_steps(self) -> list[int]:
        """Return the steps that have a checkpoint, newest first."""
        if not self.checkpoints.is_dir():
            return []
        found = (_CHECKPOINT.fullmatch(path.name) for path in self.checkpoints.iterdir())
        return sorted((int(match[1]) for match in found if match), reverse=True)

    @property
    def successor(self) -> "Successor":
        """Return the new run that will replace this one as soon as it has weights, if there is one."""
        return Successor(self)

    @property
    def latest(self) -> "RunFolder":
        """Return the run to resume: the successor if there is one, else this run."""
        return self.successor.folder if self.successor.is_resumable() else self

    @contextmanager
    def beginning(self) -> Iterator["RunFolder"]:
        """Yield a temporary folder for the first files of a new training run, moved if the block succeeds.

        It becomes this run if there is none yet. Otherwise it becomes the successor, and this run stays.
        """
        is_successor = holds_something(self.path)
        with atomic_folder(self.successor.folder.path if is_successor else self.path) as temporary:
            draft = RunFolder(temporary)
            yield draft
            if is_successor:
                draft.successor_marker.touch()

    @contextmanager
    def lock(self, doing: str = "being trained") -> Iterator[None]:
        """Hold the lock of the run for the duration of the block.

        Raises:
            RunError: another process is training or changing this run.
        """
        with self.claim or self.acquire(doing):
            yield

    def command_to_resume(self, *more: object) -> str:
        """Return the command that resumes the training of this run, with `more` arguments appended."""
        return command("train", "--resume", self.name, *more)

    def release(self) -> None:
        """Release the `claim`, if there is one."""
        if self.claim:
            self.claim.release()

    def training_process(self) -> str | None:
        """Return the id of the process that is training or changing this run; None if there is none."""
        held = holder(self.path)
        return held.process if held else None

    def rename(self, target: "RunFolder") -> None:
        """Rename the run and its successor to another folder, which must not exist; the caller locks both.

        The run carries its successor, so that a kill leaves both under the old name or under the new one.
        """
        self.successor.move_into_run()
        rename_folder(self.path, target.path)
        target.successor.move_out_of_run()


@dataclass(frozen=True)
class Successor:
    """`runs/.NAME.new/`: a new run that replaces the run NAME as soon as it has weights.

    Until then the old run can be used, and renamed. The files tell how far the replacement is:

        state       runs/NAME   runs/.NAME.new/
        beginning   old run     a scratch folder, in which `RunFolder.beginning` makes the new run
        training    old run     NAME: the new run, marked; its training can be resumed
        moving      nothing     NAME: the new run, marked; before/NAME: the old run
        replaced    new run     the old run, as NAME, not marked, or as before/NAME

    A killed process can leave any of these states, of which only `training` lasts. On a system that can
    exchange two folders atomically there is no `moving`.

    Attributes:
        run: the run NAME.
    """

    run: RunFolder

    @property
    def folder(self) -> RunFolder:
        """Return the folder of the new run."""
        return RunFolder(self._parent / self.run.path.name)

    @property
    def _parent(self) -> Path:
        return self.run.path.with_name(f".{self.run.path.name}.new")

    def is_resumable(self) -> bool:
        """Return whether its training has begun and the old run is not replaced yet."""
        return self.folder.successor_marker.exists()

    def replace_run(self) -> None:
        """Replace the old run with the new one, which has weights now."""
        self.run.successor_marker.unlink(missing_ok=True)  # left by a kill just before its removal
        put(self.folder.path, self.run.path)
        self.run.successor_marker.unlink()
        self.remove()

    def recover(self) -> None:
        """Repair what a killed process left: keep `training`, complete `moving`, and remove anything else.

        The caller holds the lock of the run.
        """
        self.move_out_of_run()
        remove_leftovers(self._parent)
        if self._is_moving():
            rename_folder(self.folder.path, self.run.path)
        if not self.is_resumable():
            self.run.successor_marker.unlink(missing_ok=True)
            self.remove()

    def _is_moving(self) -> bool:
        return self.folder.config.exists() and not os.path.lexists(self.run.path)

    def move_into_run(self) -> None:
        """Move the new run, if there is one, into its run, to be renamed with it."""
        if self.folder.path.exists():
            rename_folder(self.folder.path, self.run.carried)
            self.remove()

    def move_out_of_run(self) -> None:
        """Move the new run, if its run carries it, to where it is trained."""
        if self.run.carried.exists():
            make_folder(self._parent)
            rename_folder(self.run.carried, self.folder.path)

    def remove(self) -> None:
        """Delete the new run, and whatever else a killed process left beside it."""
        if self._parent.exists():
            remove_folder(self._parent)


class StudyFolder(_Folder):
    """`studies/NAME/`: one hyperparameter search on disk.

    Attributes:
        database: all trials, in SQLite, unless another storage was requested.
        trials: training runs in progress; each is deleted when its trial ends.
        datasets: datasets at other levels or with other vocabularies, in one folder for each text.
    """

    _what = "Study"
    _problem = StudyError

    database = _Inside("study.db")
    trials = _Inside("trials")
    datasets = _Inside("data")

    def trial(self, name: str) -> RunFolder:
        """Return the run of one trial."""
        return RunFolder(self.trials / name)

    def dataset(self, origin: str, name: str) -> DatasetFolder:
        """Return the dataset of fingerprint `origin` at another level or with another vocabulary."""
        return DatasetFolder(self.datasets / origin[:12] / name)

    def picture(self, what: str, suffix: str) -> Path:
        """Return the path of a plot of the study, such as its history or the importance of settings."""
        return self.path / f"{what}{suffix}"

    def search_process(self) -> str | None:
        """Return the id of a process that is training one of the trials; None if there is none."""
        trials = map(RunFolder, folders_in(self.trials))
        return next((process for trial in trials if (process := trial.training_process())), None)

    @contextmanager
    def turn(self, what: str, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold a lock for something that the processes of a study do one at a time; wait for it if needed.

        Args:
            what: what is done.
            on_wait: called again and again while another process does it; may raise to stop waiting.

        Raises:
            StudyError: the file system cannot lock, and a process of another machine may hold the lock.
        """
        make_folder(self.path)
        try:
            lock = Lock.acquire(self.path / what, "in use", on_wait=on_wait)
        except LockHeldError as held:
            raise StudyError(f"Study “{self.name}” is {held}.", held.hint) from None
        with lock:
            yield


class RoomFolder(_Folder):
    """`room/`: the files of the writing room.

    Attributes:
        drafts: all drafts, in SQLite.
        token: the secret that the page needs for access; only the user can read it.
        address: the last port, so that a page left open finds the server again.
    """

    drafts = _Inside("drafts.db")
    token = _Inside("token")
    address = _Inside("address.json")


def folders_in(parent: Path) -> list[Path]:
    """Return the folders in a folder, in order, without hidden ones, which are still being written."""
    return [path for path in _visible(parent) if path.is_dir()] if parent.is_dir() else []


def successors_in(runs: Path) -> list[Successor]:
    """Return the successors in the folder of all runs, in whatever state."""
    names = {path.name.removeprefix(".").removesuffix(".new") for path in runs.glob(".*.new")}
    carrying = {run.path.name for run in map(RunFolder, folders_in(runs)) if run.carried.exists()}
    return [RunFolder(runs / name).successor for name in sorted(names | carrying)]


def holds_something(path: Path) -> bool:
    """Return whether a path is a file or a folder that is not empty; hidden files do not count."""
    return bool(_visible(path)) if path.is_dir() else path.exists()


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
