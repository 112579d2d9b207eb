"""How long a client may do nothing, how many there may be, and how the server ends while they are there."""

import contextlib
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from support.room import ServedRoom, action, served

from scriptforge.options import ServeOptions
from scriptforge.serve import connections, room
from scriptforge.serve.server import Server
from scriptforge.workspace import Workspace

_PATIENCE = 30.0

_INTERRUPTED_BETWEEN_TWO_STEPS = """
import asyncio, signal, sys
from pathlib import Path
from scriptforge.cli.signals import SIGNALS
from scriptforge.options import ServeOptions
from scriptforge.serve.server import Server
from scriptforge.workspace import Workspace

def trace(frame, event, argument):
    return between_steps if frame.f_code.co_name == "_run_once" else None

def between_steps(frame, event, argument):
    handle, loop = frame.f_locals.get("handle"), frame.f_locals["self"]
    task = getattr(getattr(handle, "_callback", None), "__self__", None)
    is_server = isinstance(task, asyncio.Task) and task.get_coro().__qualname__ == "Server.serve"
    if is_server and handle not in loop._ready:
        sys.settrace(None)
        frame.f_trace = None
        print("interrupted")
        signal.raise_signal(getattr(signal, sys.argv[1]))
    return between_steps

server = Server(Workspace(Path()), None, ServeOptions(port=0))
SIGNALS.install()
with SIGNALS:
    if sys.argv[1] == "SIGALRM":
        Path("interrupted.py").write_text("import signal; signal.raise_signal(signal.SIGINT)")
        import interrupted
        signal.setitimer(signal.ITIMER_REAL, 0)  # it is delivered again at the worst moment
    sys.settrace(trace)
    server.serve()
print("ended", SIGNALS.exit_code)
"""
"""The event loop has taken the server's first step from its queue, and not made it yet.

Then Ctrl+C comes, or is delivered again, as SIGALRM, after it came in an import.
"""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server without runs in this process, whose patience is short."""
    monkeypatch.setattr(connections, "REST_SECONDS", 0.2)
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.2)
    with Server(Workspace(tmp_path), None, ServeOptions(port=0)) as found:
        yield found


def _connect(server: Server, *, reads_little: bool = False) -> socket.socket:
    connection = socket.socket()
    if reads_little:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
    connection.settimeout(_PATIENCE)
    connection.connect(("127.0.0.1", urlsplit(server.address).port))
    return connection


def _head(server: Server, line: str, *more: str) -> bytes:
    token = server.link.partition("#token=")[2]
    host = urlsplit(server.address).netloc
    head = [f"{line} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {token}", *more]
    return "".join(f"{each}\r\n" for each in [*head, ""]).encode()


def _is_cut_off(connection: socket.socket) -> bool:
    """Return whether the other end is gone, or goes soon; nothing is read."""
    waiting = select.poll()
    waiting.register(connection, 0)
    return bool(waiting.poll(1000 * _PATIENCE))


def _large_draft(server: Server) -> str:
    elements = [action(str(number), "x" * 20_000) for number in range(300)]
    token = server.link.partition("#token=")[2]
    with httpx.Client(headers={"authorization": f"Bearer {token}"}, trust_env=False) as client:
        made = client.post(
            f"{server.address}api/drafts", json={"title": "", "elements": elements}, timeout=60
        )
    return str(made.json()["id"])


@pytest.mark.parametrize("asked", [1, 3], ids=["the end of an answer", "the first of several answers"])
def test_a_client_that_does_not_read_is_cut_off(server: Server, asked: int) -> None:
    with _connect(server, reads_little=True) as connection:
        connection.sendall(_head(server, f"GET /api/drafts/{_large_draft(server)}") * asked)
        assert _is_cut_off(connection)


def test_a_client_that_goes_before_it_has_read_is_no_listener(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MAX_SUBSCRIBERS", 3)
    draft = _large_draft(server)
    for _ in range(4):
        with _connect(server, reads_little=True) as connection:
            connection.sendall(_head(server, f"GET /api/drafts/{draft}"))
            connection.sendall(_head(server, f"GET /api/drafts/{draft}/changes"))
            assert _is_cut_off(connection)
    with _connect(server) as connection:
        connection.sendall(_head(server, f"GET /api/drafts/{draft}/changes"))
        assert b" 200 " in connection.recv(1_000).partition(b"\r\n")[0]


def test_the_body_of_a_request_that_is_refused_is_not_waited_for(server: Server) -> None:
    with _connect(server) as connection:
        connection.sendall(_head(server, "POST /api/drafts", "Origin: http://evil", "Content-Length: 1000"))
        assert b" 403 " in connection.recv(10_000).partition(b"\r\n")[0]
        connection.sendall(b"x")
        assert _is_cut_off(connection)


def test_a_head_that_does_not_arrive_is_not_waited_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    with _connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1")
        assert _is_cut_off(connection)


@pytest.mark.parametrize("line", ["POST /api/import", "POST /api/drafts", "HEAD /"])
def test_a_body_that_turns_out_to_be_no_http_is_an_error_of_its_sender_alone(
    server: Server, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    with _connect(server) as connection:
        connection.sendall(_head(server, line, "Transfer-Encoding: chunked") + b"-1\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(10_000), b""))
        assert answer.startswith(b"HTTP/1.1 400 ")
    with _connect(server) as connection:
        connection.sendall(_head(server, "GET /api/about"))
        assert b" 200 " in connection.recv(10_000).partition(b"\r\n")[0]
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == []


def test_of_too_many_clients_the_one_that_is_silent_for_longest_goes(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_MAX_CONNECTIONS", 5)
    with contextlib.ExitStack() as opened:
        first, *others = [opened.enter_context(_connect(server)) for _ in range(6)]
        assert _is_cut_off(first)
        for connection in others:
            connection.sendall(_head(server, "GET /"))
            assert b" 200 " in connection.recv(100).partition(b"\r\n")[0]


@pytest.mark.slow
def test_more_clients_than_there_can_be_files_are_no_error(workspace: Path) -> None:
    limited = ("sh", "-c", 'ulimit -n 64; exec "$@"', "sh")
    with (
        served(workspace, "harbour", "--port", "0", wrapper=limited) as found,
        contextlib.ExitStack() as held,
    ):
        for _ in range(150):
            held.enter_context(socket.create_connection(("127.0.0.1", found.port), timeout=_PATIENCE))
        assert found.draft("a")["revision"] == 1
        assert found.stderr.read_text(encoding="utf-8").count("\n") <= 2


@pytest.mark.parametrize("came", ["SIGINT", "SIGALRM"], ids=["at once", "in an import, and again"])
def test_ctrl_c_ends_the_room_between_two_steps_of_the_event_loop_too(tmp_path: Path, came: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_BETWEEN_TWO_STEPS, came],
        cwd=tmp_path, capture_output=True, text=True, timeout=4 * _PATIENCE, check=False,
    )  # fmt: skip
    assert done.stdout.split() == ["interrupted", "ended", "130"], done.stderr


def test_the_end_is_told_to_those_who_wait_and_is_no_error(workspace: Path) -> None:
    served_room = ServedRoom(workspace, "harbour", "--port", "0")
    draft = served_room.draft("a")
    with (
        served_room.client.stream("GET", f"api/drafts/{draft['id']}/changes?after=1") as followed,
        served_room.client.stream(
            "POST", "api/suggestions", json={"run": "harbour", "lines": 8, "count": 5}
        ) as told,
        socket.create_connection(("127.0.0.1", served_room.port)),
    ):
        served_room.process.send_signal(signal.SIGINT)
        assert b"".join(followed.iter_raw()) == b"\n"
        last = list(told.iter_lines())[-1]
        assert '"done"' in last or "closed" in last
        served_room.process.wait(_PATIENCE)
    served_room.stop()
    said = served_room.stderr.read_text(encoding="utf-8")
    assert "Traceback" not in said and "Cancel" not in said and "ASGI" not in said
