"""Download of a corpus's files, from the web or from a dataset on the Hub.

A file from the web is cached under the SHA-256 of its bytes. A cached file is verified and used without
network access; a file with an unexpected hash is never cached. Requests go through the Hub client's HTTP
session, which handles proxies and certificates, but carry no token.

For a dataset on the Hub, the revision is resolved to a commit first, and the files are requested at that
commit, so that the recorded revision is the one that was read. Loading a repository by name would silently
fall back to another cached commit when there is no network.
"""

import glob
import hashlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from scriptforge.corpus.cards import FULL_REVISION, OWN_FILE, HubDataset, WebFile
from scriptforge.corpus.order import name_order
from scriptforge.errors import CorpusError
from scriptforge.net import errors as network
from scriptforge.net.client import ProgressCallback, hub_client, matches_commit, sha256_of, watch_folder
from scriptforge.workspace import atomic_write, make_folder
from scriptforge.workspace.scratch import scratch_folder

if TYPE_CHECKING:
    from huggingface_hub.hf_api import DatasetInfo, HfApi, RepoSibling

_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
_CHUNK = 1 << 16
_PREFERRED = ((".parquet",), (".csv", ".tsv", ".json", ".jsonl"), (".txt", ".fountain"))
_DESCRIPTIONS = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json"}
_CONVERTED = "refs/convert/parquet"
"""The branch to which the Hub converts datasets as parquet tables, even those that need a loading script."""

_SPLITS = ("train", "validation", "valid", "val", "dev", "test")


def download(file: WebFile, on_progress: ProgressCallback) -> Path:
    """Return the local path of a file, downloading it unless it is cached.

    Raises:
        CorpusError: it cannot be downloaded, or its SHA-256 is not the expected one.
    """
    from datasets import config

    cache = Path(config.HF_DATASETS_CACHE) / "scriptforge"
    name = _file_name(file.url)
    index = cache / "urls" / hashlib.sha256(file.url.encode()).hexdigest()
    promised = file.sha256 or _remembered(index)
    kept = cache / promised / name
    if promised and kept.is_file() and sha256_of(kept) == promised:
        return kept
    with scratch_folder(cache / name) as incoming:
        arrived = incoming / name
        sha256 = _retrieve(file.url, arrived, on_progress)
        if file.sha256 and sha256 != file.sha256:
            raise CorpusError(
                f"“{name}” is not the expected file: its SHA-256 is {sha256}, not {file.sha256}.",
                "It has changed at its source or was damaged in transit: try again, or use --from PATH.",
            )
        kept = cache / sha256 / name
        make_folder(kept.parent)
        arrived.replace(kept)
    if not file.sha256:
        atomic_write(index, sha256)
    return kept


def _remembered(index: Path) -> str:
    """Return the SHA-256 of what an address had when it was last downloaded; empty if that is not known."""
    content = index.read_bytes() if index.is_file() else b""
    return content.decode() if re.fullmatch(rb"[0-9a-f]{64}", content) else ""


def _retrieve(url: str, path: Path, on_progress: ProgressCallback) -> str:
    """Download to a path, retrying after errors that may be temporary, and return the SHA-256."""
    from huggingface_hub.utils import httpx

    request = network.RemoteRequest(
        f"“{path.name}” on {urlsplit(url).hostname}", CorpusError, alternative=OWN_FILE
    )
    # Errors that a second attempt would only delay.
    hopeless = (httpx.TimeoutException, httpx.ProxyError, httpx.ConnectError)
    for attempt in range(1, _ATTEMPTS + 1):
        with request.translate_errors():
            try:
                return _receive(url, path, on_progress)
            except httpx.HTTPStatusError as error:
                if attempt == _ATTEMPTS or error.response.status_code < 500:
                    raise
            except httpx.HTTPError as error:
                if attempt == _ATTEMPTS or isinstance(error, hopeless):
                    raise
        time.sleep(_PAUSE_SECONDS * attempt)
    raise AssertionError("the last attempt returns or raises")


def _receive(url: str, path: Path, on_progress: ProgressCallback) -> str:
    """Download to a path in one attempt, and return the SHA-256."""
    from huggingface_hub.utils import get_session

    sha256 = hashlib.sha256()
    request = get_session().stream(
        "GET",
        url,
        headers={"Accept-Encoding": "identity"},
        follow_redirects=True,
        timeout=network.TIMEOUT_SECONDS,
    )
    with request as response, path.open("wb") as file:
        response.raise_for_status()
        total = int(response.headers.get("Content-Length", 0)) or None
        done = 0
        for chunk in response.iter_bytes(_CHUNK):
            file.write(chunk)
            sha256.update(chunk)
            done += len(chunk)
            on_progress(path.name, done, total)
    return sha256.hexdigest()


def _file_name(url: str) -> str:
    """Return a safe file name made from a URL, with its extension, since that selects the reader."""
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    return re.sub(r"[^\w. ()-]", "_", last).lstrip(". ")[-100:] or "download"


@dataclass(frozen=True)
class Snapshot:
    """Local copies of files of a dataset repository.

    Attributes:
        revision: the commit they are from, as 40 hexadecimal digits.
        folder: the folder that contains them.
        files: their paths inside the repository, in reading order.
    """

    revision: str
    folder: Path
    files: tuple[str, ...]


