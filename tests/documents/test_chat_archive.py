"""Chats that WhatsApp exports with media, and other archives."""

import struct
from pathlib import Path

import pytest
from support import tin_roof
from support.tin_roof import write, zipped

from scriptforge import convert
from scriptforge.corpus.cards import LocalPath
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.sources import Source
from scriptforge.errors import CorpusError

from .conftest import Read

CASES = Path(__file__).parents[1] / "corpus" / "cases"
IPHONE = (CASES / "whatsapp-iphone.txt").read_text(encoding="utf-8")
ANDROID = (CASES / "whatsapp-android.txt").read_text(encoding="utf-8")
PICTURE = b"\xff\xd8\xff\xe0" + bytes(300)
PHOTOS = zipped({"IMG_1.jpg": PICTURE, "IMG_2.jpg": PICTURE, "licence.txt": "Share them as you like.\n"})


@pytest.mark.parametrize(
    ("member", "text", "others"),
    [
        ("_chat.txt", IPHONE, ("1-PHOTO.jpg", "2-list.txt", "3-WhatsApp.txt", "4-a.fountain")),
        ("WhatsApp Chat with Ben Reed.txt", ANDROID, ("IMG-20210312-WA0001.jpg", "notes.txt", "Ben.vcf")),
        ("WhatsApp Chat mit Quay: Tram.txt", ANDROID, ("PTT-20210312-WA0002.opus",)),
        ("Conversa do WhatsApp com Ben.txt", ANDROID, ()),
        ("WhatsApp Chat - Ben/_chat.txt", IPHONE, ("__MACOSX/WhatsApp Chat - Ben/._chat.txt",)),
        ("Chat/WhatsApp Chat with Ben.txt", ANDROID, ("__MACOSX/Chat/._WhatsApp Chat with Ben.txt",)),
    ],
)  # fmt: skip
def test_it_is_read_as_the_text_in_it(
    tmp_path: Path, read: Read, member: str, text: str, others: tuple[str, ...]
) -> None:
    content = zipped({**dict.fromkeys(others, PICTURE), member: text})
    found, rows = read(write(tmp_path, "With Ben.zip", content))
    _, unpacked = read(write(tmp_path, "With Ben.txt", text))
    assert found == "chat" and rows == unpacked and len(rows) > 3


def test_a_folder_of_them_is_read_and_other_archives_are_named(tmp_path: Path) -> None:
    write(tmp_path, "ben.zip", zipped({"_chat.txt": IPHONE, "1.jpg": PICTURE}))
    write(tmp_path, "ida.zip", zipped({"WhatsApp Chat with Ida.txt": ANDROID}))
    write(tmp_path, "photos.zip", PHOTOS)
    write(tmp_path, "text.zip", "NORA: Tea?\n")
    corpus = fetch(Source("chats", LocalPath(path=tmp_path)))
    assert [file.name for file in corpus.files] == ["ben.zip", "ida.zip"]
    assert corpus.notes == ("left out, not scripts by name: photos.zip, text.zip",)


def test_its_media_may_be_large(tmp_path: Path, read: Read) -> None:
    whole = bytearray(zipped({"_chat.txt": IPHONE, "film.mp4": PICTURE}))
    entry = whole.rindex(b"PK\x01\x02")
    struct.pack_into("<I", whole, entry + 24, 900 << 20)  # the size that it unpacks to
    assert read(write(tmp_path, "a.zip", bytes(whole)))[0] == "chat"


def test_it_can_be_converted_and_says_whom_to_ask(tmp_path: Path) -> None:
    path = write(tmp_path, "With Ben.zip", zipped({"WhatsApp Chat with Ben.txt": ANDROID}))
    done = convert(path, tmp_path / "ben.txt")
    assert any("other people's names and words" in note for note in done.notes)
    assert "Ida: Is that the tram?" in (tmp_path / "ben.txt").read_text()


def with_zip64(whole: bytes, size: int | None = None, *, apart: bool = False) -> bytes:
    """Return an archive with the records for archives of more than four gigabytes.

    Args:
        whole: an archive.
        size: what the record says of the size of the directory; None for the truth.
        apart: whether there is a true record before the locator, which points to another one.
    """
    end = whole.rindex(b"PK\x05\x06")
    entries, true_size, start = struct.unpack_from("<HII", whole, end + 10)

    def record(size: int) -> bytes:
        return struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, size, start)

    records = record(size or true_size) + (record(true_size) if apart else b"")
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    usual = whole[end : end + 8] + struct.pack("<HHIIH", 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return whole[:end] + records + locator + usual


def test_an_archive_may_have_the_records_of_large_ones(tmp_path: Path, read: Read) -> None:
    path = write(tmp_path, "a.zip", with_zip64(zipped({"_chat.txt": IPHONE, "1.jpg": PICTURE})))
    assert read(path)[1] == read(write(tmp_path, "a.txt", IPHONE))[1]


def locked() -> bytes:
    """Return an archive whose members say that they are encrypted."""
    whole = bytearray(zipped({"_chat.txt": IPHONE}))
    whole[6] |= 1
    whole[whole.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(whole)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (zipped({"_chat.txt": IPHONE})[:200], "is a zipped document that is damaged or cut off"),
        (locked(), "is a zipped document that is encrypted with a password"),
        (zipped({"_chat.txt": IPHONE, "../a.jpg": PICTURE}), "leads out of it"),
        (zipped({"_chat.txt": b" " * (65 << 20)}), "unpacks to more than 32 MB"),
        (zipped({"_chat.txt": IPHONE + "\n" * 1_000_000}), "has more than 1,000,000 lines"),
        (with_zip64(zipped({"_chat.txt": IPHONE}), 3 << 20), "more than 10,000 members"),
        (with_zip64(zipped({"_chat.txt": IPHONE}), 3 << 20, apart=True), "more than 10,000 members"),
        (zipped({"_chat.txt": IPHONE} | {f"{number}.jpg": "" for number in range(12_000)}), "12,001 members"),
    ],
)
def test_what_is_broken_or_hostile_is_refused_in_one_line_and_the_rest_of_a_folder_kept(
    tmp_path: Path, read: Read, content: bytes, problem: str
) -> None:
    with pytest.raises(CorpusError, match=f"^“a.zip” .*{problem}") as caught:
        read(write(tmp_path, "a.zip", content))
    assert "\n" not in caught.value.message + caught.value.hint
    write(tmp_path, "whole.fountain", tin_roof.FOUNTAIN)
    assert len(read(tmp_path)[1]) == len(tin_roof.ELEMENTS)


@pytest.mark.parametrize(
    "content",
    [
        PHOTOS,
        zipped({"script.txt": ANDROID}),
        zipped({"ben/_chat.txt": IPHONE, "ida/_chat.txt": IPHONE}),
        zipped({"WhatsApp Chat with Ida.txt": ANDROID, "WhatsApp Chat with Ben.txt": ANDROID}),
    ],
)
def test_any_other_archive_keeps_its_message(tmp_path: Path, read: Read, content: bytes) -> None:
    with pytest.raises(CorpusError, match=r"“a\.zip” is not text: it is a ZIP archive or an office document"):
        read(write(tmp_path, "a.zip", content))
