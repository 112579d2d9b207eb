"""A writing room in a process of its own, and a page's way to talk to it."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from support.command import COMMAND, environment

_PATIENCE = 60.0


class ServedRoom:
    """A server that runs until it is stopped or killed.

    Args:
        workspace: where it works.
        options: of `scriptforge serve`.
        wrapper: a command that starts it, such as one that sets limits.
    """

    def __init__(self, workspace: Path, *options: str, wrapper: tuple[str, ...] = ()) -> None:
        self.stderr = workspace / "stderr.txt"
        with self.stderr.open("w") as said:
            self.process = subprocess.Popen(
                (*wrapper, *COMMAND, "serve", *options, "--no-browser"),
                cwd=workspace,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        assert self.process.stdout is not None
        self.link = self.process.stdout.readline().strip()
        assert self.link, self.stderr.read_text(encoding="utf-8")
        self.base, _, fragment = self.link.partition("#")
        self.token = fragment.removeprefix("token=")
        self.port = urlsplit(self.base).port or 0
        own = {"authorization": f"Bearer {self.token}"} if self.token else {}
        self.client = httpx.Client(base_url=self.base, headers=own, timeout=_PATIENCE, trust_env=False)

    def draft(self, *texts: str, **fields: Any) -> dict[str, Any]:
        """Make a draft with an action for each text, whose ids are numbers."""
        elements = [action(str(number), text) for number, text in enumerate(texts)]
        answer = self.client.post(
            "api/drafts", json={"title": "Draft", "run": "", "elements": elements, **fields}
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def linked(self, *texts: str) -> str:
        """Return the link to a new draft."""
        return f"{self.base}?draft={self.draft(*texts, run='harbour')['id']}#token={self.token}"

    def change(
        self, draft: str, base: int, change: str, *edits: dict[str, Any], **more: Any
    ) -> httpx.Response:
        """Change a draft."""
        body = {"base": base, "change": change, "edits": edits, **more}
        return self.client.post(f"api/drafts/{draft}/changes", json=body)

    def texts(self, draft: str) -> list[str]:
        """Return what a draft says."""
        return [each["text"] for each in self.client.get(f"api/drafts/{draft}").json()["elements"]]

    def suggest(self, **asked: Any) -> list[dict[str, Any]]:
        """Ask for suggestions, and return all that is told."""
        answer = self.client.post("api/suggestions", json={"run": "harbour", **asked})
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def marks(self, *texts: str) -> dict[str, Any]:
        """Ask for the marks of some lines, and wait until the training text is known."""
        body = {"run": "harbour", "lines": [{"text": text} for text in texts]}
        deadline = time.monotonic() + _PATIENCE
        while (answer := self.client.post("api/marks", json=body)).status_code == 202:
            assert answer.json() == {"ready": False, "lines": []}
            assert time.monotonic() < deadline, "the training text is still not known"
            time.sleep(0.01)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def raw(self, request: bytes, *, seconds: float = 10, may_wait: bool = False) -> bytes:
        """Send bytes as they are, and return all that comes until the server hangs up.

        Args:
            request: the bytes.
            seconds: how long the server may be silent.
            may_wait: whether it may be silent for longer, which is then the end of the answer.

        Raises:
            TimeoutError: it was silent for longer, and may not be.
        """
        ends = (ConnectionError, TimeoutError) if may_wait else (ConnectionError,)
        parts: list[bytes] = []
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection,
            suppress(*ends),
        ):
            connection.sendall(request)
            while part := connection.recv(65_536):
                parts.append(part)
        return b"".join(parts)

    def stop(self) -> None:
        """Stop it as a person does, and wait."""
        self.client.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=_PATIENCE)

    def kill(self) -> None:
        """End it at once, as a crash of the machine would."""
        self.client.close()
        self.process.kill()
        self.process.communicate(timeout=_PATIENCE)


@contextmanager
def served(workspace: Path, *options: str, wrapper: tuple[str, ...] = ()) -> Iterator[ServedRoom]:
    """Serve a room while the block lasts."""
    room = ServedRoom(workspace, *options, wrapper=wrapper)
    try:
        yield room
    finally:
        room.stop()


def action(id_: str, text: str) -> dict[str, Any]:
    """Return an element that a person wrote."""
    return {"id": id_, "kind": "action", "text": text, "origin": None}


def put(id_: str, text: str, **place: Any) -> dict[str, Any]:
    """Return the edit that puts an action, `after=` another."""
    return {"put": action(id_, text), **place}
