from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny import comedy, mixed, naive_nats, prepared

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError
from scriptforge.evaluation import Evaluation, evaluate_sources, evaluate_split, extent
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models.recurrent import Recurrent
from scriptforge.run.run import Run
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
    dataset = prepared(text, tmp_path / "data", validation=0.05, test=0)
    held = extent(dataset, "validation")
    assert held.unknown == np.count_nonzero(dataset.ids("validation") == dataset.vocabulary.unknown) == 2
    assert held.unknown_characters == len("zeppelin") + len("xylophoned")
    assert held.spelling_nats == pytest.approx((8 + 10 + 2) * np.log(held.alphabet))


def test_an_empty_split_is_said_to_be_empty(tiny_run: RunFolder, tiny_text: Path, tmp_path: Path) -> None:
    dataset = prepared(tiny_text, tmp_path / "data", validation=0.1, test=0)
    with pytest.raises(DatasetError, match=r"test split .* is empty") as caught:
        evaluate_split(Run(tiny_run).model, dataset, "test")
    assert "--test" in caught.value.hint


class TestMix:
    @pytest.fixture(params=[False, True], ids=["script", "plain"])
    def mix(self, request: pytest.FixtureRequest, workspace_path: Path) -> Dataset:
        (workspace_path / "harbour.txt").write_text(comedy(200))
        (workspace_path / "bridge.txt").write_text(comedy(120, seed=1) + "Kit: Xylophone.\n")
        corpora = ["harbour.txt=2", "bridge.txt"]
        return mixed(corpora, workspace_path / "data" / "mix", level="word", plain=request.param)

    @pytest.fixture
    def model(self, mix: Dataset) -> Recurrent:
        torch.manual_seed(1)
        config = RecurrentConfig(mix.vocabulary.size, embedding_size=8, hidden_size=16)
        return Recurrent(config).eval()

    @pytest.mark.parametrize("split", ["validation", "test"])
    def test_each_source_is_read_from_the_end_of_a_script(
        self, mix: Dataset, model: Recurrent, split: str
    ) -> None:
        evaluations = evaluate_sources(model, mix, split)
        assert list(evaluations) == ["harbour", "bridge"]
        for source in mix.description.sources:
            ids = mix.ids_by_source(split)[source.name].tolist()
            evaluation = evaluations[source.name]
            nats = naive_nats(model, ids, mix.vocabulary.end)
            assert evaluation.tokens == source.splits[split].tokens == len(ids)
            assert evaluation.characters == source.splits[split].characters
            assert evaluation.stream.nats_per_token == pytest.approx(nats / len(ids), rel=1e-5)

    @pytest.mark.parametrize("split", ["validation", "test"])
    def test_the_split_is_its_sources_taken_together(
        self, mix: Dataset, model: Recurrent, split: str
    ) -> None:
        whole = evaluate_split(model, mix, split)
        parts = list(evaluate_sources(model, mix, split).values())
        described = mix.description.splits[split]
        assert (whole.tokens, whole.characters) == (described.tokens, described.characters)
        for protocol in ("stream", "cold_256"):
            for unit, weight in {"nats_per_token": "tokens", "bits_per_character": "characters"}.items():
                assert figure(whole, protocol, unit) * getattr(whole, weight) == pytest.approx(
                    sum(figure(part, protocol, unit) * getattr(part, weight) for part in parts), rel=1e-9
                )

    def test_an_empty_split_is_said_to_be_empty(self, mix: Dataset, model: Recurrent, tmp_path: Path) -> None:
        dataset = mixed(["harbour.txt", "bridge.txt"], tmp_path / "data" / "untested", validation=0.1, test=0)
        with pytest.raises(DatasetError, match=r"test split .* is empty"):
            evaluate_sources(model, dataset, "test")


def figure(evaluation: Evaluation, protocol: str, unit: str) -> float:
    return float(getattr(getattr(evaluation, protocol), unit))


def test_a_corpus_alone_is_its_own_source(tiny_run: RunFolder, tiny_dataset: Dataset) -> None:
    model = Run(tiny_run).model
    assert evaluate_sources(model, tiny_dataset, "test") == {
        "harbour": evaluate_split(model, tiny_dataset, "test")
    }
