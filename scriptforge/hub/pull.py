"""Pulling a model from the Hub as a run of the workspace, with a record of where it comes from.

The commit is resolved first, and every file must have the size and hash that the commit states. Files are
downloaded into a folder beside the run's and opened there; only a usable model becomes the run. What else the
user keeps in the folder of a pulled run stays there, and what no pull has made is never replaced.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scriptforge.errors import HubError, disk_error
from scriptforge.net import errors as network
from scriptforge.net.client import (
    REPOSITORY,
    ProgressCallback,
    check_repository,
    hub_client,
    matches_commit,
    no_progress,
    sha256_of,
    watch_folder,
)
from scriptforge.run.records import MAX_CONFIG, HubRecord, RunDescription
from scriptforge.workspace import RunFolder, Workspace, atomic_folder, atomic_write
from scriptforge.workspace.scratch import sync_folder

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoSibling

_SHORT = 10


@dataclass(frozen=True)
class PullResult:
    """A pulled model, ready for use.

    Attributes:
        folder: the run.
        record: where it comes from.
        notes: messages for the user, one line each.
    """

    folder: RunFolder
    record: HubRecord
    notes: tuple[str, ...]


def pull(
    workspace: Workspace,
    repository: str,
    revision: str | None = None,
    *,
    on_progress: ProgressCallback = no_progress,
) -> PullResult:
    """Download a model as the run `OWNER--NAME`, unless the workspace has it already.

    Args:
        workspace: the workspace of the run.
        repository: the id of the model's repository, `OWNER/NAME`.
        revision: a commit, branch or tag; None is the newest commit of the main branch.
        on_progress: called with the progress of the download in bytes.

    Raises:
        UsageError: the id is invalid.
        HubError: the model cannot be downloaded, its files do not match the commit, or there is something
            else where the run would be.
        ScriptforgeError: it is not a model that scriptforge wrote.
    """
    check_repository(repository)
    folder = _folder(workspace, repository)
    request = network.RemoteRequest(f"The model {repository}", HubError)
    with hub_client() as api:
        with request.translate_errors(revision):
            about = api.model_info(
                repository, revision=revision, files_metadata=True, timeout=network.TIMEOUT_SECONDS
            )
        before = HubRecord.load(folder)
        owner, commit = str(about.id).partition("/")[0], str(about.sha)
        notes = _changes(repository, before, owner, commit)
        if before and before.revision == commit and _is_whole(folder, before):
            return PullResult(folder, before, notes)
        with (
            folder.lock("being pulled"),
            atomic_folder(folder.path, check=lambda: _carry_over(folder, incoming)) as new,
        ):
            _last_pull(folder)
            incoming = RunFolder(new)
            offered = {each.rfilename: each for each in about.siblings or []}
            download = _Download(api, repository, commit, incoming, offered)
            with (
                watch_folder(incoming.path, repository, download.size, on_progress),
                request.translate_errors(revision),
            ):
                hashes = download.fetch()
            record = HubRecord(repository=repository, owner=owner, revision=commit, files=hashes)
            _complete(incoming, record)
    return PullResult(folder, record, notes)


def find_run(
    workspace: Workspace, name: str | None, *, on_progress: ProgressCallback = no_progress
) -> tuple[RunFolder, list[str]]:
    """Return the run that a name stands for: a run of the workspace, a folder, or a model on the Hub.

    A model on the Hub is pulled. If that fails, a copy that was pulled before is used.

    Args:
        workspace: the workspace.
        name: a run, a folder or `OWNER/NAME`; None is the latest run.
        on_progress: as in `pull`.

    Returns:
        The run, and messages for the user, one line each.

    Raises:
        ScriptforgeError: there is no such run, or it cannot be pulled.
    """
    if name is None or not REPOSITORY.fullmatch(name) or Path(name).exists():
        return workspace.run(name), []
    try:
        result = pull(workspace, name, on_progress=on_progress)
    except HubError as problem:
        folder = _folder(workspace, name)
        kept = HubRecord.load(folder)
        if not (kept and _is_whole(folder, kept)):
            raise
        return folder, [problem.message, f"Using {name} as it was pulled, at {kept.revision[:_SHORT]}."]
    return result.folder, list(result.notes)


@dataclass(frozen=True)
class _Download:
    """A download of a model into a folder; `offered` are the files of the commit, by name."""

    api: "HfApi"
    repository: str
    commit: str
    folder: RunFolder
    offered: "Mapping[str, RepoSibling]"

    @property
    def size(self) -> int:
        """Return the number of bytes to download."""
        wanted = (*self.folder.needed, self.folder.lexicon.name, self.folder.card.name)
        return sum(self.offered[name].size or 0 for name in wanted if name in self.offered)

    def fetch(self) -> dict[str, str]:
        """Download the files and return their hashes; the config comes first, since it limits the weights."""
        folder = self.folder
        for name in folder.needed:
            if name not in self.offered:
                raise HubError(
                    f"{self.repository} has no {name}, so it is not a scriptforge model.",
                    "Pull a repository that was made with scriptforge push.",
                )
        from scriptforge.run.run import MAX_HEADER, MAX_VOCABULARY, weights_size
        from scriptforge.vocabulary.lexicon import MAX_LEXICON

        hashes = {folder.config.name: self._fetch_file(folder.config, MAX_CONFIG)}
        limit = weights_size(RunDescription.load(folder)) + MAX_HEADER
        hashes[folder.tokenizer.name] = self._fetch_file(folder.tokenizer, MAX_VOCABULARY)
        hashes[folder.weights.name] = self._fetch_file(folder.weights, limit)
        for path, most in ((folder.lexicon, MAX_LEXICON), (folder.card, MAX_CONFIG)):
            if path.name in self.offered:
                hashes[path.name] = self._fetch_file(path, most)
        return hashes

    def _fetch_file(self, path: Path, limit: int) -> str:
        """Download a file of at most `limit` bytes, verify it against the commit, and return its SHA-256."""
        offered = self.offered[path.name]
        size = offered.size or 0
        if size > limit:
            raise HubError(
                f"{path.name} of {self.repository} has {size:,} bytes; at most {limit:,} are accepted.",
                "Ask its owner what it is: scriptforge writes no such file.",
            )
        self.api.hf_hub_download(self.repository, path.name, revision=self.commit, local_dir=self.folder.path)
        if not matches_commit(path, offered):
            raise HubError(
                f"{path.name} of {self.repository} does not match its commit: it was damaged in transit.",
                "Pull it again.",
            )
        return sha256_of(path)


def _complete(incoming: RunFolder, record: HubRecord) -> None:
    """Check that downloaded files are a usable model, delete any others, and write the record."""
    from scriptforge.run.run import Run

    Run(incoming)
    for path in incoming.path.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in record.files:
            path.unlink()
    atomic_write(incoming.hub, record.model_dump_json(indent=2) + "\n")


def _last_pull(folder: RunFolder) -> HubRecord | None:
    """Return the record of the last pull into a folder; None if nothing is there.

    Raises:
        HubError: what is there is not from a pull.
    """
    path = folder.path
    record = None if path.is_symlink() else HubRecord.load(folder)
    is_free = not os.path.lexists(path) or (path.is_dir() and not any(path.iterdir()))
    if record is None and not is_free:
        raise HubError(
            f"There is something at {path} that was not pulled from the Hub.",
            "Rename or move it, or pull into another workspace with --workspace.",
        )
    return record


def _carry_over(folder: RunFolder, incoming: RunFolder) -> None:
    """Add to a new pull what the user has put into the folder of the last one.

    Files are linked and not moved, so that a kill leaves them in the old folder, or in the new one.

    Raises:
        HubError: what is there is not from a pull, or cannot be kept beside the new files.
    """
    record = _last_pull(folder)
    if record is None:
        return
    pulled = {*record.files, folder.hub.name}
    for path in folder.path.iterdir():
        if path.name not in pulled and os.path.lexists(incoming.path / path.name):
            raise HubError(
                f"{path} was not pulled from the Hub, and is in the way of a file that would be.",
                "Rename or move it, then pull again.",
            )
    try:
        shutil.copytree(
            folder.path,
            incoming.path,
            symlinks=True,
            ignore=lambda inside, _: pulled if Path(inside) == folder.path else (),
            copy_function=_link,
            dirs_exist_ok=True,
        )
    except shutil.Error as error:
        raise disk_error(error) or HubError(
            f"What else is in {folder.path} cannot be kept: {error.args[0][0][-1]}.",
            "Move it elsewhere, then pull again.",
        ) from error
    for inside, _, _ in os.walk(incoming.path):
        sync_folder(Path(inside))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _folder(workspace: Workspace, repository: str) -> RunFolder:
    return RunFolder(workspace.root / "runs" / repository.replace("/", "--"))


def _is_whole(folder: RunFolder, record: HubRecord) -> bool:
    """Return whether the files of a pulled run are unchanged."""
    return all(
        (folder.path / name).is_file() and sha256_of(folder.path / name) == record.files.get(name)
        for name in (*folder.needed, folder.lexicon.name)
        if name in folder.needed or name in record.files
    )


def _changes(repository: str, before: HubRecord | None, owner: str, commit: str) -> tuple[str, ...]:
    """Return messages about changes of the repository since the model was last pulled."""
    if before is None:
        return ()
    notes = []
    if before.owner != owner:
        notes.append(f"{repository} now belongs to {owner}; when you last used it, to {before.owner}.")
    if before.revision != commit:
        notes.append(
            f"{repository} has changed: it is at {commit[:_SHORT]}, and was at {before.revision[:_SHORT]}"
            " when you last used it."
        )
    return tuple(notes)
