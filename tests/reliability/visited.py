"""F: the writing room, visited by many at once, by slow clients and hostile ones, and killed.

Whatever strangers do, who writes is answered; nothing that was acknowledged is lost, and memory is not.
"""

import asyncio
import contextlib
import select
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from support.campaign import DRAW, Part
from support.crowd import crowd
from support.room import ServedRoom, served

from reliability import edited, hostile
from reliability.furnished import copied, furnish

_RUN = "play"
_BYTES = 50_000_000
"""By how much a server may grow while it is visited."""

_SECONDS = 20.0
"""How long who writes may have to wait for an answer, on a busy machine."""

_PATIENCE = 60.0
"""How long a slow client is given to be cut off."""


def many(workspace: Path, clients: int, requests: int) -> Part:
    """Let many clients ask for suggestions at once: each is answered, or told to come again."""
    part = Part(f"suggestions for {clients} clients at once")
    with served(workspace, _RUN, "--port", "0") as room:
        room.suggest(seed=1, run=_RUN)
        with _memory(room, part):
            found = asyncio.run(crowd(room.port, room.token, _RUN, clients, requests))
    for status, count in found.statuses.items():
        part.tried += count
        if status not in (200, 429):
            part.failures.append(f"{count} answers of {status}")
    part.count(f"{found.different} texts of a seed are others alone" if found.different else None)
    return part


def slow(workspace: Path, clients: int, is_patient: bool = True) -> Part:
    """Let many clients be slow in every way at once: who writes is served, and they are cut off.

    Args:
        workspace: of the room.
        clients: how many in each way.
        is_patient: whether to wait until they are cut off.
    """
    part = Part(f"{clients} clients that are slow, in each of {len(_WAYS)} ways")
    with (
        served(workspace, _RUN, "--port", "0") as room,
        contextlib.ExitStack() as opened,
        _memory(room, part),
    ):
        draft = room.draft(*["x" * 20_000] * 15)["id"]
        ways = [(what, send(room, draft)) for what, send in _WAYS.items() for _ in range(clients)]
        waiting = [(what, opened.enter_context(_sent(room, head))) for what, head in ways]
        for number in range(10):
            began = time.monotonic()
            answer = room.change(draft, number + 1, f"c{number}", {"remove": str(number)})
            part.count(None if answer.status_code == 200 else f"who writes is told {answer.status_code}")
            seconds = time.monotonic() - began
            part.count(f"who writes has waited for {seconds:.0f} seconds" if seconds > _SECONDS else None)
        if is_patient:
            ends = time.monotonic() + _PATIENCE
            for what, connection in waiting:
                left = max(0.0, ends - time.monotonic())
                part.count(None if _is_over(connection, left) else f"{what}: still there")
    said = room.stderr.read_text(encoding="utf-8")
    part.count(f"it says: {said[-300:]}" if "Traceback" in said or "ASGI" in said else None)
    return part


def long_attack(most: int | None = None) -> list[Part]:
    """Let 500 clients ask 10,000 times, and slow and hostile ones; edit in two tabs; kill 200 times."""
    with TemporaryDirectory(prefix="visited-") as folder:
        furnished = furnish(Path(folder) / "furnished")

        def place(name: str) -> Path:
            return copied(furnished, Path(folder) / name)

        parts = [
            many(place("many"), 500, most or 10_000),
            slow(place("slow"), min(most or 100, 100)),
            hostile.attack(place("hostile"), _RUN, most or 5_000, DRAW),
            edited.attack_tabs(place("tabs"), _RUN, most or 2_000),
            edited.attack_kills(place("kills"), _RUN, min(most or 200, 200)),
        ]
        for path in Path(folder).iterdir():
            shutil.rmtree(path)
        return parts


def _head(room: ServedRoom, line: str, *more: str) -> bytes:
    head = [f"{line} HTTP/1.1", f"Host: 127.0.0.1:{room.port}", f"Authorization: Bearer {room.token}", *more]
    return "".join(f"{each}\r\n" for each in [*head, ""]).encode()


_WAYS: dict[str, Callable[[ServedRoom, str], bytes]] = {
    "it says nothing": lambda room, draft: b"",
    "half a head": lambda room, draft: _head(room, "GET /")[:40],
    "a head, and no body": lambda room, draft: _head(room, "POST /api/drafts", "Content-Length: 7000000"),
    "a body in pieces that never ends": lambda room, draft: (
        _head(room, "POST /api/import", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n"
    ),
    "a body that nobody wants": lambda room, draft: (
        _head(room, "POST /api/drafts", "Origin: http://evil", "Content-Length: 7000000") + b"{"
    ),
    "answers that it does not read": lambda room, draft: _head(room, f"GET /api/drafts/{draft}") * 60,
}
"""What a slow client sends, before it is silent and reads nothing."""


@contextmanager
def _sent(room: ServedRoom, head: bytes) -> Iterator[socket.socket]:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        connection.settimeout(_PATIENCE)
        connection.connect(("127.0.0.1", room.port))
        connection.sendall(head)
        yield connection


def _is_over(connection: socket.socket, seconds: float) -> bool:
    """Return whether the other end is gone, or goes within so many seconds; nothing is read."""
    waiting = select.poll()
    waiting.register(connection, select.POLLRDHUP)
    return bool(waiting.poll(1_000 * seconds))


@contextmanager
def _memory(room: ServedRoom, part: Part) -> Iterator[None]:
    """Count by how much the server has grown in a block."""
    before = psutil.Process(room.process.pid).memory_info().rss
    yield
    grown = psutil.Process(room.process.pid).memory_info().rss - before
    part.count(f"the server has grown by {grown // 1_000_000} MB" if grown > _BYTES else None)
