"""A workspace: its datasets, runs and studies, their names, and cleaning up after killed processes."""

import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from pathlib import Path
from typing import TypeAlias, TypeVar

from scriptforge.characters import command
from scriptforge.errors import DatasetError, RunError, UsageError, unknown_name
from scriptforge.workspace.files import expand_home, is_device, parse_json
from scriptforge.workspace.folders import (
    DatasetFolder,
    RoomFolder,
    RunFolder,
    StudyFolder,
    folders_in,
    holds_something,
    successors_in,
)
from scriptforge.workspace.locks import remove_free_locks
from scriptforge.workspace.scratch import remove_leftovers

WORKSPACE_VARIABLE = "SCRIPTFORGE_WORKSPACE"

_FOLDERS = ("data", "runs", "studies", "room")
_LONGEST_NAME = 64
_LONGEST_STEM, _LONGEST_STEM_BYTES = 80, 200
_SCRIPTS = frozenset({".txt", ".fountain", ".fdx", ".docx", ".pdf"})
_LEFT_OUT = re.compile("\0+")

AnyFolder: TypeAlias = DatasetFolder | RunFolder | StudyFolder
Folder = TypeVar("Folder", DatasetFolder, RunFolder)


@dataclass(frozen=True)
class Workspace:
    """The folder that contains `data/`, `runs/`, `studies/`, `room/` and the user's own `corpora/`."""

    root: Path

    @classmethod
    def find(cls, chosen: str | Path | None = None) -> "Workspace":
        """Return the workspace of `locate`, cleared of what killed processes left in it."""
        workspace = cls.locate(chosen)
        workspace.clear_away()
        return workspace

    @classmethod
    def locate(cls, chosen: str | Path | None = None) -> "Workspace":
        """Return the chosen workspace, else the one of `WORKSPACE_VARIABLE`, else the current directory.

        It is left as it is: whoever only looks may be in a folder that is no workspace.
        """
        return cls(expand_home(chosen or os.environ.get(WORKSPACE_VARIABLE) or "."))

    def clear_away(self) -> None:
        """Remove what killed processes left unfinished, and restore what they were about to replace.

        Files of living processes, and files that cannot be removed, stay.
        """
        for name in (".", *_FOLDERS):
            _clear_away(self.root / name)
        runs = folders_in(self.root / "runs")
        for study in self.studies():
            for folder in (study.path, study.trials, *folders_in(study.datasets)):
                _clear_away(folder)
            runs += folders_in(study.trials)
        for run in map(RunFolder, runs):
            for folder in (run.path, run.samples, run.checkpoints):
                remove_leftovers(folder)
        for successor in successors_in(self.root / "runs"):
            with suppress(OSError, RunError), successor.run.lock("being cleared away"):
                successor.recover()

    @property
    def cards(self) -> Path:
        """Return the folder of the user's own cards."""
        return self.root / "corpora"

    @property
    def room(self) -> RoomFolder:
        """Return the folder of the writing room."""
        return RoomFolder(self.root / "room")

    def datasets(self) -> list[DatasetFolder]:
        """Return all complete datasets, the latest first."""
        return _latest_first(map(DatasetFolder, folders_in(self.root / "data")))

    def runs(self) -> list[RunFolder]:
        """Return all runs, the latest first."""
        return _latest_first(map(RunFolder, folders_in(self.root / "runs")))

    def studies(self) -> list[StudyFolder]:
        """Return all studies, sorted by name."""
        return list(map(StudyFolder, folders_in(self.root / "studies")))

    def entries(self) -> "list[AnyFolder]":
        """Return all datasets, runs and studies, damaged ones included."""
        datasets, runs = folders_in(self.root / "data"), folders_in(self.root / "runs")
        return [*map(DatasetFolder, datasets), *map(RunFolder, runs), *self.studies()]

    def new_dataset(self, name: str) -> DatasetFolder:
        """Return the folder of a dataset, which need not exist.

        Raises:
            UsageError: the name is invalid.
        """
        return DatasetFolder(self.root / "data" / _checked_name(name))

    def new_run(self, name: str) -> RunFolder:
        """Return the folder of a run, which need not exist.

        Raises:
            UsageError: the name is invalid.
        """
        return RunFolder(self.root / "runs" / _checked_name(name))

    def study(self, name: str) -> StudyFolder:
        """Return the folder of a study, which need not exist.

        Raises:
            UsageError: the name is invalid.
        """
        return StudyFolder(self.root / "studies" / _checked_name(name))

    def dataset(self, name: str | None = None) -> DatasetFolder:
        """Return the dataset of a name, or the latest.

        Raises:
            UsageError: there is no dataset of this name.
            DatasetError: there is no dataset at all.
        """
        datasets = {folder.name: folder for folder in self.datasets()}
        if not datasets:
            raise DatasetError("There is no prepared dataset here yet.", f"Make one: {_first_step()}")
        return _named("dataset", name, datasets)

    def run(self, name: str | None = None) -> RunFolder:
        """Return the run of a name or at a path, or the latest.

        Raises:
            UsageError: there is no such run.
            RunError: there is no run at all.
        """
        path = None if name is None else expand_home(name)
        if path is not None and RunFolder(path).config.is_file():
            return RunFolder(Path(os.path.realpath(path)))
        runs = {folder.name: folder for folder in self.runs()}
        if not runs:
            first = "" if self.datasets() else f", after {_first_step()}"
            raise RunError("There is no run here yet.", f"Train one: scriptforge train{first}")
        return _named("run", name, runs)

    def refuse_overwriting(self, folder: "DatasetFolder | RunFolder", force: bool) -> None:
        """Refuse to replace a dataset or run without `--force`.

        Raises:
            UsageError: the folder is not empty and `force` is false.
        """
        if holds_something(folder.path) and not force:
            what = "dataset" if isinstance(folder, DatasetFolder) else "run"
            raise UsageError(
                f"There is a {what} named “{folder.name}” already.",
                "Replace it with --force, or choose another name with --name.",
            )

    def claim_run(self, name: str | None, stem: str, *, force: bool = False) -> RunFolder:
        """Lock the name of a new run for this process.

        Args:
            name: the name; None takes the first free one of `stem`, `stem-2`, `stem-3`, …
            stem: the beginning of a name that is not given.
            force: whether a run of the name may exist.

        Raises:
            UsageError: a run of the name exists and `force` is false, or the name is invalid.
            RunError: another process is training a run of the name.
        """
        if name is not None:
            folder = self.new_run(name)
            self.refuse_overwriting(folder, force)
            claimed = replace(folder, claim=folder.acquire("being trained"))
            if not force and holds_something(folder.path):  # another process was faster and has finished
                with claimed.lock():
                    self.refuse_overwriting(folder, force)
            return claimed
        for folder in map(self.new_run, self._free_run_names(stem)):
            with suppress(RunError):
                claimed = replace(folder, claim=folder.acquire("being trained"))
                if not holds_something(folder.path):
                    return claimed
                with claimed.lock():
                    continue
        raise AssertionError("there is always one more name")

    def free_run_name(self, stem: str) -> str:
        """Return the first of `stem`, `stem-2`, `stem-3`, … that is not the name of a run."""
        return next(self._free_run_names(stem))

    def _free_run_names(self, stem: str) -> Iterator[str]:
        # On a file system that ignores case, `Play` is the folder `play`.
        taken = {
            RunFolder(path).name.lower() for path in folders_in(self.root / "runs") if holds_something(path)
        }
        names = chain([stem], (f"{stem}-{number}" for number in count(2)))
        return (name for name in names if name.lower() not in taken)


