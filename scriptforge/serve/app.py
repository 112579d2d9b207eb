"""The application: what is served under which address, and how failures are said.

Every address of the API is one `Endpoint`; the reference page of the API is made from them. What they do
stands in the modules beside this one.
"""

import asyncio
import gzip
import json
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from scriptforge.errors import ScriptforgeError, UsageError
from scriptforge.serve.changes import Change
from scriptforge.serve.drafts import Behind, DiskFull, DraftMissing
from scriptforge.serve.elements import CLOSED, MOST_ELEMENTS, Name, PageElement
from scriptforge.serve.engine import Busy
from scriptforge.serve.files import ExportRequest, export_formats, import_suffixes, read_file, write_file
from scriptforge.serve.guard import LIMITS, busy
from scriptforge.serve.marks import MarksRequest, mark
from scriptforge.serve.prompt import MOST_LINES_READ, SuggestionRequest
from scriptforge.serve.room import Room
from scriptforge.validation import first_problem

PAGE = Path(__file__).with_name("page")
"""The folder of the page's files."""

HEARTBEAT_SECONDS = 15.0
"""After how long without news a stream of changes has an empty line."""

_LARGEST_SETTINGS = 64_000
ModelT = TypeVar("ModelT", bound=BaseModel)


class NewDraft(BaseModel):
    """A draft to be made.

    Attributes:
        title: what it is called.
        run: the model that it is written with.
        elements: what it begins with.
    """

    model_config = CLOSED

    title: str = Field(max_length=400)
    run: Name = ""
    elements: list[PageElement] = Field(default=[], max_length=MOST_ELEMENTS)


class DraftFields(BaseModel):
    """What is changed of a draft beside its elements; what is left out stays.

    Attributes:
        title: what it is called.
        run: the model that it is written with.
        settings: what a page wants to remember of it.
    """

    model_config = CLOSED

    title: str = Field("", max_length=400)
    run: Name = ""
    settings: dict[str, Any] = {}


