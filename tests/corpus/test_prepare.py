import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.elements import decode_elements
from support.process_state import changed_by
from support.tiny import comedy, prepared

from scriptforge.corpus.cards import load_cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.options import TokenPlan, plan_tokens
from scriptforge.corpus.passages import ParsedText
from scriptforge.corpus.prepare import prepare, prepare_corpora
from scriptforge.corpus.sources import find_source
from scriptforge.corpus.tokenize import train_vocabulary
from scriptforge.dataset import Dataset
from scriptforge.errors import CorpusError, DatasetError, UsageError
from scriptforge.net.client import no_progress
from scriptforge.options import PrepareOptions
from scriptforge.screenplay.formats import read
from scriptforge.screenplay.name_line import write
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import LEVELS
from scriptforge.workspace import SPLITS, DatasetFolder, Workspace

LAST_TENTH = {"validation": 0.1, "test": 0}
QUARTERS = {"validation": 0.25, "test": 0.25}
ODD_TEXT = "Ünïcode — 🎭 <end> <action> <cue:BO>\ttab\n\n\n  two  spaces \n\nno line end"


def decoded(dataset: Dataset, split: str) -> str:
    """The text of a split's ids, without what ends a document."""
    ids = dataset.ids(split)
    return dataset.vocabulary.decode(ids[ids != dataset.vocabulary.end])


def elements_of(dataset: Dataset, split: str) -> list[Element]:
    return decode_elements(dataset.vocabulary, dataset.ids(split))


@pytest.fixture
def play(tmp_path: Path) -> Path:
    path = tmp_path / "play.txt"
    path.write_text(comedy(60) + ODD_TEXT, encoding="utf-8")
    return path


