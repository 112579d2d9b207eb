from pathlib import Path

import numpy as np
import pytest
from tiny import comedy, naive_nats, prepared

from scriptforge.corpus.split import Shares
from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError
from scriptforge.evaluation import evaluate_split, extent
from scriptforge.run import Run
from scriptforge.workspace import RunFolder


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_is_read_from_the_end_of_a_script(
    split: str, tiny_run: RunFolder, tiny_dataset: Dataset
) -> None:
    run = Run(tiny_run)
    evaluation = evaluate_split(run.model, tiny_dataset, split)
    ids = tiny_dataset.ids(split).tolist()
    nats = naive_nats(run.model, ids, tiny_dataset.vocabulary.end)
    described = tiny_dataset.description.splits[split]
    assert evaluation.tokens == described.tokens == len(ids)
    assert evaluation.characters == described.characters
    assert evaluation.stream.nats_per_token == pytest.approx(nats / len(ids), rel=1e-5)


def test_unknown_words_are_charged_to_the_character(tmp_path: Path) -> None:
    text = tmp_path / "play.txt"
    text.write_text(comedy(95) + "Bo: Nobody ate a zeppelin again.\n\nBo: My aunt xylophoned.\n", "utf-8")
    dataset = prepared(text, tmp_path / "data", shares=Shares(0.05, 0))
    held = extent(dataset, "validation")
    assert held.unknown == np.count_nonzero(dataset.ids("validation") == dataset.vocabulary.unknown) == 2
    assert held.unknown_characters == len("zeppelin") + len("xylophoned")
    assert held.spelling_nats == pytest.approx((8 + 10 + 2) * np.log(held.alphabet))


def test_an_empty_split_is_said_to_be_empty(tiny_run: RunFolder, tiny_text: Path, tmp_path: Path) -> None:
    dataset = prepared(tiny_text, tmp_path / "data", shares=Shares(0.1, 0))
    with pytest.raises(DatasetError, match=r"test split .* is empty") as caught:
        evaluate_split(Run(tiny_run).model, dataset, "test")
    assert "--test" in caught.value.hint
