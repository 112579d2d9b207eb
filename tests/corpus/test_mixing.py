"""Datasets of several corpora."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest
from support.elements import decode_elements
from support.tiny import comedy, mixed, prepared

from scriptforge.corpus.cards import load_cards
from scriptforge.corpus.fetch import fetch
from scriptforge.corpus.options import plan_tokens
from scriptforge.corpus.sources import find_sources
from scriptforge.dataset import Dataset
from scriptforge.errors import CorpusError, UsageError
from scriptforge.options import PrepareOptions
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import Level
from scriptforge.workspace import SPLITS

TENTHS = {"validation": 0.1, "test": 0.1}


@pytest.fixture
def corpora(workspace_path: Path) -> Path:
    """A play, another with namesakes, and a folder of twelve short ones; all in the current directory."""
    (workspace_path / "harbour.txt").write_text(comedy(300))
    (workspace_path / "bridge.txt").write_text(comedy(200, seed=1).replace("Mrs Ash:", "Kit:"))
    (workspace_path / "tales").mkdir()
    for number in range(12):
        tale = comedy(20, seed=number + 2).replace("ELAINE:", "Zoe:")
        (workspace_path / "tales" / f"{number}.txt").write_text(f"Zoe: Secret{number}.\n\n{tale}")
    return workspace_path


def stretches(dataset: Dataset, split: str) -> list[tuple[str, list[int]]]:
    """What stands between one `<end>` and the next: the source that it opens with, and the ids after that."""
    vocabulary = dataset.vocabulary
    ids = dataset.ids(split)
    assert ids[-1] == vocabulary.end
    names = {id_: name for name, id_ in vocabulary.sources.items()}
    parts = np.split(ids, np.flatnonzero(ids == vocabulary.end) + 1)[:-1]
    return [(names[int(part[0])], part[1:-1].tolist()) for part in parts]


def elements(dataset: Dataset, split: str) -> dict[str, list[Element]]:
    """The elements of a split's ids, by source, in the order in which they stand there."""
    found: dict[str, list[Element]] = {name: [] for name in dataset.vocabulary.sources}
    for source, ids in stretches(dataset, split):
        found[source] += decode_elements(dataset.vocabulary, ids)
    return found


def parsed(dataset: Dataset, split: str, source: str) -> list[Element]:
    return [row.element for row in dataset.rows(split) if row.source == source]


@pytest.mark.parametrize("split", SPLITS)
def test_every_source_is_in_every_split_and_opens_its_documents(corpora: Path, split: str) -> None:
    dataset = mixed(["harbour.txt", "bridge.txt", "tales"], corpora / "data", **TENTHS)
    assert list(dataset.vocabulary.sources) == ["harbour", "bridge", "tales"]
    for source, found in elements(dataset, split).items():
        assert found == parsed(dataset, split, source) != []


def test_each_corpus_is_divided_by_itself(corpora: Path) -> None:
    dataset = mixed(["harbour.txt", "tales"], corpora / "data", **TENTHS)
    harbour, tales = dataset.description.sources
    assert (harbour.division.by, tales.division.by) == ("block", "document")
    assert dataset.description.division is None
    alone = prepared(corpora / "tales", corpora / "alone", **TENTHS)
    assert tales.division == alone.description.division
    for split in SPLITS:
        assert parsed(dataset, split, "tales") == [row.element for row in alone.rows(split)]


