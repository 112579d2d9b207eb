"""What was probably misread is said, with what looks like speakers and what to do about it."""

from pathlib import Path

import pytest

from scriptforge.corpus.inspect import inspect
from scriptforge.corpus.prepare import prepare
from scriptforge.errors import CorpusError, UsageError
from scriptforge.options import InspectOptions, PrepareOptions
from scriptforge.workspace import Workspace

NOVEL = "It rained on the pier.\n\nThe gull had a plan, and nobody knew it.\n\n" * 40
FOUNTAIN = "INT. PIER - DAY\n\nRain.\n\nPILOT\nYou again.\n\nGULL\nMe again.\n\n" * 40
NAME_LINES = "PILOT: You again.\nGULL: Me again.\n" * 40


def warnings(path: Path, format: str | None = None, columns: str | None = None) -> tuple[str, ...]:
    return inspect(str(path), InspectOptions(format=format, columns=columns), Workspace(path.parent)).warnings


def written(folder: Path, text: str, name: str = "pier.txt") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_text_in_which_nobody_speaks_is_warned_of(tmp_path: Path) -> None:
    path = written(tmp_path, NOVEL)
    (warning,) = warnings(path)
    assert warning.startswith("Nobody speaks in “pier”: it was read as prose.")
    assert "--format NAME" in warning and "--plain" in warning
    assert "look like speakers" not in warning
    assert inspect(str(path), InspectOptions(), Workspace(tmp_path)).unparsed_share == 1


@pytest.mark.parametrize(
    "text", [FOUNTAIN, NAME_LINES, NAME_LINES.replace(": ", ":\n").replace(".\n", ".\n\n")]
)
def test_a_text_that_is_read_right_is_not_warned_of(tmp_path: Path, text: str) -> None:
    assert warnings(written(tmp_path, text)) == ()


@pytest.mark.parametrize(
    ("text", "asked", "nearest", "share"),
    [(FOUNTAIN, "name-line", "fountain", "33 %"), (NAME_LINES, "fountain", "name-line", "100 %")],
)
def test_a_wrong_format_is_told_from_what_looks_like_speakers(
    tmp_path: Path, text: str, asked: str, nearest: str, share: str
) -> None:
    (warning,) = warnings(written(tmp_path, text), format=asked)
    assert f"{share} of its lines look like speakers: “PILOT" in warning
    assert f"--format {nearest}, which is the nearest" in warning


def test_speakers_that_are_missed_among_others_are_warned_of(tmp_path: Path) -> None:
    (warning,) = warnings(
        written(tmp_path, NAME_LINES + FOUNTAIN.replace("PILOT", "CAT")), format="name-line"
    )
    assert warning.startswith("Speakers are missed in “pier.txt”. ") and "“CAT”" in warning


def test_the_silent_files_of_a_folder_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "shows"
    written(folder, NAME_LINES, "one.txt")
    for number in range(5):
        written(folder, NOVEL + str(number), f"notes {number}.txt")
    (warning,) = warnings(folder)
    assert warning.startswith("Nobody speaks in 5 files, such as “notes 0.txt”, “notes 1.txt”, “notes 2.txt”")


def test_a_dataset_keeps_the_warning_and_strict_makes_it_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, NOVEL)
    dataset = prepare([str(path)], PrepareOptions(), Workspace(tmp_path))
    assert dataset.description.warnings[0].startswith("Nobody speaks")
    with pytest.raises(CorpusError, match="Nobody speaks") as caught:
        prepare([str(path)], PrepareOptions(strict=True), Workspace(tmp_path), name="strict")
    assert "--format NAME" in caught.value.hint
    assert not (tmp_path / "data" / "strict").exists()
    plain = prepare([str(path)], PrepareOptions(plain=True, strict=True), Workspace(tmp_path), name="plain")
    assert plain.description.warnings == []


def test_prepare_reads_in_the_format_that_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, FOUNTAIN)
    dataset = prepare([str(path)], PrepareOptions(format="name-line"), Workspace(tmp_path))
    assert dataset.description.text_format == "name-line" and not dataset.description.cast
    with pytest.raises(UsageError, match="cannot be used together"):
        PrepareOptions(format="name-line", plain=True)


def test_a_script_behind_a_long_preface_is_found(tmp_path: Path) -> None:
    found = inspect(str(written(tmp_path, NOVEL * 20 + FOUNTAIN * 20)), InspectOptions(), Workspace(tmp_path))
    assert found.format == "fountain" and "rom line 2,001 on" in found.formats[0].reason
    assert {speaker.speaker for speaker in found.cast} == {"PILOT", "GULL"}


def test_what_is_no_script_is_left_out_of_a_folder_and_named(tmp_path: Path) -> None:
    folder = tmp_path / "shows"
    written(folder, NAME_LINES, "one.txt")
    others = ["LICENSE", "README.md", "read.R", "style.css", "desktop.ini", "COPYING.txt"]
    for name in others:
        written(folder, "YEAR: 2021\nHOLDER: nobody\n", name)
    found = inspect(str(folder), InspectOptions(), Workspace(tmp_path))
    assert found.documents == 1 and {speaker.speaker for speaker in found.cast} == {"PILOT", "GULL"}
    (problem,) = found.problems
    assert set(problem.removeprefix("left out, not scripts by name: ").split(", ")) == set(others)
    assert inspect(str(folder / "LICENSE"), InspectOptions(), Workspace(tmp_path)).documents == 1


def test_a_folder_without_scripts_says_so(tmp_path: Path) -> None:
    written(tmp_path / "code", "x = 1\n", "main.py")
    with pytest.raises(CorpusError, match=r"No file in “code” has the name of a script: main\.py"):
        inspect(str(tmp_path / "code"), InspectOptions(), Workspace(tmp_path))


def test_a_table_in_which_nobody_speaks_is_warned_of_with_its_own_way_out(tmp_path: Path) -> None:
    path = written(tmp_path, "number,wer,text\n1,Ida,Rain.\n2,Ben,Rain?\n", "rain.csv")
    (warning,) = warnings(path)
    assert warning.startswith("Nobody speaks in “rain”: it was read as table.")
    assert "--columns speaker=COLUMN" in warning
    with pytest.raises(CorpusError, match="Nobody speaks") as caught:
        prepare([str(path)], PrepareOptions(strict=True), Workspace(tmp_path))
    assert caught.value.hint.startswith("Say what its columns hold")


def test_a_table_of_which_nothing_is_read_is_warned_of(tmp_path: Path) -> None:
    path = written(tmp_path, '{"id": 1, "messages": [{"wer": "Ida", "was": "Rain."}]}', "rain.json")
    assert warnings(path)[0].startswith("Nobody speaks in “rain”")


@pytest.mark.parametrize(
    "line",
    [
        "{name} Holm  0:0{n}\nRain falls on {n} piers.\n",
        "15/1/23 9:0{n}\u202fp.\u00a0m. - {name}: Rain on {n} piers.",
        "10:00:0{n}\t From {name} Holm to Everyone:\n\tRain on {n} piers.",
    ],
)
def test_times_and_words_beside_a_name_that_was_read_are_not_warned_of(tmp_path: Path, line: str) -> None:
    text = "\n".join(line.format(name=name, n=n) for n, name in enumerate(["Ida", "Ben"] * 4))
    assert warnings(written(tmp_path, text)) == ()
