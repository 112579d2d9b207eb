import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.corpus.options import divide
from scriptforge.dataset import Division
from scriptforge.errors import UsageError
from scriptforge.options import PrepareOptions
from scriptforge.workspace import SPLITS

Shares = tuple[float, float]

all_shares = st.tuples(st.integers(1, 40), st.integers(0, 40)).filter(lambda pair: sum(pair) <= 50).map(
    lambda pair: (pair[0] / 100, pair[1] / 100)
)  # fmt: skip


def by_split(shares: Shares) -> dict[str, float]:
    return {"train": 1 - sum(shares), "validation": shares[0], "test": shares[1]}


def characters_of(division: Division, sizes: list[int]) -> dict[str, int]:
    taken = dict.fromkeys(SPLITS, 0)
    for split, size in zip(division.documents, sizes, strict=True):
        taken[split] += size
    return taken


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=60), all_shares)
def test_by_document_every_split_has_half_to_twice_its_share(sizes: list[int], shares: Shares) -> None:
    division = divide(sizes, *shares)
    if division.by == "block":
        return
    taken = characters_of(division, sizes)
    for split, share in by_split(shares).items():
        wanted = share * sum(sizes)
        assert wanted / 2 <= taken[split] <= wanted * 2


@given(st.lists(st.integers(90, 110), min_size=100, max_size=300), all_shares)
def test_many_documents_alike_are_split_by_document_closely(sizes: list[int], shares: Shares) -> None:
    division = divide(sizes, *shares)
    assert division.by == "document"
    taken = characters_of(division, sizes)
    for split, share in by_split(shares).items():
        assert abs(taken[split] - share * sum(sizes)) <= 110


@given(st.integers(1, 10**9), all_shares)
def test_one_document_is_split_by_block_in_order(size: int, shares: Shares) -> None:
    division = divide([size], *shares)
    assert division.by == "block"
    validation, test = division.boundaries
    assert 0 <= validation <= test <= size
    assert validation == pytest.approx((1 - sum(shares)) * size, abs=1)
    assert test == pytest.approx((1 - shares[1]) * size, abs=1)


@given(st.integers(1, 10**9))
def test_the_last_tenth(size: int) -> None:
    assert divide([size], 0.1, 0).boundaries == (int(0.9 * size), size)


def test_few_or_uneven_documents_are_split_by_block() -> None:
    for sizes in ([100, 100], [1000, 10, 10, 10], [10**6, *[1] * 40]):
        assert divide(sizes, 0.05, 0.05).by == "block"


def test_the_same_documents_are_always_split_the_same() -> None:
    """As they were in every version so far: a dataset that is prepared again holds out the same text."""
    splits = divide(list(range(100, 120)), 0.1, 0.1).documents
    held_out = {split: [n for n, each in enumerate(splits) if each == split] for split in SPLITS[1:]}
    assert held_out == {"validation": [12, 13], "test": [1, 8]}


def test_held_out_documents_come_from_all_over() -> None:
    division = divide([100] * 100, 0.1, 0.1)
    held_out = [number for number, split in enumerate(division.documents) if split != "train"]
    assert len(held_out) == 20
    assert min(held_out) < 30 and max(held_out) > 70


@pytest.mark.parametrize(
    ("validation", "test"),
    [(0, 0.1), (-0.1, 0), (0.3, 0.3), (1, 0), (0.1, -0.1), (float("nan"), 0), (0.1, float("nan"))],
)
def test_shares_that_cannot_be(validation: float, test: float) -> None:
    with pytest.raises(UsageError, match="cannot be held out") as caught:
        PrepareOptions(validation=validation, test=test)
    assert "--validation 0.1 --test 0" in caught.value.hint
