"""From a repository to a run of the workspace, with a record of where it is from.

The commit is settled first, and every file must have the size and the hash that the commit gives it. All
arrives beside the run's place and is opened there; only a model that can be used takes the place.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from scriptforge.errors import HubError
from scriptforge.net import errors as network
from scriptforge.net.client import (
    REPOSITORY,
    Progress,
    checked_repository,
    client,
    is_as_promised,
    sha256_of,
    untold,
    watching,
)
from scriptforge.net.errors import Asked
from scriptforge.run.records import LARGEST_CONFIG, RunDescription
from scriptforge.run.run import LARGEST_HEADER, LARGEST_VOCABULARY, Run, weights_size
from scriptforge.workspace import RunFolder, Workspace, atomic_folder, atomic_write

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

_SHORT = 10


class Record(BaseModel):
    """What `hub.json` says of a run that was pulled.

    Attributes:
        repository: its id, as it was asked for.
        owner: whose it was.
        revision: the commit, 40 hexadecimal digits.
        files: the SHA-256 of each file, by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    repository: str
    owner: str
    revision: str
    files: dict[str, str]


@dataclass(frozen=True)
class Arrival:
    """A pulled model, ready for use.

    Attributes:
        folder: the run.
        record: where it is from.
        notes: what a person should know, one line each.
    """

    folder: RunFolder
    record: Record
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Delivery:
    """The files of a model on their way here.

    Attributes:
        repository: whose they are.
        commit: which of its states.
        folder: where they go.
        offered: what the commit has, by name.
    """

    repository: str
    commit: str
    folder: RunFolder
    offered: "Mapping[str, RepoSibling]"

    @property
    def total(self) -> int:
        """The bytes that are going to come."""
        wanted = (*self.folder.needed, self.folder.card.name)
        return sum(self.offered[name].size or 0 for name in wanted if name in self.offered)

    def take(self) -> dict[str, str]:
        """Takes the files, the weights only when the config has said how many there should be.

        Returns:
            The SHA-256 of each file, by name.

        Raises:
            ScriptforgeError: one is missing, too large or not what the commit says.
        """
        folder = self.folder
        for name in folder.needed:
            if name not in self.offered:
                raise HubError(
                    f"{self.repository} has no {name}, so it is no model of scriptforge.",
                    "Pull a repository that was made with scriptforge push.",
                )
        hashes = {folder.config.name: self._taken(folder.config, LARGEST_CONFIG)}
        most = weights_size(RunDescription.load(folder)) + LARGEST_HEADER
        hashes[folder.tokenizer.name] = self._taken(folder.tokenizer, LARGEST_VOCABULARY)
        hashes[folder.weights.name] = self._taken(folder.weights, most)
        if folder.card.name in self.offered:
            hashes[folder.card.name] = self._taken(folder.card, LARGEST_CONFIG)
        return hashes

    def _taken(self, path: Path, most: int) -> str:
        """The SHA-256 of a file that has come and is what the commit says."""
        offered = self.offered[path.name]
        size = offered.size or 0
        if size > most:
            raise HubError(
                f"{path.name} of {self.repository} has {size:,} bytes; {most:,} are the most that is taken.",
                "Ask its owner what it is: scriptforge writes no such file.",
            )
        client().hf_hub_download(self.repository, path.name, revision=self.commit, local_dir=self.folder.path)
        if not is_as_promised(path, offered):
            raise HubError(
                f"{path.name} of {self.repository} is not what its commit says: it was damaged on the way.",
                "Pull it again.",
            )
        return sha256_of(path)


