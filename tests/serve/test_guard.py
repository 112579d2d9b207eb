"""Who may come in: this machine, with the token, from the room's own page; and how much they may bring."""

import contextlib
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from support.room import ServedRoom, served

from scriptforge.errors import UsageError
from scriptforge.options import ServeOptions
from scriptforge.serve import guard
from scriptforge.serve.app import ENDPOINTS
from scriptforge.serve.guard import LIMITS, AccessRules, Guard
from scriptforge.serve.server import Server
from scriptforge.workspace import Workspace


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer"}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic TOKEN"}, 401),
        ({"host": "evil.example"}, 403),
        ({"host": "evil.example:PORT"}, 403),
        ({"host": "127.0.0.1"}, 403),
        ({"host": "127.0.0.1:1"}, 403),
        ({"host": "127.0.0.1.evil.example:PORT"}, 403),
        ({"host": "localhost:PORT"}, 200),
        ({"host": "LOCALHOST:PORT"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "http://127.0.0.1:PORT"}, 200),
        ({"origin": "http://localhost:PORT"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
    ids=str,
)
def test_only_the_rooms_own_page_may_ask(room: ServedRoom, headers: dict[str, str], status: int) -> None:
    filled = {
        name: value.replace("PORT", str(room.port)).replace("TOKEN", room.token)
        for name, value in headers.items()
    }
    assert room.client.get("api/about", headers=filled).status_code == status


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda each: f"{each.method} {each.path}")
def test_nothing_answers_without_the_token(room: ServedRoom, endpoint: Any) -> None:
    path = f"api{endpoint.path.replace('{id}', 'x')}"
    answer = httpx.request(endpoint.method, room.base + path, json={}, trust_env=False)
    assert answer.status_code == (422 if endpoint.path == "/login" else 401)


def test_every_answer_has_the_headers_that_keep_a_page_to_itself(room: ServedRoom) -> None:
    for path in ("", "nothing", "api/about", "api/nothing"):
        headers = room.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in headers and "server" not in headers
    assert room.client.get("api/about").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "../room/token",
        "..%2froom%2ftoken",
        "%2e%2e/%2e%2e/room/token",
        "/etc/passwd",
        "page/../app.py",
        "%00",
    ],
)
def test_only_the_files_of_the_page_are_served(room: ServedRoom, path: str) -> None:
    request = f"GET /{path} HTTP/1.1\r\nHost: 127.0.0.1:{room.port}\r\nConnection: close\r\n\r\n"
    assert b" 404 " in room.raw(request.encode()).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    "head",
    [
        "GET /api/about HTTP/1.1",
        "GET /api/about HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nHost: evil.example",
        "GET http://evil.example/api/about HTTP/1.1\r\nHost: evil.example",
        "GET /api/about HTTP/1.1\r\nHost:",
        "POST /api/drafts HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: -1",
        "POST /api/drafts HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 99999999999",
        "POST /api/x HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nContent-Length: 1\r\nTransfer-Encoding: chunked",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX: " + "x" * 100_000,
        "\x16\x03\x01\x02",
    ],
    ids=lambda head: head[:60],
)
def test_broken_requests_are_refused(room: ServedRoom, head: str) -> None:
    rest = f"Connection: close\r\nAuthorization: Bearer {room.token}\r\n\r\n"
    request = f"{head}\r\n{rest}".replace("PORT", str(room.port))
    status = room.raw(request.encode("latin-1")).partition(b"\r\n")[0].split(b" ")
    assert not status[1:2] or status[1].startswith(b"4")  # it may hang up before all was sent


def test_bodies_are_limited_whether_or_not_they_say_how_long_they_are(room: ServedRoom) -> None:
    much = b"x" * (LIMITS["suggestions"] + 1)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(much), 65_536):
            yield much[start : start + 65_536]

    for content in (much, pieces()):
        try:
            answer = room.client.post("api/suggestions", content=content)
        except httpx.TransportError:
            continue  # the server hung up before all was sent
        assert answer.status_code == 413


def test_a_body_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.02)
    assert _status(_never) == 408


def test_bodies_that_are_in_memory_at_once_are_limited_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "bodies_together", 10)
    statuses: list[int] = []

    async def ask() -> None:
        front = Guard(_hello, AccessRules(1))
        async with anyio.create_task_group() as group:
            group.start_soon(front, _scope(8_000), _beginning(b"12345678"), _into([]))
            await anyio.sleep(0)
            await front(_scope(8), _beginning(b"12345678"), _into(statuses))
            await front(_scope(2), _whole(b"12"), _into(statuses))
            group.cancel_scope.cancel()
        await front(_scope(10), _whole(b"1234567890"), _into(statuses))

    anyio.run(ask)
    assert statuses == [429, 200, 200]


@pytest.mark.parametrize("length", ["Content-Length: 7000000", "Transfer-Encoding: chunked"])
def test_bodies_that_are_promised_keep_nobody_out(room: ServedRoom, length: str) -> None:
    with contextlib.ExitStack() as held:
        for number in range(20):
            path = "/" if number % 2 else "/api/drafts"
            connection = held.enter_context(socket.create_connection(("127.0.0.1", room.port)))
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{room.port}\r\n{length}\r\n"
            connection.sendall(f"{head}Authorization: Bearer {room.token}\r\n\r\n".encode())
        assert room.draft("a")["revision"] == 1