class TestWeights:
    @pytest.mark.parametrize("weight", [2, 3])
    def test_a_whole_weight_repeats_the_training_text_round_by_round(
        self, corpora: Path, weight: int
    ) -> None:
        dataset = mixed([f"tales={weight}", "bridge.txt"], corpora / "data", **TENTHS)
        assert elements(dataset, "train")["tales"] == parsed(dataset, "train", "tales") * weight
        assert elements(dataset, "train")["bridge"] == parsed(dataset, "train", "bridge")

    def test_what_is_held_out_and_the_vocabulary_do_not_change(self, corpora: Path) -> None:
        once = mixed(["tales", "bridge.txt"], corpora / "once", level="word", min_count=2, **TENTHS)
        twice = mixed(["tales=2", "bridge.txt"], corpora / "twice", level="word", min_count=2, **TENTHS)
        assert once.vocabulary.fingerprint == twice.vocabulary.fingerprint
        for split in ("validation", "test"):
            assert once.ids(split).tolist() == twice.ids(split).tolist()
        assert once.description.fingerprint != twice.description.fingerprint

    def test_half_a_weight_is_every_other_document(self, corpora: Path) -> None:
        dataset = mixed(["tales=0.5", "bridge.txt"], corpora / "data", level="word", **TENTHS)
        of_tales = [ids for source, ids in stretches(dataset, "train") if source == "tales"]
        assert len(of_tales) == 5
        secrets = {element.text for element in parsed(dataset, "train", "tales") if "Secret" in element.text}
        known = {secret for secret in secrets if not dataset.vocabulary.unknown_words(secret)}
        written = {line.text for line in elements(dataset, "train")["tales"] if "Secret" in line.text}
        assert known == written and len(written) == 5 and len(secrets) == 10

    def test_one_and_a_half_is_once_and_then_a_half(self, corpora: Path) -> None:
        dataset = mixed(["tales=1.5", "bridge.txt"], corpora / "data", **TENTHS)
        whole = parsed(dataset, "train", "tales")
        found = elements(dataset, "train")["tales"]
        assert found[: len(whole)] == whole
        assert len(found) == pytest.approx(1.5 * len(whole), rel=0.02)

    def test_a_file_of_one_document_is_taken_apart(self, corpora: Path) -> None:
        (corpora / "long.txt").write_text(comedy(3500, seed=9))
        dataset = mixed(["long.txt=0.5", "bridge.txt"], corpora / "data", level="word")
        (long, bridge) = dataset.description.sources
        whole = sum(row.characters for row in dataset.rows("train") if row.source == "long")
        assert long.splits["train"].characters == pytest.approx(0.5 * whole, rel=0.2)
        assert bridge.splits["train"].documents == long.splits["train"].documents == 1

    def test_a_weight_that_leaves_nothing(self, corpora: Path) -> None:
        with pytest.raises(UsageError, match=r"weight of 0\.01 leaves nothing of “tales”"):
            mixed(["tales=0.01", "bridge.txt"], corpora / "data", **TENTHS)
        assert not (corpora / "data").exists()


class TestTurns:
    def test_sources_take_turns(self, corpora: Path) -> None:
        (corpora / "long.txt").write_text(comedy(3500, seed=9))
        dataset = mixed(["long.txt", "tales"], corpora / "data", level="word", **TENTHS)
        order = [source for source, _ in stretches(dataset, "train")]
        assert order.count("tales") == 10
        assert "long" in order[2:-2] and "tales" in order[:2] and "tales" in order[-2:]

    def test_nothing_stands_between_passages_that_belong_together(self, corpora: Path) -> None:
        """A document is only taken apart where another source comes in between."""
        (corpora / "long.txt").write_text(comedy(3500, seed=9))
        dataset = mixed(["long.txt", "bridge.txt"], corpora / "data", level="word")
        order = [source for source, _ in stretches(dataset, "train")]
        assert order == ["long", "bridge", "long"]


