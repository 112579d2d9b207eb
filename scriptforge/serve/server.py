"""The server: its port, its token, and the loop that serves a room until it is stopped.

The token and the port of a workspace stay the same, so that a tab that was left open goes on when the server
is started again.
"""

import asyncio
import json
import logging
import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from scriptforge.errors import UsageError
from scriptforge.serve.app import build_app
from scriptforge.serve.drafts import Drafts
from scriptforge.serve.guard import HEADER_BYTES, Guard, Rules, token_for
from scriptforge.serve.room import Room
from scriptforge.serve.runs import Offer, Runs
from scriptforge.workspace import RunFolder, Workspace, atomic_write, make_folder, parse_json

USUAL_PORT = 8420
"""The port that is tried first in a workspace where none was used before."""

LOCAL = "127.0.0.1"
"""The address under which only this machine can come in."""

_PORTS_TRIED = 50
_HEADER_SECONDS = 10.0
_KEEP_ALIVE_SECONDS = 30
_GRACE_SECONDS = 2
_TOKEN_BYTES = 24


@dataclass(frozen=True)
class Options:
    """How a room is served.

    Attributes:
        host: the address to listen at; `LOCAL` lets in nobody from other machines.
        port: the port; None is the one of the last time, or the usual one.
        password: what others must type; None where nobody else can come in.
        names: names under which it is called from outside, such as that of a proxy.
        is_read_only: whether it is for visitors, who keep their drafts in their browser.
        is_for_anyone: whether visitors need no password.
    """

    host: str = LOCAL
    port: int | None = None
    password: str | None = None
    names: tuple[str, ...] = ()
    is_read_only: bool = False
    is_for_anyone: bool = False


class Server:
    """A room that is ready to be served: its port is open already.

    Args:
        workspace: where runs and drafts are.
        only: the one run that is offered; None offers all.
        options: how.

    Attributes:
        address: what to type into a browser.
        link: the same with the token, where the link has it.
        notes: what a person should know.

    Raises:
        UsageError: no port is free, or others could come in without a password.
    """

    def __init__(self, workspace: Workspace, only: RunFolder | None, options: Options) -> None:
        _check(options)
        folder = workspace.room
        self._socket, self.notes = _listen(options, _preferred(folder.address, options))
        port = self._socket.getsockname()[1]
        token = None
        if not options.is_for_anyone:
            token = token_for(_secret(folder.token), options.password)
        if not options.is_read_only:
            _remember(folder.address, port)
        rules = Rules(
            port=port,
            names=frozenset(name.lower() for name in options.names),
            token=token,
            password=options.password,
            takes_addresses=options.host != LOCAL,
        )
        drafts = None if options.is_read_only else Drafts(folder.drafts)
        self.notes += drafts.notes if drafts else []
        offer = Offer(workspace, only)
        self._room = Room(Runs(offer), rules, drafts)
        self._first = next(iter(offer.folders), None)
        host = f"[{options.host}]" if ":" in options.host else options.host
        self.address = f"http://{host}:{port}/"
        has_token = token is not None and options.password is None
        self.link = f"{self.address}#token={token}" if has_token else self.address

    def serve(self, when_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until the process is told to stop.

        Args:
            when_ready: called once requests are answered.
        """
        config = uvicorn.Config(
            Guard(build_app(self._room), self._room.rules),
            http=PatientProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            h11_max_incomplete_event_size=HEADER_BYTES,
        )
        log = logging.getLogger("uvicorn")
        handler = logging.StreamHandler()
        handler.setLevel(logging.ERROR)  # what strangers send is no news, what breaks in here is
        log.addHandler(handler)
        try:
            with suppress(KeyboardInterrupt):
                asyncio.run(self._run(uvicorn.Server(config), when_ready))
        finally:
            log.removeHandler(handler)
            self._socket.close()
            if self._room.drafts:
                self._room.drafts.close()

    async def _run(self, server: uvicorn.Server, when_ready: Callable[[], None]) -> None:
        serving = asyncio.create_task(server.serve(sockets=[self._socket]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        if server.started:
            when_ready()
            if self._first:
                self._room.engine.warm(self._first)
        await serving


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, but a client has only so long for the head of a request."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take what came, and wait only so long for the rest of a head."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_waiting()
        elif self._patience is None:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        self._patience = self.loop.call_later(_HEADER_SECONDS, self._cut_off)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _cut_off(self) -> None:
        self._patience = None
        if self.conn.their_state is h11.IDLE:
            self.transport.close()


def _check(options: Options) -> None:
    if options.is_for_anyone and not options.is_read_only:
        raise UsageError("Only visitors need no password.", "Add --read-only, or leave --for-anyone out.")
    if options.host != LOCAL and options.password is None and not options.is_for_anyone:
        raise UsageError(
            f"Others could reach the room at {options.host}, and read and change every draft.",
            "Give them a password: --password-file FILE; what is sent can be read on the way, so put a proxy"
            " with TLS in front.",
        )


def _listen(options: Options, preferred: int) -> tuple[socket.socket, list[str]]:
    """Return a socket that listens, at the preferred port or the next free one, and what is to be said."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    last: OSError | None = None
    for port in [0] if preferred == 0 else range(preferred, min(preferred + _PORTS_TRIED, 65_536)):
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            found.bind((options.host, port))
            found.listen(1024)
        except OSError as error:
            found.close()
            last = error
            continue
        found.setblocking(False)
        in_use = f"Port {preferred} is in use; this is {port}."
        return found, [in_use] if port != preferred and preferred else []
    raise UsageError(
        f"No port from {preferred} on is free at {options.host}: {last.strerror if last else ''}.",
        "Name another one with --port.",
    )


def _preferred(path: Path, options: Options) -> int:
    if options.port is not None:
        return options.port
    try:
        port = parse_json(path.read_bytes())["port"]
        return port if isinstance(port, int) and 0 < port < 65_536 else USUAL_PORT
    except (OSError, ValueError, KeyError, TypeError):
        return USUAL_PORT


def _remember(path: Path, port: int) -> None:
    about: dict[str, Any] = {"port": port}
    atomic_write(path, json.dumps(about))


def _secret(path: Path) -> str:
    """Return the secret of the workspace, which only its owner can read."""
    make_folder(path.parent)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        kept = path.read_text(encoding="utf-8").strip()
        if len(kept) >= _TOKEN_BYTES:
            path.chmod(0o600)
            return kept
        path.unlink()
        return _secret(path)
    made = secrets.token_urlsafe(_TOKEN_BYTES)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(made)
    return made