class Login(BaseModel):
    """A password.

    Attributes:
        password: what a person typed.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    password: str = Field(max_length=1_000)


@dataclass(frozen=True)
class Endpoint:
    """One address of the API.

    Attributes:
        method: how it is asked.
        path: its address, below `/api`.
        does: what it does, in a sentence.
        answers: what it answers, in a sentence.
        handler: what answers.
        body: what the body of a request says; None where there is none, or it is a file.
        is_for_writers: whether it is left out in a room for visitors.
    """

    method: str
    path: str
    does: str
    answers: str
    handler: Callable[[Room, Request], Awaitable[Response]]
    body: type[BaseModel] | None = None
    is_for_writers: bool = False


async def _about(room: Room, request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(_describe, room))


def _describe(room: Room) -> dict[str, Any]:
    runs = room.runs.about()
    return {
        "version": version("scriptforge-lm"),
        "mode": "writer" if room.drafts else "visitor",
        "runs": runs,
        "default_run": runs[0]["name"] if runs else None,
        "limits": {**LIMITS, "lines_read": MOST_LINES_READ, "elements": MOST_ELEMENTS},
        "import": import_suffixes(),
        "export": export_formats(),
        "notes": room.drafts.notes if room.drafts else [],
    }


async def _login(room: Room, request: Request) -> Response:
    given = await _body(request, Login)
    token = room.token_for(given.password)
    if token is None:
        return problem(401, "The password is wrong.", "Ask whoever runs the room.")
    return JSONResponse({"token": token})


async def _list(room: Room, request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(room.kept.summaries))


async def _create(room: Room, request: Request) -> Response:
    asked = await _body(request, NewDraft)
    draft = await run_in_threadpool(room.kept.create, asked.title, asked.run, asked.elements)
    return JSONResponse(draft, 201)


async def _read(room: Room, request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(room.kept.get, request.path_params["id"]))


async def _update(room: Room, request: Request) -> Response:
    id_, asked = request.path_params["id"], await _body(request, DraftFields)
    fields = asked.model_dump(exclude_unset=True)
    if len(json.dumps(fields.get("settings", {}))) > _LARGEST_SETTINGS:
        raise UsageError("The settings of a draft are too large.", "Keep less there.")
    after = await run_in_threadpool(partial(room.kept.update, id_, **fields))
    room.tell(id_, after)
    return JSONResponse(after)


async def _delete(room: Room, request: Request) -> Response:
    id_ = request.path_params["id"]
    await run_in_threadpool(room.kept.remove, id_)
    room.tell(id_, {"removed": True})
    return JSONResponse({})


async def _change(room: Room, request: Request) -> Response:
    id_, change = request.path_params["id"], await _body(request, Change)
    revision, news = await run_in_threadpool(room.kept.change, id_, change)
    if news is not None:
        room.tell(id_, news)
    return JSONResponse({"revision": revision})


async def _changes(room: Room, request: Request) -> Response:
    id_, after = request.path_params["id"], _number(request.query_params.get("after", "0"))
    listener = room.listen(id_)
    try:
        revision, missed = await run_in_threadpool(room.kept.changes, id_, after)
    except BaseException:
        room.leave(id_, listener)
        raise
    first = [{"reload": True, "revision": revision}] if missed is None else missed
    return _stream(_followed(room, id_, listener, first, revision))


async def _followed(
    room: Room,
    id_: str,
    listener: "asyncio.Queue[dict[str, Any]]",
    first: Sequence[dict[str, Any]],
    seen: int,
) -> AsyncIterator[bytes]:
    """Yield changes as lines, those that were missed first, and an empty line now and then."""
    try:
        yield _lines(first) or b"\n"
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    news = await listener.get()
            except TimeoutError:
                yield b"\n"
                continue
            if news.get("revision", seen + 1) > seen:
                yield _lines([news])
            if news.get("removed") or news.get("reload"):
                return
    finally:
        room.leave(id_, listener)


async def _suggest(room: Room, request: Request) -> Response:
    events = await room.engine.begin(await _body(request, SuggestionRequest))
    return _stream(_written(events))


async def _written(events: AsyncIterator[list[dict[str, Any]]]) -> AsyncIterator[bytes]:
    try:
        async for news in events:
            yield _lines(news)
    except ScriptforgeError as failure:
        yield _lines([{"error": failure.message, "remedy": failure.hint}])


async def _mark(room: Room, request: Request) -> Response:
    asked = await _body(request, MarksRequest)
    is_ready, text = await run_in_threadpool(room.texts.get, asked.run)
    if not is_ready:
        return JSONResponse({"ready": False, "lines": []}, 202)
    lines = [] if text is None else await run_in_threadpool(mark, asked.lines, text)
    return JSONResponse({"ready": True, "known": text is not None, "lines": lines})


async def _import(room: Room, request: Request) -> Response:
    name, content = request.query_params.get("name", "")[:400], await request.body()
    async with room.reading:
        return JSONResponse(await run_in_threadpool(read_file, name, content))


async def _export(room: Room, request: Request) -> Response:
    asked = await _body(request, ExportRequest)
    format = request.query_params.get("format", "")
    async with room.reading:
        content, media, name = await run_in_threadpool(write_file, asked, format)
    return Response(
        content, media_type=media, headers={"content-disposition": f'attachment; filename="{name}"'}
    )


ENDPOINTS = (
    Endpoint(
        "GET",
        "/about",
        "Say what the room is and which runs it has.",
        "The version, the `mode`, the runs.",
        _about,
    ),
    Endpoint("POST", "/login", "Exchange a password for the token.", "The `token`.", _login, Login),
    Endpoint("GET", "/drafts", "List the drafts.", "A summary of each, the latest first.", _list, None, True),
    Endpoint("POST", "/drafts", "Make a draft.", "The draft, with status 201.", _create, NewDraft, True),
    Endpoint(
        "GET", "/drafts/{id}", "Read a draft.", "The draft with its elements and branches.", _read, None, True
    ),
    Endpoint(
        "PATCH", "/drafts/{id}", "Change title, run or settings.", "All three.", _update, DraftFields, True
    ),
    Endpoint("DELETE", "/drafts/{id}", "Delete a draft.", "An empty object.", _delete, None, True),
    Endpoint(
        "POST",
        "/drafts/{id}/changes",
        "Change the elements or branches of a draft, in one transaction.",
        "The `revision` after it; 409 with what is missing if the change was made on another one.",
        _change,
        Change,
        True,
    ),
    Endpoint(
        "GET",
        "/drafts/{id}/changes",
        "Follow the changes of a draft after a revision, `?after=R`.",
        "A stream of JSON lines, one a change, and an empty line every 15 seconds.",
        _changes,
        None,
        True,
    ),
    Endpoint(
        "POST",
        "/suggestions",
        "Write alternatives of what may come next.",
        "A stream of JSON lines; closing the connection stops the writing.",
        _suggest,
        SuggestionRequest,
    ),
    Endpoint(
        "POST",
        "/marks",
        "Find words that stand in the training text in a row of six or more.",
        "The marks of each line; 202 while the training text is still being looked through.",
        _mark,
        MarksRequest,
    ),
    Endpoint(
        "POST",
        "/import",
        "Read a script from a file, the body; `?name=` says what the file is called.",
        "Its `title`, `elements`, `format` and `notes`.",
        _import,
    ),
    Endpoint(
        "POST",
        "/export",
        "Lay a script out as a file in a `?format=`.",
        "The file.",
        _export,
        ExportRequest,
    ),
)
"""Every address of the API, in the order of the reference."""


def build_app(room: Room) -> Starlette:
    """Return the application of a room; it is to stand behind a `Guard`."""
    page = Page(PAGE)
    endpoints = [each for each in ENDPOINTS if room.drafts or not each.is_for_writers]
    routes = [
        Route(f"/api{each.path}", partial(_answer, each.handler, room), methods=[each.method])
        for each in endpoints
    ]
    return Starlette(
        routes=[*routes, Route("/{name:path}", page.answer, methods=["GET"])],
        exception_handlers={HTTPException: _http_problem, 500: _unexpected},
    )


async def _answer(
    handler: Callable[[Room, Request], Awaitable[Response]], room: Room, request: Request
) -> Response:
    """Let a handler answer, and say what goes wrong in it."""
    try:
        return await handler(room, request)
    except ValidationError as invalid:
        wrong = first_problem(invalid)
        return problem(
            422, f"{wrong.key or 'The request'} {wrong.words}."[:400], "Send what the reference says."
        )
    except Behind as behind:
        return JSONResponse(
            {
                "error": "The draft has changed elsewhere.",
                "remedy": "Take these changes, then make yours again.",
                "revision": behind.revision,
                "changes": behind.changes,
            },
            409,
        )
    except Busy as waits:
        return busy(waits.seconds, waits.why)
    except DraftMissing as missing:
        return problem(404, missing.message, missing.hint)
    except DiskFull as full:
        return problem(507, full.message, full.hint)
    except ScriptforgeError as failure:
        return problem(422, failure.message, failure.hint)


def problem(status: int, what: str, remedy: str) -> JSONResponse:
    """Return the answer to a request that failed: what is wrong, and what to do."""
    return JSONResponse({"error": what, "remedy": remedy}, status)


async def _http_problem(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    answer = problem(failure.status_code, f"{failure.detail}.", "Look into the reference of the API.")
    answer.headers.update(failure.headers or {})
    return answer


async def _unexpected(request: Request, failure: Exception) -> Response:
    return problem(500, "Something went wrong in the room.", "Look at the terminal that it runs in.")


async def _body(request: Request, model: type[ModelT]) -> ModelT:
    return model.model_validate_json(await request.body())


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise UsageError("`after` must be the number of a revision.", "Send the revision that the page has.")
    return int(text)


def _lines(news: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(f"{json.dumps(each, ensure_ascii=False)}\n".encode() for each in news)


def _stream(lines: AsyncIterator[bytes]) -> StreamingResponse:
    return StreamingResponse(lines, media_type="application/x-ndjson", headers={"x-accel-buffering": "no"})


class Page:
    """The files of the page, by name: the ones that are there when the server starts, and no others.

    Args:
        folder: that they are in.
    """

    def __init__(self, folder: Path) -> None:
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        self._paths = {path.relative_to(folder).as_posix(): path for path in files}
        self._kept: dict[str, tuple[int, bytes, bytes, str]] = {}

    async def answer(self, request: Request) -> Response:
        """Answer with a file, which a browser asks for anew each time but gets only if it has changed."""
        name = request.path_params["name"] or "index.html"
        if name not in self._paths:
            raise HTTPException(404, "There is no such page")
        plain, packed, tag = await run_in_threadpool(self._content, name)
        headers = {"etag": tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        media = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(packed, media_type=media, headers={**headers, "content-encoding": "gzip"})
        return Response(plain, media_type=media, headers=headers)

    def _content(self, name: str) -> tuple[bytes, bytes, str]:
        path = self._paths[name]
        changed = path.stat().st_mtime_ns
        if name not in self._kept or self._kept[name][0] != changed:
            plain = path.read_bytes()
            tag = f'"{blake2b(plain, digest_size=12).hexdigest()}"'
            self._kept[name] = (changed, plain, gzip.compress(plain, mtime=0), tag)
        return self._kept[name][1:]
