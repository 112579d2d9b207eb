"""The cache against its definition, written out word by word."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.errors import UsageError
from scriptforge.generation.cache import CachedDecoder, CacheOptions
from scriptforge.generation.decoder import ModelDecoder
from scriptforge.models import build
from scriptforge.models.lstm import LSTM, LSTMConfig

SIZE, END = 11, 0
OPTIONS = CacheOptions(weight=0.4, flatness=3, window=7)


def new_model(hidden_size: int = 6) -> LSTM:
    """A model whose probabilities and features are far from even."""
    torch.manual_seed(3)
    config = LSTMConfig(vocabulary_size=SIZE, embedding_size=5, hidden_size=hidden_size)
    model = build(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(4)
    return model


MODEL = new_model()
texts = st.lists(st.integers(0, SIZE - 1), min_size=1, max_size=30)


@torch.no_grad()
def by_definition(ids: list[int], options: CacheOptions) -> list[float]:
    """The probability of each token after all ids, from sums over the positions that are remembered."""
    features_1TH, _ = MODEL.features(torch.tensor([ids]), MODEL.initial_state(1))
    features = features_1TH[0].double()
    expected = MODEL.score(features_1TH)[0, -1].double().softmax(-1).tolist()
    begin = max((place for place, id_ in enumerate(ids) if id_ == END), default=0)
    places = range(max(begin, len(ids) - 1 - options.window), len(ids) - 1)
    if not places:
        return expected
    cached = [0.0] * SIZE
    for place in places:
        likeness = torch.cosine_similarity(features[place], features[-1], dim=0).item()
        cached[ids[place + 1]] += math.exp(options.flatness * likeness)
    return [
        (1 - options.weight) * own + options.weight * again / sum(cached)
        for own, again in zip(expected, cached, strict=True)
    ]


@given(
    texts,
    st.builds(CacheOptions, weight=st.floats(0, 0.99), flatness=st.floats(0, 50), window=st.integers(1, 40)),
)
def test_scores_are_the_logarithms_of_the_mixture(ids: list[int], options: CacheOptions) -> None:
    logits_BV = CachedDecoder(MODEL, 1, options, END).read(torch.tensor([ids]))
    assert logits_BV.exp().sum().item() == pytest.approx(1, abs=1e-5)
    assert logits_BV[0].exp().tolist() == pytest.approx(by_definition(ids, options), abs=1e-5)


@given(texts, st.lists(st.integers(1, 29), max_size=4, unique=True).map(sorted))
def test_reading_in_parts_is_reading_at_once(ids: list[int], cuts: list[int]) -> None:
    ids_1T = torch.tensor([ids])
    whole_1V = CachedDecoder(MODEL, 1, OPTIONS, END).read(ids_1T)
    decoder = CachedDecoder(MODEL, 1, OPTIONS, END)
    *_, last_1V = (decoder.read(part) for part in ids_1T.tensor_split(cuts, dim=1) if part.numel())
    torch.testing.assert_close(last_1V, whole_1V)


def test_lanes_do_not_know_of_each_other() -> None:
    ids_BT = torch.tensor([[END, 3, 4, 5, 3, 4], [END, 3, END, 5, 5, 5], [1, 2, 3, 4, 5, END]])
    together = CachedDecoder(MODEL, 3, OPTIONS, END)
    together.read(ids_BT[:, :4])
    logits_BV = together.read(ids_BT[:, 4:])
    for lane, ids_T in enumerate(ids_BT):
        alone_1V = CachedDecoder(MODEL, 1, OPTIONS, END).read(ids_T[None])
        torch.testing.assert_close(logits_BV[lane : lane + 1], alone_1V)


def test_what_came_before_comes_back() -> None:
    ids_1T = torch.tensor([[END, 3, 9, 4, 5, 3]])
    alone = ModelDecoder(MODEL, 1).read(ids_1T).softmax(-1)
    cached = CachedDecoder(MODEL, 1, CacheOptions(), END).read(ids_1T).exp()
    assert cached[0, 9] > alone[0, 9]
    assert cached[0, 7] < alone[0, 7]


def test_at_the_end_of_a_script_all_is_forgotten() -> None:
    ids_1T = torch.tensor([[END, 3, 4, 5, 3, 4, END]])
    alone_1V = ModelDecoder(MODEL, 1).read(ids_1T).log_softmax(-1)
    cached_1V = CachedDecoder(MODEL, 1, OPTIONS, END).read(ids_1T)
    torch.testing.assert_close(cached_1V, alone_1V)


def test_a_token_that_cannot_come_again_keeps_its_finite_score() -> None:
    model = new_model()
    with torch.no_grad():
        model.head.bias[8] = -500
    logits_1V = CachedDecoder(model, 1, OPTIONS, END).read(torch.tensor([[END, 3, 4, 3]]))
    assert logits_1V.isfinite().all()


@pytest.mark.parametrize("read", [0, 1, 5, 7, 8, 20])
def test_a_restored_state_goes_on_in_the_same_bits(read: int) -> None:
    ids_BT = torch.randint(0, SIZE, (2, read + 4), generator=torch.Generator().manual_seed(1))
    decoder, other = (CachedDecoder(MODEL, 2, OPTIONS, END) for _ in range(2))
    if read:
        decoder.read(ids_BT[:, :read])
    state = decoder.state()
    expected = [decoder.read(ids_B[:, None]) for ids_B in ids_BT[:, read:].unbind(1)]
    other.read(torch.tensor([[1, 2, 3], [4, 5, 6]]))
    other.restore(state)
    assert all(
        torch.equal(other.read(ids_B[:, None]), logits_BV)
        for ids_B, logits_BV in zip(ids_BT[:, read:].unbind(1), expected, strict=True)
    )


@pytest.mark.parametrize(
    "other",
    [
        CachedDecoder(MODEL, 1, OPTIONS, END),
        CachedDecoder(MODEL, 2, CacheOptions(window=3), END),
        CachedDecoder(new_model(hidden_size=7), 2, OPTIONS, END),
        ModelDecoder(MODEL, 2),
    ],
    ids=["another number of lanes", "another window", "another model", "no cache"],
)
def test_a_state_of_another_kind_is_refused(other: CachedDecoder | ModelDecoder) -> None:
    other.read(torch.ones(len(other.state()["state.0"][0]), 9, dtype=torch.int64))
    decoder = CachedDecoder(MODEL, 2, OPTIONS, END)
    with pytest.raises((ValueError, KeyError)):
        decoder.restore(other.state())
    torch.testing.assert_close(
        decoder.read(torch.tensor([[END, 3], [END, 4]])),
        CachedDecoder(MODEL, 2, OPTIONS, END).read(torch.tensor([[END, 3], [END, 4]])),
    )


@pytest.mark.parametrize("change", [{"cache.values": SIZE}, {"cache.values": -2}, {"cache.count": -1}])
def test_a_damaged_state_is_refused(change: dict[str, int]) -> None:
    decoder = CachedDecoder(MODEL, 1, OPTIONS, END)
    decoder.read(torch.tensor([[END, 3, 4]]))
    state = decoder.state()
    for name, value in change.items():
        state[name] = torch.full_like(state[name], value)
    with pytest.raises(ValueError):
        decoder.restore(state)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight", -0.1),
        ("weight", 1.0),
        ("weight", math.nan),
        ("flatness", -1),
        ("flatness", math.inf),
        ("window", 0),
        ("window", 10**9),
    ],
)
def test_options_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"cache's {name} must be between"):
        CacheOptions(**{name: value})
