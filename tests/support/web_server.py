"""A small web server on this machine."""

from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from support.loopback_hub.serving import Served


class Web(Served):
    """What the server has, how it misbehaves, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        self.broken_off: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[str] = []
        super().__init__(_handler(self))


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
        return 200, {"Content-Type": "text/html"} if path.endswith("/") else {}, web.files[path]
    return 404, {}, b""
