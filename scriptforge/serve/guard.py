"""The guard in front of every request: who may come in, how much they may bring, and how long they may take.

A page on this machine is not alone: any site that is open in the same browser may send requests to it, a name
on the web may point to 127.0.0.1 (DNS rebinding), and others on this machine can reach the port. So the Host
must be one of ours, the Origin, where there is one, must be the same, and whatever begins with `/api` needs
the token, which is in no cookie. Every answer carries a policy under which the page loads nothing from
elsewhere and runs no inline script.

Bodies are read here, whole, within a limit of size and of time, before anything else sees the request; all
that are in memory at once are limited, too. What has no use for a body may have none.
"""

import hashlib
import hmac
import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LIMITS = {
    "body": 8_000_000,
    "import": 20_000_000,
    "suggestions": 1_000_000,
    "login": 16_000,
    "bodies_together": 64_000_000,
}
"""Bytes of a body, by what is asked for, and of all bodies that are in memory at once."""

_LIMITED = ("import", "suggestions", "login")
"""What has a limit of its own."""

HEADER_BYTES = 32_768
"""Bytes that the headers of a request may have together."""

BODY_SECONDS = 20.0
"""How long the body of a request may take to arrive."""

_LONGEST_LENGTH = 19
"""Digits of a number of bytes."""

_FAILURES, _FAILURES_OF_ALL, _FAILURE_SECONDS, _MOST_CLIENTS = 5, 60, 60.0, 1_000

_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
    " font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


@dataclass(frozen=True)
class Rules:
    """Who may come in.

    Attributes:
        port: that of the server.
        names: names under which it may be called beside those of this machine.
        token: what every request to the API must have; None where anyone may use it.
        password: what a person types to be told the token; None where the link has it.
        takes_addresses: whether it may be called by any address of this machine, which no name on the web
            can stand for.
    """

    port: int
    names: frozenset[str] = frozenset()
    token: str | None = None
    password: str | None = None
    takes_addresses: bool = False

    def knows_host(self, host: str) -> bool:
        """Return whether a Host header is one of ours."""
        name, port = _split_port(host)
        if name in self.names:
            return True
        if name in ("127.0.0.1", "localhost", "[::1]"):
            return port in (self.port, None) if self.takes_addresses else port == self.port
        return self.takes_addresses and _is_address(name)

    def knows_token(self, authorization: str) -> bool:
        """Return whether an Authorization header has the token, or none is needed."""
        if self.token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.token.encode())


def token_for(secret: str, password: str | None) -> str:
    """Return the token of a room: it changes with the password, so that an old one lets nobody in."""
    return (
        secret
        if password is None
        else hmac.new(secret.encode(), password.encode(), hashlib.sha256).hexdigest()
    )


