"""Drafts over the wire: every change is kept, none is made twice, and nobody overwrites anybody."""

import contextlib
import itertools
import json
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.command import environment
from support.room import ServedRoom, action, put, served

from scriptforge.serve import drafts as drafts_module
from scriptforge.serve.changes import Change
from scriptforge.serve.drafts import DiskFull, DraftMissing, Drafts, RevisionConflict
from scriptforge.serve.elements import PageElement


def test_edits_come_to_the_order_that_they_say(room: ServedRoom) -> None:
    draft = room.draft("a", "b")
    edits = [
        put("x", "first", after=None),
        put("y", "second", after="x"),
        put("1", "B", after="1"),
        put("0", "A"),
        put("z", "last", after="nobody"),
        {"remove": "y"},
        {"remove": "nobody"},
        put("z", "moved", after="x"),
    ]
    answer = room.change(draft["id"], 1, "one", *edits)
    assert answer.json() == {"revision": 2}
    assert room.texts(draft["id"]) == ["first", "moved", "A", "B"]


def test_a_change_that_is_sent_again_is_made_once(room: ServedRoom) -> None:
    draft = room.draft()
    for _ in range(3):
        assert room.change(draft["id"], 1, "same", put("a", "once")).json() == {"revision": 2}
    assert room.texts(draft["id"]) == ["once"]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 5_000])
def test_settings_are_numbers_that_every_page_can_read(room: ServedRoom, number: str) -> None:
    place = f"api/drafts/{room.draft()['id']}"
    assert room.client.patch(place, content=f'{{"settings": {{"a": [{number}]}}}}').status_code == 422
    assert room.client.patch(place, json={"settings": {"a": [1.5, None, "x"]}}).status_code == 200
    assert room.client.get(place).json()["settings"] == {"a": [1.5, None, "x"]}


def test_who_is_behind_is_told_what_is_missing_and_changes_nothing(room: ServedRoom) -> None:
    draft = room.draft("a")
    room.change(draft["id"], 1, "mine", put("b", "mine", after="0"))
    answer = room.change(draft["id"], 1, "theirs", put("0", "theirs"))
    assert answer.status_code == 409
    told = answer.json()
    assert told["revision"] == 2 and [each["change"] for each in told["changes"]] == ["mine"]
    assert told["changes"][0]["edits"] == [put("b", "mine", after="0")]
    assert room.texts(draft["id"]) == ["a", "mine"]


def test_who_is_far_behind_is_told_to_load_the_draft_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drafts_module, "MAX_MISSED_CHARACTERS", 1_000)
    drafts = Drafts(tmp_path / "drafts.db")
    draft = drafts.create("", "", _page("a"))["id"]
    for number, text in enumerate(("short", "x" * 2_000), start=1):
        change = {"base": number, "change": str(number), "edits": [put("b", text)]}
        drafts.change(draft, Change.model_validate(change))
    assert drafts.changes(draft, 1) == (3, None)
    assert drafts.changes(draft, 3) == (3, [])
    drafts.close()


def test_branches_are_kept_and_go(room: ServedRoom) -> None:
    draft = room.draft("a")
    branch = {"id": "way", "name": "Another way", "after": "0", "elements": [action("q", "kept")]}
    assert room.change(draft["id"], 1, "1", branch=branch).status_code == 200
    assert room.client.get(f"api/drafts/{draft['id']}").json()["branches"] == [branch]
    assert room.change(draft["id"], 2, "2", remove_branch="way").status_code == 200
    assert room.client.get(f"api/drafts/{draft['id']}").json()["branches"] == []


def test_title_run_and_settings_change_without_a_new_revision(room: ServedRoom) -> None:
    draft = room.draft()
    for fields in ({"title": "Ü"}, {"run": "gone"}, {"settings": {"voice": 1.5}}):
        answer = room.client.patch(f"api/drafts/{draft['id']}", json=fields)
        assert fields.items() <= answer.json().items()
    found = room.client.get(f"api/drafts/{draft['id']}").json()
    assert (found["title"], found["run"], found["settings"], found["revision"]) == (
        "Ü", "gone", {"voice": 1.5}, 1,
    )  # fmt: skip


def test_another_tab_follows_what_is_changed(room: ServedRoom) -> None:
    draft = room.draft("a")
    room.change(draft["id"], 1, "missed", put("b", "missed"))
    with room.client.stream("GET", f"api/drafts/{draft['id']}/changes?after=1") as stream:
        lines = (json.loads(line) for line in stream.iter_lines() if line)
        assert next(lines)["change"] == "missed"
        with httpx.Client(base_url=room.base, headers=room.client.headers) as other:
            body = {"base": 2, "change": "live", "edits": [{"remove": "b"}]}
            other.post(f"api/drafts/{draft['id']}/changes", json=body)
            assert next(lines) == {"revision": 3, "change": "live", "edits": [{"remove": "b"}]}
            other.patch(f"api/drafts/{draft['id']}", json={"title": "New"})
            assert next(lines) == {"title": "New"}
            other.delete(f"api/drafts/{draft['id']}")
            assert next(lines) == {"removed": True}


