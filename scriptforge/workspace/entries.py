"""Renaming and removing the entries of a workspace: datasets, runs and studies.

An entry is named by its folder, `runs/play`, or by `play` alone if no other entry has that name. An entry in
use is never changed; a dataset that runs need is changed only with `force`.
"""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath

from scriptforge.characters import command
from scriptforge.errors import RunError, StudyError, UsageError, unknown_name
from scriptforge.workspace.files import parse_json, remove_folder, rename_folder
from scriptforge.workspace.folders import DatasetFolder, RunFolder, StudyFolder
from scriptforge.workspace.workspace import AnyFolder, Workspace

_WHAT = {"data": "dataset", "runs": "run", "studies": "study"}
_SHOWN = 5


@dataclass(frozen=True)
class Entry:
    """A dataset, run or study of a workspace.

    Attributes:
        folder: its folder.
    """

    folder: AnyFolder

    def __str__(self) -> str:
        return f"{self.kind}/{self.folder.name}"

    @property
    def kind(self) -> str:
        """Return the name of the parent folder: `data`, `runs` or `studies`."""
        return self.folder.path.parent.name

    @property
    def what(self) -> str:
        """Return the word for it: dataset, run or study."""
        return _WHAT[self.kind]

    @property
    def size(self) -> int:
        """Return the total size of its files in bytes."""
        files = (path for path in self.folder.path.rglob("*") if path.is_file() and not path.is_symlink())
        return sum(path.stat().st_size for path in files)


def entries(workspace: Workspace) -> list[Entry]:
    """Return all entries of a workspace, damaged ones included."""
    return [Entry(folder) for folder in workspace.entries()]


def find_entry(workspace: Workspace, name: str) -> Entry:
    """Return the entry with a name.

    Args:
        workspace: the workspace.
        name: `runs/play`, `data/play`, `studies/play`; or `play`, if only one entry has that name.

    Raises:
        UsageError: no entry has the name, or more than one.
    """
    kind, own = _parted(name)
    everything = entries(workspace)
    found = [each for each in everything if each.folder.name == own and kind in ("", each.kind)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"There are a {' and a '.join(each.what for each in found)} named “{own}”.",
            f"Say which one: {' or '.join(map(str, found))}",
        )
    raise unknown_name(_WHAT.get(kind, "dataset, run or study"), own, _names(everything, kind))


def rename(name: str, new: str, *, force: bool = False, workspace: str | Path | None = None) -> Path:
    """Give a dataset, run or study another name, and return its folder.

    Args:
        name: `runs/play`, `data/play`, `studies/play`; or `play`, if only one entry has that name.
        new: the new name, with or without `runs/` before it.
        force: whether to rename a dataset that runs were trained on, which then no longer find it.
        workspace: the workspace; None as in `Workspace.find`.

    Raises:
        UsageError: no entry has the name, the new one is taken or invalid, or runs need the dataset.
        DatasetError: the dataset is being prepared.
        RunError: the run, or a run on the dataset, is being trained.
        StudyError: the study is being searched, or is stored under its name in another database.
    """
    found = Workspace.find(workspace)
    entry = find_entry(found, name)
    target = _target(found, entry, new)
    _refuse_in_use(found, entry)
    _refuse_needed(found, [entry], "renamed", force)
    folder = entry.folder
    if isinstance(folder, StudyFolder) and not folder.database.is_file():
        raise StudyError(
            f"Study “{folder.name}” is kept in another database, under this name.",
            "Start a new one with --study NAME.",
        )
    with ExitStack() as locks:
        locks.enter_context(folder.lock("being renamed"))
        if not target.path.exists():  # else it is this folder, on a file system that ignores case
            locks.enter_context(target.lock("being renamed"))
        find_entry(found, str(entry))  # another process may have been faster
        _refuse_taken(entry, target)
        if isinstance(folder, RunFolder) and isinstance(target, RunFolder):
            folder.rename(target)
        else:
            rename_folder(folder.path, target.path)
    return target.path


def remove(
    names: str | Sequence[str], *, force: bool = False, workspace: str | Path | None = None
) -> list[str]:
    """Delete datasets, runs and studies: all of them or, if one cannot be deleted, none.

    Args:
        names: one or several names, as in `rename`.
        force: whether to delete a dataset that other runs were trained on, which then cannot be resumed,
            evaluated or compared with it.
        workspace: the workspace; None as in `Workspace.find`.

    Returns:
        The names of the deleted entries, such as `runs/play`.

    Raises:
        UsageError: no entry has one of the names, or runs need a dataset.
        DatasetError: a dataset is being prepared.
        RunError: a run, or a run on a dataset, is being trained.
        StudyError: a study is being searched.
    """
    where = Workspace.find(workspace)
    several = [names] if isinstance(names, str) else names
    found = list(dict.fromkeys(find_entry(where, name) for name in several))
    check_removable(where, found, force=force)
    with ExitStack() as locks:
        for entry in found:
            locks.enter_context(entry.folder.lock("being removed"))
            find_entry(where, str(entry))  # another process may have been faster
        for entry in found:
            if isinstance(entry.folder, RunFolder):
                entry.folder.successor.remove()
            remove_folder(entry.folder.path)
    return list(map(str, found))


