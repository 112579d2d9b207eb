import codecs
import encodings
import hashlib
import pkgutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.cli.app import run
from scriptforge.corpus.text_encoding import Examination, decoded, examine
from scriptforge.errors import CorpusError, UsageError
from scriptforge.net.client import sha256_of
from scriptforge.options import InspectOptions


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


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Où ça ?\r\nLà.\r".encode(), "Où ça ?\nLà.\n"),
        (b"caf\xe9", "café"),
        (codecs.BOM_UTF8 + "café".encode(), "café"),
        ("café\n".encode("utf-16"), "café\n"),
        (b"a\0b", "ab"),
    ],
)
def test_a_text_may_be_no_file(content: bytes, text: str) -> None:
    assert decoded(content, "standard input") == text


def test_what_is_no_file_and_no_text_is_named() -> None:
    with pytest.raises(CorpusError, match="“standard input” is not text: it is a PNG image"):
        decoded(b"\x89PNG\r\n", "standard input")


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


PAGES = {
    "ru": "АННА: Добрый вечер, Борис. Вы опять опоздали на репетицию.\n"
    "БОРИС: Простите, поезд стоял в снегу целый час. Где все остальные?\n",
    "ja": "花子：こんばんは、太郎さん。また稽古に遅れましたね。\n"
    "太郎：すみません、電車が雪で一時間も止まっていました。みんなはどこですか。\n",
    "fr": "ANNA: Bonsoir, Béla. Vous êtes encore arrivé en retard à la répétition.\n"
    "BÉLA: Désolé, le train était bloqué par la neige. Où sont les autres élèves ?\n",
    "de": "ANNA: Guten Abend, Jürgen. Sie kommen schon wieder zu spät zur Probe, müde und verstört.\n"
    "JÜRGEN: Verzeihung, der Zug stand für eine Stunde im Schnee. Wo sind die übrigen Sänger?\n",
    "en": "ANNA: “Good evening,” he said – and it’s late… We’re through, aren’t we?\n",
}


@pytest.mark.parametrize(
    ("page", "encoding", "is_guess"),
    [
        ("ru", "koi8-r", True),
        ("ru", "cp1251", True),
        ("ja", "shift-jis", True),
        ("ja", "euc-jp", True),
        ("fr", "cp437", True),
        ("de", "cp437", True),
        ("fr", "cp1252", False),
        ("de", "cp1252", False),
        ("en", "cp1252", False),
    ],
)
@pytest.mark.parametrize("lines_before", [0, 100_000])
def test_other_text_is_read_as_what_it_reads_well_in(
    tmp_path: Path, page: str, encoding: str, is_guess: bool, lines_before: int
) -> None:
    text = "BO: This line is plain.\n" * lines_before + PAGES[page]
    found = examination(tmp_path, text.encode(encoding))
    assert text.encode(encoding).decode(found.encoding) == text
    assert found.is_guess == is_guess
    assert ("a guess" in (found.note("talk.txt") or "")) == is_guess


def test_the_note_says_what_was_guessed(tmp_path: Path) -> None:
    note = examination(tmp_path, PAGES["ru"].encode("koi8-r")).note("talk.txt")
    assert note == "talk.txt: read as KOI8-R, a guess, 100 % sure, that --encoding NAME can correct"


def test_a_guess_must_hold_to_the_end_of_the_file(tmp_path: Path) -> None:
    content = PAGES["ja"].encode("shift-jis") * 1000 + b"the end: \xff\xff\n"
    found = examination(tmp_path, content)
    content.decode(found.encoding)


def test_a_person_knows_the_encoding(tmp_path: Path) -> None:
    path = tmp_path / "script.txt"
    path.write_bytes("БОРИС: Где?\r\n\0".encode("koi8-r"))
    found = examine(path, "script.txt", "KOI8-R")
    assert (found.encoding, found.is_guess, found.crlfs, found.nuls) == ("koi8-r", False, 1, 1)
    path.write_bytes("БОРИС: Где?\r\n".encode("utf-16-le"))
    found = examine(path, "script.txt", "utf-16-le")
    assert (found.encoding, found.crlfs, found.nuls) == ("utf-16-le", 1, 0)
    path.write_bytes(codecs.BOM_UTF8 + "БОРИС: Где?\n".encode())
    assert examine(path, "script.txt", "utf8").encoding == "utf-8-sig"


def test_a_person_may_be_wrong_about_the_encoding(tmp_path: Path) -> None:
    path = tmp_path / "script.txt"
    path.write_bytes("БОРИС: Где?\n".encode("koi8-r"))
    with pytest.raises(CorpusError, match="is not text in the encoding utf-8") as caught:
        examine(path, "script.txt", "utf-8")
    assert "--encoding" in caught.value.hint


def test_every_codec_of_python_reads_texts_or_is_refused(tmp_path: Path) -> None:
    text = "ANNA: Hello.\nBO: Hello, Anna.\n"
    path = tmp_path / "script.txt"
    refused = set()
    for name in {module.name for module in pkgutil.iter_modules(encodings.__path__)}:
        try:
            InspectOptions(encoding=name)
        except UsageError as error:
            assert error.message == f"There is no encoding “{name}”."
            refused.add(name)
        else:
            path.write_bytes(text.encode(name))
            found = examine(path, "script.txt", name)
            assert path.read_bytes().decode(found.encoding) == text
    assert refused - {"mbcs", "oem", "_win_cp_codecs"} == {  # these are for Windows alone
        "aliases", "base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec",
        "zlib_codec", "idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["undefined", "rot13", "IDNA", "unicode-escape", "u\0tf-8", "\ud800", "utf 9"]
)
def test_a_codec_that_is_none_of_texts_is_refused_in_two_lines(
    name: str, workspace_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace_path / "script.txt").write_text("ANNA: Hello.\n")
    assert run(["inspect", "script.txt", "--encoding", name]) == 2
    problem, hint = capsys.readouterr().err.splitlines()
    assert problem.startswith("Error: There is no encoding “") and "such as utf-8" in hint


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