class Guard:
    """The guard as ASGI middleware.

    Args:
        app: what it guards.
        rules: who may come in.
    """

    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app = app
        self._rules = rules
        self._budget = BodyBudget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            return
        outgoing = _Outgoing(scope, send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, outgoing.send)
            return
        with self._budget.reservation() as reserve:
            body = await _read(receive, Headers(scope=scope), _limit(scope["path"]), reserve)
            if isinstance(body, JSONResponse):
                await body(scope, receive, outgoing.send)
            elif body is not None:
                await self._app(scope, _Incoming(body, receive).receive, outgoing.send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers, rules = Headers(scope=scope), self._rules
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
            return _error(431, "The request's headers are too large.", "Open the room in another browser.")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not rules.knows_host(hosts[0].lower()):
            return _error(
                403, "This host name is not allowed.", "Open the link that `scriptforge serve` printed."
            )
        if "transfer-encoding" in headers and "content-length" in headers:
            return _error(
                400, "The request has both Transfer-Encoding and Content-Length.", "Send only one of them."
            )
        origins = headers.getlist("origin")
        if origins and [each.lower() for each in origins] not in (
            [f"http://{hosts[0].lower()}"],
            [f"https://{hosts[0].lower()}"],
        ):
            return _error(403, "Pages from elsewhere may not use the room.", "Open the room itself.")
        if not scope["path"].startswith("/api"):
            return None
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _error(403, "Pages from elsewhere may not use the room.", "Open the room itself.")
        if scope["path"] == "/api/login" or rules.knows_token(headers.get("authorization", "")):
            return None
        answer: dict[str, Any] = {
            "error": "The token is missing or wrong.",
            "remedy": "Open the link that `scriptforge serve` printed.",
        }
        if rules.password is not None:
            answer |= {"login": True, "remedy": "Type the password."}
        return JSONResponse(answer, 401, {"www-authenticate": "Bearer"})


class LoginLimiter:
    """How many wrong passwords were tried lately, by client and in all."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def refusal(self, client: str) -> JSONResponse | None:
        """Return the answer to a client that may not try another password for now."""
        own, everybody = self._recent(client), self._recent("*")
        if len(own) >= _FAILURES or len(everybody) >= _FAILURES_OF_ALL:
            return busy(_FAILURE_SECONDS, "Too many passwords were tried.")
        return None

    def count_failure(self, client: str) -> None:
        """Count one more wrong password."""
        for name in (client, "*"):
            self._recent(name).append(time.monotonic())

    def _recent(self, client: str) -> list[float]:
        now = time.monotonic()
        times = [each for each in self._times.pop(client, []) if now - each < _FAILURE_SECONDS]
        self._times[client] = times
        if len(self._times) > _MOST_CLIENTS:
            self._times.popitem(last=False)
        return times


class BodyBudget:
    """How many bytes all bodies together may have in memory."""

    def __init__(self) -> None:
        self._bytes = 0

    @contextmanager
    def reservation(self) -> Iterator[Callable[[int], bool]]:
        """Yield what reserves so many more bytes, if they are left, until the block ends; it says whether."""
        own = 0

        def reserve(size: int) -> bool:
            nonlocal own
            if self._bytes + size > LIMITS["bodies_together"]:
                return False
            self._bytes += size
            own += size
            return True

        try:
            yield reserve
        finally:
            self._bytes -= own


class _Incoming:
    """Gives the app a body that was read already, and then what comes after it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def receive(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Outgoing:
    """Adds the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._caches = not scope["path"].startswith("/api")
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            own = () if self._caches else ((b"cache-control", b"no-store"),)
            message = {**message, "headers": [*message.get("headers", []), *_HEADERS, *own]}
        await self._send(message)


async def _read(
    receive: Receive, headers: Headers, limit: int, reserve: Callable[[int], bool]
) -> bytes | JSONResponse | None:
    """Return a body, the answer to one that cannot be taken, or None if the client went away.

    Args:
        receive: where it comes from.
        headers: which may say how long it is.
        limit: how many bytes it may have.
        reserve: returns whether so many more may be in memory.
    """
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > _LONGEST_LENGTH or int(length) > limit:
        return _too_large(limit)
    parts: list[bytes] = []
    size = 0
    with anyio.move_on_after(BODY_SECONDS):
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                return _too_large(limit)
            if not reserve(len(part)):
                return busy()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)
    return _error(408, "The request took too long to arrive.", "Send it again.")


def _limit(path: str) -> int:
    """Return how many bytes a body may have: none where it is of no use, as with files of the page."""
    if not path.startswith("/api/"):
        return 0
    name = path.removeprefix("/api/")
    return LIMITS[name if name in _LIMITED else "body"]


def _too_large(limit: int) -> JSONResponse:
    return _error(413, f"The request has more than {limit:,} bytes.", "Send less at once.")


def busy(seconds: float = 1.0, what: str = "The room is busy.") -> JSONResponse:
    """Return the answer to a request that has to wait."""
    wait = max(1, round(seconds))
    return _error(429, what, f"Try again in {wait} s.", {"retry-after": str(wait)})


def _error(status: int, what: str, remedy: str, headers: dict[str, str] | None = None) -> JSONResponse:
    close = {"connection": "close"} if status in (408, 413) else {}
    return JSONResponse({"error": what, "remedy": remedy}, status, {**(headers or {}), **close})


def _split_port(host: str) -> tuple[str, int | None]:
    name, colon, port = host.rpartition(":")
    if not colon or name.endswith(":") or (host.startswith("[") and host.endswith("]")):
        return host, None
    return (name, int(port)) if port.isascii() and port.isdecimal() and len(port) < 6 else (host, None)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
