"""The files of a run in training: which process writes them, and how other machines get them.

A run that replaces another one is written next to it, as its successor, until it has weights. Of several
processes, only the first one writes. To resume, the others need a checkpoint, which is sent to them.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from typing import Literal

import torch

from scriptforge.config import DeviceType, Settings
from scriptforge.dataset import Dataset
from scriptforge.inference import ModelConfig
from scriptforge.models import TrainableModel
from scriptforge.run.history import Validation, write_history
from scriptforge.run.records import DatasetRecord, InitFrom, MachineSpeed, Result, RunDescription
from scriptforge.training.checkpoint import MANIFEST, newest_checkpoint, save_weights
from scriptforge.training.processes import broadcast_from_first, is_first_process
from scriptforge.training.threads import count_processes
from scriptforge.workspace import RunFolder, Workspace, atomic_write, creation_time


def describe_run(
    dataset: Dataset,
    settings: Settings,
    config: ModelConfig,
    folder: RunFolder,
    init_from: InitFrom | None,
    measured: MachineSpeed | None,
    threads: int | Literal["adaptive"] | None,
) -> RunDescription:
    """Return the contents of `config.json` for a new run."""
    return RunDescription(
        name=folder.name,
        created=creation_time(folder),
        dataset=DatasetRecord.of(dataset),
        model={"arch": config.arch, **asdict(config)},
        settings=settings,
        parameters=sum(math.prod(shape) for shape in config.weight_shapes().values()),
        versions={"scriptforge": version("scriptforge-lm"), "torch": torch.__version__},
        init_from=init_from,
        measured=measured,
        threads=threads,
    )


@contextmanager
def lock_run(folder: RunFolder) -> Iterator[None]:
    """Hold the run's lock within the block, in the process that writes to it.

    Raises:
        RunError: another process is training this run.
    """
    if not is_first_process():
        yield
        return
    with folder.lock():
        yield


class RunWriter:
    """Writer of the files of one training run, used in the first process.

    Args:
        home: the run's final folder.
        description: the contents of its `config.json`.

    Attributes:
        description: as given.
        folder: the run's present folder: the final one, or its successor.
    """

    def __init__(self, home: RunFolder, description: RunDescription) -> None:
        self.description = description
        self.folder = home.latest
        self._home = home

    @contextmanager
    def creating(self, dataset: Dataset) -> Iterator[None]:
        """Create the run's folder atomically: it appears after the block, which saves a checkpoint in it."""
        with self._home.beginning() as folder:
            self.folder = folder
            self.description.save(folder)
            dataset.copy_vocabulary(folder)
            yield
        self.folder = self._home.latest

    def save_best(self, model: TrainableModel) -> None:
        """Save the best weights so far; a successor, which has weights now, replaces the previous run."""
        save_weights(model, self.folder.weights)
        if self.folder != self._home:
            self._home.successor.replace_run()
            self.folder = self._home

    def save_validations(self, history: Sequence[Validation], sample: str) -> None:
        """Save every validation, and the sample generated at the last one."""
        write_history(self.folder, history)
        atomic_write(self.folder.samples / f"step-{history[-1].step:08d}.txt", sample)

    def save_result(self, result: Result | None) -> None:
        """Save the run's description with the result of its training, None while it continues."""
        self.description.model_copy(update={"result": result}).save(self.folder)


def find_resumable(workspace: Workspace, name: str | None, device: DeviceType) -> RunFolder:
    """Return the run to resume; with several processes, the one that the first process has.

    Machines that train together need no shared folder: the files that they lack are sent to them.

    Args:
        workspace: the workspace that has the run, or gets a copy of it.
        name: the run's name; None for the latest run.
        device: the type of device to train on.

    Raises:
        RunError: there is no such run, or, with several processes, none of its checkpoints verifies.
    """
    if count_processes() == 1:
        return workspace.run(name)
    is_first = is_first_process()
    own: tuple[str, dict[str, bytes]] = _resumable_files(workspace.run(name)) if is_first else ("", {})
    found, files = broadcast_from_first(own, device)
    folder = workspace.new_run(found)
    for place, content in files.items() if not is_first else ():
        path = folder.path.parent / place
        if not path.is_file() or path.read_bytes() != content:
            atomic_write(path, content)
    return folder


def _resumable_files(run: RunFolder) -> tuple[str, dict[str, bytes]]:
    """Return the name of a run, and the files needed to resume it, by their paths in the folder of all runs.

    The manifest comes last, so that a checkpoint only verifies once it is complete.
    """
    folder = run.latest
    checkpoint, _ = newest_checkpoint(folder)
    parts = sorted(checkpoint.iterdir(), key=lambda path: (path.name == MANIFEST, path.name))
    paths = [*(folder.path / name for name in folder.needed), folder.successor_marker, *parts]
    present = (path for path in paths if path.is_file())
    runs = run.path.parent
    return run.name, {path.relative_to(runs).as_posix(): path.read_bytes() for path in present}
