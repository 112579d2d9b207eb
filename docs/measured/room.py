"""Measures the writing room: one writer, 500 clients at once, kills and hostile requests; writes room.md.

    python docs/measured/room.py WORKSPACE RUN [--quick]

RUN is a run of the workspace, which should be the one that `train` makes of Seinfeld by default. Nothing else
should run on the machine meanwhile. It takes half an hour, most of it for the kills; `--quick` leaves out
kills and hostile requests.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any

import psutil

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = Path(__file__).with_suffix(".md")
SUGGESTIONS, CLIENTS, REQUESTS, COMPARED = 200, 500, 10_000, 40
SPEAKERS = ("JERRY", "GEORGE", "ELAINE", "KRAMER")
WORDS = (
    "I was at the coffee shop.",
    "You what?",
    "It is about the soup.",
    "Again with the car!",
    "No. Never.",
)
PAUSE = 0.2  # seconds that a client waits after it was told to come again
SOAKS = ("tests/serve/test_kill.py", "tests/serve/test_hostile.py")


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


def scene(lines: int, draw: random.Random) -> list[dict[str, str]]:
    """Return a scene of so many lines of dialogue, as the page sends it."""
    page = [{"kind": "heading", "text": "INT. COFFEE SHOP - DAY"}]
    for _ in range(lines):
        page += [
            {"kind": "character", "text": draw.choice(SPEAKERS)},
            {"kind": "dialogue", "text": draw.choice(WORDS)},
        ]
    return page[-400:]


async def one_writer(client: Client, run: str) -> tuple[list[Answer], list[Answer]]:
    """Write a script with the model: each line that is suggested is accepted, and then comes the next."""
    page = scene(40, random.Random(1))
    singles, triples = [], []
    for seed in range(SUGGESTIONS):
        single = await client.ask(run=run, elements=page[-400:], seed=seed)
        triples.append(await client.ask(run=run, elements=page[-400:], seed=seed, count=3))
        singles.append(single)
        (_, element) = single.texts[0]
        if element["kind"] == "dialogue":
            page.append({"kind": "character", "text": element["speaker"]})
        page.append({"kind": element["kind"], "text": element["text"]})
    return singles, triples


async def crowd(port: int, token: str, run: str) -> tuple[Counter[int], list[float], int]:
    """Let all clients ask at once, beside one who was there before.

    Returns:
        The statuses, the seconds to the first letter of that one, and how many texts were another one than
        the same seed writes alone afterwards.
    """
    statuses: Counter[int] = Counter()
    given: list[tuple[dict[str, Any], list[Any]]] = []
    own: list[float] = []
    is_over = asyncio.Event()

    async def stranger(number: int) -> None:
        client, draw = Client(port, token), random.Random(number)
        for _ in range(REQUESTS // CLIENTS):
            asked = {"run": run, "elements": scene(draw.randrange(30), draw), "seed": draw.randrange(10**6)}
            answer = await client.ask(**asked)
            statuses[answer.status] += 1
            if answer.status == 200:
                given.append((asked, answer.texts))
            else:
                await asyncio.sleep(PAUSE)

    async def regular() -> None:
        client, page = Client(port, token), scene(40, random.Random(2))
        while not is_over.is_set():
            began = perf_counter()
            while (answer := await client.ask(run=run, elements=page)).status != 200:
                await asyncio.sleep(PAUSE)
            own.append(perf_counter() - began - answer.whole + answer.first)

    writer = asyncio.create_task(regular())
    await asyncio.gather(*(stranger(number) for number in range(CLIENTS)))
    is_over.set()
    await writer
    alone = Client(port, token)
    compared = random.Random(3).sample(given, min(COMPARED, len(given)))
    different = [(await alone.ask(**asked)).texts != texts for asked, texts in compared]
    return statuses, own, sum(different)


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return quantiles(values, n=20)[-1]


def soaks() -> str:
    """Run the kills and the hostile requests; return what they printed."""
    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-m", "soak", *SOAKS]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stdout)
    return next(line for line in done.stdout.splitlines() if "acknowledged" in line)


def measure(workspace: Path, run: str) -> list[tuple[str, str, str]]:
    """Return a row for each figure: what, how much is asked for, how much there is."""
    command = [sys.executable, "-m", "scriptforge", "serve", run, "--port", "0", "--no-browser"]
    server = subprocess.Popen(
        command, cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert server.stdout is not None
        link = server.stdout.readline().strip()
        port, token = int(link.split(":")[2].split("/")[0]), link.partition("#token=")[2]
        asyncio.run(Client(port, token).ask(run=run))
        singles, triples = asyncio.run(one_writer(Client(port, token), run))
        before = psutil.Process(server.pid).memory_info().rss
        statuses, own, different = asyncio.run(crowd(port, token, run))
        grown = (psutil.Process(server.pid).memory_info().rss - before) / 1e6
    finally:
        server.terminate()
        server.wait()
    firsts, wholes = [each.first for each in singles if each.first], [each.whole for each in triples]
    said = ", ".join(f"{count:,} × {status}" for status, count in sorted(statuses.items()))
    return [
        ("to the first letter, p95 of one writer", "≤ 150 ms", f"{1000 * p95(firsts):.0f} ms"),
        ("the same, median", "", f"{1000 * median(firsts):.0f} ms"),
        ("three alternatives of one line, p95", "≤ 1 s", f"{p95(wholes):.2f} s"),
        (f"{CLIENTS} clients at once, {sum(statuses.values()):,} requests", "only 200 and 429", said),
        ("memory grows meanwhile by", "< 50 MB", f"{grown:.0f} MB"),
        ("one writer among them, to the first letter, p95", "", f"{p95(own):.1f} s"),
        ("texts of a seed that differ from alone", "0", f"{different} of {COMPARED}"),
    ]


def main() -> None:
    """Measure, and write the page."""
    workspace, run = Path(sys.argv[1]).resolve(), sys.argv[2]
    load = os.getloadavg()[0]
    rows = measure(workspace, run)
    survived = "" if "--quick" in sys.argv else soaks()
    table = "\n".join(f"| {what} | {asked} | {found} |" for what, asked, found in rows)
    cores = len(os.sched_getaffinity(0))
    text = f"""# The writing room under load

<!-- Written by docs/measured/room.py. -->

Measured on {datetime.now(UTC):%Y-%m-%d} on {cores} cores, whose load was {load:.1f} when it began, with the
run that `train` makes of Seinfeld.

```
python docs/measured/room.py WORKSPACE RUN
```

| what | asked for | found |
| --- | --- | --- |
{table}

The one writer accepts each line that is suggested, so that the script grows. A client who is told to come
again (429) does so after {PAUSE} s; who is served is a matter of luck, also for the writer among them.
"""
    if survived:
        text += f"""
SIGKILL at random moments of editing: {survived}.
5,000 hostile requests, made from the routes: no answer of 5xx, nothing read or written outside the room.
"""
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
