"""What is marked in a draft: where, from which line, and of the text that the model was trained on."""

import json
import time
from pathlib import Path

from support.tiny import comedy, prepared

from scriptforge.copying import Index, lines_of_script
from scriptforge.screenplay.script import Element
from scriptforge.serve.copies import (
    MIN_COPIED_WORDS,
    ComparedLine,
    TrainingText,
    TrainingTexts,
    find_copied_spans,
)
from scriptforge.serve.runs import OfferedRuns, Runs
from scriptforge.workspace import Workspace


def known(texts: TrainingTexts, name: str) -> TrainingText | None:
    """Wait until it is known what a run was trained on."""
    while True:
        is_ready, text = texts.get(name)
        if is_ready:
            return text
        time.sleep(0.01)


def test_places_are_counted_as_javascript_counts() -> None:
    said = "what are you doing in there"
    text = TrainingText(Index(lines_of_script([Element("dialogue", said, "BO")])))
    ((found,),) = find_copied_spans([ComparedLine(text=f"😀 {said} 😀")], text)
    assert (found["start"], found["end"]) == (3, 3 + len(said))


def test_of_two_scripts_with_one_title_the_right_one_is_quoted(tmp_path: Path) -> None:
    for seed, name in enumerate(("spring", "autumn")):
        (tmp_path / "plays" / name).mkdir(parents=True)
        (tmp_path / "plays" / name / "act.txt").write_text(comedy(60, seed), encoding="utf-8")
    dataset = prepared(tmp_path / "plays", tmp_path / "data" / "plays")
    rows = list(dataset.rows("train"))
    assert {(row.document, row.title) for row in rows} == {(0, "act"), (1, "act")}
    text = TrainingText.of(dataset)
    for row in (each for each in rows if len(each.text.split()) >= MIN_COPIED_WORDS):
        ((found,),) = find_copied_spans([ComparedLine(text=row.text)], text)
        assert found["quote"].strip(".!?") == row.text.strip(".!?")


def test_a_dataset_that_comes_later_is_found(workspace: Path) -> None:
    texts = TrainingTexts(Runs(OfferedRuns(Workspace(workspace))))
    (workspace / "data").rename(workspace / "elsewhere")
    assert known(texts, "harbour") is None
    (workspace / "elsewhere").rename(workspace / "data")
    assert known(texts, "harbour") is not None


def test_a_run_that_was_trained_anew_is_not_compared_with_the_old_text(workspace: Path) -> None:
    texts = TrainingTexts(Runs(OfferedRuns(Workspace(workspace))))
    assert known(texts, "harbour") is not None
    config = workspace / "runs" / "harbour" / "config.json"
    about = json.loads(config.read_text(encoding="utf-8"))
    about["dataset"]["fingerprint"] = "0" * len(about["dataset"]["fingerprint"])
    config.write_text(json.dumps(about), encoding="utf-8")
    assert known(texts, "harbour") is None
