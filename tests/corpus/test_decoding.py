import codecs
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.corpus.text_encoding import Examination, examine
from scriptforge.errors import CorpusError
from scriptforge.net.client import sha256_of


def examination(tmp_path: Path, content: bytes) -> Examination:
    path = tmp_path / "script.txt"
    path.write_bytes(content)
    return examine(path, "script.txt")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"JERRY: Hello.\n", "utf-8"),
        ("ÉLODIE: Où ça ?\n".encode(), "utf-8"),
        (codecs.BOM_UTF8 + b"JERRY: Hello.\n", "utf-8-sig"),
        ("JERRY: Hello.\n".encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + "JERRY: Ho.\n".encode("utf-16-be"), "utf-16"),
        ("JERRY: Hello.\n".encode("utf-32"), "utf-32"),
        ("JERRY: “Café”\n".encode("cp1252"), "cp1252"),
        (b"JERRY: caf\xe9 \x81\n", "latin-1"),
        ('<?xml version="1.0" encoding="UTF-16"?><a>é</a>'.encode(), "utf-8"),
        ('<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin-1"), "cp1252"),
        ("<?xml version='1.0' encoding='windows-1251'?><a>чай</a>".encode("cp1251"), "cp1251"),
        ('<?xml version="1.0" encoding="Shift_JIS"?><a>お茶</a>'.encode("shift_jis"), "shift_jis"),
        ('<?xml version="1.0" encoding="EUC-JP"?><a>\xe9</a>'.encode("latin-1"), "cp1252"),
        ('<?xml version="1.0" encoding="klingon"?><a>\xe9</a>'.encode("latin-1"), "cp1252"),
        ('<?xml version="1.0" encoding="unicode_escape"?><a>\xe9</a>'.encode("latin-1"), "cp1252"),
    ],
)
def test_finds_the_encoding(tmp_path: Path, content: bytes, encoding: str) -> None:
    assert examination(tmp_path, content).encoding == encoding


def test_a_character_may_lie_across_chunks(tmp_path: Path) -> None:
    content = b"a" * ((1 << 20) - 1) + "é\r".encode() + b"b" * ((1 << 20) - 3) + b"\r\nend"
    found = examination(tmp_path, content)
    assert (found.encoding, found.crlfs, found.crs) == ("utf-8", 1, 1)


def test_a_line_end_may_lie_across_chunks(tmp_path: Path) -> None:
    found = examination(tmp_path, b"a" * ((1 << 20) - 1) + b"\r\nb\r\n")
    assert (found.crlfs, found.crs) == (2, 0)


def test_another_encoding_is_read_and_noted(tmp_path: Path) -> None:
    found = examination(tmp_path, "<?xml version='1.0' encoding='KOI8-R'?><a>чай</a>".encode("koi8-r"))
    assert found.note("tea.xml") == "tea.xml: read as koi8-r"


def test_counts_size_and_hash_of_the_bytes_as_they_are(tmp_path: Path) -> None:
    content = codecs.BOM_UTF8 + b"JERRY: Hello.\r\n\0"
    found = examination(tmp_path, content)
    assert (found.size, found.nuls, found.crlfs) == (len(content), 1, 1)
    assert found.sha256 == hashlib.sha256(content).hexdigest() == sha256_of(tmp_path / "script.txt")


def test_a_plain_file_needs_no_note(tmp_path: Path) -> None:
    assert examination(tmp_path, b"JERRY: Hello.\n").note("script.txt") is None


def test_the_note_says_all_that_was_done(tmp_path: Path) -> None:
    note = examination(tmp_path, b"JERRY: caf\xe9\r\n\0\0\0").note("script.txt")
    assert note == "script.txt: read as Windows-1252, 3 NUL bytes removed, CRLF line ends"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \r\n\t\n", "nothing but white space"),
        (b"\0\0\0", "nothing but white space"),
        (codecs.BOM_UTF8, "nothing but white space"),
        ("\n \n".encode("utf-16"), "nothing but white space"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "a PNG image"),
        (b"PK\x03\x04 and so on", "ZIP"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"\n<!DOCTYPE html><p>no</p>", "a web page"),
        (bytes(range(256)) * 9, "control characters"),
        ("JERRY: No mark.\n".encode("utf-16-le"), "control characters"),
        (codecs.BOM_UTF16_LE + b"abc", "damaged"),
    ],
)
def test_refuses_what_is_not_text(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(CorpusError, match=words) as caught:
        examination(tmp_path, content)
    assert "script.txt" in caught.value.message and caught.value.hint


def test_refuses_what_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="not a file"):
        examine(tmp_path / "nowhere.txt", "nowhere.txt")


@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
def test_the_encoding_found_decodes_the_file(
    tmp_path_factory: pytest.TempPathFactory, text: str, encoding: str
) -> None:
    path = tmp_path_factory.mktemp("text") / "script.txt"
    path.write_bytes(f"A{text}".encode(encoding))
    found = examine(path, path.name)
    assert path.read_text(found.encoding).removeprefix("\ufeff") == f"A{text}"
