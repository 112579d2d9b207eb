"""What `fetch` gives for files on this machine; the network has files of its own beside this one."""

import hashlib
import shutil
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.memory import MEGABYTE, peak_of

from scriptforge.corpus.cards import Card, LocalPath, load_cards
from scriptforge.corpus.fetch import Corpus, fetch
from scriptforge.corpus.files import TableFile, TextFile
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.sources import Source, find_source
from scriptforge.errors import CorpusError

CASES = Path(__file__).parent / "cases"


def fetch_path(path: Path) -> Corpus:
    return fetch(Source(path.stem, LocalPath(path=path)))


def text_of(fetched: Corpus) -> str:
    (file,) = fetched.files
    assert isinstance(file, TextFile)
    return "".join(file.lines())


def rows_of(fetched: Corpus) -> list[dict[str, object]]:
    (file,) = fetched.files
    assert isinstance(file, TableFile)
    rows = list(file.rows())
    assert all(tuple(row) == file.columns for row in rows)
    return rows


def test_a_text_is_given_line_by_line_as_often_as_asked(tmp_path: Path) -> None:
    (tmp_path / "show.txt").write_text("A: One.\n\nB: Two.\x0cx\u2028y\nC: no end")
    (file,) = fetch_path(tmp_path / "show.txt").files
    assert isinstance(file, TextFile)
    assert list(file.lines()) == ["A: One.\n", "\n", "B: Two.\x0cx\u2028y\n", "C: no end"]
    assert list(file.lines()) == list(file.lines())


@pytest.mark.parametrize(
    ("content", "text", "words"),
    [
        (b"\xef\xbb\xbfA: Hi.\n", "A: Hi.\n", "byte-order mark"),
        (b"A: Hi.\r\nB: Ho.\r\n", "A: Hi.\nB: Ho.\n", "CRLF"),
        (b"A: Hi.\rB: Ho.", "A: Hi.\nB: Ho.", "CR line ends"),
        (b"A: H\0i.\n", "A: Hi.\n", "1 NUL byte removed"),
        (b"A: caf\xe9 \x93quoted\x94\n", "A: café “quoted”\n", "Windows-1252"),
        ("A: Hé.\r\n".encode("utf-16"), "A: Hé.\n", "UTF-16, CRLF"),
    ],
)
def test_odd_bytes_are_read_and_noted(tmp_path: Path, content: bytes, text: str, words: str) -> None:
    (tmp_path / "show.txt").write_bytes(content)
    fetched = fetch_path(tmp_path / "show.txt")
    assert text_of(fetched) == text
    (note,) = fetched.notes
    assert note.startswith("show.txt: ") and words in note


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1))
def test_the_lines_joined_are_the_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "show.txt"
    path.write_text("A" * 50 + text, encoding="utf-8", newline="")
    try:
        assert text_of(fetch_path(path)) == "A" * 50 + text
    except CorpusError as problem:
        assert "control characters" in problem.message


def test_the_origin_says_what_was_read_and_no_path_of_this_machine(tmp_path: Path) -> None:
    content = b"A: Hello.\n"
    (tmp_path / "show.txt").write_bytes(content)
    origin = fetch_path(tmp_path / "show.txt").origin
    assert origin.model_dump()["files"] == (
        {"name": "show.txt", "sha256": hashlib.sha256(content).hexdigest(), "size": 10, "url": None},
    )
    assert str(tmp_path) not in origin.model_dump_json()


def test_a_name_full_of_wildcards_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "show 1 a.txt").write_text("wrong\n")
    path = tmp_path / "show [1] * ?.txt"
    path.write_text("A: Right.\n")
    assert text_of(fetch_path(path)) == "A: Right.\n"


def test_a_path_that_reads_as_a_chain_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a::b.txt").write_text("A: Hello.\n")
    with pytest.raises(CorpusError, match="“::”"):
        fetch_path(tmp_path / "a::b.txt")


