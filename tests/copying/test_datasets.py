from scriptforge.copying import ComparedText, examine, held_out, index_training, lines_of_rows
from scriptforge.dataset import Dataset


def test_the_training_text_is_indexed_and_no_other(tiny_dataset: Dataset) -> None:
    index = index_training(tiny_dataset)
    trained = examine(lines_of_rows(tiny_dataset.rows("train")), index)
    assert [copy.words for copy in trained.copies] == [trained.words]
    assert len(index) == trained.words + 1  # the end of the one document
    tested = examine(lines_of_rows(tiny_dataset.rows("test")), index)
    assert 0 < (tested.longest_copy or trained).words < tested.words


def test_people_are_those_of_validation_and_test(tiny_dataset: Dataset) -> None:
    lines = list(held_out(tiny_dataset))
    splits = tiny_dataset.description.splits
    assert len(lines) == splits["validation"].lines + splits["test"].lines
    assert lines[-1].text == [*tiny_dataset.rows("test")][-1].text
    assert len(ComparedText(lines, index_training(tiny_dataset))) > 0