def pull(
    workspace: Workspace, repository: str, revision: str | None = None, *, progress: Progress = untold
) -> Arrival:
    """Brings a model here as the run `OWNER--NAME`; what is here already is not fetched again.

    Args:
        workspace: the workspace.
        repository: its id.
        revision: a commit, branch or tag; None is the newest of the main branch.
        progress: told how many bytes have come.

    Raises:
        UsageError: that is no id.
        HubError: it cannot be had, or is not what its commit says.
        ScriptforgeError: it is no model that this package wrote.
    """
    folder = _folder(workspace, checked_repository(repository))
    asked = Asked(f"The model {repository}", HubError)
    with asked.explained(revision):
        about = client().model_info(
            repository, revision=revision, files_metadata=True, timeout=network.TIMEOUT_SECONDS
        )
    before = _read_record(folder)
    owner, commit = str(about.id).partition("/")[0], str(about.sha)
    notes = _changes(repository, before, owner, commit)
    if before and before.revision == commit and _is_whole(folder, before):
        return Arrival(folder, before, notes)
    if before is None and folder.config.exists():
        raise HubError(
            f"There is a run “{folder.name}” here that is not one that was pulled.",
            "Rename its folder, or pull into another workspace with --workspace.",
        )
    with _place_to_arrive(folder) as arrived:
        delivery = _Delivery(
            repository, commit, arrived, {each.rfilename: each for each in about.siblings or []}
        )
        with watching(arrived.path, repository, delivery.total, progress), asked.explained(revision):
            hashes = delivery.take()
        Run(arrived)
        record = Record(repository=repository, owner=owner, revision=commit, files=hashes)
        with atomic_folder(folder.path) as new:
            for name in hashes:
                shutil.move(arrived.path / name, new / name)
            atomic_write(RunFolder(new).hub, record.model_dump_json(indent=2) + "\n")
    return Arrival(folder, record, notes)


@contextmanager
def _place_to_arrive(folder: RunFolder) -> Iterator[RunFolder]:
    """An empty folder beside the run's, for this process alone; what a killed one left there is removed.

    Raises:
        HubError: another process is pulling the same model.
    """
    runs, incoming = folder.path.parent, folder.path.with_name(f".{folder.name}.incoming")
    runs.mkdir(parents=True, exist_ok=True)
    lock = FileLock(runs / f".{folder.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise HubError(
            f"Another process is pulling {folder.name} just now.", "Wait for it, then try again."
        ) from None
    try:
        for path in [incoming, *runs.glob(f".{folder.name}.*.tmp")]:
            shutil.rmtree(path, ignore_errors=True)
        yield RunFolder(incoming / folder.name)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
        lock.release()


def find_run(
    workspace: Workspace, name: str | None, *, progress: Progress = untold
) -> tuple[RunFolder, list[str]]:
    """The run that a person means: one of the workspace, a folder, or a model on the Hub, which is pulled.

    A model that was pulled before is used as it is here where the Hub cannot be asked.

    Args:
        workspace: the workspace.
        name: a run, a folder or `OWNER/NAME`; None is the latest run.
        progress: as of `pull`.

    Returns:
        The run, and what a person should know.

    Raises:
        ScriptforgeError: there is none, or it cannot be had.
    """
    if name is None or not REPOSITORY.fullmatch(name) or Path(name).exists():
        return workspace.run(name), []
    try:
        arrival = pull(workspace, name, progress=progress)
    except HubError as problem:
        folder = _folder(workspace, name)
        kept = _read_record(folder)
        if not (kept and _is_whole(folder, kept)):
            raise
        return folder, [problem.message, f"So {name} is used as it was pulled, at {kept.revision[:_SHORT]}."]
    return arrival.folder, list(arrival.notes)


def _folder(workspace: Workspace, repository: str) -> RunFolder:
    return RunFolder(workspace.root / "runs" / repository.replace("/", "--"))


def _is_whole(folder: RunFolder, record: Record) -> bool:
    """Whether a pulled run is as it came."""
    return all(
        (folder.path / name).is_file() and sha256_of(folder.path / name) == record.files.get(name)
        for name in folder.needed
    )


def _read_record(folder: RunFolder) -> Record | None:
    try:
        return Record.model_validate_json(folder.hub.read_bytes())
    except (OSError, ValidationError):
        return None


def _changes(repository: str, before: Record | None, owner: str, commit: str) -> tuple[str, ...]:
    """What is no longer as it was when the model was last used."""
    if before is None:
        return ()
    notes = []
    if before.owner != owner:
        notes.append(f"{repository} belongs to {owner} now, and to {before.owner} when you last used it.")
    if before.revision != commit:
        notes.append(
            f"{repository} has changed: it is at {commit[:_SHORT]}, and was at {before.revision[:_SHORT]}"
            " when you last used it."
        )
    return tuple(notes)