def test_a_folder_is_read_in_the_order_of_counting(tmp_path: Path) -> None:
    for name in (
        "Season 10/1.txt",
        "Season 2/10.txt",
        "Season 2/9.txt",
        "season 1.txt",
        ".hidden.txt",
        ".git/x.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"A: {name}\n")
    names = [file.name for file in fetch_path(tmp_path).files]
    assert names == ["season 1.txt", "Season 2/9.txt", "Season 2/10.txt", "Season 10/1.txt"]


def test_names_that_count_alike_have_one_order(tmp_path: Path) -> None:
    """Whatever order the system lists them in: that of their creation, its reverse, that of a hash."""
    names = ["001.txt", "01.txt", "1.txt", "ACT.txt", "Act.txt", "act.txt"]
    for folder, created in ((tmp_path / "there", names), (tmp_path / "back", names[::-1])):
        folder.mkdir()
        for name in created:
            (folder / name).write_text(f"A: {name}\n")
        assert [file.name for file in fetch_path(folder).files] == names


def test_one_bad_file_among_many_is_left_out_and_named(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"episode {number}.txt").write_text(f"A: Episode {number}.\n")
    (tmp_path / "episode 7.txt").write_bytes(b"\x89PNG\r\n" + bytes(50))
    (tmp_path / "episode 8.txt").write_bytes(b"")
    (tmp_path / "episode 9.parquet").write_bytes(b"PAR1 but not really")
    fetched = fetch_path(tmp_path)
    assert len(fetched.files) == len(fetched.origin.files) == 28
    assert [note.split("”")[0] for note in fetched.notes] == [
        "left out: “episode 7.txt",
        "left out: “episode 8.txt",
        "left out: “episode 9.parquet",
    ]


def test_of_the_logs_in_a_folder_those_of_chats_are_read(tmp_path: Path) -> None:
    chats, programs = ["hexchat.log", "irssi.log"], ["log-of-a-server.log", "log-of-a-system.log"]
    for name in chats + programs:
        shutil.copy(CASES / name, tmp_path)
    fetched = fetch_path(tmp_path)
    assert [file.name for file in fetched.files] == chats
    assert fetched.notes == (f"left out, not scripts by name: {', '.join(programs)}",)
    parsing = Parsing()
    rows = list(parse(fetched, False, parsing))
    assert parsing.text_format == "chat" and {row.speaker for row in rows} == {"ben", "ida", ""}


def test_links_lead_nowhere_out_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "plays"
    (folder / "act").mkdir(parents=True)
    (folder / "act" / "1.txt").write_text("A: Hello.\n")
    (tmp_path / "diary.txt").write_text("Nobody's business.\n")
    (folder / "diary.txt").symlink_to("../diary.txt")
    (folder / "loop.txt").symlink_to("loop.txt")
    (folder / "elsewhere").symlink_to(tmp_path)
    fetched = fetch_path(folder)
    assert [file.name for file in fetched.origin.files] == ["act/1.txt"]
    assert [note.split("”")[0] for note in fetched.notes] == ["left out: “diary.txt", "left out: “loop.txt"]


@pytest.mark.parametrize("name", ["show.txt", "show.csv", "show.jsonl", "show.html", "show.parquet"])
def test_a_file_that_changes_after_its_hash_was_taken_is_refused(tmp_path: Path, name: str) -> None:
    def write(line: str) -> None:
        if path.suffix == ".parquet":
            table = pyarrow.table({"speaker": ["A"], "line": [line]})
            pyarrow.parquet.write_table(table, path)
        else:
            path.write_text(texts[path.suffix].format(line))

    texts = {
        ".txt": "A: {}\n",
        ".csv": "speaker,line\nA,{}\n",
        ".jsonl": '{{"speaker": "A", "line": "{}"}}\n',
        ".html": "<html><p>A: {}</p></html>",
    }
    path = tmp_path / name
    write("Hello.")
    fetched = fetch_path(path)
    assert list(parse(fetched, plain=False, parsing=Parsing()))
    write("Farewell to all of you.")
    with pytest.raises(CorpusError, match="changed while it was being read"):
        list(parse(fetched, plain=False, parsing=Parsing()))


def test_a_folder_with_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="is empty"):
        fetch_path(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"Nothing in .* can be read: “a.txt” is empty"):
        fetch_path(tmp_path)


def test_cells_of_a_csv_stay_the_text_that_they_are(tmp_path: Path) -> None:
    (tmp_path / "show.csv").write_bytes(
        '\ufeffid,speaker,line,\r\n007,None,"NA, ""quoted""\nnext",x\r\n1.0,,true\r\n'.encode()
    )
    assert rows_of(fetch_path(tmp_path / "show.csv")) == [
        {"id": "007", "speaker": "None", "line": 'NA, "quoted"\nnext', "column 4": "x"},
        {"id": "1.0", "speaker": "", "line": "true", "column 4": ""},
    ]


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.tsv", "\t"), ("a.csv", "|")])
def test_the_delimiter_is_found(tmp_path: Path, name: str, delimiter: str) -> None:
    (tmp_path / name).write_bytes(
        delimiter.join(["name", "name"]).encode() + f"\ncaf\xe9{delimiter}b, c\n".encode("cp1252")
    )
    assert rows_of(fetch_path(tmp_path / name)) == [{"name": "café", "name 2": "b, c"}]


