"""What inspecting a corpus finds, and what becomes of bad files among good ones."""

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from support.memory import MEGABYTE, peak
from support.tiny import comedy, prepared

from scriptforge.corpus.cards import LocalPath
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.inspect import CloseNames, DetectedFormat, Inspection, inspect_corpus
from scriptforge.corpus.sources import Source
from scriptforge.errors import CorpusError, UsageError
from scriptforge.script_rows import Location

FERRY = """\
INT. FERRY HOUSE - DAY
Bo (O.S.): Is there a ferry today?
Mrs Ash: There is a ferry when there is a ferryman, and there is a ferryman when he is sober, dear.
BO: Two words, then: no ferry.
CUT TO:
INT. PIER - NIGHT
It rains on the pier and on the boat.
Transcribed from memory
Mrs Ash: There.
"""


def inspect_path(path: Path, format: str | None = None) -> Inspection:
    source = Source(path.stem, LocalPath(path=path), format=format)
    return inspect_corpus(fetch(source))


@pytest.fixture
def ferry(tmp_path: Path) -> Path:
    path = tmp_path / "ferry.txt"
    path.write_text(FERRY, encoding="utf-8")
    return path


def write_plays(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"play {number}.txt").write_text(comedy(20, seed=number))
    return folder


@pytest.fixture
def plays(tmp_path: Path) -> Path:
    """A folder of eight plays."""
    return write_plays(tmp_path / "plays", 8)


class TestFindings:
    def test_what_is_counted(self, ferry: Path) -> None:
        found = inspect_path(ferry)
        assert found.format == "name-line"
        (met,) = found.formats
        assert (met.name, met.files) == ("name-line", 1)
        assert met.reason.startswith("44 % of 9 lines are `name: text`")
        assert (found.documents, found.scenes) == (1, 2)
        assert found.lines == {"heading": 2, "action": 2, "dialogue": 4, "transition": 1}
        assert sum(speaker.lines for speaker in found.cast) == 4
        assert found.words == 5 + 6 + 19 + 5 + 2 + 4 + 9 + 3 + 1  # of each line but for the speakers

    def test_the_cast_has_its_first_lines_and_spellings(self, ferry: Path) -> None:
        mrs_ash, bo = inspect_path(ferry).cast
        assert (mrs_ash.speaker, mrs_ash.lines, mrs_ash.words) == ("Mrs Ash", 2, 20)
        assert mrs_ash.first == Location("ferry", 3)
        assert (bo.first, set(bo.spellings)) == (Location("ferry", 2), {"Bo", "BO"})

    def test_what_has_no_rule_is_shown(self, ferry: Path) -> None:
        found = inspect_path(ferry)
        assert found.unparsed == ("It rains on the pier and on the boat.", "Transcribed from memory")
        assert 0.1 < found.unparsed_share < 0.4

    def test_the_sample_is_the_beginning_in_name_lines(self, ferry: Path, tmp_path: Path) -> None:
        found = inspect_path(ferry)
        assert list(found.sample) == [
            "INT. FERRY HOUSE - DAY",
            "Bo: (O.S.) Is there a ferry today?",
            *FERRY.splitlines()[2:5],
            "",
            *FERRY.splitlines()[5:],
        ]
        (tmp_path / "long.txt").write_text(comedy(100))
        assert len(inspect_path(tmp_path / "long.txt").sample) == 12

    def test_a_format_can_be_forced(self, ferry: Path) -> None:
        found = inspect_path(ferry, format="prose")
        assert found.formats == (DetectedFormat("prose", 1, "The format was given, not recognised."),)
        assert found.cast == ()
        with pytest.raises(UsageError, match="no format named “prosa”"):
            inspect_path(ferry, format="prosa")

    def test_a_folder_has_several_formats_and_documents(self, tmp_path: Path) -> None:
        (tmp_path / "1.txt").write_text(comedy(10))
        (tmp_path / "2.txt").write_text(comedy(10, seed=1))
        (tmp_path / "3.csv").write_text("speaker,line,episode\r\nBo,Hm.,1\r\nBo,Hm?,2\r\n")
        found = inspect_path(tmp_path)
        assert found.format == "name-line, table"
        assert [(met.name, met.files) for met in found.formats] == [("name-line", 2), ("table", 1)]
        assert found.documents == 4
        assert found.problems == ("3.csv: CRLF line ends",)

    @pytest.mark.parametrize(
        ("rest", "scenes"),
        [
            ("", 1),
            ("INT. PIER\nBo: B.\n\n", 2),
            ("INT. PIER\nINT. HOUSE\n", 3),
            ("\n\n\nBo: B.\n\n", 2),
            ("\n\n\n", 1),
            ("\n\n\nINT. PIER\nBo: B.\n", 2),
        ],
    )
    def test_scenes_begin_at_headings_and_after_gaps(self, tmp_path: Path, rest: str, scenes: int) -> None:
        (tmp_path / "play.txt").write_text(f"Bo: A.\n\nBo: A.\n\n{rest}")
        assert inspect_path(tmp_path / "play.txt").scenes == scenes

    @pytest.mark.parametrize(
        ("seldom", "is_close"),
        [
            ("Walte", True),
            ("Watler", True),
            ("Wolter", True),
            ("Wallter", True),
            ("Welfer", False),
            ("Walter 2", False),
            ("Dee", False),
        ],
    )
    def test_a_name_one_letter_apart_from_a_frequent_one_is_pointed_out(
        self, tmp_path: Path, seldom: str, is_close: bool
    ) -> None:
        (tmp_path / "play.txt").write_text(f"Walter: Hm.\n{seldom}: Yes.\n" + "Walter: Hm.\n" * 6)
        found = inspect_path(tmp_path / "play.txt").close_names
        assert found == ((CloseNames(seldom, 1, "Walter"),) if is_close else ())

    def test_numbers_tell_people_apart(self, tmp_path: Path) -> None:
        (tmp_path / "play.txt").write_text("Guard 2: No.\n" + "Guard 1: Hm.\n" * 9)
        assert inspect_path(tmp_path / "play.txt").close_names == ()

    def test_names_that_are_all_one_letter_apart_are_compared_with_few(self, tmp_path: Path) -> None:
        """4,000 names that share a rest make 8 million pairs."""
        names = [f"{chr(0x4E00 + number)}ABC" for number in range(2000)]
        lines = [f"{name}: Hm.\n" * (6 if number < 1000 else 1) for number, name in enumerate(names)]
        (tmp_path / "play.txt").write_text("".join(lines))
        found = inspect_path(tmp_path / "play.txt").close_names
        assert 1000 <= len(found) <= 10_000


