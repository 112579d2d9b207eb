"""The server of `page --show`: what it sends, and to whom."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from scriptforge.cli.page_server import PageHandler, PageServer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "site"
    (path / "empty").mkdir(parents=True)
    (path / "index.html").write_text("<p>page")
    (path / "space.json").write_text("{}")
    (tmp_path / "site-secret").write_text("mine")
    return path


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    with PageServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def port_of(address: str) -> int:
    return httpx.URL(address).port or 0


def ask(address: str, path: str, host: str | None = None, method: str = "GET") -> httpx.Response:
    """Ask for a path as it is written."""
    return _answer(
        address, f"{method} {path} HTTP/1.0\r\nHost: {host or f'127.0.0.1:{port_of(address)}'}\r\n\r\n"
    )


def _answer(address: str, request: str) -> httpx.Response:
    with socket.create_connection(("127.0.0.1", port_of(address)), timeout=10) as connection:
        connection.sendall(request.encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return httpx.Response(int(head.split()[1]), content=body)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:PORT", 200),
        ("localhost:PORT", 200),
        ("LOCALHOST:PORT", 200),
        ("evil.example:PORT", 403),
        ("127.0.0.1.evil.example:PORT", 403),
        ("127.0.0.1", 403),
        ("127.0.0.1:1", 403),
    ],
)
def test_only_a_page_of_its_own_address_is_answered(
    address: str, host: str, status: int, method: str
) -> None:
    named = host.replace("PORT", str(port_of(address)))
    for path in ("/", "/space.json"):
        answer = ask(address, path, named, method)
        assert answer.status_code == status
        assert status == 200 or b"page" not in answer.content


def test_who_names_no_host_is_refused(address: str) -> None:
    assert _answer(address, "GET / HTTP/1.0\r\n\r\n").status_code == 403


def test_the_files_of_the_folder_are_sent(address: str) -> None:
    assert ask(address, "/").content == ask(address, "/index.html?x=1").content == b"<p>page"
    assert ask(address, "/space.json").content == b"{}"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/%00",
        "/../site-secret",
        "/%2e%2e/site-secret",
        "/..%2fsite-secret",
        "//etc/passwd",
        "/link",
        "/folder/site-secret",
        "/circle",
        "/empty/",
        "/empty",
    ],
)
def test_nothing_else_is_sent(address: str, folder: Path, path: str) -> None:
    (folder / "link").symlink_to(folder.parent / "site-secret")
    (folder / "folder").symlink_to(folder.parent)
    (folder / "circle").symlink_to("circle")
    answer = ask(address, path)
    assert answer.status_code == 404 and b"mine" not in answer.content


@pytest.mark.parametrize("is_link", [False, True])
def test_a_folder_without_a_page_is_not_listed(address: str, folder: Path, is_link: bool) -> None:
    (folder / "index.html").unlink()
    if is_link:
        (folder / "index.html").symlink_to(folder.parent / "site-secret")
    answer = ask(address, "/")
    assert answer.status_code == 404
    assert b"space.json" not in answer.content and b"mine" not in answer.content


def test_half_a_request_is_not_waited_for(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PageHandler.timeout == 10
    monkeypatch.setattr(PageHandler, "timeout", 0.05)
    with socket.create_connection(("127.0.0.1", port_of(address)), timeout=30) as connection:
        connection.sendall(b"GET / HT")
        assert connection.recv(1) == b""