def check_removable(workspace: Workspace, found: Sequence[Entry], *, force: bool = False) -> None:
    """Check that entries may be removed.

    Args:
        workspace: their workspace.
        found: the entries.
        force: as in `remove`.

    Raises:
        UsageError: runs need a dataset.
        RunError: a run, or a run on a dataset, is being trained.
        StudyError: a study is being searched.
    """
    for entry in found:
        _refuse_in_use(workspace, entry)
    _refuse_needed(workspace, found, "removed", force)


def _target(workspace: Workspace, entry: Entry, new: str) -> AnyFolder:
    """Return the folder for an entry's new name.

    Raises:
        UsageError: the name is taken, invalid, the entry's own or of another kind.
    """
    kind, name = _parted(new)
    if kind not in ("", entry.kind):
        raise UsageError(f"A {entry.what} cannot become {new}.", f"Give a name alone, or {entry.kind}/NAME.")
    if name == entry.folder.name:
        raise UsageError(f"The {entry.what} already has the name “{name}”.", "Give another name.")
    makers: dict[str, Callable[[str], AnyFolder]] = {
        "data": workspace.new_dataset,
        "runs": workspace.new_run,
        "studies": workspace.study,
    }
    target = makers[entry.kind](name)
    _refuse_taken(entry, target)
    return target


def _refuse_taken(entry: Entry, target: AnyFolder) -> None:
    # On a file system that ignores case, a folder's own name in other capitals is the folder itself.
    if target.path.exists() and not target.path.samefile(entry.folder.path):
        raise UsageError(
            f"There is a {entry.what} named “{target.name}” already.",
            f"Choose another name, or remove it first: {command('remove', f'{entry.kind}/{target.name}')}",
        )


def _parted(name: str) -> tuple[str, str]:
    """Split a name into its kind, or "" without one, and the rest; a final slash does not matter."""
    name = unicodedata.normalize("NFC", name)
    match PurePath(name).parts:
        case (kind, own) if kind in _WHAT:
            return kind, own
        case (own,):
            return "", own
    return "", name


def _names(everything: Iterable[Entry], kind: str) -> list[str]:
    return [str(each) for each in everything if kind in ("", each.kind)]


def _refuse_in_use(workspace: Workspace, entry: Entry) -> None:
    match entry.folder:
        case RunFolder() as run if process := run.training_process():
            raise RunError(
                f"Run “{run.name}” is being trained by process {process}.", "Wait for it, or stop it."
            )
        case StudyFolder() as study if process := study.search_process():
            raise StudyError(
                f"Study “{study.name}” is being searched by process {process}.", "Wait for it, or stop it."
            )
        case DatasetFolder() as dataset:
            for run in _runs_on(workspace, dataset):
                if process := run.training_process():
                    raise RunError(
                        f"Dataset “{dataset.name}” is being read by process {process}, which trains run"
                        f" “{run.name}”.",
                        "Wait for it, or stop it.",
                    )


def _refuse_needed(workspace: Workspace, found: Sequence[Entry], done: str, force: bool) -> None:
    """Refuse to change a dataset that runs need, unless these runs are among `found`, or with `force`."""
    going = {entry.folder for entry in found}
    for entry in found:
        if not isinstance(entry.folder, DatasetFolder) or force:
            continue
        needing = [run.name for run in _runs_on(workspace, entry.folder) if run not in going]
        if needing:
            more = f" and {len(needing) - _SHOWN} more" if len(needing) > _SHOWN else ""
            runs = f"{'run' if len(needing) == 1 else 'runs'} {', '.join(needing[:_SHOWN])}{more}"
            raise UsageError(
                f"Dataset “{entry.folder.name}” cannot be {done}: {runs} learnt from it.",
                "With --force it is done anyway; they can then write, but not be resumed or evaluated.",
            )


def _runs_on(workspace: Workspace, dataset: DatasetFolder) -> list[RunFolder]:
    """Return the runs trained on a dataset, or on any of its name if its fingerprint cannot be read."""
    fingerprint = _fingerprint(dataset)
    of_the_name = {
        run: own for run in workspace.runs() for name, own in [_trained_on(run)] if name == dataset.name
    }
    return [run for run, own in of_the_name.items() if fingerprint in ("", own)]


def _fingerprint(dataset: DatasetFolder) -> str:
    try:
        return str(parse_json(dataset.description.read_bytes())["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _trained_on(run: RunFolder) -> tuple[str, str]:
    """Return the name and fingerprint of the dataset of a run; empty strings if they cannot be read."""
    try:
        about = parse_json(run.config.read_bytes())["dataset"]
        return str(about["name"]), str(about["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""
