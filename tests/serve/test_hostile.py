"""Hostile requests, generated from the routes: none breaks the server, reads outside, or writes outside."""

import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest
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
KINDS = ("heading", "action", "character", "parenthetical", "dialogue", "transition", "song", "", None, 7)
PATHS = ("/api/../secret.txt", "//etc/passwd", "/api", "/api/drafts/", "/%2e%2e/secret.txt")
QUERIES = (
    "", "", "?after=99999", "?after=-1", "?after=x", "?format=../x", "?format=txt", "?name=../../x.pdf",
)  # fmt: skip
METHODS = ("PUT", "TRACE", "OPTIONS", "HEAD", "BREW")


class Villain:
    """Makes requests up."""

    def __init__(self, seed: int, room: ServedRoom, drafts: list[str]) -> None:
        self.draw = random.Random(seed)
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
                return draw.choice(NAMES)
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
            case "base" | "count" | "lines" | "seed" | "boldness" | "voice" | "max_copy":
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
            return draw.choice(
                [b"", draw.randbytes(200), b"{" * 5_000, b"\xff\xfe{}", json.dumps(self.any()).encode()]
            )
        fields = [name for name in model.model_fields if draw.random() < 0.8]
        document = {name: self.value(name) for name in fields}
        if draw.random() < 0.05:
            document["surprise"] = self.any()
        encoded = json.dumps(document).encode()
        return encoded.decode().encode("utf-16") if draw.random() < 0.03 else encoded

    def send(self) -> bytes:
        """Send one request, and return the whole answer."""
        draw, room = self.draw, self.room
        endpoint = draw.choice(ENDPOINTS)
        id_ = draw.choice([*self.drafts, "..%2f..%2fsecret.txt", "%00", "x" * 3_000, "%F0%9F%98%80"])
        path = f"/api{endpoint.path}".replace("{id}", id_)
        if draw.random() < 0.05:
            path = draw.choice(PATHS)
        query = draw.choice(QUERIES)
        method = endpoint.method if draw.random() < 0.9 else draw.choice(METHODS)
        body = self.body(endpoint.body)
        host = (
            f"127.0.0.1:{room.port}"
            if draw.random() < 0.93
            else draw.choice(["evil.example", "", "127.0.0.1:99999"])
        )
        head = [f"{method} {path}{query} HTTP/1.1", f"Host: {host}", "Connection: close"]
        if draw.random() < 0.95:
            head.append(f"Authorization: Bearer {room.token if draw.random() < 0.95 else 'guess'}")
        if draw.random() < 0.05:
            head.append(f"Origin: {draw.choice(['null', 'http://evil.example', 'file://'])}")
        length = len(body) if draw.random() < 0.95 else draw.choice([0, 10**12, len(body) // 2])
        head.append(f"Content-Length: {length}")
        if draw.random() < 0.03:
            head.append(
                draw.choice(
                    ["Expect: 100-continue", "Upgrade: websocket", "X: " + "y" * 50_000, "Cookie: a=b"]
                )
            )
        request = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1", errors="replace") + body
        return room.raw(request, seconds=3 if length > len(body) or "changes" in path else 30)


def _outside(workspace: Path) -> dict[str, bytes]:
    """Return all files that no request may change."""
    files = (path for path in workspace.parent.rglob("*") if path.is_file())
    kept = {str(path): path.read_bytes() for path in files if "room" not in path.parts[-2:]}
    return {name: content for name, content in kept.items() if not name.endswith("stderr.txt")}


def _attack(workspace: Path, count: int) -> None:
    place = workspace / "inside"
    for name in ("data", "runs"):
        (place / name).parent.mkdir(exist_ok=True)
        (workspace / name).rename(place / name)
    (workspace / "secret.txt").write_text(CANARY, encoding="utf-8")
    before = _outside(place)
    with served(place, "harbour", "--port", "0") as room:
        drafts = [room.draft("a", "b")["id"] for _ in range(3)]
        for seed in range(count):
            answer = Villain(seed, room, drafts).send()
            status = answer.partition(b"\r\n")[0].split(b" ")[1:2]
            assert not status or status[0][:1] in (b"1", b"2", b"3", b"4"), (seed, answer[:300])
            assert CANARY.encode() not in answer, seed
        with httpx.Client(base_url=room.base, headers=room.client.headers, trust_env=False) as client:
            assert client.get("api/about").json()["runs"]
            assert client.get("api/drafts").status_code == 200
        assert "Traceback" not in room.stderr.read_text(encoding="utf-8")
    assert _outside(place) == before


def test_200_hostile_requests(workspace: Path) -> None:
    _attack(workspace, 200)


@pytest.mark.soak
def test_5000_hostile_requests(workspace: Path) -> None:
    _attack(workspace, 5_000)
