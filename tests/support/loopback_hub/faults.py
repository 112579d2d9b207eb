"""How a server can misbehave."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """What is wrong with an answer; each attribute is one kind of wrong.

    Attributes:
        status: answered in place of everything else.
        headers: sent in place of those of the same names.
        resets: the connection is cut before any answer.
        stalls: nothing is answered until the server stops.
        keeps: of the body, this share is sent, then the connection is closed.
        corrupts: the first byte of the body is another one.
        adds: so many bytes are said and sent that do not belong to the file.
        ignores_ranges: all of a file is sent, whatever part of it was asked for.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    resets: bool = False
    stalls: bool = False
    keeps: float = 1.0
    corrupts: bool = False
    adds: int = 0
    ignores_ranges: bool = False

    def __repr__(self) -> str:
        """What is wrong, and nothing of what is not."""
        return " ".join(
            f"{name}={value}" for name, value in vars(self).items() if value != getattr(Fault, name, {})
        )

    def applied(self, body: bytes) -> bytes:
        """The body as the fault has it."""
        if self.corrupts and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        return body + b"!" * self.adds


@dataclass
class Occasion:
    """When a fault occurs: with requests of a method and a path, so many times.

    Attributes:
        fault: what occurs.
        method: of the request; any if empty.
        path: a part of the request's path; any if empty.
        times: how often it will still occur.
    """

    fault: Fault
    method: str
    path: str
    times: int

    def takes(self, method: str, path: str) -> bool:
        """Whether a request is one of these; if so, it counts."""
        is_one = self.times > 0 and self.method in ("", method) and self.path in path
        self.times -= is_one
        return is_one
