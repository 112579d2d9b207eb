"""What a model suggests over the wire: whole events, the same for the same seed, no more than asked for."""

import json
import threading
from typing import Any

import httpx
import pytest
from support.room import ServedRoom
from support.tiny import SPEAKERS

SCENE = [
    {"kind": "heading", "text": "EXT. HARBOUR - DAY"},
    {"kind": "character", "text": "BO"},
    {"kind": "parenthetical", "text": "(waving)"},
    {"kind": "dialogue", "text": "The ferryman lost a bell."},
]


def elements(events: list[dict[str, Any]], number: int = 0) -> list[dict[str, Any]]:
    return [event["element"] for event in events if event["n"] == number and "element" in event]


def text(events: list[dict[str, Any]], number: int = 0) -> str:
    return "".join(event.get("add", "") for event in events if event["n"] == number)


def test_a_line_begins_is_added_to_and_is_whole(room: ServedRoom) -> None:
    events = room.suggest(elements=SCENE, seed=4)
    kinds = [next(key for key in ("begin", "add", "element", "done") if key in event) for event in events]
    assert kinds[0] == "begin" and kinds[-2:] == ["element", "done"]
    assert set(kinds[1:-2]) == {"add"}
    (element,) = elements(events)
    assert element["text"] == text(events).strip()
    assert {"kind": element["kind"], "speaker": element["speaker"]} == events[0]["begin"]
    assert events[-1] == {"n": 0, "done": True, "seed": 4}


def test_alternatives_have_seeds_that_follow_and_are_what_each_is_alone(room: ServedRoom) -> None:
    together = room.suggest(elements=SCENE, count=3, lines=2, seed=7)
    for number in range(3):
        alone = room.suggest(elements=SCENE, lines=2, seed=7 + number)
        assert elements(together, number) == elements(alone)
        assert len(elements(alone)) == 2


def test_requests_that_come_together_are_what_each_is_alone(room: ServedRoom) -> None:
    alone = [elements(room.suggest(elements=SCENE[: 1 + seed % 4], seed=seed, lines=2)) for seed in range(8)]
    found: dict[int, list[dict[str, Any]]] = {}

    def ask(seed: int) -> None:
        with httpx.Client(base_url=room.base, headers=room.client.headers, timeout=60) as client:
            asked = {"run": "harbour", "elements": SCENE[: 1 + seed % 4], "seed": seed, "lines": 2}
            answer = client.post("api/suggestions", json=asked)
        found[seed] = elements([json.loads(line) for line in answer.text.splitlines()])

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed] for seed in range(8)] == alone


def test_an_open_line_is_continued_and_only_what_is_added_is_told(room: ServedRoom) -> None:
    opened = {"kind": "dialogue", "text": "My aunt ", "speaker": "ELAINE"}
    events = room.suggest(elements=SCENE, open=opened, seed=1)
    assert not any("begin" in event for event in events)
    (element,) = elements(events)
    assert (element["kind"], element["speaker"]) == ("dialogue", "ELAINE")
    assert element["text"] == text(events).rstrip() and not element["text"].startswith((" ", "My aunt"))


@pytest.mark.parametrize("end", ["", " ", "\n"])
def test_something_is_added_to_a_line_that_may_be_whole(room: ServedRoom, end: str) -> None:
    opened = {"kind": "dialogue", "text": f"The ferryman lost a bell.{end}", "speaker": "BO"}
    for seed in range(0, 20, 5):
        events = room.suggest(elements=SCENE[:1], open=opened, count=5, seed=seed)
        assert all(text(events, number).strip() for number in range(5))


def test_a_cue_without_words_is_given_its_words(room: ServedRoom) -> None:
    events = room.suggest(elements=[*SCENE, {"kind": "character", "text": "MRS ASH"}], seed=1)
    assert elements(events)[0]["speaker"] == "MRS ASH" and not any("begin" in event for event in events)


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_who_is_next_can_be_said(room: ServedRoom, speaker: str) -> None:
    events = room.suggest(elements=SCENE, next={"speaker": speaker}, count=3, seed=2)
    assert {elements(events, number)[0]["speaker"] for number in range(3)} == {speaker}


@pytest.mark.parametrize("kind", ["heading", "action", "transition"])
def test_the_kind_of_the_next_line_can_be_said(room: ServedRoom, kind: str) -> None:
    assert elements(room.suggest(elements=SCENE, next={"kind": kind}, seed=2))[0]["kind"] == kind


def test_nobody_speaks_but_the_cast(room: ServedRoom) -> None:
    events = room.suggest(elements=SCENE, cast=["Bo"], lines=8, count=2, seed=3)
    spoken = [each["speaker"] for number in range(2) for each in elements(events, number)]
    assert {name for name in spoken if name} == {"Bo"}


def test_a_run_of_one_corpus_goes_by_no_source(room: ServedRoom) -> None:
    assert room.suggest(elements=SCENE, seed=1, source="nowhere") == room.suggest(elements=SCENE, seed=1)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"run": "../../etc"}, "no run named"),
        ({"run": "harbor"}, "no run named"),
        ({"count": 0}, "count"),
        ({"count": 6}, "count"),
        ({"lines": 9}, "lines"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"seed": 2**60}, "seed"),
        ({"elements": [{"kind": "song", "text": ""}]}, "elements"),
        ({"elements": [{"kind": "action", "text": "x"}] * 401}, "elements"),
        ({"cast": ["Zebedee"]}, "no speaker named “Zebedee”"),
        ({"cast": ["Zebedee \udce9"]}, "not JSON"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_cannot_be_asked_is_said_in_a_line(room: ServedRoom, asked: dict[str, Any], says: str) -> None:
    body = json.dumps({"run": "harbour", **asked})
    answer = room.client.post("api/suggestions", content=body)
    assert answer.status_code == 422
    assert says in answer.json()["error"] and answer.json()["remedy"]


def test_copying_is_limited_once_the_training_text_is_known(room: ServedRoom) -> None:
    room.marks()
    events = room.suggest(elements=SCENE, lines=4, seed=1, max_copy=2, next={"speaker": "BO"})
    marks = room.marks(*(each["text"] for each in elements(events)))
    assert marks["known"] and not any(marks["lines"])


def test_what_is_copied_is_marked_with_its_source(room: ServedRoom, room_workspace: Any) -> None:
    from scriptforge.dataset import Dataset
    from scriptforge.workspace import Workspace

    dataset = Dataset(Workspace(room_workspace).dataset("harbour"))
    row = next(row for row in dataset.rows("train") if len(row.text.split()) >= 6)
    (first, second) = room.marks(f"Oh! {row.text}", "New words.")["lines"]
    assert second == [] and first[0]["words"] >= 6 and first[0]["start"] == 4
    assert "line" in first[0]["source"] and first[0]["quote"]
