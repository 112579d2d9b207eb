from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.documents import documents, lines_of, occurs, words_of

from scriptforge.copying import ComparedText, Index, SceneLocation, examine, lines_of_script, lines_of_text
from scriptforge.copying.report import SEQUENCES, SHORTEST_COPY
from scriptforge.screenplay.script import Element

Texts = Sequence[Sequence[str]]

TRAINING = (
    Element("heading", "EXT. PIER"),
    Element("dialogue", "Nobody takes the last ferry on a night like this.", "Ida"),
    Element("dialogue", "Nobody but you, my dear, and you are late.", "Walt"),
)


@pytest.fixture(scope="module")
def index() -> Index:
    return Index(lines_of_script(TRAINING))


def test_a_copy_is_found_across_lines_whoever_speaks(index: Index) -> None:
    script = (
        Element("dialogue", "They say: the last ferry, on a night like…", "Bo"),
        Element("dialogue", "THIS! Nobody but me.", "Walt"),
    )
    report = examine(lines_of_script(script), index)
    assert report.longest_copy is not None
    assert report.longest_copy.words == 10
    assert report.longest_copy.text == "the last ferry, on a night like\nTHIS! Nobody but"
    assert report.longest_copy.source == SceneLocation("", 2, "EXT. PIER")
    assert report.copies == (report.longest_copy,)
    assert [(mark.line, mark.start, mark.stop) for mark in report.longest_copy.marks] == [
        (0, 10, 41),
        (1, 0, 16),
    ]
    assert report.copied_share == 10 / 13


def test_speakers_are_no_part_of_the_text(index: Index) -> None:
    report = examine(lines_of_script([Element("dialogue", "Cheerio!", "Nobody takes the last ferry")]), index)
    assert report.words == 1
    assert report.longest_copy is None
    assert report.document()["longest_copy"] == {"words": 0, "text": "", "source": None}


def test_of_two_copies_that_overlap_the_longer_has_the_words_in_common() -> None:
    index = Index(lines_of([["a b c d e f g h i j"], ["h i j k l m n o p q r s t"]]))
    (report, alone) = (
        examine(lines_of([[text]]), index) for text in ("b c d e f g h i j k l m n o p q r s", "h i")
    )
    assert [(copy.words, copy.text[0], copy.source.document) for copy in report.copies] == [
        (6, "b", "document 0"), (12, "h", "document 1"),
    ]  # fmt: skip
    assert report.longest_copy == report.copies[1]
    assert alone.copies == ()
    assert alone.longest_copy is not None and alone.longest_copy.words == 2


@given(documents, documents)
def test_all_figures_are_what_counting_says(training: Texts, text: Texts) -> None:
    report = examine(lines_of(text), Index(lines_of(training)))
    runs = {
        length: [
            tuple(words[start : start + length])
            for words in words_of(text)
            for start in range(len(words) - length + 1)
        ]
        for length in range(1, 50)
    }
    copied = {
        length: [run for run in of_length if occurs(run, training)] for length, of_length in runs.items()
    }
    assert report.words == len(runs[1])
    longest = max((length for length, some in copied.items() if some), default=0)
    assert report.document()["longest_copy"]["words"] == longest
    for length in SEQUENCES:
        share = report.novelty[length]
        assert (share is None) == (not runs[length])
        assert share is None or share == pytest.approx(1 - len(copied[length]) / len(runs[length]))


@given(documents, documents)
def test_copies_stand_in_both_texts_and_nothing_long_is_left_out(training: Texts, text: Texts) -> None:
    report = examine(lines_of(text), Index(lines_of(training)))
    covered = [list(line.text) for line in report.lines]
    for copy in report.copies:
        assert copy.words >= SHORTEST_COPY
        assert len(copy.text.split()) == copy.words
        assert occurs(copy.text.split(), training)
        assert len(training[int(copy.source.document.split()[1])]) >= copy.source.line
        for mark in copy.marks:
            stretch = covered[mark.line][mark.start : mark.stop]
            assert "#" not in stretch
            covered[mark.line][mark.start : mark.stop] = ["#"] * len(stretch)
    for document in range(len(text)):
        left = [covered[number] for number, line in enumerate(report.lines) if line.document == document]
        for uncovered in " ".join("".join(characters) for characters in left).split("#"):
            words = uncovered.split()
            for start in range(len(words) - SHORTEST_COPY + 1):
                assert not occurs(words[start : start + SHORTEST_COPY], training)


