"""The guard: middleware that checks every request, and limits its size and its duration.

The page is not the only client of the server: any site that is open in the same browser may send requests to
it, a domain name may resolve to 127.0.0.1 (DNS rebinding), and other users of this machine can reach the
port. So the Host header must be allowed, the Origin header, if there is one, must match it, and every path
under `/api` needs the token, which is never in a cookie. Every response carries a content security policy
under which the page loads nothing from elsewhere and runs no inline script.

Bodies are read here, whole, within limits of size and time, before the application sees the request; the size
of all bodies in memory together is limited, too. A body counts until its request is answered, or until the
application calls `request.state.release_body()`, because it has stored the body elsewhere. A request that
needs no body must not have one.
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
"""Maximum bytes of a body, by endpoint (`body` is for all others), and of all bodies in memory at once."""

_LIMITED = ("import", "suggestions", "login")
"""Endpoints that have their own limits."""

HEADER_BYTES = 32_768
"""Maximum bytes of all headers of a request."""

BODY_SECONDS = 20.0
"""Seconds within which the body of a request must arrive."""

_MAX_LENGTH_DIGITS = 19
"""Maximum digits of a Content-Length header."""

_FAILURES, _TOTAL_FAILURES, _FAILURE_SECONDS, _MAX_CLIENTS = 5, 60, 60.0, 1_000

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
class AccessRules:
    """What a request must satisfy.

    Attributes:
        port: port of the server.
        names: host names that are allowed besides those of this machine.
        token: token that every API request must carry; None if the API needs no token.
        password: password that is exchanged for the token; None if there is none.
        allows_addresses: whether any IP address is allowed as the host; DNS rebinding works with names only.
    """

    port: int
    names: frozenset[str] = frozenset()
    token: str | None = None
    password: str | None = None
    allows_addresses: bool = False

    def allows_host(self, host: str) -> bool:
        """Return whether a Host header is allowed."""
        name, port = _split_port(host)
        if name in self.names:
            return True
        if name in ("127.0.0.1", "localhost", "[::1]"):
            return port in (self.port, None) if self.allows_addresses else port == self.port
        return self.allows_addresses and _is_address(name)

    def allows_token(self, authorization: str) -> bool:
        """Return whether an Authorization header has the token; true if no token is needed."""
        if self.token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self.token.encode())


def token_for(secret: str, password: str | None) -> str:
    """Derive the token of a room from its secret and password: a new password makes old tokens invalid."""
    return (
        secret
        if password is None
        else hmac.new(secret.encode(), password.encode(), hashlib.sha256).hexdigest()
    )


class Guard:
    """ASGI middleware that checks requests before the application sees them.

    Args:
        app: the application.
        rules: what a request must satisfy.
    """

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules
        self._budget = BodyBudget()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or refuse it."""
        if scope["type"] != "http":
            return
        outgoing = _Outgoing(scope, send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, outgoing.send)
            return
        with self._budget.reservation() as reserved:
            body = await _read_body(receive, Headers(scope=scope), _body_limit(scope["path"]), reserved.add)
            if isinstance(body, JSONResponse):
                await body(scope, receive, outgoing.send)
            elif body is not None:
                incoming = _Incoming(body, receive)
                del body  # so that its memory is freed once the application has dropped it
                scope.setdefault("state", {})["release_body"] = reserved.release
                await self._app(scope, incoming.receive, outgoing.send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers, rules = Headers(scope=scope), self._rules
        if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
            return _error(431, "The request's headers are too large.", "Open the room in another browser.")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not rules.allows_host(hosts[0].lower()):
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
            return _error(403, "Other sites may not use the room.", "Open the room's own page.")
        if not scope["path"].startswith("/api"):
            return None
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return _error(403, "Other sites may not use the room.", "Open the room's own page.")
        if scope["path"] == "/api/login" or rules.allows_token(headers.get("authorization", "")):
            return None
        body: dict[str, Any] = {
            "error": "The token is missing or wrong.",
            "remedy": "Open the link that `scriptforge serve` printed.",
        }
        if rules.password is not None:
            body |= {"login": True, "remedy": "Enter the password."}
        return JSONResponse(body, 401, {"www-authenticate": "Bearer"})


class LoginLimiter:
    """A limit on wrong passwords within a minute, by client and in total."""

    def __init__(self) -> None:
        self._times: OrderedDict[str, list[float]] = OrderedDict()

    def refusal(self, client: str) -> JSONResponse | None:
        """Return the response that refuses another attempt by a client; None if it may try."""
        own, everybody = self._recent_failures(client), self._recent_failures("*")
        if len(own) >= _FAILURES or len(everybody) >= _TOTAL_FAILURES:
            return busy_response(_FAILURE_SECONDS, "Too many wrong passwords.")
        return None

    def count_failure(self, client: str) -> None:
        """Count a wrong password."""
        for name in (client, "*"):
            self._recent_failures(name).append(time.monotonic())

    def _recent_failures(self, client: str) -> list[float]:
        now = time.monotonic()
        times = [each for each in self._times.pop(client, []) if now - each < _FAILURE_SECONDS]
        self._times[client] = times
        if len(self._times) > _MAX_CLIENTS:
            self._times.popitem(last=False)
        return times


class BodyBudget:
    """A limit on the total bytes of request bodies in memory.

    Attributes:
        reserved: bytes that requests have reserved.
    """

    def __init__(self) -> None:
        self.reserved = 0

    @contextmanager
    def reservation(self) -> Iterator["Reservation"]:
        """Yield an empty reservation, which is released when the block ends."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            reservation.release()


class Reservation:
    """The bytes that one request has reserved."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self._own = 0

    def add(self, size: int) -> bool:
        """Reserve more bytes; return whether as many were left."""
        if self._budget.reserved + size > LIMITS["bodies_together"]:
            return False
        self._budget.reserved += size
        self._own += size
        return True

    def release(self) -> None:
        """Return all bytes to the budget."""
        self._budget.reserved -= self._own
        self._own = 0


class _Incoming:
    """A wrapper of `receive` that returns the body already read, and then passes on what follows it."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def receive(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


class _Outgoing:
    """A wrapper of `send` that adds the headers that every response has."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._caches = not scope["path"].startswith("/api")
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            own = () if self._caches else ((b"cache-control", b"no-store"),)
            message = {**message, "headers": [*message.get("headers", []), *_HEADERS, *own]}
        await self._send(message)


async def _read_body(
    receive: Receive, headers: Headers, limit: int, reserve: Callable[[int], bool]
) -> bytes | JSONResponse | None:
    """Return the body of a request, the response that refuses it, or None if the client disconnected.

    Args:
        receive: the ASGI function that returns the parts of the body.
        headers: headers of the request, which may declare the length.
        limit: maximum bytes of the body.
        reserve: reserves bytes in memory, and returns whether as many were left.
    """
    length = headers.get("content-length", "0")
    if not length.isdecimal() or len(length) > _MAX_LENGTH_DIGITS or int(length) > limit:
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
                return busy_response()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)
    return _error(408, "The request took too long to arrive.", "Send it again.")


def _body_limit(path: str) -> int:
    """Return the maximum bytes of a body: 0 for files of the page, whose requests need none."""
    if not path.startswith("/api/"):
        return 0
    name = path.removeprefix("/api/")
    return LIMITS[name if name in _LIMITED else "body"]


def _too_large(limit: int) -> JSONResponse:
    return _error(413, f"The request has more than {limit:,} bytes.", "Send less data at once.")


def busy_response(seconds: float = 1.0, reason: str = "The room is busy.") -> JSONResponse:
    """Return the response that asks a client to try again after some seconds."""
    wait = max(1, round(seconds))
    return _error(429, reason, f"Try again in {wait} s.", {"retry-after": str(wait)})


def _error(status: int, error: str, remedy: str, headers: dict[str, str] | None = None) -> JSONResponse:
    close = {"connection": "close"} if status in (408, 413) else {}
    return JSONResponse({"error": error, "remedy": remedy}, status, {**(headers or {}), **close})


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
