"""Connections of the server: how many may be open, and how long each may be idle.

A client has a limited time to send a request, and to read the response. If there are too many connections,
the idle one that has been silent for longest is closed. When the server stops, waiting clients are
notified. The module does not know what is requested.
"""

import asyncio
import errno
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from scriptforge.serve.guard import BODY_SECONDS

HEADER_SECONDS = 10.0
"""Seconds within which the head of a request must arrive."""

REST_SECONDS = BODY_SECONDS + 10.0
"""Seconds within which a body must arrive even if its request is already answered; cf. `BODY_SECONDS`."""

UNREAD_SECONDS = 30.0
"""Seconds that a client may leave a response unread."""

GRACE_SECONDS = 2
"""Seconds within which requests in progress must finish when the server stops."""

BACKLOG = 128
"""Maximum number of connections that wait to be accepted."""

_MIN_READ = 32_768
"""Bytes that a client must read within `UNREAD_SECONDS`, unless fewer are left."""

_NO_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_MAX_CONNECTIONS = 1_000
_DEFAULT_FILES = 1_024


class TimeoutProtocol(H11Protocol):
    """uvicorn's protocol, with timeouts for clients that are idle, slow to send, or do not read."""

    _request_timer: asyncio.TimerHandle | None = None
    _client_state: type[object] | None = None
    _unread_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request; if there are too many connections, close the longest idle one."""
        self._last_received = self.loop.time()
        super().connection_made(transport)
        self._limit_state(h11.IDLE)
        if len(self.connections) > max_connections():
            idle = (each for each in self.connections if isinstance(each, TimeoutProtocol) and each.is_idle)
            min(idle, key=lambda each: each._last_received).cut_off()

    @property
    def is_idle(self) -> bool:
        """Return whether the connection is open and has no unanswered request."""
        return not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete)

    def cut_off(self) -> None:
        """Close the connection at once, and discard unsent data, even in buffers of the operating system."""
        if not self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
            )
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Handle incoming data, and limit the time for the rest of the request."""
        self._last_received = self.loop.time()
        if self._unread_timer is not None and not self.flow.write_paused:
            self._unread_timer.cancel()
            self._unread_timer = None
        super().data_received(data)
        self._limit_state(self.conn.their_state)

    def pause_writing(self) -> None:
        """Pause sending, and limit the time until the client reads."""
        super().pause_writing()
        self._limit_unread()

    def on_response_complete(self) -> None:
        """Limit the time until the client has read the end of the response."""
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._limit_unread()

    def send_400_response(self, msg: str) -> None:
        """Respond to data that is not valid HTTP, unless a response has begun, and close the connection.

        If the data arrives in the middle of a request, its handler is notified that the client has
        disconnected. The response has no body, since the request may be a HEAD.
        """
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            for event in (h11.Response(status_code=400, headers=headers), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel all timeouts."""
        for timer in (self._request_timer, self._unread_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _limit_state(self, state: type[object]) -> None:
        """Limit the time that the client may stay in a state of h11, counted from its beginning."""
        if state is self._client_state:
            return
        self._client_state = state
        if self._request_timer is not None:
            self._request_timer.cancel()
        timeouts: dict[object, float] = {h11.IDLE: HEADER_SECONDS, h11.SEND_BODY: REST_SECONDS}
        seconds = timeouts.get(state)
        self._request_timer = None if seconds is None else self.loop.call_later(seconds, self.cut_off)

    def _limit_unread(self) -> None:
        if self._unread_timer is not None:
            self._unread_timer.cancel()
        unread = self.transport.get_write_buffer_size()
        self._unread_timer = self.loop.call_later(UNREAD_SECONDS, self._check_unread, unread)

    def _check_unread(self, before: int) -> None:
        self._unread_timer = None
        unread = self.transport.get_write_buffer_size()
        if unread > max(0, before - _MIN_READ):
            self.cut_off()
        elif unread:
            self._limit_unread()


class TimeoutServer(uvicorn.Server):
    """uvicorn's server, which notifies waiting clients when it stops, and cuts off those that stay.

    Args:
        config: uvicorn's configuration.
        close: called to notify the clients.
    """

    def __init__(self, config: uvicorn.Config, close: Callable[[], None]) -> None:
        super().__init__(config)
        self._close = close

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more requests, and end those in progress."""
        self._close()
        asyncio.get_running_loop().call_later(GRACE_SECONDS, self._cut_off)
        await super().shutdown(sockets)

    def _cut_off(self) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, TimeoutProtocol):
                connection.cut_off()


def max_connections() -> int:
    """Return the maximum number of open connections, which reserves file descriptors for files."""
    if sys.platform == "win32":
        return _DEFAULT_FILES // 2
    else:
        import resource
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(_MAX_CONNECTIONS, files // 2)


def log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report errors of an event loop, except a lack of file descriptors, which only makes clients wait."""
    problem = context.get("exception")
    if not (isinstance(problem, OSError) and problem.errno in (errno.EMFILE, errno.ENFILE)):
        loop.default_exception_handler(context)
