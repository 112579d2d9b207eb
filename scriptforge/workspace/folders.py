"""What the folders of datasets, runs and studies hold, and what the files inside them are called.

Nothing else in the package knows these names.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from scriptforge.errors import RunError
from scriptforge.workspace.atomic import atomic_write

SPLITS = ("train", "validation", "test")

_CHECKPOINT = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True)
class DatasetFolder:
    """`data/NAME/`: a prepared dataset on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.path.name

    @property
    def description(self) -> Path:
        """Provenance, level, split sizes and cast; written last, so a folder that has it is whole."""
        return self.path / "dataset.json"

    @property
    def tokenizer(self) -> Path:
        """The vocabulary."""
        return self.path / "tokenizer.json"

    @property
    def scripts(self) -> Path:
        """The parsed text, element by element, with its document."""
        return self.path / "scripts.parquet"

    def ids(self, split: str) -> Path:
        """The token ids of one of `SPLITS`."""
        return self.path / f"{split}.npy"


@dataclass(frozen=True)
class RunFolder:
    """`runs/NAME/`: one training on disk."""

    path: Path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.path.name

    @property
    def config(self) -> Path:
        """Everything about the model and its training that is not a tensor."""
        return self.path / "config.json"

    @property
    def tokenizer(self) -> Path:
        """The dataset's vocabulary, copied so that the run stands alone."""
        return self.path / "tokenizer.json"

    @property
    def weights(self) -> Path:
        """The best weights."""
        return self.path / "model.safetensors"

    @property
    def metrics(self) -> Path:
        """One JSON object for each validation."""
        return self.path / "metrics.jsonl"

    @property
    def curves(self) -> Path:
        """The losses of all validations as a picture, where matplotlib is installed."""
        return self.path / "curves.svg"

    @property
    def tensorboard(self) -> Path:
        """The log of a training with `--track tensorboard`."""
        return self.path / "tensorboard"

    @property
    def card(self) -> Path:
        """The model card."""
        return self.path / "README.md"

    @property
    def hub(self) -> Path:
        """Of a run that was pulled, where it is from."""
        return self.path / "hub.json"

    @property
    def needed(self) -> tuple[str, ...]:
        """The names of the files without which a run cannot be used."""
        return self.config.name, self.tokenizer.name, self.weights.name

    @property
    def samples(self) -> Path:
        """A script generated at each validation."""
        return self.path / "samples"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    def checkpoint(self, step: int) -> Path:
        """The checkpoint taken after `step` optimizer steps."""
        return self.checkpoints / f"step-{step:08d}"

    def checkpoint_steps(self) -> list[int]:
        """The steps of which a checkpoint stands, newest first."""
        if not self.checkpoints.is_dir():
            return []
        found = (_CHECKPOINT.fullmatch(path.name) for path in self.checkpoints.iterdir())
        return sorted((int(match[1]) for match in found if match), reverse=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Holds the run for one training process.

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
        """The study's name."""
        return self.path.name

    @property
    def database(self) -> Path:
        """Every trial, in SQLite, unless another storage was asked for."""
        return self.path / "study.db"

    @property
    def trials(self) -> Path:
        """The folder of trainings in progress; each is deleted when its trial ends."""
        return self.path / "trials"

    def trial(self, name: str) -> RunFolder:
        """The training of one trial."""
        return RunFolder(self.trials / name)

    def dataset(self, origin: str, name: str) -> DatasetFolder:
        """The text of the dataset of fingerprint `origin` at another level or with another vocabulary."""
        return DatasetFolder(self.path / "data" / origin[:12] / name)

    def picture(self, what: str, suffix: str) -> Path:
        """A picture of the study: its history, or what mattered."""
        return self.path / f"{what}{suffix}"

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Waits for its turn at something that one process of the study does at a time."""
        self.path.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / f".{what}.lock"):
            yield


def _read_holder(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["process"])
    except (OSError, ValueError, KeyError):
        return "(unknown)"
