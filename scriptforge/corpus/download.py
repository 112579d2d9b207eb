"""Files on the web, brought into a cache under the SHA-256 of their bytes.

A file that is in the cache is checked and used; the network is not touched again. A file that does not
hash to what was promised is never kept. The connection is the Hub client's, which knows proxies and
certificates; no token is sent.
"""

import hashlib
import re
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from scriptforge.corpus.files import quiet_datasets
from scriptforge.corpus.locations import OWN_FILE, WebFile
from scriptforge.errors import CorpusError
from scriptforge.net import errors as network
from scriptforge.net.client import Progress, sha256_of
from scriptforge.workspace import atomic_write

_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
_CHUNK = 1 << 16


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
    if promised and kept.is_file() and sha256_of(kept) == promised:
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".incoming-", dir=cache) as incoming:
        arrived = Path(incoming) / name
        sha256 = _retrieve(file.url, arrived, progress)
        if file.sha256 and sha256 != file.sha256:
            raise CorpusError(
                f"“{name}” is not the file that was promised: its SHA-256 is {sha256}, not {file.sha256}.",
                "It has changed at its source or was damaged on the way: try again, or use --from PATH.",
            )
        kept = cache / sha256 / name
        kept.parent.mkdir(exist_ok=True)
        arrived.replace(kept)
    if not file.sha256:
        atomic_write(index, sha256)
    return kept


def _retrieve(url: str, path: Path, progress: Progress) -> str:
    """Downloads to a path, trying again where that may help, and gives the SHA-256."""
    from huggingface_hub.errors import OfflineModeIsEnabled
    from huggingface_hub.utils import httpx

    asked = network.Asked(f"“{path.name}” on {urlsplit(url).hostname}", CorpusError, instead=OWN_FILE)
    for attempt in range(1, _ATTEMPTS + 1):
        last = attempt == _ATTEMPTS
        try:
            return _receive(url, path, progress)
        except OfflineModeIsEnabled:
            raise asked.offline() from None
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if last or status < 500:
                raise asked.refused(status) from error
        except httpx.TimeoutException as error:
            raise asked.timed_out() from error
        except (httpx.ProxyError, httpx.ConnectError, httpx.InvalidURL) as error:
            raise asked.unreachable(str(error)) from error
        except httpx.HTTPError as error:
            if last:
                raise asked.unreachable(f"the connection broke ({error})") from error
        time.sleep(_PAUSE_SECONDS * attempt)
    raise AssertionError("the last attempt returns or raises")


def _receive(url: str, path: Path, progress: Progress) -> str:
    """One attempt: writes the response to a path and gives its SHA-256."""
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
            progress(path.name, done, total)
    return sha256.hexdigest()


def _file_name(url: str) -> str:
    """A safe file name made of an address, with its extension, which tells the kind of file."""
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    return re.sub(r"[^\w. ()-]", "_", last).lstrip(". ")[-100:] or "download"