class TestRepeats:
    def test_a_document_that_is_there_again(self, plays: Path) -> None:
        text = (plays / "play 7.txt").read_text()
        (plays / "play 10.txt").write_text(text.upper())
        (plays / "play 11.txt").write_text(text.replace("\n\n", "\n"))
        repeats = inspect_path(plays).duplicates.documents
        (example,) = repeats.examples
        assert repeats.count == 2
        assert (example.text, example.times) == ("play 10", 3)
        assert (example.first, example.again) == (Location("play 7", 1), Location("play 10", 1))

    def test_no_play_repeats_another(self, plays: Path) -> None:
        duplicates = inspect_path(plays).duplicates
        assert duplicates.documents.count == duplicates.scenes.count == 0

    def test_a_scene_that_is_there_again_under_another_heading(self, tmp_path: Path) -> None:
        scene = (
            "Bo: I have been to the island and back.\n"
            "Mrs Ash: And what did you see there, Bo?\n"
            "Bo: Geese, Mrs Ash, and nothing but geese.\n"
        )
        (tmp_path / "a.txt").write_text(f"INT. PIER\n{scene}INT. HOUSE\nBo: Hm.\n")
        (tmp_path / "b.txt").write_text(f"Bo: Hm.\nINT. FERRY\n{scene}INT. HOUSE\nBo: Hm.\n")
        duplicates = inspect_path(tmp_path).duplicates
        (example,) = duplicates.scenes.examples
        assert duplicates.scenes.count == 1
        assert (example.text, example.first, example.again) == (
            "INT. FERRY",
            Location("a", 1),
            Location("b", 2),
        )
        assert duplicates.documents.count == 0

    def test_a_long_line_that_is_there_again_and_again(self, tmp_path: Path) -> None:
        credit = "This transcript was typed by nobody in particular and may be shared by everybody."
        (tmp_path / "a.txt").write_text("".join(f"Bo: {number}.\n{credit}\nBo: Hm.\n" for number in range(4)))
        repeats = inspect_path(tmp_path / "a.txt").duplicates.lines
        (example,) = repeats.examples
        assert repeats.count == 3
        assert (example.text, example.times, example.first) == (credit, 4, Location("a", 2))

    def test_examples_are_few_and_the_most_frequent(self, tmp_path: Path) -> None:
        def line(number: int) -> str:
            return f"Bo: On the {number}th of May the ferry was late by {number} hours and nobody minded.\n"

        (tmp_path / "a.txt").write_text("".join(line(number) * (number + 1) for number in range(9)))
        repeats = inspect_path(tmp_path / "a.txt").duplicates.lines
        assert repeats.count == sum(range(9))
        assert [example.times for example in repeats.examples] == [9, 8, 7, 6, 5]


