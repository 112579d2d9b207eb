"""Texts and tables on disk, the odd ones above all."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scriptforge.corpus.files import TableFile, TextFile, open_table, open_text
from scriptforge.corpus.parse import parse_file
from scriptforge.corpus.text_encoding import examine
from scriptforge.errors import CorpusError

LIMIT = 1 << 16


def text_of(tmp_path: Path, content: bytes) -> TextFile:
    path = tmp_path / "play.txt"
    path.write_bytes(content)
    return open_text(path, path.name, examine(path, path.name))


def table_of(tmp_path: Path, name: str, content: bytes) -> TableFile:
    path = tmp_path / name
    path.write_bytes(content)
    return open_table(path, name, examine(path, name))


@pytest.mark.parametrize(
    "text",
    [
        "word " * 100_000,
        "word " * 100_000 + "\nshort\n",
        "short\n" + "é" * 200_000 + "\n\nend",
        "x" * LIMIT + "\n" + "y" * (LIMIT - 1) + "\n",
        ("wörd " * 20_000 + "\n") * 3,
    ],
)
def test_a_long_line_is_given_in_parts_which_joined_are_the_text(tmp_path: Path, text: str) -> None:
    lines = list(text_of(tmp_path, text.encode()).lines())
    assert "".join(lines) == text
    assert max(map(len, lines)) <= 2 * LIMIT
    assert all("\n" not in line[:-1] for line in lines)
    assert not any(part.endswith("wor") for part in lines)


@pytest.mark.parametrize("blank", ["\n", " \n"])
def test_of_a_million_blank_lines_few_are_given(tmp_path: Path, blank: str) -> None:
    lines = list(text_of(tmp_path, f"ANNA: Tea?\n{blank * 1_000_000}BEN: No.\n".encode()).lines())
    assert (lines[0], lines[-1]) == ("ANNA: Tea?\n", "BEN: No.\n")
    assert 1_000 < len(lines) < 100_000


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("middle", ["short", "word " * 50_000])
def test_lines_end_in_any_way(tmp_path: Path, end: str, middle: str) -> None:
    lines = text_of(tmp_path, end.join(["ANNA: T\0ea?", middle, "BEN: No.", ""]).encode()).lines()
    assert "".join(lines) == f"ANNA: Tea?\n{middle}\nBEN: No.\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tea.csv", b"Character,Line\nANNA,Tea?\n"),
        ("tea.csv", b"Character,Line\rANNA,Tea?\r"),
        ("tea.csv", b"Character;Line\r\nANNA;Tea?\r\n"),
        ("tea.csv", b'Character, Line\nANNA, "Tea?"\n'),
        ("tea.csv", b"\n\nCharacter,Line\n\nANNA,Tea?\n"),
        ("tea.csv", b"\xef\xbb\xbfCharacter,Line\nAN\0NA,Te\0a?\n"),
        ("tea.csv", "Character,Line\nANNA,Tea?\n".encode("utf-16")),
        ("tea.tsv", b"Character\tLine\nANNA\tTea?\n"),
        ("tea.json", b'{"Character": ["ANNA"], "Line": ["Tea?"]}'),
        ("tea.json", '[{"Character": "ANNA", "Line": "Tea?"}]'.encode("utf-16")),
        ("tea.jsonl", b'\xef\xbb\xbf{"Character": "ANNA", "Line": "Te\0a?"}\n'),
    ],
)
def test_tables_of_all_sorts(tmp_path: Path, name: str, content: bytes) -> None:
    table = table_of(tmp_path, name, content)
    assert table.columns == ("Character", "Line")
    assert list(table.rows()) == [{"Character": "ANNA", "Line": "Tea?"}]
    assert list(table.rows()) == [{"Character": "ANNA", "Line": "Tea?"}]


def test_quoted_cells_may_have_line_breaks_and_so_may_names_of_columns(tmp_path: Path) -> None:
    table = table_of(tmp_path, "tea.csv", b'"Who","What\nexactly"\nANNA,"Tea,\n\n""now""?"\n')
    assert table.columns == ("Who", "What\nexactly")
    assert [list(row.values()) for row in table.rows()] == [["ANNA", 'Tea,\n\n"now"?']]


def test_columns_of_one_name_are_told_from_all_others(tmp_path: Path) -> None:
    assert table_of(tmp_path, "tea.csv", b"x 3,x,x,\n1,2,3,4\n").columns == ("x 3", "x", "x 3 3", "column 4")


def test_cells_that_lack_at_the_end_of_a_row_are_empty(tmp_path: Path) -> None:
    rows = table_of(tmp_path, "tea.csv", b"Who,What,When\nANNA,Tea?\nBEN,No.,now\n").rows()
    assert [row["When"] for row in rows] == ["", "now"]


def test_keys_that_lack_in_a_row_of_json_are_empty(tmp_path: Path) -> None:
    table = table_of(tmp_path, "tea.jsonl", b'{"a": 1}\n{"b": 2}\n')
    assert table.columns == ("a", "b")
    assert list(table.rows()) == [{"a": 1, "b": None}, {"a": None, "b": 2}]


def test_a_parquet_file_without_rows_is_named(tmp_path: Path) -> None:
    nothing = pa.array([], pa.string())
    pq.write_table(pa.table({"speaker": nothing, "line": nothing}), tmp_path / "tea.parquet")
    with pytest.raises(CorpusError, match="has no rows"):
        open_table(tmp_path / "tea.parquet", "tea.parquet", None)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("tea.csv", b"Character,Line\n", "has no rows"),
        ("tea.json", b"[]", "has no rows"),
        ("tea.json", b"{}", "has no rows"),
        ("tea.csv", b"Who,What\nANNA,Tea?\nBEN,No.,1,2\n", "line 3 has 4 cells, and there are 2 columns"),
        ("tea.csv", b'Who,What\nANNA,"Tea?\nBEN,No.\n', "cannot be read as csv"),
        ("tea.csv", b"x" * 300_000, "its first line has more than 65,536 characters"),
        ("tea.jsonl", b'{"a": 1}\n' * 6 + b'{"a"\n', "line 7"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    with pytest.raises(CorpusError, match=problem) as raised:
        list(table_of(tmp_path, name, content).rows())
    assert f"“{name}”" in raised.value.message
    assert str(tmp_path) not in raised.value.message + raised.value.hint


@pytest.mark.parametrize(
    ("name", "opening", "element", "closing"),
    [
        (
            "play.xml",
            "<TEI><text><body>",
            "<sp><speaker>A{0}</speaker><p>Word{0}-<hi>goes</hi>-on.</p></sp>",
            "</body></text></TEI>",
        ),
        (
            "play.fdx",
            "<FinalDraft><Content>",
            '<Paragraph\tType="Action"><Text>Word{0}-goes-on.</Text></Paragraph>',
            "</Content></FinalDraft>",
        ),
    ],
)
def test_xml_on_one_line_is_read_as_it_stands(
    tmp_path: Path, name: str, opening: str, element: str, closing: str
) -> None:
    """Such a line is taken apart between any two letters, and nothing comes between them."""
    (tmp_path / name).write_text(opening + "".join(map(element.format, range(4000))) + closing)
    rows = list(parse_file(tmp_path / name, plain=False))
    assert [row.text for row in rows] == [f"Word{number}-goes-on." for number in range(4000)]