def _clear_away(folder: Path) -> None:
    remove_leftovers(folder)
    remove_free_locks(folder)


def timestamp_after(others: Iterable[str], timespec: str = "microseconds") -> str:
    """Return the current time in ISO 8601, or a time just after all others if the clock is behind them.

    A clock may be set back, and some machines start with a wrong time. What is made or changed last must
    still be the latest.

    Args:
        others: earlier times in ISO 8601; invalid ones are ignored.
        timespec: the precision, `microseconds` or `milliseconds`.
    """
    moment = datetime.now(UTC)
    for other in others:
        with suppress(ValueError, OverflowError):
            next_one = datetime.fromisoformat(other) + timedelta(**{timespec: 1})
            moment = max(moment, next_one.astimezone(UTC))
    return moment.isoformat(timespec=timespec)


def creation_time(folder: DatasetFolder | RunFolder) -> str:
    """Return the time of creation for a new dataset or run: now, but after all others of its kind."""
    kind = type(folder)
    return timestamp_after(_created(_description(kind(path))) for path in folders_in(folder.path.parent))


def _description(folder: DatasetFolder | RunFolder) -> Path:
    return folder.description if isinstance(folder, DatasetFolder) else folder.config


def _created(description: Path) -> str:
    """Read the time of creation from a description; empty if it has none, so that it comes last."""
    try:
        created = parse_json(description.read_bytes())["created"]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return created if isinstance(created, str) and created[:4].isdecimal() else ""


