import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.copying import lines_of_rows, lines_of_script, lines_of_text
from scriptforge.copying.index import fold, word_spans, words_in
from scriptforge.screenplay.script import Element
from scriptforge.script_rows import PLAIN, ScriptRow

TEXTS = st.text(st.one_of(st.sampled_from("aB'’ .-é\u0301ß\u00adﬁ\n東が\u200b½"), st.characters()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don’t — DON'T, dont!", ["dont"] * 3),
        ("'Hello,' she said.", ["hello", "she", "said"]),
        ("rock ’n’ roll and/or two-thirds", ["rock", "n", "roll", "and", "or", "two", "thirds"]),
        ("at 8:30 or R2D2", ["at", "8", "30", "or", "r2d2"]),
        ("one_two\tthree\u2028four…five", ["one", "two", "three", "four", "five"]),
        ("Straße STRASSE", ["strasse"] * 2),
        ("soft\u00adly and zero\u200bwidth", ["softly", "and", "zerowidth"]),
        ("' ’ -- ´ \u00a8 �", []),
        ("", []),
    ],
)
def test_words_are_letters_and_digits(text: str, words: list[str]) -> None:
    assert words_in(text) == words


def test_an_accent_is_the_same_in_one_character_or_two() -> None:
    assert words_in("Caf\u00e9") == words_in("cafe\u0301")
    assert words_in("Caf\u00e9") != words_in("cafe")


@given(TEXTS)
def test_a_span_holds_just_its_word(text: str) -> None:
    assert [fold(text[start:stop]) for start, stop in word_spans(text)] == words_in(text)
    assert all(fold(text[start]) and fold(text[stop - 1]) for start, stop in word_spans(text))


@given(TEXTS, TEXTS)
def test_a_text_in_parts_folds_to_the_same(head: str, tail: str) -> None:
    assert fold(head + tail) == fold(head) + fold(tail)


@given(TEXTS)
def test_case_makes_no_difference(text: str) -> None:
    assert words_in(text.casefold()) == words_in(text)


def test_an_element_is_a_line_numbered_within_its_document() -> None:
    rows = [
        ScriptRow(0, "One", "heading", "", "INT.", 4),
        ScriptRow(0, "One", "dialogue", "Ida", "Verse one,\nverse two.", 20),
        ScriptRow(3, "Two", "action", "", "Rain.", 5),
    ]
    lines = list(lines_of_rows(rows))
    assert [(line.title, line.number, line.speaker) for line in lines] == [
        ("One", 1, ""), ("One", 2, "Ida"), ("Two", 1, ""),
    ]  # fmt: skip
    assert lines[1].text == "Verse one,\nverse two."


def test_a_stretch_of_plain_text_is_as_many_lines_as_it_has() -> None:
    stretches = ["one\ntwo\n\n", "four\n", "five"]
    rows = [ScriptRow(0, "Poem", PLAIN, "", text, len(text)) for text in stretches]
    lines = list(lines_of_rows(rows))
    assert [(line.number, line.text) for line in lines] == [
        (1, "one"), (2, "two"), (3, ""), (4, "four"), (5, "five"),
    ]  # fmt: skip
    assert [line.text for line in lines_of_text("".join(stretches))] == [line.text for line in lines]


def test_a_script_is_one_document() -> None:
    script = [Element("action", "Rain."), Element("dialogue", "Wet.", "Ida")]
    assert [(line.document, line.number, line.text) for line in lines_of_script(script)] == [
        (0, 1, "Rain."), (0, 2, "Wet."),
    ]  # fmt: skip
