"""Scripts that are nearly the same are found, named, and left out if that is asked for."""

import json
import random
from pathlib import Path

from support.command import scriptforge
from support.tiny import prepared

from scriptforge.corpus.inspect import inspect
from scriptforge.corpus.near_duplicates import MIN_SIMILARITY, Sketch, Sketcher, near_duplicates, split_names
from scriptforge.dataset import Division
from scriptforge.options import InspectOptions
from scriptforge.workspace import Workspace

COLUMNS = "speaker=speaker,line=line,document=title"


def play(seed: int, lines: int = 120) -> list[tuple[str, str]]:
    """Who says what, in words that no other play puts together in the same way."""
    draw = random.Random(seed)
    words = ["".join(draw.choice("aeioubdklmnrst") for _ in range(6)) for _ in range(400)]
    return [
        (draw.choice(("Ann", "Bo")), " ".join(draw.choice(words) for _ in range(8)).capitalize() + ".")
        for _ in range(lines)
    ]


def as_names(lines: list[tuple[str, str]]) -> str:
    return "".join(f"{speaker}: {text}\n\n" for speaker, text in lines)


def as_fountain(lines: list[tuple[str, str]]) -> str:
    return "INT. HALL - DAY\n\n" + "".join(f"{speaker.upper()}\n{text}\n\n" for speaker, text in lines)


