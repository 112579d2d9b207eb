import subprocess
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.documents import documents, lines_of, occurs, words_of

from scriptforge.copying import Index, SceneLocation, lines_of_script
from scriptforge.screenplay.formats import read

Texts = Sequence[Sequence[str]]
RUNS = st.lists(st.sampled_from("abcd"), max_size=12)


def numbers(index: Index, words: Sequence[str]) -> list[int]:
    return [index.number(word) for word in words]


@given(documents, RUNS)
def test_a_match_is_as_long_as_it_can_be_and_stands_where_it_is_said_to(texts: Texts, run: list[str]) -> None:
    index = Index(lines_of(texts))
    matches = index.match(numbers(index, run))
    told = [word for document in words_of(texts) for word in (*document, "")]
    for start, (length, position) in enumerate(zip(matches.lengths_N, matches.positions_N, strict=True)):
        assert occurs(run[start : start + length], texts) or not length
        assert start + length == len(run) or not occurs(run[start : start + length + 1], texts)
        assert told[position : position + length] == run[start : start + length]


@given(documents, RUNS)
def test_the_longest_end_that_occurs_is_found(texts: Texts, run: list[str]) -> None:
    index = Index(lines_of(texts))
    longest = max(
        length for length in range(len(run) + 1) if occurs(run[len(run) - length :], texts) or not length
    )
    assert index.longest_ending(numbers(index, run)) == longest


@given(documents, RUNS)
def test_all_words_that_follow_a_run_are_found(texts: Texts, run: list[str]) -> None:
    index = Index(lines_of(texts))
    expected = {word for word in "abc" if occurs([*run, word], texts)}
    assert index.words_after(numbers(index, run)) == expected


def test_a_place_is_a_title_and_a_line_which_may_be_between_empty_ones() -> None:
    texts = [["", "a b", "", "", "c", ""], ["?"], ["c c", "a"]]
    index = Index(lines_of(texts))
    matches = index.match(numbers(index, ["a", "b", "c", "c", "c"]))
    assert matches.lengths_N.tolist() == [3, 2, 2, 2, 1]
    places = [index.locate(position) for position in matches.positions_N]
    assert places[:3] == [
        SceneLocation("document 0", 2),
        SceneLocation("document 0", 2),
        SceneLocation("document 2", 1),
    ]
    assert index.locate(int(matches.positions_N[1]) + 1) == SceneLocation("document 0", 5)


@pytest.mark.parametrize("texts", [[], [[]], [["", "?!"]], [["a"]]])
def test_texts_of_next_to_nothing_can_be_asked(texts: Texts) -> None:
    index = Index(lines_of(texts))
    known = bool(texts and "a" in texts[0])
    assert index.match(numbers(index, ["a", "b"])).lengths_N.tolist() == [known, 0]
    assert index.longest_ending(numbers(index, ["b", "a"])) == known
    assert index.words_after([]) == ({"a"} if known else set())
    assert index.match([]).lengths_N.tolist() == []


def test_more_words_than_two_bytes_can_number() -> None:
    texts = [[f"w{number} w{number * 7 % 70_000}" for number in range(70_000)]]
    index = Index(lines_of(texts))
    run = ["w69998", "w69986", "w69999", "w69993"]
    assert index.match(numbers(index, run)).lengths_N.tolist() == [4, 3, 2, 1]
    assert index.words_after(numbers(index, run[:3])) == {"w69993"}


def test_a_real_corpus_takes_few_bytes_a_character(shared_corpora: Path) -> None:
    with (shared_corpora / "seinfeld.txt").open(encoding="utf-8") as file:
        elements = list(islice(read(file), 20_000))
    index = Index(lines_of_script(elements))
    assert index.nbytes < 3 * sum(len(element.text) for element in elements)


def test_what_sorts_is_imported_where_an_index_is_made() -> None:
    program = "import sys, scriptforge.copying; sys.exit('pydivsufsort' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
