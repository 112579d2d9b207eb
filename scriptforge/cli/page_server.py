"""A server that shows the folder of a page to the browser of this machine, and to nobody else.

A site in the same browser whose name suddenly leads to this machine (DNS rebinding) could read the page; but
its requests have that name as their host, and are refused. Nothing is sent but files in the folder: no lists
of them, and nothing elsewhere that a link leads to. This is for one person who looks at their page; what is
served to others needs a real server.
"""

import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

_INDEX = "index.html"


class PageHandler(SimpleHTTPRequestHandler):
    """A handler of one connection, which prints nothing.

    Attributes:
        timeout: seconds after which a client that neither sends nor receives is cut off.
    """

    timeout = 10.0

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Send the head of the answer, and return the file that follows; None if there is none."""
        refusal = self._refusal()
        if refusal is None:
            return super().send_head()
        self.send_error(refusal)
        return None

    def log_message(self, format: str, *arguments: object) -> None:
        """Print no log of requests."""

    def _refusal(self) -> HTTPStatus | None:
        """Return the status of a request that is refused; None if it is answered."""
        port = self.connection.getsockname()[1]
        if self.headers.get("Host", "").lower() not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            return HTTPStatus.FORBIDDEN
        path = Path(self.translate_path(self.path))
        file = path / _INDEX if path.is_dir() else path
        is_there = file.is_file() and file.resolve().is_relative_to(Path(self.directory).resolve())
        return None if is_there else HTTPStatus.NOT_FOUND


class PageServer(ThreadingHTTPServer):
    """A server of the files in a folder, on any free port, that only this machine can reach.

    Args:
        folder: the folder of the page.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(PageHandler, directory=str(folder)))

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an error, unless the client has gone, as a browser does when a page is reloaded."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
