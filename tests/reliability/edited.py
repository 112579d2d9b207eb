"""F: drafts that are edited while the server is killed, and in several tabs at once.

Every change that was acknowledged is there, once, whoever else edits and whatever becomes of the server.
"""

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from support.campaign import Part
from support.room import ServedRoom, action, served

from scriptforge.serve.drafts import Drafts

Outcome: TypeAlias = tuple[int, list[str], list[str]]

_PATIENCE = 60.0


def edit_until_killed(
    room: ServedRoom, draft: dict[str, Any], draw: random.Random, has_begun: threading.Event
) -> Outcome:
    """Edit a draft until the server is gone.

    Args:
        room: where the draft is.
        draft: as it is there.
        draw: decides what is edited.
        has_begun: set once a change was acknowledged.

    Returns:
        How many changes were acknowledged, what the draft says after them, and what it would say if the one
        that was not acknowledged was kept.
    """
    known = {each["id"]: each["text"] for each in draft["elements"]}
    base, acknowledged = draft["revision"], 0
    while True:
        after = dict(known)
        edits: list[dict[str, Any]] = []
        for _ in range(draw.randint(1, 4)):
            own = f"e{draw.randrange(200)}"
            if own in after and draw.random() < 0.3:
                del after[own]
                edits.append({"remove": own})
            else:
                after.pop(own, None)
                last = next(reversed(after), None)
                after[own] = "words " * draw.randrange(200)
                edits.append({"put": action(own, after[own]), "after": last})
        try:
            answer = room.change(draft["id"], base, f"{base}", *edits)
        except (httpx.TransportError, RuntimeError):
            return acknowledged, list(known.values()), list(after.values())
        assert answer.status_code == 200, answer.text
        base, known, acknowledged = answer.json()["revision"], after, acknowledged + 1
        has_begun.set()


def edit_and_kill(workspace: Path, run: str, times: int) -> int:
    """Kill the server so often at random moments, and return how many changes were acknowledged in all.

    It is killed only after something was acknowledged.
    """
    delays = random.Random(18)
    total, before = 0, [["first"]]
    id_ = ""
    for number in range(times):
        room = ServedRoom(workspace, run, "--port", "0")
        id_ = id_ or room.draft("first")["id"]
        draft = room.client.get(f"api/drafts/{id_}").json()
        assert _texts(draft) in before, f"after kill {number} the draft is another: {_texts(draft)}"
        has_begun = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            editing = pool.submit(edit_until_killed, room, draft, random.Random(number), has_begun)
            has_begun.wait(_PATIENCE)
            time.sleep(delays.random() * 0.8)
            room.process.kill()
            acknowledged, *before = editing.result()
        room.kill()
        said = room.stderr.read_text(encoding="utf-8")
        assert "damaged" not in said, said
        assert acknowledged, f"nothing was acknowledged before kill {number + 1}"
        total += acknowledged
    drafts = Drafts(workspace / "room" / "drafts.db")
    left = _texts(drafts.get(id_))
    assert left in before, f"in the end the draft is another: {left}"
    assert not drafts.notes, drafts.notes
    drafts.close()
    return total


def _texts(draft: dict[str, Any]) -> list[str]:
    return [each["text"] for each in draft["elements"]]


def attack_kills(workspace: Path, run: str, times: int) -> Part:
    """Kill the server so often; what fails is said by the exception that ends it."""
    part = Part("SIGKILL at random moments of editing")
    try:
        edit_and_kill(workspace, run, times)
    except AssertionError as problem:
        part.failures.append(str(problem)[:300])
    part.tried = times
    return part


class Tab:
    """One tab with a draft: it edits it, and follows what others make of it.

    Args:
        room: where the draft is.
        draft: as it was when the tab was opened.
        number: of the tab.
    """

    def __init__(self, room: ServedRoom, draft: dict[str, Any], number: int) -> None:
        self._client = httpx.Client(
            base_url=room.base, headers=room.client.headers, trust_env=False, timeout=60
        )
        self._path = f"api/drafts/{draft['id']}"
        self._draw = random.Random(number)
        self._number = number
        self.revision = draft["revision"]
        self.made: list[str] = []

    def __enter__(self) -> "Tab":
        """Keep the tab open for a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._client.close()

    def edit(self, times: int) -> None:
        """Add so many elements, each of which is sent again until it was made on the latest revision."""
        for number in range(times):
            own = f"t{self._number}.{number}"
            after = self._draw.choice([None, *self.made, "nobody"])
            edits = [{"put": action(own, own), "after": after}]
            while True:
                body = {"base": self.revision, "change": own, "edits": edits}
                answer = self._client.post(f"{self._path}/changes", json=body)
                self.revision = answer.json()["revision"]
                if answer.status_code == 200:
                    break
                assert answer.status_code == 409, answer.text
            self.made.append(own)

    def follow(self, until: int) -> list[str]:
        """Return the changes that are told from the first revision to another one, in order."""
        told: list[str] = []
        with self._client.stream("GET", f"{self._path}/changes?after=1") as lines:
            for line in filter(None, lines.iter_lines()):
                news = json.loads(line)
                told.append(news["change"])
                if news["revision"] >= until:
                    break
        return told


def attack_tabs(workspace: Path, run: str, times: int, tabs: int = 2) -> Part:
    """Let some tabs edit one draft at the same time, and another one follow it."""
    part = Part(f"edits of one draft in {tabs} tabs at once")
    with (
        served(workspace, run, "--port", "0") as room,
        ThreadPoolExecutor(tabs + 1) as pool,
        ExitStack() as open_tabs,
    ):
        draft = room.draft("first")
        *opened, follower = [open_tabs.enter_context(Tab(room, draft, number)) for number in range(tabs + 1)]
        share = times // tabs
        followed = pool.submit(follower.follow, 1 + share * tabs)
        for edited in [pool.submit(tab.edit, share) for tab in opened]:
            edited.result()
        told = followed.result()
        kept = room.texts(draft["id"])
    for tab in opened:
        for own in tab.made:
            part.count(None if kept.count(own) == 1 else f"{own} is there {kept.count(own)} times")
    part.count(None if sorted([*told, "first"]) == sorted(kept) else "what is told is not what is there")
    return part