def bomb() -> bytes:
    """An XML document of a kilobyte that says it is a gigabyte."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    return (
        f'<?xml version="1.0"?><!DOCTYPE FinalDraft [<!ENTITY e0 "Hm. ">{entities}]>'
        '<FinalDraft DocumentType="Script"><Content><Paragraph Type="Action"><Text>&e9;</Text></Paragraph>'
        "</Content></FinalDraft>"
    ).encode()


def truncated_fdx() -> bytes:
    paragraph = '<Paragraph Type="Action"><Text>It never ends, this rain.</Text></Paragraph>\n'
    return f'<?xml version="1.0"?>\n<FinalDraft DocumentType="Script"><Content>\n{paragraph * 500}'.encode()


def broken_parquet() -> bytes:
    """A table of which the end can be read, and the second half of the rows cannot."""
    sink = pyarrow.BufferOutputStream()
    rows = [{"speaker": "Bo", "line": f"It never ends, {number}."} for number in range(4000)]
    table = pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, sink, row_group_size=1000, compression="none", use_dictionary=False)
    content = bytearray(sink.getvalue().to_pybytes())
    half = len(content) // 2
    content[half : half + 20000] = b"\xff" * 20000
    return bytes(content)


BAD: dict[str, Callable[[], bytes]] = {
    "bomb.fdx": bomb,
    "truncated.fdx": truncated_fdx,
    "picture.txt": lambda: b"\x89PNG\r\n" + bytes(50),
    "cut.json": lambda: b'[{"speaker": "Bo", "line": "Hm."}, {"speaker": "Bo", "li',
    "deep.json": lambda: b"[" * 100_000,
    "columns.json": lambda: b'[{"colour": "red", "weight": 3}]',
    "late.jsonl": lambda: b'{"speaker": "Bo", "line": "It never ends."}\n' * 5000 + b'{"speaker": "Bo", \n',
    "ragged.csv": lambda: b"speaker,line\n" + b"Bo,It never ends.\n" * 3000 + b"Bo,Hm,Hm,Hm\n",
    "broken.parquet": broken_parquet,
}
"""Files that are not what their names say, some of them from the middle on."""


class TestBadFiles:
    @pytest.mark.parametrize("name", BAD)
    def test_the_others_are_inspected_and_the_bad_one_named(self, plays: Path, name: str) -> None:
        before = inspect_path(plays)
        (plays / name).write_bytes(BAD[name]())
        after = inspect_path(plays)
        (problem,) = after.problems
        assert problem.startswith(f"left out: “{name}”")
        assert (after.documents, after.lines, after.cast) == (8, before.lines, before.cast)

    def test_nothing_of_bad_files_is_prepared_and_nothing_of_the_rest_lost(self, tmp_path: Path) -> None:
        plays = write_plays(tmp_path / "plays", 49)
        whole = prepared(plays, tmp_path / "whole")
        for name, content in BAD.items():
            (plays / name).write_bytes(content())
        dataset = prepared(plays, tmp_path / "data")
        assert dataset.description.fingerprint == whole.description.fingerprint
        assert dataset.description.origin == whole.description.origin
        left_out = [note for note in dataset.description.notes if note.startswith("left out: ")]
        assert sorted(note.split("”")[0] for note in left_out) == sorted(f"left out: “{name}" for name in BAD)
        assert not any("never ends" in row.text for row in dataset.rows("train"))

    @pytest.mark.parametrize("name", BAD)
    def test_a_bad_file_asked_for_by_itself_is_an_error_that_names_it(
        self, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / name).write_bytes(BAD[name]())
        with pytest.raises(CorpusError, match=f"“{name}”") as caught:
            inspect_path(tmp_path / name)
        assert caught.value.hint and "\n" not in caught.value.message

    def test_what_is_no_file_is_left_out(self, plays: Path) -> None:
        for name in ("nowhere.txt", "nowhere.parquet"):
            (plays / name).symlink_to(plays / "gone")
        os.mkfifo(plays / "pipe.parquet")
        found = inspect_path(plays)
        assert found.documents == 8
        assert [problem.split("”")[1] for problem in found.problems] == [" is not a file."] * 3

    def test_a_folder_of_bad_files_alone_is_an_error(self, tmp_path: Path) -> None:
        for name in ("cut.json", "truncated.fdx"):
            (tmp_path / name).write_bytes(BAD[name]())
        with pytest.raises(CorpusError, match=r"Nothing in .* can be read: “truncated.fdx”"):
            inspect_path(tmp_path)

    def test_a_file_too_large_to_be_held_back_in_memory_waits_on_disk(self, plays: Path) -> None:
        (plays / "large.txt").write_text(comedy(9000))
        (plays / "large.jsonl").write_text('{"speaker": "Bo", "line": "It never ends."}\n' * 20_000 + "{")
        assert inspect_path(plays).lines["dialogue"] == 8 * 20 + 9000


@pytest.mark.slow
def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    def peak_with(lines: int) -> int:
        folder = tmp_path / str(lines)
        folder.mkdir()
        for name in ("a", "b"):
            (folder / f"{name}.txt").write_text(comedy(lines))
        return peak("inspect", folder, workspace=tmp_path)

    # Both are so large that their rows wait on disk, for which a library is loaded.
    assert peak_with(60_000) - peak_with(12_000) < 30 * MEGABYTE


@pytest.mark.slow
def test_real_corpora(shared_corpora: Path) -> None:
    found = inspect_path(shared_corpora / "seinfeld.txt")
    assert CloseNames("goerge", 2, "george") in found.close_names
    assert found.duplicates.lines.count < 10
