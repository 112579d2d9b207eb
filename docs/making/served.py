"""The page of the writing room's API: its endpoints and bodies, read from the application."""

import json
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, get_args

from pages import attributes, first_line, page, table
from pydantic import BaseModel

from scriptforge.serve.app import ENDPOINTS, HEARTBEAT_SECONDS
from scriptforge.serve.guard import BODY_SECONDS, LIMITS

STATUSES = {
    "400": "The request is no HTTP, or has both Transfer-Encoding and Content-Length.",
    "401": "The token is missing or wrong; with `login`, a password is exchanged for it.",
    "403": "The room is called by a name that is not its own, or another site asks.",
    "404": "There is nothing there.",
    "408": "The body did not arrive in time.",
    "409": "The draft has another revision: `changes` are those that are missing; null if they are not kept.",
    "413": "The body is too large.",
    "422": "What is asked cannot be done; `error` says why.",
    "429": "Too much at once; `Retry-After` says when to come again.",
    "507": "The disk is full, and nothing of the change was kept.",
}
EVENTS = {
    '{"n", "begin": {"kind", "speaker"}}': "An element begins; not told of one that is continued.",
    '{"n", "add"}': "Some more of its text.",
    '{"n", "element": {"kind", "speaker", "text"}}': "It is whole; of one that is continued, what was added.",
    '{"n", "done": true, "seed"}': "The alternative of this number is finished.",
    '{"error", "remedy"}': "It cannot go on.",
}


def http_api() -> str:
    """Return the page of all endpoints, their bodies, and the objects that bodies consist of."""
    bodies = [endpoint.body for endpoint in ENDPOINTS if endpoint.body]
    inner = list(dict.fromkeys(each for body in bodies for each in _inner(body)))
    return page(
        "The API of the writing room",
        "What the page asks of the server that `scriptforge serve` starts, for programs of your own. Every"
        " request has `Authorization: Bearer TOKEN`; the token is in the link that `serve` prints, behind"
        " `#token=`. Bodies and answers are JSON in UTF-8. An answer that is no success has an `error` and a"
        " `remedy`.",
        table(("status", "meaning"), STATUSES.items()),
        f"A body may have {LIMITS['body']:,} bytes, that of suggestions {LIMITS['suggestions']:,}, a file"
        f" {LIMITS['import']:,}, and has to arrive within {BODY_SECONDS:g} seconds. A stream without news"
        f" has an empty line every {HEARTBEAT_SECONDS:g} seconds.",
        *(part for endpoint in ENDPOINTS for part in _endpoint(endpoint)),
        "## What a stream of suggestions tells",
        table(("line", "meaning"), ((f"`{line}`", meaning) for line, meaning in EVENTS.items())),
        "## Objects",
        *(part for model in inner for part in _object(model)),
    )


def _endpoint(endpoint: Any) -> Iterator[str]:
    yield f"## {endpoint.method} /api{endpoint.path}"
    visitors = "" if not endpoint.is_for_writers else " Not in a room for visitors."
    yield f"{endpoint.summary} Answers: {endpoint.response[0].lower()}{endpoint.response[1:]}{visitors}"
    if endpoint.body:
        yield _fields(endpoint.body)


def _object(model: type[BaseModel]) -> Iterator[str]:
    yield f"### {model.__name__}"
    yield first_line(model)
    yield _fields(model)


def _fields(model: type[BaseModel]) -> str:
    schema = model.model_json_schema()["properties"]
    meanings = attributes(model)
    return table(
        ("key", "what it is", "if left out", "meaning"),
        (
            (
                f"`{name}`",
                ", ".join(dict.fromkeys(_kinds(schema[name]))),
                "" if field.is_required() else f"`{json.dumps(field.default)}`",
                meanings.get(name, ""),
            )
            for name, field in model.model_fields.items()
        ),
    )


def _kinds(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a value may be, with its bounds."""
    if "anyOf" in schema:
        for each in schema["anyOf"]:
            yield from _kinds(each)
    elif "$ref" in schema:
        yield schema["$ref"].rpartition("/")[2]
    elif "enum" in schema:
        yield " or ".join(schema["enum"])
    elif schema.get("type") == "array":
        most = f", at most {schema['maxItems']:,}" if "maxItems" in schema else ""
        yield f"a list of {next(_kinds(schema['items']))}{most}"
    elif schema.get("type") == "string":
        yield f"text up to {schema['maxLength']:,} characters" if "maxLength" in schema else "text"
    elif schema.get("type") in ("integer", "number"):
        most = schema.get("maximum", schema.get("exclusiveMaximum"))
        bounds = "" if "minimum" not in schema else f" {schema['minimum']:g} to {_bound(most)}"
        yield f"{'a whole number' if schema['type'] == 'integer' else 'a number'}{bounds}"
    else:
        yield {"object": "an object", "null": "null", "boolean": "true or false"}.get(
            schema.get("type", ""), "anything"
        )


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:,}" if value < 1e6 else "2⁵³"


def _inner(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield the objects that a body consists of, the outer ones first."""
    for field in model.model_fields.values():
        for each in _models(field.annotation):
            yield each
            yield from _inner(each)


def _models(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if isinstance(annotation, UnionType) or get_args(annotation):
        return [found for each in get_args(annotation) for found in _models(each)]
    return []