def draft(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """An earlier draft: a quarter of the lines are missing, and one in ten is another."""
    draw = random.Random(7)
    other = iter(play(99, len(lines)))
    return [next(other) if draw.random() < 0.1 else line for line in lines if draw.random() > 0.25]


def collection(folder: Path, *, with_duplicates: bool) -> Path:
    """Twelve plays, of which one is there in another layout and another as a draft, or not."""
    folder.mkdir(parents=True)
    for number in range(12):
        (folder / f"play{number:02}.txt").write_text(as_names(play(number)))
    if with_duplicates:
        (folder / "play03-printed.fountain").write_text(as_fountain(play(3)[:-1]))
        (folder / "play05-draft.txt").write_text(as_names(draft(play(5))))
    return folder


def sketched(text: str) -> Sketch:
    sketcher = Sketcher("a play", "play.txt")
    for line in text.split("\n"):
        sketcher.add(line)
    return sketcher.sketch()


def alike(one: str, other: str) -> float:
    """The share of phrases of three words that are in both texts, by sets and not by hashes."""
    first, second = (
        {tuple(words[start : start + 3]) for start in range(len(words) - 2)}
        for words in (text.casefold().replace(".", "").split() for text in (one, other))
    )
    return len(first & second) / len(first | second)


def test_what_is_found_is_what_comparing_all_phrases_finds() -> None:
    draw = random.Random(3)
    texts = [" ".join(text for _, text in play(seed)) for seed in range(6)]
    for share in (0.1, 0.3, 0.5, 0.9):
        words = texts[0].split()
        kept = round(share * len(words))
        texts.append(" ".join(words[:kept] + play_words(draw.randrange(100, 999), len(words) - kept)))
    found = near_duplicates([sketched(text) for text in texts], [len(text) for text in texts])
    expected = [number for number in range(len(texts)) if alike(texts[0], texts[number]) > MIN_SIMILARITY]
    assert [sorted(group) for group in found] == [expected] and len(expected) == 2
    assert all(abs(alike(texts[0], text) - MIN_SIMILARITY) > 0.05 for text in texts), "no close calls"


def play_words(seed: int, count: int) -> list[str]:
    return " ".join(text for _, text in play(seed, count)).split()[:count]


def test_neither_layout_nor_length_hides_a_script_and_the_longest_comes_first() -> None:
    lines = play(1, 2000)
    texts = [
        "\n".join(text for _, text in lines),
        as_names(play(2)),
        " ".join(text for _, text in lines).upper(),
    ]
    assert near_duplicates([sketched(text) for text in texts], [3, 9, 5]) == [(2, 0)]
    assert near_duplicates([sketched(text) for text in texts], [5, 9, 5]) == [(0, 2)]


def test_scripts_of_a_few_words_are_not_compared() -> None:
    assert near_duplicates([sketched("We are closed. " * 30), sketched("We are closed. " * 30)], [9, 9]) == []
    assert near_duplicates([], []) == []


def test_writing_without_spaces_is_compared_by_character() -> None:
    draw = random.Random(1)
    text = "".join(draw.choice("春夏秋冬山川草木花鳥風月") for _ in range(3000))
    changed = "".join(draw.choice("上下左右") if draw.random() < 0.05 else letter for letter in text)
    assert near_duplicates([sketched(text), sketched(changed)], [1, 1]) == [(0, 1)]


def test_without_its_near_duplicates_a_collection_is_as_if_they_had_not_been_there(tmp_path: Path) -> None:
    doubled = collection(tmp_path / "a" / "plays", with_duplicates=True)
    clean = collection(tmp_path / "b" / "plays", with_duplicates=False)
    made = prepared(doubled, tmp_path / "made", deduplicate=True)
    wanted = prepared(clean, tmp_path / "wanted")
    for name in ("scripts.parquet", "train.npy", "validation.npy", "test.npy", "tokenizer.json"):
        assert (made.folder.path / name).read_bytes() == (wanted.folder.path / name).read_bytes(), name
    about = made.description
    assert (about.documents, about.cast) == (wanted.description.documents, wanted.description.cast)
    assert [[one.file for one in group] for group in about.near_duplicates] == [
        ["play03.txt", "play03-printed.fountain"],
        ["play05.txt", "play05-draft.txt"],
    ]
    assert [bool(one.splits) for group in about.near_duplicates for one in group] == [True, False] * 2
    assert "left out, nearly the same as “play03.txt”: “play03-printed.fountain”" in about.notes
    assert about.warnings == []


def test_a_held_out_script_that_is_trained_on_is_said_loudly(tmp_path: Path) -> None:
    folder = collection(tmp_path / "plays", with_duplicates=False)
    for path in list(folder.iterdir()):
        (folder / f"{path.stem}-again.txt").write_text(path.read_text().upper())
    about = prepared(folder, tmp_path / "data", validation=0.25, test=0.25).description
    pairs = [tuple(one.splits[0] for one in group) for group in about.near_duplicates]
    assert len(pairs) == 12 and about.documents == 24
    leaks = sum("train" in pair and {*pair} != {"train"} for pair in pairs)
    (warning,) = about.warnings
    assert warning.startswith(f"{leaks} held-out scripts are nearly the same") and leaks > 1
    assert "and 7 more groups of scripts that are nearly the same" in about.notes
    without = prepared(folder, tmp_path / "data", deduplicate=True).description
    assert without.warnings == [] and without.documents == 12


def test_in_blocks_a_script_is_in_each_split_that_it_reaches_into() -> None:
    division = Division(by="block", boundaries=(50, 90))
    assert split_names(division, [50, 10, 35, 5]) == [
        ("train",),
        ("validation",),
        ("validation", "test"),
        ("test",),
    ]
    assert split_names(Division(by="document", documents=("test", "train")), [1, 2]) == [
        ("test",),
        ("train",),
    ]


def test_scripts_of_one_table_count_and_inspect_names_them(tmp_path: Path) -> None:
    rows = [
        {"title": title, "speaker": speaker, "line": text}
        for title, lines in (("Dawn", play(1)), ("Noon", play(2)), ("Dawn, first draft", draft(play(1))))
        for speaker, text in lines
    ]
    table = tmp_path / "plays.json"
    table.write_text(json.dumps(rows))
    found = inspect(str(table), InspectOptions(columns=COLUMNS), Workspace(tmp_path))
    assert [[script.title for script in group] for group in found.near_duplicates] == [
        ["title Dawn", "title Dawn, first draft"]
    ]
    shown = scriptforge("inspect", table, "--columns", COLUMNS, workspace=tmp_path).stdout
    assert "Nearly the same" in shown and "“title Dawn, first draft” (plays.json)" in shown


def test_what_is_in_two_corpora_of_a_mix_is_found(tmp_path: Path) -> None:
    for name, first in (("tragedies", 20), ("comedies", 40)):
        (tmp_path / name).mkdir()
        for number in range(first, first + 6):
            (tmp_path / name / f"{number}.txt").write_text(as_names(play(number)))
    (tmp_path / "comedies" / "99.txt").write_text(as_names(draft(play(20))))
    words = ("./tragedies", "./comedies=2", "--test", "0", "--validation", "0.2", "--deduplicate")
    description = json.loads(scriptforge("prepare", *words, "--json", workspace=tmp_path).stdout)
    assert [[one["file"] for one in group] for group in description["near_duplicates"]] == [
        ["20.txt", "99.txt"]
    ]
    assert [source["documents"] for source in description["sources"]] == [6, 6]