def test_nul_bytes_are_removed_from_cells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\n\nspeaker,line\nA,H\0ello.\n")
    fetched = fetch_path(tmp_path / "a.csv")
    assert rows_of(fetched) == [{"speaker": "A", "line": "Hello."}]
    assert fetched.notes == ("a.csv: 1 NUL byte removed",)


def test_json_lists_and_lines_are_tables(tmp_path: Path) -> None:
    rows = [{"speaker": "A", "turns": [{"role": "x", "content": "Hé"}]}, {"speaker": "B", "turns": []}]
    (tmp_path / "a.json").write_text(
        '[{"speaker": "A", "turns": [{"role": "x", "content": "Hé"}]}, {"speaker": "B", "turns": []}]'
    )
    (tmp_path / "a.jsonl").write_text(
        '{"speaker": "A", "turns": [{"role": "x", "content": "Hé"}]}\n{"speaker": "B", "turns": []}\n'
    )
    assert rows_of(fetch_path(tmp_path / "a.json")) == rows
    assert rows_of(fetch_path(tmp_path / "a.jsonl")) == rows


def test_parquet_is_a_table(tmp_path: Path) -> None:
    rows = [{"title": f"Episode {number}", "script": "A: Hello.\n" * number} for number in range(3000)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert rows_of(fetch_path(tmp_path / "a.parquet")) == rows


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"speaker,line\nA,one\nB,two,three,four\n"),
        ("a.json", b'{"speaker": "A", "line": '),
        ("a.parquet", b"PAR1 is not enough"),
        ("a.csv", b"speaker,line\nA,one, two\n"),
        ("a.csv", b'speaker,line\nA,"one\n'),
        ("a.csv", b"speaker,line\n"),
    ],
)
def test_a_broken_table_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=f"“{name}”") as caught:
        list(rows_of(fetch_path(tmp_path / name)))
    assert "\n" not in caught.value.message


def card(source: LocalPath, **others: object) -> Card:
    fields = {
        "name": "mine",
        "title": "T",
        "description": "D",
        "licence": "MIT",
        "rights": "R.",
        "language": "en",
    }
    return Card.model_validate({**fields, "level": "bpe", "source": source.model_dump(), **others})


def test_shuffled_splits_are_put_back_in_order(tmp_path: Path) -> None:
    for name, ids in (("test", ["L10", "L2"]), ("train", ["L1", "L100", "L9"])):
        table = pyarrow.table({"id": ids, "line": [f"line {one}" for one in ids]})
        pyarrow.parquet.write_table(table, tmp_path / f"{name}.parquet")
    location = LocalPath(path=tmp_path)
    rows = rows_of(fetch(Source("mine", location, card(location, sort=("id",)))))
    assert [row["id"] for row in rows] == ["L1", "L2", "L9", "L10", "L100"]
    with pytest.raises(CorpusError, match="no column “number”"):
        fetch(Source("mine", location, card(location, sort=("number",))))


def test_a_file_of_ones_own_keeps_what_the_card_says(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("jerry: hello\n")
    fetched = fetch(find_source("seinfeld", load_cards(), path=tmp_path / "mine.txt"))
    assert fetched.origin.card == "seinfeld" and fetched.origin.rights
    assert fetched.notes == ("mine.txt: not the file that the card “seinfeld” describes",)


def test_the_demo_needs_no_network() -> None:
    fetched = fetch(find_source("demo", load_cards()))
    assert fetched.notes == ()
    assert [file.name for file in fetched.files] == sorted(file.name for file in fetched.files)
    assert all(file.name.endswith(".fountain") for file in fetched.files)


def test_real_corpora_are_those_of_the_cards(shared_corpora: Path) -> None:
    cards = load_cards()
    for name, file in {
        "seinfeld": "seinfeld.txt",
        "tiny-shakespeare": "tinyshakespeare.txt",
        "moes-tavern": "moes_tavern.txt",
        "big-lebowski": "biglebowski.txt",
    }.items():
        path = shared_corpora / file
        fetched = fetch(find_source(name, cards, path=path))
        assert not any("not the file" in note for note in fetched.notes)
        assert text_of(fetched) == path.read_text("utf-8").replace("\0", "")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    line = b"JERRY: The same line over and over, as it goes in a long series.\n"
    (tmp_path / "small.txt").write_bytes(line * 1000)
    (tmp_path / "large.txt").write_bytes(line * ((64 << 20) // len(line)))
    program = """
import sys
from pathlib import Path
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.cards import LocalPath
from scriptforge.corpus.sources import Source

(file,) = fetch(Source("x", LocalPath(path=Path(sys.argv[1])))).files
assert sum(len(line) for line in file.lines())
assert "torch" not in sys.modules
"""
    small, large = (peak_of(program, name, workspace=tmp_path) for name in ("small.txt", "large.txt"))
    assert large - small < 24 * MEGABYTE
