"""The server: its port, its token, and the loop that serves a room until it is stopped.

A workspace keeps its token and port, so that an open tab works again after a restart of the server.
"""

import asyncio
import json
import logging
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn

from scriptforge.errors import UsageError
from scriptforge.options import LOOPBACK, ServeOptions
from scriptforge.serve.app import build_app
from scriptforge.serve.connections import (
    BACKLOG,
    GRACE_SECONDS,
    TimeoutProtocol,
    TimeoutServer,
    log_loop_error,
)
from scriptforge.serve.drafts import Drafts
from scriptforge.serve.guard import HEADER_BYTES, AccessRules, Guard, token_for
from scriptforge.serve.private_folder import check_plain, load_secret
from scriptforge.serve.room import Room
from scriptforge.serve.runs import OfferedRuns, Runs
from scriptforge.workspace import RunFolder, Workspace, atomic_write, parse_json

DEFAULT_PORT = 8420
"""The port that a new workspace tries first."""

_PORTS_TRIED = 50
_KEEP_ALIVE_SECONDS = 30

if sys.platform == "win32":
    _PORT_OPTION = socket.SO_EXCLUSIVEADDRUSE  # with SO_REUSEADDR two processes could share the port
else:
    _PORT_OPTION = socket.SO_REUSEADDR  # so that the port is free as soon as a server stops


class Server:
    """A room that is ready to be served: its port is already open.

    Args:
        workspace: the workspace that has the runs and drafts.
        only: the single run that is offered; None offers all.
        options: options of the server.

    Attributes:
        address: URL of the page.
        link: the same URL with the token, if there is a token and no password.
        notes: messages for the user.

    Raises:
        UsageError: no port is free, or the folder of the room has links.
    """

    def __init__(self, workspace: Workspace, only: RunFolder | None, options: ServeOptions) -> None:
        folder = workspace.room
        check_plain(folder.path)
        token = None
        if not options.for_anyone:
            token = token_for(load_secret(folder.token), options.password)
        self._socket, self.notes = _listen(options, _preferred_port(folder.address, options))
        port = self._socket.getsockname()[1]
        if not options.read_only:
            _save_port(folder.address, port)
        rules = AccessRules(
            port=port,
            names=frozenset(name.lower() for name in options.names),
            token=token,
            password=options.password,
            allows_addresses=options.host != LOOPBACK,
        )
        drafts = None if options.read_only else Drafts(folder.drafts)
        self.notes += drafts.notes if drafts else []
        offered = OfferedRuns(workspace, only)
        self._room = Room(Runs(offered), rules, drafts)
        self._first_run = next(iter(offered.folders), None)
        host = f"[{options.host}]" if ":" in options.host else options.host
        self.address = f"http://{host}:{port}/"
        has_token = token is not None and options.password is None
        self.link = f"{self.address}#token={token}" if has_token else self.address
        self._server = TimeoutServer(self._config(), self._room.close)
        self._thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until the process is interrupted, or `stop` is called.

        Args:
            on_ready: called once the server accepts requests.
        """
        log = logging.getLogger("uvicorn")
        handler = logging.StreamHandler()
        handler.setLevel(logging.ERROR)  # errors of the server, not invalid requests of clients
        log.addHandler(handler)
        try:
            # An exception between two steps of the event loop would lose a task, and the loop wait for it.
            with suppress(KeyboardInterrupt), self._server.capture_signals():
                asyncio.run(self._run(on_ready))
        finally:
            log.removeHandler(handler)
            self._socket.close()
            if self._room.drafts:
                self._room.drafts.close()

    def stop(self) -> None:
        """Make `serve`, in another thread, return once the requests in progress are answered."""
        self._server.should_exit = True

    def __enter__(self) -> "Server":
        """Serve in a background thread during the block."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the server, and wait for its thread."""
        self.stop()
        self._thread.join()

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            Guard(build_app(self._room), self._room.rules),
            http=TimeoutProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=2 * GRACE_SECONDS,
            backlog=BACKLOG,
            h11_max_incomplete_event_size=HEADER_BYTES,
        )

    async def _run(self, on_ready: Callable[[], None]) -> None:
        asyncio.get_running_loop().set_exception_handler(log_loop_error)
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        if self._server.started:
            on_ready()
            if self._first_run:
                self._room.engine.warm_up(self._first_run)
        await serving


def _listen(options: ServeOptions, preferred: int) -> tuple[socket.socket, list[str]]:
    """Return a socket that listens at the preferred port or the next free one, and notes for the user."""
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    last: OSError | None = None
    for port in [0] if preferred == 0 else range(preferred, min(preferred + _PORTS_TRIED, 65_536)):
        found = socket.socket(family, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, _PORT_OPTION, 1)
            found.bind((options.host, port))
            found.listen(BACKLOG)
        except OSError as error:
            found.close()
            last = error
            continue
        found.setblocking(False)
        in_use = f"Port {preferred} is in use; using {port} instead."
        return found, [in_use] if port != preferred and preferred else []
    raise UsageError(
        f"No port from {preferred} upwards is free at {options.host}: {last.strerror if last else ''}.",
        "Choose another one with --port.",
    )


def _preferred_port(path: Path, options: ServeOptions) -> int:
    if options.port is not None:
        return options.port
    try:
        port = parse_json(path.read_bytes())["port"]
        return port if isinstance(port, int) and 0 < port < 65_536 else DEFAULT_PORT
    except (OSError, ValueError, KeyError, TypeError):
        return DEFAULT_PORT


def _save_port(path: Path, port: int) -> None:
    about: dict[str, Any] = {"port": port}
    atomic_write(path, json.dumps(about))
