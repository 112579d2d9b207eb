"""The model in the package that a training begins with where there is little text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.tiny import prepared

from scriptforge.dataset import Dataset
from scriptforge.errors import UsageError
from scriptforge.options import TrainOptions
from scriptforge.run.records import RunDescription
from scriptforge.training.base_model import NOTE, base_model_for
from scriptforge.training.events import Finished, Notice
from scriptforge.training_runs.train import choose_settings, train
from scriptforge.vocabulary import Vocabulary
from scriptforge.vocabulary.borrowed import BASE_MODEL
from scriptforge.workspace import Workspace

ENGLISH = (
    "ANNA: I told you that we could not go there, because my sister is coming.\n\n"
    "BEN: Then we must stay at home and wait for her. What else can we do?\n\n"
)
GERMAN = (
    "ANNA: Ich habe dir doch gesagt, dass wir heute nicht ins Kino gehen können.\n\n"
    "BEN: Dann müssen wir eben zu Hause bleiben und warten. Was sollen wir sonst tun?\n\n"
)


def dataset(folder: Path, text: str = ENGLISH, **options: Any) -> Dataset:
    (folder / "play.txt").write_text(text * 60, encoding="utf-8")
    return prepared(folder / "play.txt", folder / "data" / "play", **{"level": "bpe", **options})


def test_a_short_english_script_begins_with_the_parent(tmp_path: Path) -> None:
    parent = base_model_for(dataset(tmp_path), {"epochs": 2, "dropout_output": 0.3})
    assert parent is not None
    assert parent.vocabulary.level == "bpe"
    assert sum(path.stat().st_size for path in parent.folder.path.iterdir()) <= 4_000_000
    assert "CC0" in (parent.folder.path / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "options", "chosen"),
    [
        (GERMAN, {}, {}),
        (ENGLISH, {"level": "char"}, {}),
        (ENGLISH, {"level": "word"}, {}),
        (ENGLISH, {"plain": True}, {}),
        (ENGLISH, {}, {"hidden_size": 64}),
        (ENGLISH, {}, {"arch": "gru"}),
        (ENGLISH * 200, {}, {}),
    ],
    ids=["another language", "char", "word", "plain", "another size", "another architecture", "much text"],
)
def test_what_does_not_suit_it_begins_without(
    tmp_path: Path, text: str, options: Mapping[str, Any], chosen: Mapping[str, Any]
) -> None:
    assert base_model_for(dataset(tmp_path, text, **options), chosen) is None


def test_a_training_says_that_it_begins_with_the_parent(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    events = list(train(dataset(tmp_path), TrainOptions(epochs=0.1), workspace))
    assert next(event.message for event in events if isinstance(event, Notice)) == NOTE
    record = RunDescription.load(workspace.run("play")).init_from
    assert record is not None
    assert record.name == "american-plays"


@pytest.mark.parametrize(("text", "options", "is_borrowed"), [
    (ENGLISH, {}, True),
    (ENGLISH, {"lower": True}, True),
    (ENGLISH, {"vocabulary_size": 400}, False),
    (ENGLISH, {"min_count": 2}, False),
    (ENGLISH, {"plain": True}, False),
    (GERMAN, {}, False),
    (ENGLISH * 60, {}, False),
], ids=["little", "in lower case", "a size", "a count", "plain", "another language", "more"])  # fmt: skip
def test_little_english_text_has_its_pieces(
    tmp_path: Path, text: str, options: Mapping[str, Any], is_borrowed: bool
) -> None:
    found = dataset(tmp_path, text, **options)
    merges = Vocabulary.load(BASE_MODEL / "tokenizer.json").merges
    assert (found.vocabulary.merges == merges) is is_borrowed
    assert any("--vocab-size" in note for note in found.description.notes) is is_borrowed
    said = " ".join(row.text for row in found.rows("train"))[:200]
    assert found.vocabulary.decode(found.vocabulary.encode(said)) == (
        said.lower() if options.get("lower") else said
    )


def test_a_text_is_read_eight_times_in_whatever_time_there_is(tmp_path: Path) -> None:
    text = dataset(tmp_path)
    parent = base_model_for(text, {})
    assert choose_settings(text, TrainOptions(minutes=9), "cpu", parent).settings.max_epochs == 8
    assert choose_settings(text, TrainOptions(minutes=9), "cpu").settings.max_epochs is None
    assert choose_settings(text, TrainOptions(epochs=20), "cpu", parent).settings.max_epochs is None
    asked = TrainOptions(minutes=9, settings={"max_epochs": 0.1})
    *_, last = train(text, asked, Workspace(tmp_path))
    assert isinstance(last, Finished) and 0 < last.step <= 3 and last.share == 1


def test_none_begins_without_it(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    options = TrainOptions(epochs=0.1, init_from="none", settings={"hidden_size": 16, "embedding_size": 16})
    list(train(dataset(tmp_path), options, workspace))
    assert RunDescription.load(workspace.run("play")).init_from is None


def test_a_preset_begins_without_it(tmp_path: Path) -> None:
    options = TrainOptions(epochs=0.1, preset="fast", settings={"hidden_size": 16, "embedding_size": 16})
    list(train(dataset(tmp_path), options, Workspace(tmp_path)))
    assert RunDescription.load(Workspace(tmp_path).run("play")).init_from is None


def test_another_level_is_refused_where_it_was_asked_for(tmp_path: Path) -> None:
    text, workspace = dataset(tmp_path, level="char"), Workspace(tmp_path)
    parent = Path(__file__).parents[2] / "scriptforge" / "american-plays"
    with pytest.raises(UsageError, match="bpe level"):
        train(text, TrainOptions(epochs=0.1, init_from=str(parent)), workspace)
