"""Measures the writing room: one writer, and 500 clients at once; writes room.md.

    PYTHONPATH=tests python docs/measured/room.py WORKSPACE RUN

RUN is a run of the workspace, which should be the one that `train` makes of Seinfeld by default. Nothing else
should run on the machine meanwhile.
"""

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import psutil
from support.crowd import PAUSE, Answer, Client, crowd, scene

PAGE = Path(__file__).with_suffix(".md")
SUGGESTIONS, CLIENTS, REQUESTS = 200, 500, 10_000


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


def p95(values: Sequence[float]) -> float:
    """Return the 95th percentile."""
    return quantiles(values, n=20)[-1]


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
        served = asyncio.run(crowd(port, token, run, CLIENTS, REQUESTS))
        grown = (psutil.Process(server.pid).memory_info().rss - before) / 1e6
    finally:
        server.terminate()
        server.wait()
    firsts, wholes = [each.first for each in singles if each.first], [each.whole for each in triples]
    said = ", ".join(f"{count:,} × {status}" for status, count in sorted(served.statuses.items()))
    return [
        ("to the first letter, p95 of one writer", "≤ 150 ms", f"{1000 * p95(firsts):.0f} ms"),
        ("the same, median", "", f"{1000 * median(firsts):.0f} ms"),
        ("three alternatives of one line, p95", "≤ 1 s", f"{p95(wholes):.2f} s"),
        (f"{CLIENTS} clients at once, {served.statuses.total():,} requests", "only 200 and 429", said),
        ("memory grows meanwhile by", "< 50 MB", f"{grown:.0f} MB"),
        ("one writer among them, to the first letter, p95", "", f"{p95(served.firsts):.1f} s"),
        ("texts of a seed that differ from alone", "0", f"{served.different} of {served.compared}"),
    ]


def main() -> None:
    """Measure, and write the page."""
    workspace, run = Path(sys.argv[1]).resolve(), sys.argv[2]
    load = os.getloadavg()[0]
    rows = measure(workspace, run)
    table = "\n".join(f"| {what} | {asked} | {found} |" for what, asked, found in rows)
    cores = len(os.sched_getaffinity(0))
    text = f"""# The writing room under load

<!-- Written by docs/measured/room.py. -->

Measured on {datetime.now(UTC):%Y-%m-%d} on {cores} cores, whose load was {load:.1f} when it began, with the
run that `train` makes of Seinfeld.

```
PYTHONPATH=tests python docs/measured/room.py WORKSPACE RUN
```

| what | asked for | found |
| --- | --- | --- |
{table}

The one writer accepts each line that is suggested, so that the script grows. A client who is told to come
again (429) does so after {PAUSE} s; who is served is a matter of luck, also for the writer among them.
"""
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
