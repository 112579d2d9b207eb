"""Many pages that ask one writing room for suggestions at the same time."""

import asyncio
import json
import random
from collections import Counter
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

_SPEAKERS = ("JERRY", "GEORGE", "ELAINE", "KRAMER")
_WORDS = (
    "I was at the coffee shop.",
    "You what?",
    "It is about the soup.",
    "Again with the car!",
    "No. Never.",
)
PAUSE = 0.2
"""Seconds that a client waits after it was told to come again."""

_COMPARED = 40


@dataclass
class Answer:
    """One answer: its status, when the first letter and the end came, in seconds, and what it said."""

    status: int
    first: float = 0.0
    whole: float = 0.0
    lines: list[dict[str, Any]] = field(default_factory=list)

    @property
    def texts(self) -> list[Any]:
        """Return the elements that were suggested."""
        return [(line["n"], line["element"]) for line in self.lines if "element" in line]


class Client:
    """One page: a connection that is kept, over which it asks one thing after the other."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = (
            f"POST /api/suggestions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, **asked: Any) -> Answer:
        """Ask for suggestions, and read the answer to its end."""
        if self._streams is None or self._streams[0].at_eof():
            await self.aclose()
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        body = json.dumps(asked).encode()
        began = perf_counter()
        writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        answer = Answer(int(head.split(" ")[1]))
        lengths = [
            line.partition(":")[2] for line in head.lower().split("\r\n") if line[:14] == "content-length"
        ]
        if lengths:
            await reader.readexactly(int(lengths[0]))
            return answer
        while size := int(await reader.readline(), 16):
            chunk = await reader.readexactly(size + 2)
            news = [json.loads(line) for line in chunk.splitlines() if line]
            answer.lines += news
            if not answer.first and any("add" in line for line in news):
                answer.first = perf_counter() - began
        await reader.readline()
        answer.whole = perf_counter() - began
        return answer

    async def aclose(self) -> None:
        """End the connection, if there is one."""
        if self._streams is not None:
            writer = self._streams[1]
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            self._streams = None


def scene(lines: int, draw: random.Random) -> list[dict[str, str]]:
    """Return a scene of so many lines of dialogue, as the page sends it."""
    page = [{"kind": "heading", "text": "INT. COFFEE SHOP - DAY"}]
    for _ in range(lines):
        page += [
            {"kind": "character", "text": draw.choice(_SPEAKERS)},
            {"kind": "dialogue", "text": draw.choice(_WORDS)},
        ]
    return page[-400:]


@dataclass
class CrowdResult:
    """What became of a crowd.

    Attributes:
        statuses: how many answers there were of each status.
        firsts: of one who was there before, the seconds to each first letter.
        compared: how many texts were written again, alone and from the same seed.
        different: how many of these were others then.
    """

    statuses: Counter[int]
    firsts: list[float]
    compared: int
    different: int


async def crowd(port: int, token: str, run: str, clients: int, requests: int) -> CrowdResult:
    """Let so many clients ask at once, beside one who was there before, until all have asked so often."""
    statuses: Counter[int] = Counter()
    given: list[tuple[dict[str, Any], list[Any]]] = []
    own: list[float] = []
    is_over = asyncio.Event()

    async def stranger(number: int) -> None:
        draw = random.Random(number)
        async with aclosing(Client(port, token)) as client:
            for _ in range(requests // clients):
                page = scene(draw.randrange(30), draw)
                asked = {"run": run, "elements": page, "seed": draw.randrange(10**6)}
                answer = await client.ask(**asked)
                statuses[answer.status] += 1
                if answer.status == 200:
                    given.append((asked, answer.texts))
                else:
                    await asyncio.sleep(PAUSE)

    async def regular() -> None:
        page = scene(40, random.Random(2))
        async with aclosing(Client(port, token)) as client:
            while not is_over.is_set():
                began = perf_counter()
                while (answer := await client.ask(run=run, elements=page)).status != 200:
                    await asyncio.sleep(PAUSE)
                own.append(perf_counter() - began - answer.whole + answer.first)

    writer = asyncio.create_task(regular())
    await asyncio.gather(*(stranger(number) for number in range(clients)))
    is_over.set()
    await writer
    compared = random.Random(3).sample(given, min(_COMPARED, len(given)))
    async with aclosing(Client(port, token)) as alone:
        different = [(await alone.ask(**asked)).texts != texts for asked, texts in compared]
    return CrowdResult(statuses, own, len(compared), sum(different))
