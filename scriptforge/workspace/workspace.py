"""Where datasets, runs and studies live, and which of them is meant."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from scriptforge.errors import DatasetError, RunError, UsageError, unknown_name
from scriptforge.workspace.folders import DatasetFolder, RunFolder, StudyFolder

WORKSPACE_VARIABLE = "SCRIPTFORGE_WORKSPACE"

_NAME = re.compile(r"[\w][\w.-]{0,63}")


@dataclass(frozen=True)
class Workspace:
    """The folder that holds `data/`, `runs/`, `studies/` and a person's own `corpora/`."""

    root: Path

    @classmethod
    def find(cls, chosen: Path | None = None) -> "Workspace":
        """The workspace asked for, else that of the environment, else the current directory."""
        return cls((chosen or Path(os.environ.get(WORKSPACE_VARIABLE) or ".")).expanduser())

    @property
    def cards(self) -> Path:
        """The person's own cards."""
        return self.root / "corpora"

    def datasets(self) -> list[DatasetFolder]:
        """Every whole dataset, the latest first."""
        folders = [DatasetFolder(path) for path in _folders(self.root / "data")]
        return _latest_first([folder for folder in folders if folder.description.is_file()])

    def runs(self) -> list[RunFolder]:
        """Every run, the latest first."""
        folders = [RunFolder(path) for path in _folders(self.root / "runs")]
        return _latest_first([folder for folder in folders if folder.config.is_file()])

    def new_dataset(self, name: str) -> DatasetFolder:
        """The folder for a dataset of this name, whether or not it exists."""
        return DatasetFolder(self.root / "data" / _checked_name(name))

    def new_run(self, name: str) -> RunFolder:
        """The folder for a run of this name, whether or not it exists."""
        return RunFolder(self.root / "runs" / _checked_name(name))

    def study(self, name: str) -> StudyFolder:
        """The folder for a study of this name, whether or not it exists."""
        return StudyFolder(self.root / "studies" / _checked_name(name))

    def dataset(self, name: str | None = None) -> DatasetFolder:
        """The dataset named, or the latest.

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
        """The run named (by name, or by the path of its folder), or the latest.

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
        """Lets only `--force` replace something.

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
        """`stem`, or `stem-2`, `stem-3`, … if that run exists."""
        taken = {path.name for path in _folders(self.root / "runs") if _holds_something(path)}
        number = 1
        while (name := stem if number == 1 else f"{stem}-{number}") in taken:
            number += 1
        return name


Folder = TypeVar("Folder", DatasetFolder, RunFolder)


def _folders(parent: Path) -> list[Path]:
    """The folders in one, without those in the making."""
    return [path for path in _visible(parent) if path.is_dir()] if parent.is_dir() else []


def _holds_something(path: Path) -> bool:
    """Whether something stands there; a lock, left by a training that could not begin, does not count."""
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
