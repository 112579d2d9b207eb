"""What comes in and what goes back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Seen:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def token(self) -> str | None:
        """The access token that came with it."""
        return self.headers.get("authorization", "").removeprefix("Bearer ") or None

    @property
    def json(self) -> Any:
        """Its body, parsed."""
        return json.loads(self.body or b"null")


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any, status: int = 200) -> "Answer":
        """A JSON document."""
        return cls(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


class Refused(Exception):
    """A request that cannot be granted; the Hub names the reason in a header."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(code)
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        named = {key: value for key, value in headers.items() if value}
        self.answer = Answer(status, json.dumps({"error": message or code}).encode(), named)
