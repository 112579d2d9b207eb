"""The application: the endpoints of the API, and the responses to errors.

The reference page of the API is generated from the `Endpoint`s. Their work is done in the other modules of
this package.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from scriptforge.errors import ScriptforgeError, UsageError
from scriptforge.serve.changes import Change
from scriptforge.serve.copies import CopiesRequest, find_copied_spans
from scriptforge.serve.drafts import DiskFull, DraftMissing, RevisionConflict
from scriptforge.serve.elements import (
    CLOSED,
    MAX_ELEMENTS,
    MAX_TITLE_LENGTH,
    DraftSettings,
    Name,
    PageElement,
)
from scriptforge.serve.engine import Busy, Job
from scriptforge.serve.files import (
    ExportRequest,
    export_formats,
    import_suffixes,
    read_file,
    stored_name,
    write_file,
)
from scriptforge.serve.guard import LIMITS, busy_response
from scriptforge.serve.prompt import MAX_LINES_READ, SuggestionRequest
from scriptforge.serve.responses import (
    PAGE,
    JsonLinesResponse,
    PageFiles,
    as_json_lines,
    attachment,
    error_response,
)
from scriptforge.serve.room import Room, Subscription
from scriptforge.validation import first_problem

HEARTBEAT_SECONDS = 15.0
"""Seconds without changes after which a stream of changes sends an empty line."""

_MAX_SETTINGS = 64_000
ModelT = TypeVar("ModelT", bound=BaseModel)


class NewDraft(BaseModel):
    """A draft to create.

    Attributes:
        title: title of the draft.
        run: name of the run that it is written with.
        elements: its first elements.
    """

    model_config = CLOSED

    title: str = Field(max_length=MAX_TITLE_LENGTH)
    run: Name = ""
    elements: list[PageElement] = Field(default=[], max_length=MAX_ELEMENTS)


class DraftFields(BaseModel):
    """Fields of a draft to change, apart from its elements; those left out do not change.

    Attributes:
        title: title of the draft.
        run: name of the run that it is written with.
        settings: anything that the page stores with the draft.
    """

    model_config = CLOSED

    title: str = Field("", max_length=MAX_TITLE_LENGTH)
    run: Name = ""
    settings: DraftSettings = {}


class Login(BaseModel):
    """A password.

    Attributes:
        password: the password as typed.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    password: str = Field(max_length=1_000)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of the API.

    Attributes:
        method: HTTP method.
        path: path below `/api`.
        summary: what it does, as a sentence.
        response: what it returns, as a sentence.
        handler: the function that handles its requests.
        body: model of the request body; None if there is no body, or if it is a file.
        is_for_writers: whether a room for visitors lacks it.
    """

    method: str
    path: str
    summary: str
    response: str
    handler: Callable[[Room, Request], Awaitable[Response]]
    body: type[BaseModel] | None = None
    is_for_writers: bool = False


async def _about(room: Room, request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(_describe, room))


def _describe(room: Room) -> dict[str, Any]:
    runs = room.runs.summaries()
    return {
        "version": version("scriptforge-lm"),
        "mode": "writer" if room.drafts else "visitor",
        "runs": runs,
        "default_run": runs[0]["name"] if runs else None,
        "limits": {**LIMITS, "lines_read": MAX_LINES_READ, "elements": MAX_ELEMENTS},
        "import": import_suffixes(),
        "export": export_formats(),
        "notes": room.drafts.notes if room.drafts else [],
    }


async def _login(room: Room, request: Request) -> Response:
    body = await _parse_body(request, Login)
    client = request.client.host if request.client else ""
    if (refusal := room.logins.refusal(client)) is not None:
        return refusal
    token = room.token_for(body.password)
    if token is None:
        room.logins.count_failure(client)
        return error_response(401, "The password is wrong.", "Ask the person who runs the room.")
    return JSONResponse({"token": token})


async def _list(room: Room, request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(room.stored_drafts.summaries))


async def _create(room: Room, request: Request) -> Response:
    body = await _parse_body(request, NewDraft)
    draft = await run_in_threadpool(room.stored_drafts.create, body.title, body.run, body.elements)
    return JSONResponse(draft, 201)


async def _read(room: Room, request: Request) -> Response:
    return JSONResponse(await run_in_threadpool(room.stored_drafts.get, request.path_params["id"]))


async def _update(room: Room, request: Request) -> Response:
    id_, body = request.path_params["id"], await _parse_body(request, DraftFields)
    fields = body.model_dump(exclude_unset=True)
    if len(json.dumps(fields.get("settings", {}))) > _MAX_SETTINGS:
        raise UsageError("The settings of a draft are too large.", "Store less in them.")
    after = await run_in_threadpool(partial(room.stored_drafts.update, id_, **fields))
    room.publish(id_, {name: after[name] for name in fields})
    return JSONResponse(after)


async def _delete(room: Room, request: Request) -> Response:
    id_ = request.path_params["id"]
    await run_in_threadpool(room.stored_drafts.remove, id_)
    room.publish(id_, {"removed": True})
    return JSONResponse({})


async def _change(room: Room, request: Request) -> Response:
    id_, change = request.path_params["id"], await _parse_body(request, Change)
    revision, event = await run_in_threadpool(room.stored_drafts.change, id_, change)
    if event is not None:
        room.publish(id_, event)
    return JSONResponse({"revision": revision})


async def _changes(room: Room, request: Request) -> Response:
    id_, after = request.path_params["id"], _parse_revision(request.query_params.get("after", "0"))
    subscription = room.subscribe(id_)
    try:
        revision, missed = await run_in_threadpool(room.stored_drafts.changes, id_, after)
    except BaseException:
        room.unsubscribe(id_, subscription)
        raise
    first = [{"reload": True, "revision": revision}] if missed is None else missed
    return JsonLinesResponse(
        _stream_changes(subscription, first, revision), partial(room.unsubscribe, id_, subscription)
    )


async def _stream_changes(
    subscription: Subscription, first: Sequence[dict[str, Any]], seen: int
) -> AsyncIterator[bytes]:
    """Yield changes as lines of JSON, missed ones first, and empty lines as heartbeats."""
    yield as_json_lines(first) or b"\n"
    while True:
        try:
            async with asyncio.timeout(HEARTBEAT_SECONDS):
                event = await subscription.get()
        except TimeoutError:
            yield b"\n"
            continue
        if event is None:
            return
        if event.get("revision", seen + 1) > seen:
            yield as_json_lines([event])
        if event.get("removed") or event.get("reload"):
            return


async def _suggest(room: Room, request: Request) -> Response:
    job = await room.engine.submit(await _parse_body(request, SuggestionRequest))
    return JsonLinesResponse(_stream_events(job), job.cancel)


async def _stream_events(job: Job) -> AsyncIterator[bytes]:
    try:
        async for events in job.events():
            yield as_json_lines(events)
    except ScriptforgeError as failure:
        yield as_json_lines([{"error": failure.message, "remedy": failure.hint}])


async def _find_copies(room: Room, request: Request) -> Response:
    body = await _parse_body(request, CopiesRequest)
    is_ready, text = await run_in_threadpool(room.texts.get, body.run)
    if not is_ready:
        return JSONResponse({"ready": False, "lines": []}, 202)
    lines = [] if text is None else await run_in_threadpool(find_copied_spans, body.lines, text)
    return JSONResponse({"ready": True, "known": text is not None, "lines": lines})


async def _import(room: Room, request: Request) -> Response:
    name = request.query_params.get("name", "")[:400]
    with room.import_slot(), TemporaryDirectory(prefix="scriptforge-") as folder:
        path = Path(folder) / stored_name(name)
        await _store_body(request, path)
        async with room.file_slots:
            return JSONResponse(await run_in_threadpool(read_file, path, name))


async def _store_body(request: Request, path: Path) -> None:
    """Write the body of a request to a file, and release its memory."""
    try:
        with path.open("wb") as file:
            async for part in request.stream():
                await run_in_threadpool(file.write, part)
    except OSError as problem:
        raise DiskFull(
            f"The file could not be stored: {problem.strerror}.", "Free some space, or check the disk."
        ) from problem
    request.state.release_body()


async def _export(room: Room, request: Request) -> Response:
    body = await _parse_body(request, ExportRequest)
    format = request.query_params.get("format", "")
    async with room.file_slots:
        content, media, name = await run_in_threadpool(write_file, body, format)
    return Response(content, media_type=media, headers=attachment(name))


ENDPOINTS = (
    Endpoint(
        "GET",
        "/about",
        "Describe the room and its runs.",
        "The version, the `mode` and the runs.",
        _about,
    ),
    Endpoint("POST", "/login", "Exchange a password for the token.", "The `token`.", _login, Login),
    Endpoint("GET", "/drafts", "List the drafts.", "A summary of each, the latest first.", _list, None, True),
    Endpoint("POST", "/drafts", "Create a draft.", "The draft, with status 201.", _create, NewDraft, True),
    Endpoint(
        "GET", "/drafts/{id}", "Read a draft.", "The draft with its elements and branches.", _read, None, True
    ),
    Endpoint(
        "PATCH",
        "/drafts/{id}",
        "Change the title, run or settings of a draft.",
        "All three fields.",
        _update,
        DraftFields,
        True,
    ),
    Endpoint("DELETE", "/drafts/{id}", "Delete a draft.", "An empty object.", _delete, None, True),
    Endpoint(
        "POST",
        "/drafts/{id}/changes",
        "Change the elements or branches of a draft, in one transaction.",
        "The `revision` after it; 409 with the missed changes if it was made on another revision.",
        _change,
        Change,
        True,
    ),
    Endpoint(
        "GET",
        "/drafts/{id}/changes",
        "Follow the changes of a draft since revision `?after=R`.",
        "A stream of JSON lines, one for each change; an empty line after 15 seconds without any.",
        _changes,
        None,
        True,
    ),
    Endpoint(
        "POST",
        "/suggestions",
        "Suggest alternatives for what comes next.",
        "A stream of JSON lines; closing the connection stops the writing.",
        _suggest,
        SuggestionRequest,
    ),
    Endpoint(
        "POST",
        "/marks",
        "Find passages of six or more words that also occur in the training text.",
        "The copied spans of each line, in UTF-16 code units; 202 while the training text is being indexed.",
        _find_copies,
        CopiesRequest,
    ),
    Endpoint(
        "POST",
        "/import",
        "Import a script from a file, which is the body; `?name=` is the name of the file.",
        "Its `title`, `elements`, `format` and `notes`.",
        _import,
    ),
    Endpoint(
        "POST",
        "/export",
        "Export a script as a file in the format `?format=`.",
        "The file.",
        _export,
        ExportRequest,
    ),
)
"""Every endpoint of the API, in the order of the reference page."""


def build_app(room: Room) -> Starlette:
    """Return the application of a room, which must be wrapped in a `Guard`."""
    page = PageFiles(PAGE)
    endpoints = [each for each in ENDPOINTS if room.drafts or not each.is_for_writers]
    routes = [
        Route(f"/api{each.path}", partial(_respond, each.handler, room), methods=[each.method])
        for each in endpoints
    ]
    return Starlette(
        routes=[*routes, Route("/{name:path}", page.respond, methods=["GET"])],
        exception_handlers={HTTPException: _http_error, 500: _unexpected_error},
    )


async def _respond(
    handler: Callable[[Room, Request], Awaitable[Response]], room: Room, request: Request
) -> Response:
    """Return the response of a handler, or the error response if it fails."""
    try:
        return await handler(room, request)
    except ValidationError as invalid:
        wrong = first_problem(invalid)
        return error_response(
            422, f"{wrong.key or 'The request'} {wrong.words}."[:400], "See the API reference."
        )
    except RevisionConflict as conflict:
        return JSONResponse(
            {
                "error": "The draft has changed elsewhere.",
                "remedy": "Apply these changes, then send yours again.",
                "revision": conflict.revision,
                "changes": conflict.changes,
            },
            409,
        )
    except Busy as busy:
        return busy_response(busy.retry_after, busy.reason)
    except DraftMissing as missing:
        return error_response(404, missing.message, missing.hint)
    except DiskFull as full:
        return error_response(507, full.message, full.hint)
    except ScriptforgeError as failure:
        return error_response(422, failure.message, failure.hint)


async def _http_error(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)
    response = error_response(failure.status_code, f"{failure.detail}.", "See the API reference.")
    response.headers.update(failure.headers or {})
    return response


async def _unexpected_error(request: Request, failure: Exception) -> Response:
    return error_response(500, "Something went wrong on the server.", "See the terminal that it runs in.")


async def _parse_body(request: Request, model: type[ModelT]) -> ModelT:
    return model.model_validate_json(await request.body())


def _parse_revision(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise UsageError("`after` must be a revision number.", "Send the revision that the page has.")
    return int(text)