class TestCasts:
    def test_casts_are_kept_apart_and_so_are_namesakes(self, corpora: Path) -> None:
        vocabulary = mixed(["harbour.txt", "bridge.txt"], corpora / "data").vocabulary
        named = {
            name: [token.source for token in vocabulary.speaker_tokens_named(name)]
            for name in vocabulary.speakers
        }
        both = ["harbour", "bridge"]
        assert named == {"ELAINE": both, "Bo": both, "Mrs Ash": ["harbour"], "Kit": ["bridge"]}
        ids = {source: vocabulary.speaker_id("bo", source) for source in ("harbour", "bridge")}
        assert len(set(ids.values())) == 2

    def test_the_lines_of_a_source_are_spoken_by_its_own(self, corpora: Path) -> None:
        dataset = mixed(["harbour.txt", "bridge.txt"], corpora / "data")
        vocabulary = dataset.vocabulary
        owners = {token.id: token.source for token in vocabulary.speaker_tokens}
        for split in SPLITS:
            for source, ids in stretches(dataset, split):
                assert {owners[id_] for id_ in ids if id_ in owners} <= {source, None}

    def test_casts_may_be_merged(self, corpora: Path) -> None:
        dataset = mixed(["harbour.txt", "bridge.txt"], corpora / "data", merge_casts=True)
        assert [token.source for token in dataset.vocabulary.speaker_tokens] == [None] * 4
        assert {member.source for member in dataset.description.cast} == {None}
        assert elements(dataset, "test")["bridge"] == parsed(dataset, "test", "bridge")

    def test_one_namesake_may_be_too_rare_for_a_token(self, corpora: Path) -> None:
        play = comedy(200, seed=1).replace("Bo:", "Kit:")
        (corpora / "few.txt").write_text("Bo: I say little.\n\n" * 3 + play)
        dataset = mixed(["harbour.txt", "few.txt"], corpora / "data")
        vocabulary = dataset.vocabulary
        assert [token.source for token in vocabulary.speaker_tokens_named("Bo")] == ["harbour"]
        assert vocabulary.speaker_id("Bo", "few") is None
        few = next(ids for source, ids in stretches(dataset, "train") if source == "few")
        assert few[0] == vocabulary.cue
        assert decode_elements(vocabulary, few)[0] == Element("dialogue", "I say little.", "Bo")

    def test_the_cast_is_said_with_its_sources(self, corpora: Path) -> None:
        cast = mixed(["harbour.txt", "bridge.txt"], corpora / "data").description.cast
        assert sum(member.lines for member in cast if member.source == "harbour") == 300
        assert {member.source for member in cast if member.speaker == "Bo"} == {"harbour", "bridge"}


class TestPlain:
    def test_plain_texts_have_no_tags_and_sources_still(self, corpora: Path) -> None:
        dataset = mixed(["harbour.txt", "tales"], corpora / "data", plain=True, **TENTHS)
        vocabulary = dataset.vocabulary
        assert vocabulary.sources == {} and vocabulary.speaker_tokens == ()
        harbour, tales = dataset.description.sources
        for split in ("validation", "test"):
            apart = dataset.ids_by_source(split)
            assert [len(ids) for ids in apart.values()] == [
                harbour.splits[split].tokens, tales.splits[split].tokens,
            ]  # fmt: skip
            for source, ids in apart.items():
                text = "".join(row.text for row in dataset.rows(split) if row.source == source)
                assert vocabulary.decode(ids[ids != vocabulary.end]) == text
                assert ids[-1] == vocabulary.end

    def test_weights_count_for_plain_texts(self, corpora: Path) -> None:
        once = mixed(["harbour.txt", "tales"], corpora / "once", plain=True)
        twice = mixed(["harbour.txt", "tales=2"], corpora / "twice", plain=True)
        before, after = (each.description.sources[1].splits["train"] for each in (once, twice))
        assert after.characters == 2 * before.characters
        assert after.documents == before.documents


