"""Files that a draft becomes: in which formats, and under which names."""

import asyncio
import re
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from support.room import ServedRoom

from scriptforge.documents.kinds import WRITTEN
from scriptforge.serve.app import build_app
from scriptforge.serve.elements import MAX_ELEMENTS
from scriptforge.serve.files import ExportRequest, export_formats, read_file, write_file
from scriptforge.serve.guard import LIMITS, AccessRules, Guard
from scriptforge.serve.room import MAX_IMPORTS, Room
from scriptforge.serve.runs import OfferedRuns, Runs
from scriptforge.workspace import Workspace


def test_whatever_is_written_can_be_exported() -> None:
    assert {each["format"] for each in export_formats()} == set(WRITTEN)


@pytest.mark.parametrize(
    ("title", "stem"),
    [
        ("The Soup", "The Soup"),
        ("Ödipus", "Ödipus"),
        ("O\N{COMBINING DIAERESIS}dipus", "Ödipus"),
        ("茶馆", "茶馆"),
        ("Who's “afraid”?", "Who's -afraid"),
        ("../../etc/passwd", "etc-passwd"),
        ('a\\b:c*d?e"f<g>h|i\nj', "a-b-c-d-e-f-g-h-i-j"),
        ("con", "script con"),
        ("?!", "script"),
        ("", "script"),
    ],
)
def test_the_name_is_the_title_as_far_as_systems_take_it(title: str, stem: str) -> None:
    assert write_file(ExportRequest(title=title, elements=[]), "fountain")[2] == f"{stem}.fountain"


@pytest.mark.parametrize("letter", ["x", "馆", "\N{CJK UNIFIED IDEOGRAPH-20000}"])
def test_a_long_title_is_cut_where_a_name_would_be_too_long(letter: str) -> None:
    name = write_file(ExportRequest(title=letter * 150, elements=[]), "fountain")[2]
    assert name.startswith(letter * 40) and len(name) < 100 and len(name.encode()) < 230


@pytest.mark.parametrize("format", sorted(set(WRITTEN) - {"pdf", "docx"}))
def test_no_file_has_a_control_of_a_title_or_a_text(format: str) -> None:
    text = "a\x07b\x1bc\x7fd\x80e\x85f\x9bg"
    elements = [{"kind": kind, "text": text} for kind in ("heading", "action", "character", "dialogue")]
    content = write_file(ExportRequest.model_validate({"title": text, "elements": elements}), format)[0]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|\\u00[0189]", content.decode())


def test_an_import_reads_no_file_beside_its_own(tmp_path: Path) -> None:
    (tmp_path / "users.json").write_text('[{"id": "U1", "name": "ida"}]', encoding="utf-8")
    chat = tmp_path / "chat.json"
    chat.write_text('[{"type": "message", "user": "U1", "ts": "1", "text": "Rain."}]', encoding="utf-8")
    assert [line["text"] for line in read_file(chat, "chat.json")["elements"]] == ["U1", "Rain."]


def test_what_is_no_script_is_called_by_its_own_name(room: ServedRoom) -> None:
    answer = room.client.post("api/import?name=s1.png", content=b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    assert answer.status_code == 422 and "“s1.png”" in answer.json()["error"]
    assert "script.png" not in answer.text


def test_an_import_does_not_explain_how_formats_are_found(room: ServedRoom) -> None:
    script = "INT. PIER - DAY\n\nFog.\n\nANN\nLand!\n"
    brought = room.client.post("api/import?name=pier.txt", content=script.encode()).json()
    assert brought["format"] == "fountain" and brought["notes"] == []


def test_a_browser_is_told_the_name(room: ServedRoom) -> None:
    answer = room.client.post("api/export?format=fountain", json={"title": "Ödipus, 茶馆", "elements": []})
    plain, own = answer.headers["content-disposition"].removeprefix("attachment; ").split("; ")
    assert plain == 'filename="_dipus, __.fountain"'
    assert unquote(own.removeprefix("filename*=UTF-8''")) == "Ödipus, 茶馆.fountain"


def test_a_file_with_a_very_long_title_becomes_a_draft(room: ServedRoom) -> None:
    script = f"Title: {'A long title ' * 50}\n\nANN\n{'word ' * 6_000}\n"
    brought = room.client.post("api/import?name=long.fountain", content=script.encode()).json()
    assert brought["title"].startswith("A long title ")
    draft = {"title": brought["title"], "elements": brought["elements"]}
    assert room.client.post("api/drafts", json=draft).status_code == 201


def test_of_a_file_with_too_many_elements_the_rest_is_not_read(room: ServedRoom) -> None:
    paragraph = '<Paragraph Type="Action"><Text>Fog.</Text></Paragraph>'
    start = '<FinalDraft DocumentType="Script"><Content>'
    broken = f"{start}{paragraph * 3}</Nothing>"
    answer = room.client.post("api/import?name=a.fdx", content=broken.encode())
    assert answer.status_code == 422 and "more than" not in answer.json()["error"]
    long = f"{start}{paragraph * (2 * MAX_ELEMENTS)}</Nothing>"
    answer = room.client.post("api/import?name=a.fdx", content=long.encode())
    assert answer.status_code == 422 and f"more than {MAX_ELEMENTS:,} elements" in answer.json()["error"]


def test_files_that_wait_to_be_read_are_not_in_memory_and_not_without_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = b"ANN: Who is there?\nBO: Nobody.\n" * 4
    monkeypatch.setitem(LIMITS, "bodies_together", len(script))

    async def ask() -> None:
        room = Room(Runs(OfferedRuns(Workspace(tmp_path))), AccessRules(1), None)
        app = httpx.ASGITransport(Guard(build_app(room), room.rules))
        async with httpx.AsyncClient(transport=app, base_url="http://127.0.0.1:1") as client:
            while not room.file_slots.locked():  # others are being read
                await room.file_slots.acquire()
            waiting = []
            for _ in range(MAX_IMPORTS):
                waiting.append(asyncio.create_task(client.post("api/import?name=a.txt", content=script)))
                await asyncio.sleep(0.01)
                while (await client.post("api/marks", content=script)).status_code == 429:
                    await asyncio.sleep(0.01)
            answer = await client.post("api/import?name=a.txt", content=script)
            assert answer.status_code == 429 and "files" in answer.json()["error"]
            assert (await client.post("api/marks", content=script)).status_code == 422
            room.file_slots.release()
            answers = await asyncio.gather(*waiting)
        assert {each.status_code for each in answers} == {200}
        assert {len(each.json()["elements"]) for each in answers} == {16}
        room.close()

    asyncio.run(ask())
