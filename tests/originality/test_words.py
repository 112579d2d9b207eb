import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.originality.words import fold, word_spans, words_in

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
