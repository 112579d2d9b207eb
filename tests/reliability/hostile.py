"""F: hostile requests, made from the routes: none breaks the server, reads outside, or writes outside.

What a request says is drawn for each address from the form that the address says its body has.
"""

import json
import random
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import httpx
from support.campaign import Part
from support.room import ServedRoom, served

from scriptforge.serve.app import ENDPOINTS

CANARY = "the goose keeps the key"
NAMES = (
    "harbour", "../secret", "../../secret.txt", "..\\secret", "/etc/passwd", "C:\\secret", "runs/harbour",
    ".", "..", "", "\0", "harbour\0", "%2e%2e%2fsecret", "ha" * 90, "\u202eruobrah", "😀", "' OR 1=1 --",
)  # fmt: skip
TEXTS = (
    "", "Hello.", "<script>alert(1)</script>", "\0\x1b[2J", "x" * 30_000, "\ud800", "\u202e", "<end><cue:BO>",
    "é́" * 50, "\r\n\r\nHTTP/1.1 200 OK", "'; DROP TABLE drafts; --", "\ufeff", "-" * 999,
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 5, 9, 2**31, 2**53, 2**63, 2**200, 1.5, -0.0, 1e308, True, False, "1", None)
NOT_NUMBERS = (float("nan"), float("inf"), -float("inf"), 10**4_000)
KINDS = ("heading", "action", "character", "parenthetical", "dialogue", "transition", "song", "", None, 7)
PATHS = ("/api/../secret.txt", "//etc/passwd", "/api", "/api/drafts/", "/%2e%2e/secret.txt")
QUERIES = (
    "", "", "?after=99999", "?after=-1", "?after=x", "?format=../x", "?format=txt", "?name=../../x.pdf",
)  # fmt: skip
METHODS = ("PUT", "TRACE", "OPTIONS", "HEAD", "BREW")


