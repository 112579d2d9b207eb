"""SIGKILL in the middle of editing: every change that was acknowledged is there when the server is back."""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest
from support.room import ServedRoom, action

from scriptforge.serve.drafts import Drafts

Outcome: TypeAlias = tuple[int, list[str], list[str]]


def edit_until_killed(room: ServedRoom, draft: dict[str, Any], draw: random.Random) -> Outcome:
    """Edit a draft until the server is gone.

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
        assert answer.status_code == 200
        base, known, acknowledged = answer.json()["revision"], after, acknowledged + 1


def edit_and_kill(workspace: Path, times: int) -> int:
    """Kill the server so often at random moments, and return how many changes were acknowledged in all."""
    draw = random.Random(18)
    total, before = 0, [["first"]]
    id_ = ""
    for _ in range(times):
        room = ServedRoom(workspace, "harbour", "--port", "0")
        id_ = id_ or room.draft("first")["id"]
        draft = room.client.get(f"api/drafts/{id_}").json()
        assert [each["text"] for each in draft["elements"]] in before
        with ThreadPoolExecutor(1) as pool:
            editing = pool.submit(edit_until_killed, room, draft, draw)
            time.sleep(draw.random() * 0.8)
            room.process.kill()
            acknowledged, *before = editing.result()
        room.kill()
        assert "damaged" not in room.stderr.read_text(encoding="utf-8")
        total += acknowledged
    drafts = Drafts(workspace / "room" / "drafts.db")
    assert [each["text"] for each in drafts.get(id_)["elements"]] in before
    assert not drafts.notes
    drafts.close()
    return total


def test_what_was_acknowledged_survives(workspace: Path) -> None:
    assert edit_and_kill(workspace, 2) > 0


@pytest.mark.soak
def test_all_survives_200_kills(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    total = edit_and_kill(workspace, 200)
    with capsys.disabled():
        print(f"\n200 of 200 kills: all of {total:,} acknowledged changes were there")  # noqa: T201
