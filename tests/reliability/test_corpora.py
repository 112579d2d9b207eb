"""Corpora that were damaged, made to do harm or to take long; the long forms are those of the page."""

import io
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pyarrow
import pyarrow.parquet
import pytest
from support import tin_roof
from support.campaign import DRAW, failures
from support.verdict import problem_of

from reliability import adversarial, bombs, corpora
from reliability.mutants import read
from scriptforge.corpus.cards import Cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import find_source
from scriptforge.documents.kinds import write
from scriptforge.errors import CorpusError
from scriptforge.screenplay.formats import read as read_lines
from scriptforge.screenplay.script import Element, normalise

pytestmark = pytest.mark.filterwarnings(
    # Where a table is broken, pandas leaves the file to the garbage collector.
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


def refusal(folder: Path, name: str, content: bytes) -> str:
    """Return what is said of a file that cannot be read."""
    path = folder / name
    path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        list(parse(fetch(find_source(str(path), Cards({}, {}))), False, Parsing()))
    assert caught.value.hint
    return caught.value.message


def damaged_word() -> bytes:
    """Return a document of Word of which a byte was changed in the packed text."""
    content = bytearray(write([tin_roof.SCRIPT], "docx"))
    with ZipFile(io.BytesIO(bytes(content))) as archive:
        text = archive.getinfo("word/document.xml")
    content[text.header_offset + 30 + len(text.filename) + text.compress_size // 2] ^= 0xFF
    return bytes(content)


def parquet_not_in_utf_8() -> bytes:
    buffer = io.BytesIO()
    table = pyarrow.table({"speaker": ["Nora"], "line": ["The roof leaks."]})
    pyarrow.parquet.write_table(table, buffer, compression="none", use_dictionary=False)
    return buffer.getvalue().replace(b"The roof leaks.", b"The roof leak\xff\xff")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.docx", damaged_word, "damaged or cut off"),
        ("a.parquet", parquet_not_in_utf_8, "cannot be read as parquet"),
        ("a.json", lambda: b'{"scenes":' * 400 + b"1" + b"}" * 400, "nested"),
        ("a.json", lambda: b'[{"speaker":"A","line":' + b"[" * 900 + b"]" * 900 + b"}]", "nested"),
        ("a.csv", lambda: b"a," * 2000 + b"b\n" + b"1," * 2000 + b"2\n", "2,001 columns"),
        ("a.jsonl", lambda: b"".join(b'{"a%d":1}\n' % n for n in range(1500)), "columns"),
        ("a.xml", lambda: b'<?xml version="1.0"?><TEI xmlns="%s"/>' % (b"a" * 3000), "namespace"),
        ("a.parquet", lambda: bombs.BOMBS["parquet with 1,000,000,000 rows"].content(0.01), "claims to hold"),
    ],
)
def test_what_is_damaged_or_hostile_is_named(
    tmp_path: Path, name: str, content: Callable[[], bytes], said: str
) -> None:
    assert said in refusal(tmp_path, name, content())


@pytest.mark.parametrize("charset", ["unicode_escape", "punycode", "cp037", "rot13"])
def test_a_page_may_declare_what_its_parser_does_not_know(tmp_path: Path, charset: str) -> None:
    body = "".join(f"<p><b>NORA</b>: The roof leaks.</p><p><b>IDA</b>: Caf\xe9 {n}.</p>" for n in range(5))
    path = tmp_path / "a.html"
    path.write_bytes(f'<html><meta charset="{charset}"><body>{body}</body></html>'.encode("latin-1"))
    assert problem_of(lambda: read(path)) is None


def test_an_indent_of_a_mile_is_one_of_a_page(tmp_path: Path) -> None:
    path = tmp_path / "a.rtf"
    path.write_bytes(b"{\\rtf1 " + b"\\pard\\li9999999999 Yes.\\par \\pard No.\\par " * 3 + b"}")
    (file,) = fetch(find_source(str(path), Cards({}, {}))).files
    assert max(map(len, file.read().lines)) < 1000  # type: ignore[union-attr]


def test_a_hyphen_within_a_caption_stays() -> None:
    lines = ["1", "00:00:01,000 --> 00:00:03,000", "Nora: It is a well-known fact.", ""]
    lines += ["2", "00:00:03,000 --> 00:00:05,000", "It is only semi-dry.", ""]
    assert "It is a well-known fact. It is only semi-dry." in [element.text for element in read_lines(lines)]


def test_what_follows_a_long_line_of_white_space_is_read() -> None:
    lines = ["NORA: The roof leaks.", f"IDA: It{' ' * 60_000}rains.", "NORA: Again.", "IDA: Always."]
    assert [element.speaker for element in read_lines(lines)] == ["NORA", "IDA", "NORA", "IDA"]


def test_a_cue_longer_than_any_is_cut() -> None:
    element = normalise(Element("dialogue", "Yes.", "NORA" + " V.O." * 20_000))
    assert element is not None
    assert len(element.speaker) <= 1000 and normalise(element) == element


def test_a_title_longer_than_any_is_cut(tmp_path: Path) -> None:
    """It is in every row of its script."""
    path = tmp_path / "a.fountain"
    path.write_text(f"Title: {'Tin Roof ' * 1_000}\n\nINT. TIN ROOF\n\nNORA\nRain.\n")
    rows = list(parse(fetch(find_source(str(path), Cards({}, {}))), False, Parsing()))
    assert [len(row.title) for row in rows] == [1000] * 2


@pytest.mark.slow
def test_mutants() -> None:
    assert failures(corpora.attack_with_mutants(200)) == []


@pytest.mark.slow
def test_small_bombs(tmp_path: Path) -> None:
    assert failures(bombs.attack(tmp_path, 0.02, [*bombs.BOMBS])) == []


@pytest.mark.slow
def test_adversarial_lines() -> None:
    assert failures(corpora.attack_with_lines(expressions=2, texts=4)) == []


@pytest.mark.soak
def test_ten_thousand_mutants() -> None:
    assert failures(corpora.attack_with_mutants(10_000, DRAW)) == []


@pytest.mark.soak
@pytest.mark.parametrize("name", bombs.BOMBS)
def test_bombs(tmp_path: Path, name: str) -> None:
    assert failures(bombs.attack(tmp_path, 1.0, [name])) == []


@pytest.mark.soak
def test_every_expression_takes_linear_time() -> None:
    assert failures(adversarial.attack_expressions(400, DRAW)) == []


@pytest.mark.soak
def test_every_parser_takes_linear_time() -> None:
    assert failures(adversarial.attack_parsers(300, DRAW)) == []