class TestPlain:
    @pytest.mark.parametrize("level", ["char", "bpe"])
    def test_the_splits_are_the_text_cut_at_a_character(self, play: Path, tmp_path: Path, level: str) -> None:
        text = play.read_text(encoding="utf-8")
        dataset = prepared(play, tmp_path / "data", level=level, plain=True, **LAST_TENTH)
        cut = int(0.9 * len(text))
        assert decoded(dataset, "train") == text[:cut]
        assert decoded(dataset, "validation") == text[cut:]
        assert dataset.ids("train")[-1] == dataset.vocabulary.end
        assert len(dataset.ids("test")) == 0

    @pytest.mark.parametrize("level", ["char", "bpe"])
    @settings(max_examples=15)
    @given(
        text=st.text(st.sampled_from("aä🎭<e \t\n\v\f\x85\u2028\ufeff"), min_size=40, max_size=400).filter(
            lambda text: text.strip() and text[0] != "\ufeff"
        )
    )
    def test_no_text_is_lost_whatever_it_is(
        self, level: str, text: str, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        folder = tmp_path_factory.mktemp("odd")
        (folder / "odd.txt").write_bytes(text.encode())
        dataset = prepared(folder / "odd.txt", folder / "data", level=level, plain=True, **QUARTERS)
        assert "".join(decoded(dataset, split) for split in SPLITS) == text
        lengths = [len(decoded(dataset, split)) for split in SPLITS]
        assert lengths == [dataset.description.splits[split].characters for split in SPLITS]

    def test_a_line_without_end(self, tmp_path: Path) -> None:
        text = "".join(f"word{number} " if number % 7 else f"w{number}" * 3000 for number in range(60))
        (tmp_path / "line.txt").write_text(text)
        dataset = prepared(tmp_path / "line.txt", tmp_path / "data", level="char", plain=True, **LAST_TENTH)
        assert decoded(dataset, "train") + decoded(dataset, "validation") == text

    def test_files_follow_each_other_with_an_end_between(self, tmp_path: Path) -> None:
        folder = tmp_path / "plays"
        folder.mkdir()
        for name in ("10.txt", "9.txt"):
            (folder / name).write_text(f"{name}\n" + comedy(20, seed=int(name[:-4])))
        dataset = prepared(folder, tmp_path / "data", level="char", plain=True, **LAST_TENTH)
        ids = dataset.ids("train")
        assert np.flatnonzero(ids == dataset.vocabulary.end).tolist() == [
            len((folder / "9.txt").read_text()), len(ids) - 1,
        ]  # fmt: skip
        assert decoded(dataset, "train").startswith("9.txt\n")
        assert dataset.description.documents == 2

    def test_lines_of_a_table_stay_in_order(self, tmp_path: Path) -> None:
        """Single lines are no documents, so they are never shuffled."""
        lines = [f"line {number}" for number in range(200)]
        (tmp_path / "lines.csv").write_text("text\n" + "\n".join(lines) + "\n")
        dataset = prepared(tmp_path / "lines.csv", tmp_path / "data", level="char", plain=True, **LAST_TENTH)
        assert dataset.description.division is not None
        assert dataset.description.division.by == "block"
        texts = [decoded(dataset, split).split("\n") for split in ("train", "validation")]
        found = [line for text in texts for line in text if line.startswith("line ")]
        assert found == sorted(found, key=lambda line: int(line.split()[1]))


class TestScript:
    @pytest.mark.parametrize("level", ["word", "char", "bpe"])
    def test_the_ids_are_the_elements(self, play: Path, tmp_path: Path, level: str) -> None:
        dataset = prepared(play, tmp_path / "data", level=level, **QUARTERS)
        expected = list(read(play.read_text(encoding="utf-8").splitlines(keepends=True)))
        found = [element for split in SPLITS for element in elements_of(dataset, split)]
        if level == "word":
            assert [element.speaker for element in found] == [element.speaker for element in expected]
            assert elements_of(dataset, "train") == expected[: len(elements_of(dataset, "train"))]
        else:
            assert found == expected

    def test_whole_documents_are_held_out(self, tmp_path: Path) -> None:
        folder = tmp_path / "plays"
        folder.mkdir()
        for number in range(20):
            (folder / f"{number}.txt").write_text(comedy(20, seed=number))
        dataset = prepared(folder, tmp_path / "data", level="char", validation=0.1, test=0.1)
        description = dataset.description
        assert description.division is not None
        assert description.division.by == "document"
        by_split: dict[str, list[Element]] = {split: [] for split in SPLITS}
        for number, split in enumerate(description.division.documents):
            by_split[split] += read(comedy(20, seed=number).splitlines())
        assert {split: elements_of(dataset, split) for split in SPLITS} == by_split
        ends = [np.count_nonzero(dataset.ids(split) == dataset.vocabulary.end) for split in SPLITS]
        held = [description.splits[split].documents for split in SPLITS]
        assert held == [16, 2, 2]
        assert ends == [16, 1, 1]

    def test_characters_are_those_of_the_rendering(self, play: Path, tmp_path: Path) -> None:
        dataset = prepared(play, tmp_path / "data", level="char", **QUARTERS)
        written = "".join(
            f"{line}\n" for line in write(read(play.read_text(encoding="utf-8").splitlines(keepends=True)))
        )
        assert sum(split.characters for split in dataset.description.splits.values()) == len(written)

    def test_a_paragraph_longer_than_a_row_becomes_several(self, tmp_path: Path) -> None:
        words = " ".join(f"word{number}" for number in range(5000))
        (tmp_path / "play.txt").write_text(f"{comedy(30)}Bo: {words}\n\n{comedy(200)}")
        dataset = prepared(tmp_path / "play.txt", tmp_path / "data", level="char", **LAST_TENTH)
        speech = [element.text for element in elements_of(dataset, "train") if "word" in element.text]
        assert len(speech) > 1 and " ".join(speech) == words
        assert all(len(text) <= 10_000 for text in speech)


class TestVocabulary:
    def test_it_is_learnt_from_the_training_split_alone(self, tmp_path: Path) -> None:
        (tmp_path / "play.txt").write_text(comedy(90) + "Zoë: Žižek żuł żółtą różę.\n\n" * 5, "utf-8")
        dataset = prepared(tmp_path / "play.txt", tmp_path / "data", level="char", **LAST_TENTH)
        assert "ż" in "".join(element.text for element in elements_of(dataset, "validation"))
        assert len(dataset.vocabulary.encode("a")) == 1
        assert len(dataset.vocabulary.encode("ż")) == len("ż".encode())
        assert "Zoë" not in dataset.vocabulary.speakers
        assert dataset.description.alphabet == len(
            {character for element in elements_of(dataset, "train") for character in element.text}
        )

    def test_subwords_of_a_long_text_are_learnt_from_a_part_of_it(self, tmp_path: Path) -> None:
        folder = tmp_path / "plays"
        folder.mkdir()
        names = [f"x{chr(97 + number) * 5}x" for number in range(24)]
        for name in names:
            (folder / f"{name}.txt").write_text(comedy(20, seed=ord(name[1])) + f"Bo: {name} {name}.\n\n" * 9)
        dataset = prepared(folder, tmp_path / "data", level="char")
        description = dataset.description
        assert description.division is not None and description.division.by == "document"
        text = ParsedText(
            dataset.folder.scripts,
            {"plays": 1.0},
            {"plays": description.division},
            [1000] * len(names),
            rows=1,
            on_progress=no_progress,
        )
        characters = description.splits["train"].characters
        plan = TokenPlan("bpe", 600, min_count=1, lower=False, plain=False, merge_casts=False)
        learnt = train_vocabulary(text, replace(plan, learn_from=characters // 2))
        assert learnt.learnt_from == pytest.approx(0.5, abs=0.01)
        known = {name for name in names if len(learnt.vocabulary.encode(f" {name}")) == 1}
        assert 0.3 * len(names) < len(known) < 0.6 * len(names)
        assert train_vocabulary(text, plan).learnt_from == 1

    def test_frequent_speakers_have_a_token_and_rare_ones_are_spelled(self, tmp_path: Path) -> None:
        (tmp_path / "play.txt").write_text("Rarely Heard: Oh.\n\n" + comedy(200))
        dataset = prepared(tmp_path / "play.txt", tmp_path / "data", level="char")
        assert set(dataset.vocabulary.speakers) == {"ELAINE", "Bo", "Mrs Ash"}
        assert elements_of(dataset, "train")[0] == Element("dialogue", "Oh.", "Rarely Heard")

    def test_rare_words_are_unknown_and_counted(self, tmp_path: Path) -> None:
        (tmp_path / "play.txt").write_text("Bo: Zeppelin zeugma.\n\n" + comedy(100))
        known, unknown = (
            prepared(tmp_path / "play.txt", tmp_path / f"data{count}", level="word", min_count=count)
            for count in (1, 2)
        )
        assert known.description.splits["train"].unknown == 0
        held = unknown.description.splits["train"]
        assert held.unknown == np.count_nonzero(unknown.ids("train") == unknown.vocabulary.unknown) == 2
        assert held.unknown_characters == len("Zeppelin") + len("zeugma")

    def test_lower_case(self, play: Path, tmp_path: Path) -> None:
        dataset = prepared(play, tmp_path / "data", level="char", plain=True, lower=True, **LAST_TENTH)
        text = play.read_text(encoding="utf-8").lower()
        assert decoded(dataset, "train") + decoded(dataset, "validation") == text
        assert dataset.description.lower

    def test_the_size_asked_for(self, play: Path, tmp_path: Path) -> None:
        dataset = prepared(play, tmp_path / "data", level="bpe", vocabulary_size=300)
        assert dataset.vocabulary.size == dataset.description.vocabulary_size == 300
        with pytest.raises(UsageError, match="too small"):
            prepared(play, tmp_path / "data", level="bpe", vocabulary_size=20)


class TestDescription:
    def test_it_says_what_the_files_hold(self, tiny_dataset: Dataset, tiny_text: Path) -> None:
        description = json.loads(tiny_dataset.folder.description.read_text(encoding="utf-8"))
        for split in SPLITS:
            held = description["splits"][split]
            assert held["tokens"] == len(tiny_dataset.ids(split))
            assert held["lines"] == len(elements_of(tiny_dataset, split))
        assert sum(split["lines"] for split in description["splits"].values()) == 400
        assert sum(member["lines"] for member in description["cast"]) == 400
        assert {member["speaker"] for member in description["cast"]} == {"ELAINE", "Bo", "Mrs Ash"}
        assert description["vocabulary_size"] == tiny_dataset.vocabulary.size
        assert description["text_format"] == "name-line"
        assert description["unparsed_share"] == 0
        (file,) = description["origin"]["files"]
        assert (file["name"], file["size"]) == ("harbour.txt", tiny_text.stat().st_size)
        assert str(tiny_text.parent) not in json.dumps(description)

    def test_ids_take_no_more_bytes_than_they_need(
        self, tiny_dataset: Dataset, play: Path, tmp_path: Path
    ) -> None:
        assert tiny_dataset.vocabulary.size <= 256 and tiny_dataset.ids("train").dtype == np.uint8
        assert prepared(play, tmp_path / "data", level="char").ids("train").dtype == np.uint16

    def test_the_fingerprint_is_of_the_content(self, play: Path, tmp_path: Path) -> None:
        def fingerprint(**options: object) -> str:
            return prepared(play, tmp_path / "data", **options).description.fingerprint

        first = fingerprint(level="char")
        assert fingerprint(level="char") == first
        others = {
            fingerprint(level="word"),
            fingerprint(level="char", plain=True),
            fingerprint(level="char", lower=True),
            fingerprint(level="char", **QUARTERS),
        }
        play.write_text(play.read_text(encoding="utf-8").replace("Nobody", "nobody", 1), encoding="utf-8")
        others.add(fingerprint(level="char"))
        assert len({first, *others}) == 6


class TestReplacing:
    def test_a_failure_half_way_leaves_the_old_dataset(self, play: Path, tmp_path: Path) -> None:
        before = prepared(play, tmp_path / "data", level="char").description

        def interrupt(doing: str, done: int, total: int | None) -> None:
            if doing == "Tokenising":
                raise KeyboardInterrupt

        source = find_source(str(play), load_cards())
        with pytest.raises(KeyboardInterrupt):
            prepare_corpora(
                [fetch(source)], PrepareOptions(level="word"), DatasetFolder(tmp_path / "data"), interrupt
            )
        after = Dataset(DatasetFolder(tmp_path / "data"))
        assert after.description == before
        assert decoded(after, "train")
        assert {path.name for path in tmp_path.iterdir()} == {"data", "play.txt"}

    def test_a_new_one_takes_its_place(self, play: Path, tmp_path: Path) -> None:
        prepared(play, tmp_path / "data", level="char")
        assert prepared(play, tmp_path / "data", level="word").vocabulary.level == "word"
        assert {path.name for path in tmp_path.iterdir()} == {"data", "play.txt"}


def test_of_two_that_prepare_one_name_one_is_told(play: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    told: list[DatasetError] = []

    def prepare_too(doing: str, done: int, total: int | None) -> None:
        if not told:
            with pytest.raises(DatasetError, match="“play” is being prepared by process") as caught:
                prepare([str(play)], PrepareOptions(level="char"), workspace)
            told.append(caught.value)

    made = prepare([str(play)], PrepareOptions(level="word"), workspace, on_progress=prepare_too)
    assert told and made.vocabulary.level == "word"
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["play"]


def test_progress_is_told(play: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []
    source = find_source(str(play), load_cards())
    prepare_corpora(
        [fetch(source)],
        PrepareOptions(level="word"),
        DatasetFolder(tmp_path / "data"),
        lambda *args: told.append(args),
    )
    works = list(dict.fromkeys(doing for doing, _, _ in told))
    assert works == ["Reading", "Counting", "Learning the vocabulary", "Tokenising"]
    last = {doing: (done, total) for doing, done, total in told}
    assert all(done == total for done, total in list(last.values())[1:])


@pytest.mark.parametrize("text", ["Bo: Hm.", "x"])
def test_too_short_to_be_split(tmp_path: Path, text: str) -> None:
    (tmp_path / "play.txt").write_text(text)
    with pytest.raises(CorpusError, match="too short") as caught:
        prepared(tmp_path / "play.txt", tmp_path / "data", level="char")
    assert "--validation" in caught.value.hint
    assert not (tmp_path / "data").exists()


class TestRecommendation:
    def test_a_card_knows_best(self) -> None:
        source = find_source("demo", load_cards())
        corpora = [fetch(source)]
        assert source.card is not None and source.card.level == "bpe"
        left_open = plan_tokens(PrepareOptions(), corpora)
        assert left_open == plan_tokens(PrepareOptions(level="bpe"), corpora)
        assert left_open.vocabulary_size == source.card.vocabulary_size
        assert plan_tokens(PrepareOptions(level="char"), corpora).vocabulary_size is None

    def test_otherwise_the_size_decides(self, tmp_path: Path) -> None:
        sizes = []
        for lines in (10, 8000):
            path = tmp_path / f"{lines}.txt"
            path.write_text(comedy(lines))
            source = find_source(str(path), load_cards())
            sizes.append(plan_tokens(PrepareOptions(), [fetch(source)]).vocabulary_size)
        assert sizes == [1000, 2000]

    def test_words_must_occur_twice_by_default(self, play: Path) -> None:
        source = find_source(str(play), load_cards())
        corpora = [fetch(source)]
        counts = {level: plan_tokens(PrepareOptions(level=level), corpora).min_count for level in LEVELS}
        assert counts == {"word": 2, "bpe": 1, "char": 1}


_IMPORTS = """
from pathlib import Path
import datasets
import huggingface_hub.utils
import scipy.io  # adds a filter of its own when it is first imported, by Datasets if not here
from scriptforge.corpus.prepare import prepare
from scriptforge.options import PrepareOptions
from scriptforge.workspace import Workspace
"""
_PREPARE = """
folder = Path(sys.argv[1])
corpora = [str(folder / "play.txt"), str(folder / "table.csv")]
prepare(corpora, PrepareOptions(level="char"), Workspace(folder))
"""


def test_preparing_leaves_the_process_as_it_was(play: Path, tmp_path: Path) -> None:
    lines = "".join(f'Bo,"Line {number} of many, which is said aloud."\n' for number in range(200))
    (tmp_path / "table.csv").write_text(f"speaker,line\n{lines}")
    assert changed_by(_PREPARE, tmp_path, setup=_IMPORTS, folder=tmp_path) == {}
