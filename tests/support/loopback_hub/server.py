"""The server: takes requests, remembers them, and answers unless it is told to misbehave."""

import re
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

from support.loopback_hub.faults import Fault, Occasion
from support.loopback_hub.messages import Answer, Seen
from support.loopback_hub.registry import Registry
from support.loopback_hub.routes import answer
from support.loopback_hub.serving import Served

AnyHandler = TypeVar("AnyHandler", bound=BaseHTTPRequestHandler)


class Hub(Registry):
    """A Hub with its users, repositories and faults.

    Attributes:
        seen: every request, in order.
        stopped: set when it ends.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._occasions: list[Occasion] = []
        self._changing = threading.RLock()
        self._served = Served(_handler(self))
        self.stopped = self._served.stopped
        super().__init__(self._served.address)

    def stop(self) -> None:
        """Ends it; what stalls is let go."""
        self._served.stop()

    def misbehave(self, fault: Fault, *, method: str = "", path: str = "", times: int = 1_000_000) -> None:
        """Lets a fault occur with requests of a method whose path has a part."""
        self._occasions.append(Occasion(fault, method, path, times))

    def behave(self) -> None:
        """Ends all faults."""
        self._occasions.clear()

    def asked(self, method: str, path: str = "") -> list[Seen]:
        """The requests of a method whose path has a part."""
        return [seen for seen in self.seen if seen.method == method and path in seen.path]

    def fault(self, seen: Seen) -> Fault | None:
        """What goes wrong with a request."""
        with self._changing:
            takers = (one.fault for one in self._occasions if one.takes(seen.method, seen.path))
            return next(takers, None)

    def answer(self, seen: Seen) -> Answer:
        """What is answered when nothing goes wrong."""
        with self._changing:
            return answer(self, seen)


def _while_connected(
    serve: Callable[[AnyHandler], None],
) -> Callable[[AnyHandler], None]:
    """Return a method that ends the connection where whoever asked is gone."""

    def wrapped(handler: AnyHandler) -> None:
        try:
            serve(handler)
        except ConnectionError:
            handler.close_connection = True

    return wrapped


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        @_while_connected
        def _serve(self) -> None:
            address = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(address.query).items()}
            headers = {key.lower(): value for key, value in self.headers.items()}
            seen = Seen(self.command, address.path, query, headers, _body(self))
            hub.seen.append(seen)
            fault = hub.fault(seen) or Fault()
            if fault.stalls:
                hub.stopped.wait(60)
            if fault.stalls or fault.resets or hub.stopped.is_set():
                self._cut()
                return
            if fault.status is not None:
                self._send(seen, Answer(fault.status, b"{}", fault.headers), fault)
            else:
                self._send(seen, hub.answer(seen), fault)

        def _send(self, seen: Seen, answer: Answer, fault: Fault) -> None:
            body, status = fault.applied(answer.body), answer.status
            headers = {**answer.headers, **fault.headers}
            part = re.fullmatch(r"bytes=(\d+)-(\d*)", seen.headers.get("range", ""))
            if part and status == 200 and not fault.ignores_ranges:
                first, last = int(part[1]), int(part[2] or len(body) - 1)
                headers["Content-Range"] = f"bytes {first}-{min(last, len(body) - 1)}/{len(body)}"
                body, status = body[first : last + 1], 206
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if seen.method != "HEAD":
                self.wfile.write(body[: int(len(body) * fault.keeps)])
            if fault.keeps < 1:
                self._cut()

        def _cut(self) -> None:
            """Ends the connection with a reset."""
            self.wfile.flush()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        length = int(handler.headers.get("Content-Length") or 0)
        body = handler.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError
        return body
    body = b""
    while size := int(handler.rfile.readline(), 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body