class TestDescription:
    def test_it_says_what_each_source_has(self, corpora: Path) -> None:
        dataset = mixed(["harbour.txt=2", "tales"], corpora / "data", **TENTHS)
        description = json.loads(dataset.folder.description.read_text(encoding="utf-8"))
        harbour, tales = description["sources"]
        assert (harbour["name"], harbour["weight"], tales["weight"]) == ("harbour", 2, 1)
        assert harbour["origin"]["files"][0]["name"] == "harbour.txt" and description["origin"] is None
        assert (harbour["documents"], tales["documents"], description["documents"]) == (1, 12, 13)
        for split in SPLITS:
            whole = description["splits"][split]
            assert whole["tokens"] == len(dataset.ids(split))
            for key, value in whole.items():
                assert value == harbour["splits"][split][key] + tales["splits"][split][key]
        assert description["text_format"] == "name-line"
        *notes, alike = description["notes"]
        assert all(note.startswith(("harbour: ", "tales: ")) for note in notes)
        assert alike.startswith("nearly the same as “")

    @pytest.mark.parametrize("plain", [False, True])
    def test_tokens_of_each_source_are_those_in_the_files(self, corpora: Path, plain: bool) -> None:
        dataset = mixed(["harbour.txt=1.5", "bridge.txt"], corpora / "data", plain=plain)
        for split in ("validation", "test"):
            apart = dataset.ids_by_source(split)
            assert np.concatenate(list(apart.values())).tolist() == dataset.ids(split).tolist()
            for name, ids in apart.items():
                assert plain or ids[0] == dataset.vocabulary.sources[name]

    def test_rows_know_their_source(self, corpora: Path) -> None:
        dataset = mixed(["harbour.txt", "tales"], corpora / "data")
        rows = pyarrow.parquet.read_table(dataset.folder.scripts).to_pylist()
        assert {row["source"] for row in rows} == {"harbour", "tales"}
        assert [row["document"] for row in rows] == sorted(row["document"] for row in rows)
        assert len({row["document"] for row in rows}) == 13

    def test_a_corpus_alone_is_no_mix(self, corpora: Path) -> None:
        dataset = mixed(["harbour.txt"], corpora / "data")
        description = dataset.description
        assert description.sources == [] and dataset.vocabulary.sources == {}
        assert description.origin is not None and description.division is not None
        assert list(dataset.ids_by_source("test")) == ["data"]
        again = prepared(corpora / "harbour.txt", corpora / "again", level="char")
        assert again.description.fingerprint == description.fingerprint


class TestRefusals:
    def test_one_that_is_too_short_is_named(self, corpora: Path) -> None:
        (corpora / "note.txt").write_text("Bo: Hm.\n\nKit: Yes.\n")
        with pytest.raises(CorpusError, match=r"“note” is too short") as caught:
            mixed(["harbour.txt", "note.txt"], corpora / "data")
        assert "--validation" in caught.value.hint
        assert not (corpora / "data").exists()

    def test_one_that_has_nothing_to_test_on(self, corpora: Path) -> None:
        (corpora / "note.txt").write_text(comedy(20, seed=5))
        with pytest.raises(CorpusError, match=r"“note” is too short: nothing is left to test on"):
            mixed(["harbour.txt", "note.txt"], corpora / "data", validation=0.2, test=0.005)

    def test_a_file_in_two_of_them(self, corpora: Path) -> None:
        with pytest.raises(UsageError, match=r"“tales” and “3” both hold the text of “3\.txt”") as caught:
            mixed(["tales", "tales/3.txt"], corpora / "data")
        assert "one of them only" in caught.value.hint
        assert not (corpora / "data").exists()


@pytest.mark.parametrize(
    ("texts", "level", "expected"),
    [
        (["demo", "harbour.txt"], None, ("bpe", 1500)),
        (["demo", "harbour.txt"], "word", ("word", None)),
        (["harbour.txt", "bridge.txt"], None, ("bpe", 1000)),
        (["harbour.txt"], "char", ("char", None)),
    ],
)
def test_what_suits_a_mix(
    corpora: Path, texts: list[str], level: Level | None, expected: tuple[str, int | None]
) -> None:
    fetched = [fetch(source) for source in find_sources(texts, load_cards())]
    chosen = plan_tokens(PrepareOptions(level=level), fetched)
    assert (chosen.level, chosen.vocabulary_size) == expected


def test_the_same_mix_is_the_same_dataset(corpora: Path) -> None:
    def fingerprint(name: str, *texts: str, **options: Any) -> str:
        return mixed(texts, corpora / name, **options).description.fingerprint

    first = fingerprint("first", "tales=1.5", "harbour.txt")
    assert fingerprint("again", "tales=1.5", "harbour.txt") == first
    others = {
        fingerprint("a", "tales=0.5", "harbour.txt"),
        fingerprint("b", "harbour.txt", "tales=1.5"),
        fingerprint("c", "tales=1.5", "harbour.txt", merge_casts=True),
        fingerprint("d", "tales=1.5", "bridge.txt"),
    }
    assert len({first, *others}) == 5