def test_the_files_of_the_page_take_no_body(room: ServedRoom) -> None:
    assert room.client.request("GET", "", content=b"x").status_code == 413
    assert room.client.post("api/login", content=b"x" * 20_000).status_code == 413


async def _hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _whole(body: bytes) -> Any:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _beginning(body: bytes) -> Any:
    """Return a body of which nothing comes after its beginning."""
    parts = [body]

    async def receive() -> dict[str, Any]:
        if not parts:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": parts.pop(), "more_body": True}

    return receive


async def _never() -> dict[str, Any]:
    await anyio.sleep_forever()
    raise AssertionError


def _scope(length: int = 0) -> dict[str, Any]:
    headers = [(b"host", b"127.0.0.1:1"), (b"content-length", str(length).encode())]
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/x",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }


def _into(statuses: list[int]) -> Any:
    async def send(message: Any) -> None:
        if "status" in message:
            statuses.append(message["status"])

    return send


def _status(receive: Any) -> int:
    statuses: list[int] = []
    anyio.run(Guard(_hello, AccessRules(1)), _scope(), receive, _into(statuses))
    return statuses[0]


class TestAccessRules:
    def test_from_outside_it_is_called_by_an_address_or_by_its_names(self) -> None:
        rules = AccessRules(80, names=frozenset({"room.example"}), allows_addresses=True)
        known = ("room.example", "192.168.1.2:80", "[fe80::1]:80", "127.0.0.1:80", "localhost", "10.0.0.1")
        assert all(map(rules.allows_host, known))
        strangers = ("evil.example", "room.example.evil", "", "1.2.3.4.evil.example", "[evil]")
        assert not any(map(rules.allows_host, strangers))

    @pytest.mark.parametrize(
        "fields",
        [
            {"host": "0.0.0.0"},
            {"for_anyone": True},
            {"host": "::", "read_only": True},
            {"host": "::", "password": "sesame"},
        ],
    )
    def test_nobody_is_let_in_without_a_password_by_mistake(self, fields: dict[str, Any]) -> None:
        with pytest.raises(UsageError, match=r"password|reach the room"):
            ServeOptions(**fields)


def test_a_password_is_exchanged_for_the_token_and_cannot_be_guessed_for_long(workspace: Path) -> None:
    (workspace / "password").write_text("open sesame\n", encoding="utf-8")
    with served(workspace, "harbour", "--port", "0", "--password-file", "password") as room:
        assert room.token == ""
        answer = room.client.get("api/about")
        assert answer.status_code == 401 and answer.json()["login"] is True
        right = {"password": "open sesame"}
        tokens = [room.client.post("api/login", json=right).json().get("token") for _ in range(7)]
        token, headers = tokens[0], {"authorization": f"Bearer {tokens[0]}"}
        assert room.client.get("api/about", headers=headers).status_code == 200
        assert tokens == [token] * 7
        kept = (workspace / "room" / "token").read_text(encoding="utf-8")
        assert kept not in token
        statuses = [room.client.post("api/login", json={"password": str(n)}).status_code for n in range(6)]
        assert statuses == [401, 401, 401, 401, 401, 429]
        assert room.client.post("api/login", json=right).status_code == 429


def test_the_secret_is_the_owners_alone_and_stays(room: ServedRoom, room_workspace: Path) -> None:
    path = room_workspace / "room" / "token"
    assert path.read_text(encoding="utf-8") == room.token
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "kept", [b"", b"short", b"\xff" * 40, b"a" * 30 + b"\x1b[2J", b"one two " * 9, b"x" * 9_999]
)
def test_a_damaged_secret_is_made_anew(tmp_path: Path, kept: bytes) -> None:
    workspace = Workspace(tmp_path)
    workspace.room.token.parent.mkdir()
    workspace.room.token.write_bytes(kept)
    with Server(workspace, None, ServeOptions(port=0)) as server:
        token = server.link.partition("#token=")[2]
        assert token.isascii() and token.isprintable() and len(token) < 1_001
        headers = {"authorization": f"Bearer {token}"}
        assert httpx.get(f"{server.address}api/about", headers=headers, trust_env=False).status_code == 200


def test_visitors_have_no_drafts_on_the_server(workspace: Path) -> None:
    with served(workspace, "harbour", "--port", "0", "--read-only", "--for-anyone") as room:
        about = room.client.get("api/about").json()
        assert about["mode"] == "visitor" and [run["name"] for run in about["runs"]] == ["harbour"]
        assert room.client.get("api/drafts").status_code == 404
        assert room.suggest(seed=1)[-1]["done"]
    assert not (workspace / "room" / "drafts.db").exists()


def test_a_port_in_use_is_said_and_the_next_one_taken(room: ServedRoom, workspace: Path) -> None:
    with served(workspace, "harbour", "--port", str(room.port)) as second:
        assert second.port > room.port
        assert f"Port {room.port} is in use" in second.stderr.read_text(encoding="utf-8")
    with served(workspace, "harbour") as again:
        assert (again.port, again.token) == (second.port, second.token)


def test_json_that_is_no_request_is_said(room: ServedRoom) -> None:
    for content in (b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"title": "\\ud800"}', b"null"):
        answer = room.client.post("api/drafts", content=content)
        assert answer.status_code == 422, content[:20]
        assert json.loads(answer.text)["error"]
