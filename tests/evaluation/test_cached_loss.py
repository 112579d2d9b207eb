from pathlib import Path

import numpy as np
import pytest
import torch
from support.slow import slow
from support.tiny import prepared

from scriptforge.dataset import Dataset
from scriptforge.errors import DatasetError
from scriptforge.evaluation import evaluate_split
from scriptforge.evaluation.neural_cache import cached_nats, evaluate_cached
from scriptforge.generation.decoder import ModelDecoder
from scriptforge.generation.neural_cache import CachedDecoder, CacheParameters
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models.recurrent import Recurrent
from scriptforge.run.run import Run
from scriptforge.vocabulary import Vocabulary
from scriptforge.workspace import RunFolder

VOCABULARY = Vocabulary.train(["abcdefghi ."], "char", plain=True)
SIZE, END = VOCABULARY.size, VOCABULARY.end
SOME = np.array(VOCABULARY.encode("abcdefghi ."), dtype=np.uint16)


@pytest.fixture(scope="module")
def model() -> Recurrent:
    """A model whose probabilities and features are far from even."""
    torch.manual_seed(0)
    model = Recurrent(RecurrentConfig(vocabulary_size=SIZE, embedding_size=4, hidden_size=6)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return model


def text(length: int, *, ends: bool) -> np.ndarray:
    """Random tokens, now and then an `end`, which also are what comes at the edges of chunks."""
    ids = np.random.default_rng(2).choice(SOME, length)
    if ends:
        ids[[place for place in (0, 1, 40, 254, 255, 256, 300, 511) if place < length]] = END
    return ids


def nats_one_by_one(model: Recurrent, ids: np.ndarray, options: CacheParameters) -> float:
    """What a decoder is surprised by, each token after it has read those before."""
    decoder = CachedDecoder(ModelDecoder(model.inference(), 1), options, VOCABULARY)
    nats = 0.0
    for before, id_ in zip([END, *ids.tolist()[:-1]], ids.tolist(), strict=True):
        logarithms_1V = decoder.read(np.array([[before]]))
        assert np.exp(logarithms_1V, dtype=np.float64).sum() == pytest.approx(1, abs=1e-5)
        nats -= float(logarithms_1V[0, id_])
    return nats


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        CacheParameters(0.1),
        CacheParameters(0.6, 5, 1),
        CacheParameters(0.5, 30, 100),
        CacheParameters(0.3, 0, 256),
    ],
)
@pytest.mark.parametrize("length", [1, 2, 257, *slow([256, 600])])
def test_a_text_costs_what_a_decoder_is_surprised_by(
    model: Recurrent, length: int, options: CacheParameters, ends: bool
) -> None:
    ids = text(length, ends=ends)
    assert cached_nats(model, ids, VOCABULARY, options) == pytest.approx(
        nats_one_by_one(model, ids, options), rel=1e-5
    )


def test_what_is_said_again_costs_less(model: Recurrent) -> None:
    once = text(100, ends=False)
    twice = np.concatenate([once, once])
    options = CacheParameters(weight=0.7, sharpness=100, window=100)
    first = cached_nats(model, once, VOCABULARY, options)
    assert cached_nats(model, twice, VOCABULARY, options) - first < first / 2
    apart = np.concatenate([once, [END], once]).astype(np.uint16)
    assert cached_nats(model, apart, VOCABULARY, options) - first > first / 2


def test_without_weight_the_figures_are_those_of_the_stream(
    tiny_run: RunFolder, tiny_dataset: Dataset
) -> None:
    model = Run(tiny_run).model
    figures = evaluate_cached(model, tiny_dataset, "test", CacheParameters(weight=0))
    stream = evaluate_split(model, tiny_dataset, "test").stream
    assert figures.nats_per_token == pytest.approx(stream.nats_per_token, rel=1e-5)
    assert figures.bits_per_character == pytest.approx(stream.bits_per_character, rel=1e-5)


def test_an_empty_split_is_said_to_be_empty(tiny_run: RunFolder, tiny_text: Path, tmp_path: Path) -> None:
    dataset = prepared(tiny_text, tmp_path / "data", validation=0.1, test=0)
    with pytest.raises(DatasetError, match=r"test split .* is empty") as caught:
        evaluate_cached(Run(tiny_run).model, dataset, "test", CacheParameters(0.1))
    assert "--test" in caught.value.hint
