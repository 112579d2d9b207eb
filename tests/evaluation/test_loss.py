import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from support.tiny import naive_nats

from scriptforge.dataset import Dataset
from scriptforge.evaluation import Extent, evaluate_ids, evaluate_split, extent, stream_loss
from scriptforge.inference.configs import RecurrentConfig
from scriptforge.models.recurrent import Recurrent

END = 3
KNOWN = Extent(characters=1000, unknown=0, unknown_characters=0, alphabet=40)


@pytest.fixture(scope="module")
def model() -> Recurrent:
    """A model whose probabilities are far from even."""
    torch.manual_seed(0)
    model = Recurrent(RecurrentConfig(vocabulary_size=13, embedding_size=4, hidden_size=6)).eval()
    with torch.no_grad():
        model.get_parameter("head.weight").mul_(30)
    return model


def text(length: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 13, length, dtype=np.uint8)


def test_metrics_by_hand() -> None:
    loss = Extent(characters=40, unknown=2, unknown_characters=7, alphabet=26).metrics(20.0, 10)
    assert loss.nats_per_token == 2.0
    assert loss.perplexity == pytest.approx(7.38905609893065)
    assert loss.nats_per_character == pytest.approx((20 + 9 * math.log(26)) / 40)
    assert loss.bits_per_character == pytest.approx((20 + 9 * math.log(26)) / 40 / math.log(2))


def test_an_unknown_word_costs_its_spelling() -> None:
    spelled = Extent(characters=40, unknown=1, unknown_characters=5, alphabet=64)
    assert spelled.spelling_nats == pytest.approx(6 * math.log(64))
    assert Extent(40, 0, 0, 64).spelling_nats == 0
    assert Extent(0, 0, 0, 0).spelling_nats == 0


def test_even_odds_are_the_logarithm_of_the_choices() -> None:
    loss = Extent(100, 0, 0, 2).metrics(100 * math.log(2), 100)
    assert loss.perplexity == pytest.approx(2)
    assert loss.bits_per_character == pytest.approx(1)


def test_a_hopeless_loss_is_still_valid_json() -> None:
    document = json.dumps(asdict(KNOWN.metrics(1e9, 10)))
    assert "Infinity" not in document


@pytest.mark.parametrize("length", [1, 2, 255, 256, 257, 700])
def test_stream_reads_token_by_token(model: Recurrent, length: int) -> None:
    ids = text(length)
    loss = evaluate_ids(model, ids, KNOWN, END).stream
    assert loss.nats_per_token * length == pytest.approx(naive_nats(model, ids.tolist(), END), rel=1e-5)
    assert loss.nats_per_character == pytest.approx(loss.nats_per_token * length / 1000)


@pytest.mark.parametrize("length", [1, 255, 256, 257, 700])
def test_cold_256_reads_windows_from_a_zero_state(model: Recurrent, length: int) -> None:
    ids = text(length).tolist()
    nats = sum(
        naive_nats(model, ids[begin : begin + 256], ids[begin - 1] if begin else END)
        for begin in range(0, length, 256)
    )
    evaluation = evaluate_ids(model, text(length), KNOWN, END)
    assert evaluation.cold_256.nats_per_token * length == pytest.approx(nats, rel=1e-5)
    assert (evaluation.tokens, evaluation.characters) == (length, 1000)


@torch.no_grad()
def test_more_cold_windows_than_are_read_at_once(model: Recurrent) -> None:
    length = 256 * 70 + 3
    ids = text(length).tolist()
    begins = range(0, length, 256)
    inputs = [[ids[begin - 1] if begin else END, *ids[begin : begin + 255]] for begin in begins]
    nats = 0.0
    for window, begin in zip(inputs, begins, strict=True):
        target = torch.tensor(ids[begin : begin + 256])
        logits_BTV, _ = model(torch.tensor([window[: len(target)]]), model.initial_state(1))
        nats -= float(logits_BTV[0].double().log_softmax(-1).gather(-1, target[:, None]).sum())
    assert evaluate_ids(model, text(length), KNOWN, END).cold_256.nats_per_token * length == pytest.approx(
        nats
    )


def test_one_row_is_exact_and_more_begin_cold(model: Recurrent) -> None:
    ids = text(100)
    exact = evaluate_ids(model, ids, KNOWN, END).stream
    assert stream_loss(model, ids, KNOWN, END, rows=1) == exact
    parts = np.array_split(ids, 4)
    firsts = [END, *(int(part[-1]) for part in parts)]
    nats = sum(naive_nats(model, part.tolist(), first) for part, first in zip(parts, firsts, strict=False))
    in_rows = stream_loss(model, ids, KNOWN, END, rows=4)
    assert in_rows.nats_per_token * 100 == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize(("length", "rows", "of_a_row"), [(1, 16, 1), (7, 16, 1), (10, 4, 3), (9, 4, 3)])
def test_rows_need_not_fit(model: Recurrent, length: int, rows: int, of_a_row: int) -> None:
    ids = text(length).tolist()
    nats = sum(
        naive_nats(model, ids[begin : begin + of_a_row], ids[begin - 1] if begin else END)
        for begin in range(0, length, of_a_row)
    )
    loss = stream_loss(model, text(length), KNOWN, END, rows=rows)
    assert loss.nats_per_token * length == pytest.approx(nats, rel=1e-5)


def test_a_huge_vocabulary_is_read_in_short_parts() -> None:
    """Parts of 64 steps here.

    Four times the vocabulary would measure something else: over a million tokens, PyTorch's softmax on a CPU
    is off by 1.3e-5 in fp32, since it adds up so many small numbers; over these it is by 3e-7.
    """
    torch.manual_seed(0)
    model = Recurrent(RecurrentConfig(vocabulary_size=2**18, embedding_size=1, hidden_size=1)).eval()
    ids = np.arange(150, dtype=np.uint32)
    loss = stream_loss(model, ids, KNOWN, END)
    assert loss.nats_per_token * 150 == pytest.approx(naive_nats(model, ids.tolist(), END), rel=1e-5)


def test_a_share_of_a_split_is_spread_over_it(model: Recurrent, tiny_dataset: Dataset) -> None:
    ids = tiny_dataset.ids("validation")
    own = Recurrent(replace(model.config, vocabulary_size=tiny_dataset.vocabulary.size)).eval()
    whole = extent(tiny_dataset, "validation")
    places = {
        place * len(ids) // 16 + step for place in range(16) for step in range(math.ceil(len(ids) / 32))
    }
    part = ids[sorted(places)][: math.ceil(0.5 * len(ids))]
    half = evaluate_split(own, tiny_dataset, "validation", 0.5)
    assert half.tokens == len(part)
    assert half.characters == round(whole.characters / 2)
    by_hand = evaluate_ids(own, part, whole, tiny_dataset.vocabulary.end)
    assert half.stream.nats_per_token == pytest.approx(by_hand.stream.nats_per_token)