def _latest_first(folders: Iterable[Folder]) -> list[Folder]:
    """Return the folders that have a description, the last created first."""
    described = filter(_is_described, folders)
    return sorted(described, key=lambda folder: _created(_description(folder)), reverse=True)


def _is_described(folder: DatasetFolder | RunFolder) -> bool:
    try:
        return _description(folder).is_file()
    except OSError:  # it cannot be looked at, which is an error when it is read
        return True


def _first_step() -> str:
    """Return how to begin, with the largest text in the current folder."""
    texts: list[Path] = []
    with suppress(OSError):
        texts = [path for path in Path().iterdir() if path.suffix.lower() in _SCRIPTS and path.is_file()]
        texts.sort(key=lambda path: (-path.stat().st_size, path.name))
    file = texts[0] if texts else "FILE"
    return f"{command('prepare', file)}; or see all steps: scriptforge demo"


def _named(what: str, name: str | None, folders: Mapping[str, Folder]) -> Folder:
    """Return the folder of a name, or the first folder if it is None."""
    if name is None:
        return next(iter(folders.values()))
    composed = unicodedata.normalize("NFC", name)
    if composed not in folders:
        raise unknown_name(what, name, folders)
    return folders[composed]


def as_file_name(text: str, also: str = "") -> str:
    """Replace runs of characters that should not be in a file name by a dash.

    Letters, digits, `.`, `-` and `_` are kept. Letters are composed (NFC), whatever system the text is from,
    and keep their combining marks, which Hindi and Thai need.

    Args:
        text: any text.
        also: further characters to keep.
    """
    letters = unicodedata.normalize("NFC", text)
    return _LEFT_OUT.sub("-", "".join(each if _is_named(each) or each in also else "\0" for each in letters))


def as_file_stem(title: str) -> str:
    """Turn a title into a file name without suffix that every system accepts.

    Args:
        title: any text; the result is "script" if none of it can be kept.
    """
    stem = as_file_name(title, " ,()'").strip(" .-")
    stem = (
        stem[:_LONGEST_STEM].encode()[:_LONGEST_STEM_BYTES].decode(errors="ignore").rstrip(" .-") or "script"
    )
    return f"script {stem}" if is_device(stem) else stem


def is_file_name(name: str) -> bool:
    """Return whether `as_file_name` would keep a composed name, and it begins with a letter, digit or `_`."""
    return all(map(_is_named, name)) and (name[:1].isalnum() or name[:1] == "_")


def _is_named(letter: str) -> bool:
    return letter.isalnum() or letter in "._-" or unicodedata.category(letter)[0] == "M"


def _checked_name(name: str) -> str:
    """Check the name of a dataset, run or study, and return it composed (NFC)."""
    name = unicodedata.normalize("NFC", name)
    if not is_file_name(name) or len(name) > _LONGEST_NAME:
        raise UsageError(
            f"“{name}” cannot be the name of a folder.",
            "Use up to 64 letters, digits, dots, dashes and underscores.",
        )
    if is_device(name) or name.endswith("."):
        raise UsageError(
            f"“{name}” cannot be the name of a folder on Windows.",
            "Choose another one, without a dot at its end: runs and datasets move from machine to machine.",
        )
    return name
