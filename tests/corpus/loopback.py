"""A small web server on this machine, which also speaks as much of the Hub as reading a dataset needs."""

import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

_INFO = re.compile(r"/api/datasets/([\w.-]+/[\w.-]+)(?:/revision/([^/]+))?")
_TREE = re.compile(r"/api/datasets/([\w.-]+/[\w.-]+)/tree/([^/]+)")
_FILE = re.compile(r"/datasets/([\w.-]+/[\w.-]+)/resolve/([^/]+)/(.+)")


class Web:
    """What the server has, how it misbehaves, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        self.broken_off: set[str] = set()
        self.silent: set[str] = set()
        self.stopped = threading.Event()
        self.repositories: dict[str, tuple[str, dict[str, bytes]]] = {}
        self.gated: dict[str, int] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def publish(self, name: str, files: dict[str, bytes]) -> str:
        """Puts a dataset repository on the Hub and gives its commit."""
        revision = hashlib.sha1(repr((name, files)).encode()).hexdigest()
        self.repositories[name] = (revision, files)
        return revision

    def stop(self) -> None:
        self.stopped.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()


def _handler(web: Web) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._reply(with_body=False)

        def do_GET(self) -> None:
            self._reply(with_body=True)

        def _reply(self, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            web.asked.append(path)
            if path in web.silent:
                web.stopped.wait(10)
                return
            status, headers, body = _response(web, path)
            self.send_response(status)
            for key, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            if with_body:
                self.wfile.write(body[: len(body) // 2] if path in web.broken_off else body)

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler


def _response(web: Web, path: str) -> tuple[int, dict[str, str], bytes]:
    if path in web.statuses:
        return web.statuses[path], {}, b""
    if path in web.files:
        return 200, {}, web.files[path]
    for pattern, answer in ((_INFO, _info), (_TREE, _tree), (_FILE, _file)):
        if match := pattern.fullmatch(path):
            if match[1] not in web.repositories:
                return 401, {"X-Error-Code": "RepoNotFound"}, b""
            revision = web.repositories[match[1]][0]
            if match[2] not in (None, "main", revision):
                return 404, {"X-Error-Code": "RevisionNotFound"}, b""
            return answer(web, *(part for part in match.groups() if part not in ("main", revision)))
    return 404, {}, b""


def _info(web: Web, name: str, _revision: str | None = None) -> tuple[int, dict[str, str], bytes]:
    revision, files = web.repositories[name]
    siblings = [{"rfilename": path, "size": len(content)} for path, content in files.items()]
    info = {"id": name, "sha": revision, "private": False, "gated": False, "siblings": siblings}
    return 200, {"Content-Type": "application/json"}, json.dumps(info).encode()


def _tree(web: Web, name: str) -> tuple[int, dict[str, str], bytes]:
    entries = [
        {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
        for path, content in web.repositories[name][1].items()
    ]
    return 200, {"Content-Type": "application/json"}, json.dumps(entries).encode()


def _file(web: Web, name: str, path: str) -> tuple[int, dict[str, str], bytes]:
    revision, files = web.repositories[name]
    if name in web.gated:
        return web.gated[name], {"X-Error-Code": "GatedRepo"}, b""
    if path not in files:
        return 404, {"X-Error-Code": "EntryNotFound"}, b""
    tag = hashlib.sha1(files[path]).hexdigest()
    return 200, {"X-Repo-Commit": revision, "ETag": f'"{tag}"', "Accept-Ranges": "bytes"}, files[path]
