"""Responses of the server: files of the page, streams of JSON lines, and errors.

The module does not know endpoints, drafts or models.
"""

import gzip
import json
import mimetypes
from collections.abc import AsyncIterator, Callable, Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

PAGE = Path(__file__).with_name("page")
"""The folder of the page's files."""


def error_response(status: int, error: str, remedy: str) -> JSONResponse:
    """Return the response to a request that failed: what is wrong, and what to do."""
    return JSONResponse({"error": error, "remedy": remedy}, status)


def attachment(name: str) -> dict[str, str]:
    """Return the header that makes a browser save a response under a name. Source: RFC 6266."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    return {"content-disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name)}"}


def as_json_lines(events: Iterable[dict[str, Any]]) -> bytes:
    """Return objects as lines of JSON."""
    return b"".join(f"{json.dumps(each, ensure_ascii=False)}\n".encode() for each in events)


class JsonLinesResponse(StreamingResponse):
    """A response of lines that are sent as they are produced.

    Args:
        lines: the lines, as bytes.
        on_close: called when the response ends, even if no line was sent.
    """

    def __init__(self, lines: AsyncIterator[bytes], on_close: Callable[[], None]) -> None:
        super().__init__(lines, media_type="application/x-ndjson", headers={"x-accel-buffering": "no"})
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_close()


class PageFiles:
    """The files of the page by name: those that exist when the server starts, and no others.

    Args:
        folder: the folder that contains them.
    """

    def __init__(self, folder: Path) -> None:
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        self._paths = {path.relative_to(folder).as_posix(): path for path in files}
        self._cache: dict[str, tuple[int, bytes, bytes, str]] = {}

    async def respond(self, request: Request) -> Response:
        """Return a file; a browser checks it on every use, and downloads it only if it has changed."""
        name = request.path_params["name"] or "index.html"
        if name not in self._paths:
            raise HTTPException(404, "There is no such page")
        plain, compressed, tag = await run_in_threadpool(self._content, name)
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        media = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(compressed, media_type=media, headers={**headers, "content-encoding": "gzip"})
        return Response(plain, media_type=media, headers=headers)

    def _content(self, name: str) -> tuple[bytes, bytes, str]:
        path = self._paths[name]
        changed = path.stat().st_mtime_ns
        if name not in self._cache or self._cache[name][0] != changed:
            plain = path.read_bytes()
            tag = f'"{blake2b(plain, digest_size=12).hexdigest()}"'
            self._cache[name] = (changed, plain, gzip.compress(plain, mtime=0), tag)
        return self._cache[name][1:]