def take_snapshot(dataset: HubDataset, on_progress: ProgressCallback) -> Snapshot:
    """Return local copies of a dataset's files, downloading them unless they are cached.

    Raises:
        CorpusError: they cannot be downloaded; the message gives the cause and the remedy.
    """
    is_settled = re.fullmatch(FULL_REVISION, dataset.revision or "")
    kept = _cached_snapshot(dataset) if is_settled else None
    return kept or _downloaded(dataset, on_progress)


def _cached_snapshot(dataset: HubDataset) -> Snapshot | None:
    """Return the snapshot of a commit if all its files are cached, without network access.

    The files are those that the card names, or are chosen from the cached file list of the commit: the
    cached files alone do not suffice, since another program may have downloaded only some of them.
    """
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import (
        CachedRepoTreeNotFoundError,
        HFValidationError,
        LocalEntryNotFoundError,
    )

    revision = str(dataset.revision)
    try:
        files = dataset.files or _chosen(
            each.path for each in get_cached_repo_tree(dataset.hub, repo_type="dataset", revision=revision)
        )
        with hub_client() as api:
            path = api.snapshot_download(
                dataset.hub,
                repo_type="dataset",
                revision=revision,
                allow_patterns=_patterns(files),
                local_files_only=True,
            )
    except (CachedRepoTreeNotFoundError, LocalEntryNotFoundError, HFValidationError):
        return None
    is_whole = files and all((Path(path) / file).is_file() for file in files)
    return Snapshot(revision, Path(path), files) if is_whole else None


def _downloaded(dataset: HubDataset, on_progress: ProgressCallback) -> Snapshot:
    what = f"The Hub dataset {dataset.hub}"
    request = network.RemoteRequest(what, CorpusError, alternative=OWN_FILE)
    with hub_client() as api, request.translate_errors(dataset.revision):
        info = api.dataset_info(
            dataset.hub, revision=dataset.revision, timeout=network.TIMEOUT_SECONDS, files_metadata=True
        )
        siblings = _siblings(info)
        files = dataset.files or _chosen(siblings)
        if not files and dataset.revision is None and (converted := _converted(api, dataset)):
            info, siblings = converted, _siblings(converted)
            files = _chosen(_of_one_configuration(siblings))
        _require(files, siblings, what)
        total = sum(siblings[file].size or 0 for file in files) or None
        with watch_folder(_cache_folder(dataset), dataset.hub, total, on_progress):
            folder = api.snapshot_download(
                dataset.hub, repo_type="dataset", revision=info.sha, allow_patterns=_patterns(files)
            )
    for file in files:
        _verify(Path(folder) / file, siblings[file], what)
    return Snapshot(str(info.sha), Path(folder), files)


def _patterns(files: Iterable[str]) -> list[str]:
    """Return names as the patterns that match them alone: `scenes[1].csv` would be `scenes1.csv`."""
    return [glob.escape(file) for file in files]


def _siblings(info: "DatasetInfo") -> "dict[str, RepoSibling]":
    return {sibling.rfilename: sibling for sibling in info.siblings or ()}


def _converted(api: "HfApi", dataset: HubDataset) -> "DatasetInfo | None":
    """Return the Hub's parquet conversion of a dataset; None if there is none."""
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        return api.dataset_info(
            dataset.hub, revision=_CONVERTED, timeout=network.TIMEOUT_SECONDS, files_metadata=True
        )
    except RevisionNotFoundError:
        return None


def _of_one_configuration(paths: Iterable[str]) -> list[str]:
    """Return the files of the default or else the first configuration; others may repeat the same rows."""
    paths = list(paths)
    names = sorted({path.partition("/")[0] for path in paths if "/" in path}, key=name_order)
    chosen = "default" if "default" in names else next(iter(names), "")
    return [path for path in paths if path.startswith(f"{chosen}/")]


def _verify(path: Path, sibling: "RepoSibling", what: str) -> None:
    """Remove a file from the cache, and raise, if its hash is wrong: the client compares only its size.

    Raises:
        CorpusError: the file is not the one of its commit.
    """
    if not matches_commit(path, sibling):
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise CorpusError(
            f"The download of {what[:1].lower()}{what[1:]} is incomplete: “{sibling.rfilename}” was damaged.",
            "Try again.",
        )


def _cache_folder(dataset: HubDataset) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=dataset.hub, repo_type="dataset") / "blobs"


def _require(files: tuple[str, ...], present: Iterable[str], what: str) -> None:
    if not files:
        raise CorpusError(
            f"{what} has neither tables nor text.",
            "Loading scripts are not run, and the Hub has made no tables of this one; images and sound cannot"
            " be read.",
        )
    missing = [file for file in files if file not in present]
    if missing:
        raise CorpusError(f"{what} has no file “{missing[0]}”.", "Correct “files” in the card.")


def _chosen(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the files to read: those of the most preferred type that occurs, training split first."""
    visible = [path for path in paths if not any(part.startswith(".") for part in path.split("/"))]
    for extensions in _PREFERRED:
        chosen = [
            path
            for path in visible
            if path.endswith(extensions) and PurePosixPath(path).name not in _DESCRIPTIONS
        ]
        if chosen:
            return tuple(sorted(chosen, key=_reading_order))
    return ()


def _reading_order(path: str) -> tuple[object, ...]:
    words = re.split(r"[^a-z]+", path.lower())
    rank = next((number for number, split in enumerate(_SPLITS) if split in words), len(_SPLITS))
    return rank, name_order(path)