class Villain:
    """Makes requests up."""

    def __init__(self, seed: int, room: ServedRoom, run: str, drafts: list[str]) -> None:
        self.draw = random.Random(seed)
        self.run = run
        self.room = room
        self.drafts = drafts

    def any(self, depth: int = 0) -> Any:
        draw = self.draw
        simple = [draw.choice(NAMES), draw.choice(TEXTS), draw.choice(NUMBERS), None]
        if depth > 2 or draw.random() < 0.7:
            return draw.choice(simple)
        if draw.random() < 0.5:
            return [self.any(depth + 1) for _ in range(draw.randrange(4))]
        return {str(draw.choice(NAMES)): self.any(depth + 1) for _ in range(draw.randrange(4))}

    def element(self) -> dict[str, Any]:
        draw = self.draw
        origin = draw.choice([None, {"run": draw.choice(NAMES), "seed": draw.choice(NUMBERS)}, self.any()])
        return {
            "id": draw.choice(["a", "b", "c", *NAMES]),
            "kind": draw.choice(KINDS),
            "text": draw.choice(TEXTS),
            "origin": origin,
        }

    def value(self, name: str) -> Any:
        """Return a value that a field of this name may have, or not."""
        draw = self.draw
        if draw.random() < 0.15:
            return self.any()
        match name:
            case "run":
                return draw.choice((self.run, *NAMES))
            case "settings":
                return {"a": draw.choice((*NUMBERS, *NOT_NUMBERS))}
            case "elements" | "lines" if draw.random() < 0.8:
                lines = [self.element() for _ in range(draw.randrange(5))]
                bare = [{"kind": each["kind"], "text": each["text"]} for each in lines]
                return bare if draw.random() < 0.5 else lines
            case "edits":
                kinds = [
                    {"put": self.element(), "after": draw.choice([None, "a", *NAMES])},
                    {"remove": draw.choice(["a", *NAMES])},
                ]
                return [draw.choice(kinds) for _ in range(draw.randrange(4))]
            case "base" | "count" | "lines" | "seed" | "temperature" | "voice" | "max_copy":
                return draw.choice(NUMBERS)
            case "open":
                return draw.choice([None, {"kind": draw.choice(KINDS), "text": draw.choice(TEXTS)}])
            case "next":
                return draw.choice([None, {"speaker": draw.choice(NAMES)}, {"kind": draw.choice(KINDS)}])
            case "cast":
                return [draw.choice([*NAMES, "BO"]) for _ in range(draw.randrange(3))]
        return draw.choice([draw.choice(NAMES), draw.choice(TEXTS), draw.choice(NUMBERS)])

    def body(self, model: Any) -> bytes:
        draw = self.draw
        if model is None or draw.random() < 0.1:
            garbage = [
                b"",
                draw.randbytes(200),
                b"{" * 5_000,
                b"[" * 100_000,
                b"\xff\xfe{}",
                b'{"a": ' + b"9" * 5_000,
            ]
            return draw.choice([*garbage, json.dumps(self.any()).encode()])
        fields = [name for name in model.model_fields if draw.random() < 0.8]
        document = {name: self.value(name) for name in fields}
        if draw.random() < 0.05:
            document["surprise"] = self.any()
        encoded = json.dumps(document).encode()
        return encoded.decode().encode("utf-16") if draw.random() < 0.03 else encoded

    def send(self) -> bytes:
        """Send one request, and return the whole answer.

        Raises:
            TimeoutError: there is no end of it.
        """
        draw, room = self.draw, self.room
        endpoint = draw.choice(ENDPOINTS)
        id_ = draw.choice([*self.drafts, "..%2f..%2fsecret.txt", "%00", "x" * 3_000, "%F0%9F%98%80"])
        path = f"/api{endpoint.path}".replace("{id}", id_)
        if draw.random() < 0.05:
            path = draw.choice(PATHS)
        query = draw.choice(QUERIES)
        method = endpoint.method if draw.random() < 0.9 else draw.choice(METHODS)
        body = self.body(endpoint.body)
        head = self.head(f"{method} {path}{query}")
        length = len(body) if draw.random() < 0.95 else draw.choice([0, 10**12, len(body) // 2])
        if draw.random() < 0.05:
            head.append("Transfer-Encoding: chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:9], body[9:]) if part)
            body += draw.choice((b"0\r\n\r\n", b"", b"0\r\nX: y\r\n\r\n", b"fffffffff\r\n", b"-1\r\n\r\n"))
        else:
            head.append(f"Content-Length: {length}")
        request = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1", errors="replace") + body
        waits = length > len(body) or "changes" in path or "Transfer-Encoding: chunked" in head
        return room.raw(request, seconds=3 if waits else 30, may_wait=waits)

    def head(self, line: str) -> list[str]:
        """Return the lines of the head of a request, without its length."""
        draw, room = self.draw, self.room
        host = (
            f"127.0.0.1:{room.port}"
            if draw.random() < 0.93
            else draw.choice(["evil.example", "", "127.0.0.1:99999"])
        )
        head = [f"{line} HTTP/1.1", f"Host: {host}", "Connection: close"]
        if draw.random() < 0.95:
            head.append(f"Authorization: Bearer {room.token if draw.random() < 0.95 else 'guess'}")
        if draw.random() < 0.05:
            head.append(f"Origin: {draw.choice(['null', 'http://evil.example', 'file://'])}")
        if draw.random() < 0.03:
            odd = (
                "Expect: 100-continue",
                "Upgrade: websocket",
                "X: " + "y" * 50_000,
                "Cookie: a=b",
                "A: b\r\n" * 5_000 + "A: b",
            )
            head.append(draw.choice(odd))
        return head


def attack(workspace: Path, run: str, times: int, seed: int = 0) -> Part:
    """Send so many requests to the room of a workspace, which is moved into a folder of its own for that."""
    part = Part("hostile requests, made from the routes")
    place = workspace / "inside"
    for name in ("data", "runs"):
        (place / name).parent.mkdir(exist_ok=True)
        (workspace / name).rename(place / name)
    (workspace / "secret.txt").write_text(CANARY, encoding="utf-8")
    before = _outside(place)
    with served(place, run, "--port", "0") as room:
        drafts = [room.draft("a", "b")["id"] for _ in range(3)]
        for number in range(seed, seed + times):
            problem = _tried(Villain(number, room, run, drafts))
            part.count(problem and f"number {number}: {problem}")
        part.count(None if _is_well(room) else "the room does not answer any more")
        said = room.stderr.read_text(encoding="utf-8")
        part.count(f"it says: {said[-300:]}" if "Traceback" in said or "ASGI" in said else None)
    part.count(None if _outside(place) == before else "a file outside of the room is another one")
    return part


def _tried(villain: Villain) -> str | None:
    """Make one request; return what is wrong with the answer."""
    try:
        return _problem(villain.send())
    except TimeoutError:
        return "no end of the answer"


def _problem(answer: bytes) -> str | None:
    """Return what is wrong with an answer; it may be none, or end early."""
    status = answer.partition(b"\r\n")[0].split(b" ")[1:2]
    if status and status[0][:1] not in (b"1", b"2", b"3", b"4"):
        return f"status {status[0].decode()}"
    for word in (CANARY.encode(), b"Traceback", gettempdir().encode() + b"/"):
        if word in answer:
            return f"it says {word!r}: {answer[-200:]!r}"
    return None


def _is_well(room: ServedRoom) -> bool:
    with httpx.Client(base_url=room.base, headers=room.client.headers, trust_env=False, timeout=60) as client:
        return bool(client.get("api/about").json()["runs"]) and client.get("api/drafts").status_code == 200


def _outside(workspace: Path) -> dict[str, bytes]:
    """Return all files that no request may change."""
    files = (path for path in workspace.parent.rglob("*") if path.is_file())
    kept = {str(path): path.read_bytes() for path in files if "room" not in path.parts[-2:]}
    return {name: content for name, content in kept.items() if not name.endswith("stderr.txt")}
