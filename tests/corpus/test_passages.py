"""Taking texts apart and serving them in turns."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.corpus.passages import LONGEST_PASSAGE, Passage, cut_passages, interleave
from scriptforge.script_rows import ScriptRow

sizes = st.lists(st.lists(st.integers(1, 1000), min_size=1, max_size=40), min_size=1, max_size=4)


def document(number: int, elements: int, characters: int = 100, scene: int | None = None) -> list[ScriptRow]:
    """Rows of a document, a heading before every `scene` elements."""
    kinds = ("heading" if scene and place % scene == 0 else "action" for place in range(elements))
    return [ScriptRow(number, "", kind, "", "x", characters, "a") for kind in kinds]


def cut(*documents: list[ScriptRow], split: str = "train", weight: float = 1.0) -> list[Passage]:
    lengths = [sum(row.characters for row in rows) for rows in documents]
    placed = [(split, row) for rows in documents for row in rows]
    return list(cut_passages(placed, lengths, {"a": weight}))


def test_a_document_that_is_short_enough_stays_whole() -> None:
    first, second = document(0, LONGEST_PASSAGE // 100, scene=7), document(1, 3, scene=1)
    passages = cut(first, second)
    assert [passage.rows for passage in passages] == [first, second]
    assert not passages[1].continues(passages[0])


def test_a_long_document_is_cut_where_scenes_begin() -> None:
    rows = document(0, 1000, scene=37)
    passages = cut(rows)
    assert [row for passage in passages for row in passage.rows] == rows
    assert len(passages) > 3
    assert all(passage.rows[0].kind == "heading" for passage in passages)
    assert all(passage.characters <= LONGEST_PASSAGE for passage in passages)
    assert all(later.continues(earlier) for earlier, later in pairwise(passages))


def test_a_long_document_without_scenes_is_cut_somewhere() -> None:
    passages = cut(document(0, 1000))
    assert [passage.characters for passage in passages] == [30_000, 30_000, 30_000, 10_000]
    assert [passage.lines for passage in passages] == [300, 300, 300, 100]


@pytest.mark.parametrize(
    ("weight", "copies"),
    [
        (1, [1] * 6),
        (2, [2] * 6),
        (0.5, [1, 0] * 3),
        (1.5, [2, 1] * 3),
        (0.25, [0, 1, 0, 0, 0, 1]),
        (0.01, [0] * 6),
    ],
)
def test_a_weight_is_so_many_copies_spread_evenly(weight: float, copies: list[int]) -> None:
    passages = cut(*(document(number, 10) for number in range(6)), weight=weight)
    assert [passage.copies for passage in passages] == copies


def test_what_is_held_out_is_never_repeated() -> None:
    assert [passage.copies for passage in cut(document(0, 5), split="validation", weight=3)] == [1]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=80), st.floats(0.05, 5))
def test_the_copies_come_to_the_weight_whatever_the_sizes(lengths: list[int], weight: float) -> None:
    passages = cut(*(document(number, length) for number, length in enumerate(lengths)), weight=weight)
    written = sum(passage.characters * passage.copies for passage in passages)
    largest = max(passage.characters for passage in passages)
    assert abs(written - weight * sum(lengths) * 100) <= largest
    assert {passage.copies for passage in passages} <= {math.floor(weight), math.ceil(weight)}


@given(sizes)
def test_everything_is_served_once_and_every_queue_in_its_order(waiting: list[list[int]]) -> None:
    order = interleave(waiting)
    for queue, queued in enumerate(waiting):
        assert [place for served, place in order if served == queue] == list(range(len(queued)))


@given(sizes)
def test_all_queues_advance_alike(waiting: list[list[int]]) -> None:
    """At any time, the shares served of two queues differ by no more than their largest parts."""
    totals = [sum(queued) for queued in waiting]
    largest = [max(queued) / total for queued, total in zip(waiting, totals, strict=True)]
    served = [0.0] * len(waiting)
    for queue, place in interleave(waiting):
        served[queue] += waiting[queue][place] / totals[queue]
        for other, share in enumerate(served):
            assert abs(share - served[queue]) <= largest[queue] + largest[other] + 1e-9
