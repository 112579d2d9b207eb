import subprocess
import sys
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptforge.screenplay.script import KINDS, Element
from scriptforge.script_rows import PLAIN, ScriptRow, read_rows, write_rows

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
rows = st.builds(
    ScriptRow,
    document=st.integers(0, 2**31 - 1),
    title=texts,
    kind=st.sampled_from((*KINDS, PLAIN)),
    speaker=texts,
    text=texts,
    characters=st.integers(0, 2**31 - 1),
    source=texts,
)


@settings(max_examples=30)
@given(written=st.lists(rows, max_size=20))
def test_what_was_written_is_read(written: list[ScriptRow], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("rows") / "scripts.parquet"
    written.sort()
    write_rows(path, written)
    assert list(read_rows(path)) == written


def test_a_file_without_one_of_the_columns_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "p", [ScriptRow(0, "", PLAIN, "", "Hm.", 3, "harbour")])
    table = pyarrow.parquet.read_table(tmp_path / "p").drop_columns("source")
    pyarrow.parquet.write_table(table, tmp_path / "p")
    with pytest.raises(ValueError, match="its columns differ"):
        list(read_rows(tmp_path / "p"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the threads of a process")
def test_no_pool_of_threads_is_left_behind(tmp_path: Path) -> None:
    """One of Arrow's that is only starting when the process exits aborts it."""
    write_rows(tmp_path / "p", [ScriptRow(0, "", PLAIN, "", "Hm.", 3, "harbour")])
    program = f"""
import os, pyarrow.parquet
from pathlib import Path
from scriptforge.script_rows import read_rows
pyarrow.set_cpu_count(4)
before = len(os.listdir("/proc/self/task"))
list(read_rows(Path({str(tmp_path / "p")!r})))
print(len(os.listdir("/proc/self/task")) - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 1  # for input and output


def test_more_than_a_block(tmp_path: Path) -> None:
    count = 20_000
    write_rows(tmp_path / "p", (ScriptRow(0, "", PLAIN, "", str(number), 5) for number in range(count)))
    assert [row.text for row in read_rows(tmp_path / "p")] == [str(number) for number in range(count)]


@given(texts, st.integers(0, 30))
def test_cutting_loses_nothing(text: str, place: int) -> None:
    whole = ScriptRow(3, "title", PLAIN, "", text, len(text))
    head, tail = whole.cut(min(place, len(text)))
    assert head.text + tail.text == text
    assert (head.characters, tail.characters) == (len(head.text), len(tail.text))
    assert (tail.document, tail.title, tail.kind) == (3, "title", PLAIN)


def test_lines_of_a_stretch_and_of_an_element() -> None:
    counted = [ScriptRow(0, "", PLAIN, "", text, 0).lines for text in ("a", "a\n", "a\nb", "a\n\nb\n\n")]
    assert counted == [1, 1, 2, 4]
    assert ScriptRow(0, "", "dialogue", "ANN", "a\nb", 0).lines == 1


def test_a_row_of_a_script_is_an_element() -> None:
    assert ScriptRow(0, "", "dialogue", "ANN", "No.", 9).element == Element("dialogue", "No.", "ANN")
