"""What is measured of a page, on pages whose figures can be counted by hand."""

from dataclasses import replace

import pytest

from scriptforge.evaluation.page import MEASURES, Page, Reference, pages
from scriptforge.screenplay.script import Element


def say(speaker: str, text: str) -> Element:
    return Element("dialogue", text, speaker)


def figure(name: str, elements: list[Element], reference: Reference | None = None) -> float | None:
    (measure,) = (measure for measure in MEASURES if measure.name == name)
    return measure.of(Page(tuple(elements)), reference or Reference())


PAGE = [
    Element("heading", "INT. BAKERY - DAY"),
    say("Ann", "Is the oven (points) on?"),
    say("ANN", "Well? Is the oven on?"),
    say("Bo", "(coughing) no."),
    say("Ann", "no."),
    Element("action", "He laughs."),
    say("Ann", 'you "said so, the bread is'),
]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("same_speaker_again", 1 / 3),  # an action comes before the last line
        ("share_of_the_busiest_speaker", 4 / 5),
        ("speakers", 2),
        ("words_in_a_line", (4 + 5 + 1 + 1 + 6) / 5),
        ("lines_of_one_or_two_words", 2 / 5),
        ("lines_said_twice", 2 / 5),
        ("repeated_phrases", 2 / (1 + 2 + 3)),
        ("different_words", 10 / 17),
        ("different_pairs_of_words", 9 / 12),
        ("most_frequent_word", 3 / 17),
        ("unmatched_brackets_or_quotes", 1 / 7),
        ("lines_that_end_a_sentence", 4 / 5),
        ("lines_that_begin_with_a_capital", 2 / 5),
        ("stage_directions", 2 / 7),
        ("lines_with_an_aside", 2 / 5),
        ("questions", 2 / 5),
        ("questions_that_somebody_else_answers", 1 / 2),
    ],
)
def test_a_page_is_counted(name: str, expected: float) -> None:
    assert figure(name, PAGE) == pytest.approx(expected)


def test_what_the_corpus_has_decides_what_is_unknown() -> None:
    lexicon = {"is", "the", "oven", "on", "well", "no", "you", "said", "so", "bread"}
    assert figure("unknown_words", PAGE, Reference(lexicon)) == 0
    fewer = Reference(lexicon - {"bread", "no"})
    assert figure("unknown_words", PAGE, fewer) == pytest.approx(3 / 17)
    assert figure("lines_with_an_unknown_word", PAGE, fewer) == pytest.approx(3 / 5)
    assert figure("unknown_words", PAGE) is None


def test_a_cast_is_as_far_from_the_usual_one_as_lines_have_to_change_hands() -> None:
    reference = Reference(shares={"ann": 0.5, "bo": 0.3, "cy": 0.2})
    assert figure("distance_from_the_usual_cast", PAGE, reference) == pytest.approx(0.3)
    assert figure("distance_from_the_usual_cast", [say("Dot", "me")], reference) == 1


def test_variety_is_that_of_the_first_words_alone() -> None:
    assert figure("different_words", PAGE, Reference(words=4)) == 1
    assert figure("different_words", PAGE, Reference(words=8)) == pytest.approx(5 / 8)


def test_without_capitals_in_the_corpus_nobody_expects_any() -> None:
    for name in ("capital_letters", "lines_that_begin_with_a_capital"):
        assert figure(name, PAGE, Reference(has_capitals=False)) is None
    assert figure("capital_letters", [say("Ann", "No, I do.")]) == pytest.approx(2 / 5)


@pytest.mark.parametrize("text", ["(he", "he)", "[he)", "“he", "(“he)”", 'he "'])
def test_what_is_opened_must_be_closed(text: str) -> None:
    assert figure("unmatched_brackets_or_quotes", [say("Ann", text)]) == 1
    assert figure("unmatched_brackets_or_quotes", [say("Ann", '(“he” [she]) \'tis "it"')]) == 0


@pytest.mark.parametrize("elements", [[], [Element("action", "It rains.")]])
def test_a_page_on_which_nobody_speaks_tells_little(elements: list[Element]) -> None:
    told = {each.name for each in MEASURES if each.of(Page(tuple(elements)), Reference({"it"})) is not None}
    assert told == {"speakers"} | (
        {"unmatched_brackets_or_quotes", "stage_directions"} if elements else set()
    )


def test_a_text_is_cut_into_pages_that_are_spread_over_it() -> None:
    text = [say("Ann", str(number)) for number in range(35)]
    assert [page.elements[0].text for page in pages(text, 10, 9)] == ["0", "10", "20"]
    assert [page.elements[0].text for page in pages(text, 5, 3)] == ["0", "10", "20"]
    assert {len(page.elements) for page in pages(text, 5, 3)} == {5}
    assert [len(page.elements) for page in pages(text, 40, 3)] == [35]


def test_figures_are_shown_in_their_unit() -> None:
    shown = {measure.name: measure.shown(0.25) for measure in MEASURES}
    assert (shown["questions"], shown["words_in_a_line"], MEASURES[0].shown(None)) == ("25.0 %", "0.2", "–")
    assert replace(MEASURES[0], name="two_words").label == "two words"