@pytest.mark.parametrize(
    "words", [[f"w{number % 30_011}" for number in range(100_000)], ["la"] * 100_000], ids=["novel", "song"]
)
@pytest.mark.slow
def test_a_hundred_thousand_copied_words_are_measured(words: list[str]) -> None:
    index = Index(lines_of_text(" ".join(words[:50_000])))
    report = examine(lines_of_text("\n".join(words)), index)
    assert report.words == 100_000
    assert report.longest_copy is not None and report.longest_copy.words >= 50_000
    assert sum(copy.words for copy in report.copies) <= 100_000


def test_a_copy_of_everything_is_one_copy() -> None:
    lines = [f"{number} bottles on wall {number * 7919 % 10_007}" for number in range(20_000)]
    text = "\n".join(lines)
    report = examine(lines_of_text(text), Index(lines_of_text(text)))
    assert [(copy.words, copy.source.line) for copy in report.copies] == [(100_000, 1)]
    assert report.novelty == {4: 0.0, 6: 0.0, 8: 0.0}


def test_people_are_measured_in_windows_as_long_as_the_text() -> None:
    index = Index(lines_of([["a b c d e f g h"]]))
    people = ComparedText(lines_of([["a b c d x x x x a b x x x x x a x x x x"]]), index)
    report = examine(lines_of([["a b c d e"]]), index, people)
    assert report.human is not None
    assert (report.human.windows, report.human.words) == (4, 5)
    # The windows are a b c d x, x x x a b, x x x x x and a x x x x.
    assert report.human.typical_copy == 1
    assert report.human.longest_copy is not None
    assert report.human.longest_copy.text == "a b c d"
    assert report.human.novelty == {4: pytest.approx(7 / 8), 6: None, 8: None}
    assert report.document()["human"] == {
        "novelty": {"4": 0.875, "6": None, "8": None},
        "longest_copy": {
            "words": 1,
            "most": {
                "words": 4,
                "text": "a b c d",
                "source": {"document": "document 0", "line": 1, "scene": ""},
            },
        },
        "windows": 4,
        "words": 5,
    }


def test_a_text_longer_than_all_that_people_wrote_is_compared_with_all_of_it() -> None:
    index = Index(lines_of([["a b c"]]))
    people = ComparedText(lines_of([["a b", "x y"], ["c"]]), index)
    report = examine(lines_of([["a b c d e f g h"]]), index, people)
    assert report.human is not None
    assert (report.human.windows, report.human.words, report.human.typical_copy) == (1, 5, 2)


def test_without_held_out_text_there_is_no_comparison(index: Index) -> None:
    assert examine(lines_of([["a"]]), index, ComparedText([], index)).document()["human"] is None


@given(st.integers(1, 30), documents)
def test_a_window_knows_nothing_of_what_comes_after_it(words: int, held_out: Texts) -> None:
    index = Index(lines_of(held_out))
    people = ComparedText(lines_of(held_out), index)
    report = examine(lines_of([["a " * words]]), index, people)
    assert report.human is None or (report.human.longest_copy or report).words <= report.human.words


def test_a_text_of_no_words_can_be_examined(index: Index) -> None:
    report = examine(lines_of_text("?!\n\n—"), index, ComparedText(lines_of_script(TRAINING), index))
    assert report.document()["novelty"] == {"4": None, "6": None, "8": None}
    assert (report.words, report.copies, report.copied_share) == (0, (), 0.0)
