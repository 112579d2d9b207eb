"""Files on the web, brought into a cache under the SHA-256 of their bytes.

A file that is in the cache is checked and used; the network is not touched again. A file that does not
hash to what was promised is never kept.
"""

import hashlib
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from scriptforge.corpus import network
from scriptforge.corpus.decoding import digest
from scriptforge.corpus.files import quiet_datasets
from scriptforge.corpus.locations import WebFile
from scriptforge.corpus.progress import Progress, watching
from scriptforge.errors import CorpusError
from scriptforge.workspace import atomic_write

_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5


def download(file: WebFile, progress: Progress) -> Path:
    """The file on this machine, downloaded unless it already is here.

    Raises:
        CorpusError: it cannot be had, or is not the file that was promised.
    """
    cache = Path(quiet_datasets().config.HF_DATASETS_CACHE) / "scriptforge"
    name = _file_name(file.url)
    index = cache / "urls" / hashlib.sha256(file.url.encode()).hexdigest()
    promised = file.sha256 or (index.read_text() if index.is_file() else "")
    kept = cache / promised / name
    if promised and kept.is_file() and digest(kept) == promised:
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=cache) as incoming:
        arrived = _retrieve(file.url, name, Path(incoming), progress)
        sha256 = digest(arrived)
        if file.sha256 and sha256 != file.sha256:
            raise CorpusError(
                f"“{name}” is not the file that its card promises: SHA-256 {sha256}, not {file.sha256}.",
                "The file at that address has changed or was damaged on the way: try again, or use --from PATH.",
            )
        kept = cache / sha256 / name
        kept.parent.mkdir(exist_ok=True)
        arrived.replace(kept)
    if not file.sha256:
        atomic_write(index, sha256)
    return kept


def _retrieve(url: str, name: str, folder: Path, progress: Progress) -> Path:
    """Downloads into an empty folder, trying again where that may help."""
    import aiohttp

    datasets = quiet_datasets()
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=network.TIMEOUT_SECONDS, sock_read=network.TIMEOUT_SECONDS
    )
    options = {"client_kwargs": {"timeout": timeout}}
    settings = datasets.DownloadConfig(
        cache_dir=folder,
        disable_tqdm=True,
        storage_options={"http": options, "https": options},
    )
    with watching(folder, name, None, progress):
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return Path(datasets.DownloadManager(download_config=settings).download(url))
            except datasets.utils.file_utils.huggingface_hub.errors.OfflineModeIsEnabled:
                raise network.offline(f"“{name}”") from None
            except (OSError, TimeoutError, aiohttp.ClientError) as error:
                problem, may_pass = _diagnosis(name, error)
                if attempt == _ATTEMPTS or not may_pass:
                    raise problem from error
                time.sleep(_PAUSE_SECONDS * attempt)
    raise AssertionError("the last attempt returns or raises")


def _diagnosis(name: str, error: BaseException) -> tuple[CorpusError, bool]:
    """The problem behind an exception, and whether it may pass by itself.

    The client wraps what happened in `FileNotFoundError`, so the causes are looked through.
    """
    import aiohttp

    what = f"“{name}”"
    for cause in _causes(error):
        if isinstance(cause, aiohttp.ClientResponseError):
            return network.refused(what, cause.status), cause.status >= 500 or cause.status == 429
        if isinstance(cause, TimeoutError):
            return network.timed_out(what), False
        if isinstance(cause, aiohttp.ClientPayloadError):
            return network.unreachable(what, "the connection broke before the file was complete"), True
        if isinstance(cause, aiohttp.ClientError):
            return network.unreachable(what, str(cause) or type(cause).__name__), False
    if isinstance(error, FileNotFoundError):
        return network.refused(what, 404), False
    return network.unreachable(what, str(error) or type(error).__name__), True


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__


def _file_name(url: str) -> str:
    """A safe file name made of an address, with its extension, which tells the kind of file."""
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    return re.sub(r"[^\w. ()-]", "_", last).lstrip(". ")[-100:] or "download"