def test_a_draft_of_a_run_that_is_gone_is_read_and_exported(room: ServedRoom) -> None:
    draft = room.draft("It rains.", run="gone")
    found = room.client.get(f"api/drafts/{draft['id']}").json()
    assert found["run"] == "gone"
    lines = [{"kind": each["kind"], "text": each["text"]} for each in found["elements"]]
    answer = room.client.post("api/export?format=fountain", json={"title": "R", "elements": lines})
    assert answer.text == "Title: R\n\nIt rains.\n"


def test_what_there_is_not_is_not_found(room: ServedRoom) -> None:
    for path in ("api/drafts/none", "api/drafts/none/changes?after=0"):
        assert room.client.get(path).status_code == 404
    assert room.client.delete("api/drafts/none").status_code == 404
    assert room.change("none", 1, "c", put("a", "x")).status_code == 404


def _page(*texts: str) -> list[PageElement]:
    return [PageElement(**action(str(number), text)) for number, text in enumerate(texts)]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("pr"), st.integers(0, 9), st.none() | st.integers(0, 9), st.text(max_size=3)
        ),
        max_size=40,
    )
)
def test_order_is_that_of_a_list(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    drafts = Drafts(tmp_path_factory.mktemp("drafts") / "drafts.db")
    draft = drafts.create("", "", [])
    expected: dict[str, str] = {}
    for number, (what, id_, after, said) in enumerate(steps, start=1):
        own = str(id_)
        if what == "r":
            edit: dict[str, Any] = {"remove": own}
            expected.pop(own, None)
        else:
            above = None if after is None or after == id_ else str(after)
            edit = {"put": action(own, said), "after": above}
            order = [each for each in expected if each != own]
            place = 0 if above is None else order.index(above) + 1 if above in order else len(order)
            order.insert(place, own)
            expected = {each: said if each == own else expected[each] for each in order}
        change = Change.model_validate({"base": number, "change": str(number), "edits": [edit]})
        drafts.change(draft["id"], change)
    found = {each["id"]: each["text"] for each in drafts.get(draft["id"])["elements"]}
    assert list(found.items()) == list(expected.items())
    drafts.close()


@pytest.mark.parametrize("seed", range(5))
def test_many_edits_at_once_come_to_the_same_as_one_by_one(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    behind: list[dict[str, str | None]] = [{"after": str(number)} for number in range(40)]
    places: list[dict[str, str | None]] = [{}, {"after": None}, *behind]
    edits = [
        {"remove": str(draw.randrange(40))}
        if draw.random() < 0.3
        else put(str(draw.randrange(40)), str(number), **draw.choice(places))
        for number in range(250)
    ]
    drafts = Drafts(tmp_path / "drafts.db")
    together, apart = (drafts.create("", "", _page(*"abcdefgh"))["id"] for _ in range(2))
    drafts.change(together, Change.model_validate({"base": 1, "change": "all", "edits": edits}))
    for base, edit in enumerate(edits, start=1):
        drafts.change(apart, Change.model_validate({"base": base, "change": str(base), "edits": [edit]}))
    assert drafts.get(together)["elements"] == drafts.get(apart)["elements"]
    drafts.close()


def test_there_is_always_room_between_two_elements(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path / "drafts.db")
    draft = drafts.create("", "", _page("first", "last"))["id"]
    for number in range(1, 60):
        edits = [put(f"n{number}", str(number), after="0")]
        drafts.change(draft, Change.model_validate({"base": number, "change": str(number), "edits": edits}))
    texts = [each["text"] for each in drafts.get(draft)["elements"]]
    assert texts == ["first", *map(str, range(59, 0, -1)), "last"]


def test_two_processes_may_have_the_drafts_open(tmp_path: Path) -> None:
    one, other = Drafts(tmp_path / "drafts.db"), Drafts(tmp_path / "drafts.db")
    draft = one.create("", "", _page("a"))["id"]
    change = Change.model_validate({"base": 1, "change": "c", "edits": [put("b", "b")]})
    assert other.change(draft, change)[0] == 2
    with pytest.raises(RevisionConflict):
        one.change(draft, change.model_copy(update={"change": "d"}))


def test_the_draft_that_was_changed_last_is_the_first_though_the_clock_was_set_back(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path / "drafts.db")
    ids = [drafts.create(title, "", [])["id"] for title in ("a", "b", "c")]
    with contextlib.closing(sqlite3.connect(tmp_path / "drafts.db")) as database, database:
        database.execute("UPDATE drafts SET updated = '2999-01-01T00:00:00.000+00:00' WHERE title = 'a'")
    drafts.update(ids[2], title="C")
    drafts.update(ids[1], title="B")
    assert [each["title"] for each in drafts.summaries()] == ["B", "C", "a"]
    drafts.close()


def checkpoint(drafts: Drafts) -> None:
    """Write all changes into the database itself."""
    with contextlib.closing(sqlite3.connect(drafts.path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def damage(path: Path, page: int) -> None:
    """Overwrite a page of a database."""
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xa5" * 4096)


def damage_while_open(drafts: Drafts, page: int) -> None:
    """Overwrite a page of a database that is open, so that it is read from there."""
    checkpoint(drafts)
    assert drafts._connection is not None
    drafts._connection.execute("PRAGMA shrink_memory")
    damage(drafts.path, page)


@contextlib.contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Have another process read a database, so that nobody else writes its log into it; it is killed."""
    read = "db.execute('BEGIN'); db.execute('SELECT id FROM drafts').fetchone(); print(flush=True); input()"
    opened = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1])"
    command = [sys.executable, "-c", f"{opened}; {read}", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"\n"
        yield
        holder.kill()


# Opens drafts, and ends at once in place of the N-th call that changes a name on the disk.
KILLED = """
import os, sys
from pathlib import Path
from scriptforge.serve.drafts import Drafts

calls = 0

def count(event, arguments):
    global calls
    if event in ("os.remove", "os.rename"):
        calls += 1
        if calls == int(sys.argv[2]):
            os._exit(9)

sys.addaudithook(count)
Drafts(Path(sys.argv[1])).close()
"""


class TestDamage:
    def test_a_file_that_is_no_database_is_set_aside(self, tmp_path: Path) -> None:
        (tmp_path / "drafts.db").write_bytes(b"not a database at all" * 400)
        drafts = Drafts(tmp_path / "drafts.db")
        assert drafts.summaries() == []
        (note,) = drafts.notes
        (aside,) = tmp_path.glob("drafts.damaged-*.db")
        assert aside.name in note and aside.read_bytes().startswith(b"not a database")

    @pytest.mark.parametrize("first", [True, False], ids=["first page", "any other page"])
    def test_what_can_be_read_is_recovered(self, tmp_path: Path, first: bool) -> None:
        path = tmp_path / "drafts.db"
        drafts = Drafts(path)
        texts = [f"{number} {'words ' * 40}" for number in range(400)]
        draft = drafts.create("Long", "harbour", _page(*texts))["id"]
        drafts.close()
        content = bytearray(path.read_bytes())
        pages = len(content) // 4096
        for page in [0] if first else range(pages // 2, pages // 2 + 3):
            content[page * 4096 : (page + 1) * 4096] = b"\xa5" * 4096
        path.write_bytes(content)
        again = Drafts(path)
        assert again.notes
        found = again.get(draft)
        kept = [each["text"] for each in found["elements"]]
        assert found["title"] == "Long" and len(kept) >= (400 if first else 300)
        assert set(kept) <= set(texts) and kept == sorted(kept, key=texts.index)
        assert found["revision"] > 1
        with pytest.raises(RevisionConflict):
            again.change(draft, Change.model_validate({"base": 1, "change": "old", "edits": []}))

    def test_pages_that_lead_back_to_others_end(self, tmp_path: Path) -> None:
        path = tmp_path / "drafts.db"
        drafts = Drafts(path)
        draft = drafts.create("Long", "", _page(*[f"{number} {'words ' * 40}" for number in range(400)]))
        drafts.close()
        content = path.read_bytes()
        path.write_bytes(content[: 21 * 4096] + content[20 * 4096 :])
        again = Drafts(path)
        assert again.notes and len(again.get(draft["id"])["elements"]) > 100

    @pytest.mark.parametrize(
        ("statement", "value"),
        [
            ("UPDATE elements SET text = CAST(? AS TEXT)", b"b\xff\xfed"),
            ("UPDATE elements SET kind = ?", "song"),
            ("UPDATE elements SET origin = ?", '{"run": 7}'),
            ("UPDATE elements SET id = ?", "no id"),
            ("UPDATE elements SET position = ?", b"x"),
            ("UPDATE drafts SET settings = ?", '{"a": NaN}'),
            ("UPDATE drafts SET settings = ?", "[" * 9_000),
            ("UPDATE drafts SET title = ?", b"x"),
            ("UPDATE drafts SET revision = ?", "x"),
            ("UPDATE drafts SET id = ?", "an id"),
            ("UPDATE branches SET elements = ?", "{"),
            ("UPDATE changes SET revision = revision + ?", 1),
            ("ALTER TABLE elements RENAME COLUMN text TO ?", None),
        ],
        ids=str,
    )
    def test_rows_that_the_room_has_not_written_are_made_such(
        self, tmp_path: Path, statement: str, value: object
    ) -> None:
        path = tmp_path / "drafts.db"
        drafts = Drafts(path)
        draft = drafts.create("Kept", "", _page("a"))["id"]
        branch = {"id": "way", "name": "Way", "elements": []}
        change = {"base": 1, "change": "c", "edits": [put("b", "b")], "branch": branch}
        drafts.change(draft, Change.model_validate(change))
        drafts.close()
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
            where = " WHERE id = 'b'" if "elements SET id" in statement else ""
            db.execute(statement.replace("TO ?", "TO words") + where, [] if value is None else [value])
        again = Drafts(path)
        found = max(again.summaries(), key=lambda each: int(each["elements"]))
        whole = again.get(found["id"])
        assert [PageElement.model_validate(each) for each in whole["elements"]]
        edits = [put("c", "c", after=None)]
        with contextlib.suppress(RevisionConflict):
            again.change(
                found["id"], Change.model_validate({"base": whole["revision"], "change": "d", "edits": edits})
            )
        assert len(again.get(found["id"])["elements"]) >= 2
        assert json.dumps(again.get(found["id"]), allow_nan=False)

    def test_damage_that_comes_while_it_is_open_is_met_in_the_same_way(self, tmp_path: Path) -> None:
        path = tmp_path / "drafts.db"
        drafts = Drafts(path)
        kept = drafts.create("Kept", "", _page("a"))["id"]
        damage_while_open(drafts, page=1)
        with contextlib.suppress(DraftMissing):
            drafts.get(kept)
        drafts.create("New", "", _page("b"))
        assert "New" in [each["title"] for each in drafts.summaries()]

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
    def test_a_full_disk_is_said_and_they_are_recovered_once_there_is_room(
        self, tmp_path: Path, part: float
    ) -> None:
        drafts = Drafts(tmp_path / "drafts.db")
        texts = [f"{number} {'words ' * 40}" for number in range(400)]
        kept = drafts.create("Kept", "", _page(*texts))["id"]
        damage_while_open(drafts, page=20)
        usual = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(drafts.path.stat().st_size * part), usual[1]))
        before = set(tmp_path.iterdir())
        try:
            for _ in range(2):
                with pytest.raises(DiskFull):
                    drafts.get(kept)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert set(tmp_path.iterdir()) <= before
        found = [each["text"] for each in drafts.get(kept)["elements"]]
        assert len(found) > 300 and set(found) <= set(texts)
        drafts.create("New", "", _page("b"))
        drafts.close()

    @pytest.mark.slow
    def test_a_recovery_that_is_killed_loses_no_change(self, tmp_path: Path) -> None:
        made = tmp_path / "made"
        drafts = Drafts(made / "drafts.db")
        texts = [f"{number} {'words ' * 40}" for number in range(400)]
        draft = drafts.create("Kept", "", _page(*texts))["id"]
        checkpoint(drafts)
        change = {"base": 1, "change": "last", "edits": [put("x", "last", after="399")]}
        drafts.change(draft, Change.model_validate(change))
        damage(drafts.path, page=20)
        shutil.copytree(made, tmp_path / "crashed")
        drafts.close()
        for number in itertools.count(1):
            shutil.copytree(tmp_path / "crashed", tmp_path / str(number))
            path = tmp_path / str(number) / "drafts.db"
            command = [sys.executable, "-c", KILLED, str(path), str(number)]
            with held_open(path):
                code = subprocess.run(command, env=environment(), check=False).returncode
            again = Drafts(path)
            found = [each["text"] for each in again.get(draft)["elements"]]
            again.close()
            assert found[-1] == "last" and len(found) > 300, number
            assert not list(path.parent.glob("*recovered*"))
            assert list(path.parent.glob("drafts.damaged-*.db"))
            if code == 0:
                break
        assert number > 3


def test_a_full_disk_is_said_and_nothing_is_lost(workspace: Path) -> None:
    limited = ("sh", "-c", 'ulimit -f 400; exec "$@"', "sh")
    with served(workspace, "harbour", "--port", "0", wrapper=limited) as room:
        draft = room.draft("kept")
        revision, number = 1, 0
        while True:
            number += 1
            answer = room.change(draft["id"], revision, str(number), put(str(number), "x" * 19_000))
            if answer.status_code != 200:
                break
            revision = answer.json()["revision"]
        assert answer.status_code == 507 and "full" in answer.json()["error"]
        assert len(room.texts(draft["id"])) == revision
    with served(workspace, "harbour", "--port", "0") as room:
        assert len(room.texts(draft["id"])) == revision
        assert room.change(draft["id"], revision, str(number), put("now", "y")).status_code == 200
