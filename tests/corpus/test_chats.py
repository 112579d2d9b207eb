"""What holds of any transcript, chat or subtitles: what a person is told, and half a file."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest

from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import find_source
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.script import normalise

CASES = Path(__file__).parent / "cases"
SPOKEN = [
    path.with_suffix("")
    for path in sorted(CASES.glob("*.reads"))
    if path.read_text(encoding="utf-8").partition("\n")[0] in ("chat", "subtitles", "transcript")
    and path.with_suffix("").suffix not in (".json", ".html", "")
]


def notes(path: Path) -> str:
    parsing = Parsing()
    for _ in parse(fetch(find_source(str(path), Cards({}, {}))), False, parsing):
        pass
    return "\n".join(parsing.notes)


@pytest.mark.parametrize("name", ["whatsapp-android.txt", "telegram.json", "telegram.html", "slack"])
def test_of_a_chat_it_is_said_whom_to_ask(name: str) -> None:
    assert "other people's names and words" in notes(CASES / name)


@pytest.mark.parametrize("name", ["play-of-gutenberg.txt", "meeting.vtt", "messages-of-a-model.json"])
def test_of_other_texts_it_is_not(name: str) -> None:
    assert "other people" not in notes(CASES / name)


SLACK = [{"type": "message", "user": "U1", "ts": "1", "text": "Is that the tram, <@U2>?"}]
USERS = [{"id": f"U{number}", "name": name} for number, name in enumerate(("ida", "ben"), start=1)]


def write_slack(folder: Path) -> Path:
    """Write a chat into a folder, and the list of its users beside it; return the path of the list."""
    folder.mkdir(exist_ok=True)
    (folder / "2021-03-12.json").write_text(json.dumps(SLACK), encoding="utf-8")
    (folder / "users.json").write_text(json.dumps(USERS), encoding="utf-8")
    return folder / "users.json"


def heard(path: Path) -> list[tuple[str, str]]:
    """Return the speakers and texts of the chats in a file or folder."""
    rows = parse(fetch(find_source(str(path), Cards({}, {}))), False, Parsing())
    return [(row.speaker, row.text) for row in rows]


def test_slacks_list_of_users_in_a_folder_is_recorded_and_no_script(tmp_path: Path) -> None:
    users = write_slack(tmp_path / "slack")
    corpus = fetch(find_source(str(tmp_path / "slack"), Cards({}, {})))
    assert [file.name for file in corpus.files] == ["2021-03-12.json"]
    assert corpus.notes == ()
    assert corpus.origin.files[1].name == "users.json"
    assert corpus.origin.files[1].sha256 == hashlib.sha256(users.read_bytes()).hexdigest()
    users.unlink()
    assert [(row.speaker, row.text) for row in parse(corpus, False, Parsing())] == NAMED
    pickled = pickle.loads(pickle.dumps(corpus.tasks[0]))
    assert list(pickled.users.values()) == ["ida", "ben"]


NAMED = [("ida", "Is that the tram, @ben?")]
UNNAMED = [("U1", "Is that the tram, @U2?")]


def test_names_come_from_the_folder_that_was_given_and_from_none_above(tmp_path: Path) -> None:
    write_slack(tmp_path)
    folder = tmp_path / "general"
    write_slack(folder).unlink()
    (tmp_path / "2021-03-12.json").unlink()
    assert heard(tmp_path) == NAMED
    assert heard(folder) == UNNAMED
    assert heard(folder / "2021-03-12.json") == UNNAMED


@pytest.mark.parametrize("target", ["folder", "file inside", "file outside"])
def test_names_come_from_no_link(tmp_path: Path, target: str) -> None:
    users = write_slack(tmp_path / "slack")
    moved = (tmp_path if target == "file outside" else tmp_path / "slack") / "people.txt"
    users.rename(moved)
    if target == "folder":
        moved.unlink()
        users.mkdir()
    else:
        users.symlink_to(moved)
    assert UNNAMED[0] in heard(tmp_path / "slack")


@pytest.mark.parametrize("content", [b"[", b"[" * 100_000, b"\xff", b"[1]", b'[{"id": "U1", "profile": 1}]'])
def test_a_damaged_list_of_users_harms_no_chat(tmp_path: Path, content: bytes) -> None:
    write_slack(tmp_path / "slack").write_bytes(content)
    assert UNNAMED[0] in heard(tmp_path / "slack")


def test_a_script_may_be_called_as_the_list_of_users_is(tmp_path: Path) -> None:
    users = write_slack(tmp_path)
    users.write_text(json.dumps([{"id": "1", "name": "Nora", "line": "Rain."}]), encoding="utf-8")
    assert ("Nora", "Rain.") in heard(tmp_path)


@pytest.mark.parametrize(
    "note",
    [
        "-!- nora has quit",
        "*** nora joined",
        "* nora (a@b) left",
        "--> nora",
        "<-- nora",
        "-- nora",
        "=-= nora",
        "<- nora",
        "-> nora",
        "<= nora",
        "=> nora",
        "⇐ nora",
        "→ nora",
        "← nora",
        "ℹ nora",
        "-nora- hi",
        "! nora",
    ],
)
def test_notes_by_a_program_are_dropped(note: str) -> None:
    lines = ["09:14 <nora> It rains.", "09:15 <oskar> Again?", f"09:16 {note}", "09:17 <nora> Again."]
    reading = read(lines)
    assert reading.format == "chat"
    assert [element.text for element in reading] == ["It rains.", "Again?", "Again."]


@pytest.mark.parametrize("path", SPOKEN, ids=lambda path: path.name)
def test_half_a_file_is_read_and_nobody_speaks_who_does_not_in_the_whole(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    whole = {element.speaker for element in read([text])}
    for tenth in range(1, 10):
        found = list(read([text[: len(text) * tenth // 10]]))
        assert found == list(map(normalise, found))
    lines = text.splitlines(keepends=True)
    assert {element.speaker for element in read(lines[:-2])} <= whole | {""}
