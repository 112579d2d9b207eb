"""A small web server on this machine."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


class Web:
    """What the server has, how it misbehaves, and what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.statuses: dict[str, int] = {}
        self.broken_off: set[str] = set()
        self.silent: set[str] = set()
        self.stopped = threading.Event()
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._server.server_port}"

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
    return 404, {}, b""
