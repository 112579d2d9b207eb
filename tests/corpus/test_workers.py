"""The files of a folder are parsed alike by one process and by several."""

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.screenplays import folder_of

from scriptforge.corpus.fetch import Corpus, fetch_named
from scriptforge.corpus.parse import Parsing, parse
from scriptforge.corpus.workers import Pool
from scriptforge.errors import CorpusError, ScriptforgeError, UsageError
from scriptforge.net.client import no_progress
from scriptforge.options import InspectOptions, PrepareOptions
from scriptforge.script_rows import ScriptRow
from scriptforge.workspace import Workspace


def corpus_of(folder: Path) -> Corpus:
    return fetch_named(f"{folder}", InspectOptions(), Workspace(folder.parent), no_progress)


def parsed(folder: Path, pool: Pool | None) -> tuple[Parsing, list[ScriptRow]]:
    parsing = Parsing()
    rows = parse(corpus_of(folder), plain=False, parsing=parsing, first_document=3, pool=pool)
    return parsing, list(rows)


def test_what_is_parsed_does_not_depend_on_who_parses(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, files=70, scenes=2)
    alone, rows = parsed(folder, None)
    with ThreadPoolExecutor(3) as executor:
        together, same = parsed(folder, Pool(executor))
    assert same == rows and rows[0].document == 3 and rows[-1].document == 73
    assert (together.sizes, together.reasons, together.silent) == (alone.sizes, alone.reasons, alone.silent)
    assert list(together.left_out) == list(alone.left_out) == ["broken.fdx"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Path.unlink, "002.fountain” cannot be read: No such file"),
        (lambda path: path.write_text("INT. ELSEWHERE"), "002.fountain” differs from the file on"),
    ],
)
def test_a_file_that_another_process_does_not_find_is_not_left_out(
    tmp_path: Path, change: Callable[[Path], object], message: str
) -> None:
    folder = folder_of(tmp_path, files=3, scenes=2)
    corpus = corpus_of(folder)
    change(folder / "002.fountain")
    with ThreadPoolExecutor(1) as executor, pytest.raises(ScriptforgeError, match=message) as problem:
        list(parse(corpus, plain=False, parsing=Parsing(), pool=Pool(executor)))
    assert type(problem.value) is ScriptforgeError and "folder" in problem.value.hint


@pytest.mark.parametrize("kind", [ScriptforgeError, UsageError, CorpusError])
def test_an_error_passes_from_one_process_to_another(kind: type[ScriptforgeError]) -> None:
    problem = pickle.loads(pickle.dumps(kind("It is damaged.", "Mend it.")))
    assert type(problem) is kind
    assert (str(problem), problem.hint) == ("It is damaged.", "Mend it.")


def test_there_is_at_least_one_worker() -> None:
    with pytest.raises(UsageError, match="0 workers"):
        PrepareOptions(workers=0)


@pytest.mark.slow
def test_a_program_from_standard_input_ends_with_one_known_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, files=40, scenes=750)
    program = f"import scriptforge\nscriptforge.prepare({str(folder)!r}, workers=2)"
    done = subprocess.run(
        [sys.executable, "-"], input=program, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert "ScriptforgeError: A process that parses or encodes was killed" in done.stderr


@pytest.mark.slow
def test_a_large_folder_is_read_alike_by_several_processes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, files=40, scenes=750)

    def inspected(workers: int) -> object:
        line = [
            sys.executable,
            "-m",
            "scriptforge",
            "inspect",
            f"{folder}",
            "--json",
            "--workers",
            f"{workers}",
        ]
        return json.loads(subprocess.run(line, capture_output=True, check=True, cwd=tmp_path).stdout)

    assert inspected(2) == inspected(1)
