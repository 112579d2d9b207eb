"""The word level: spacing, marks and words it does not know."""

import re
from pathlib import Path

import pytest

from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import Vocabulary

SPACING = [
    'He said, "two-thirds...no." (Or not?) Yes; no!',
    "a.b ,c . d ( e ) f(g)h",
    '" quoted " and"glued"and "so"',
    "dash - dash -- dash--dash ---dash --- - -- ---- -x- x-",
    '("both") (-a) ((b)) ( ( c ) ). (d ).',
    "two  spaces,   three . \t tab\tand\u00a0hard",
    " at the edges ",
    "  \n  lines \n\n of verse\nend\n",
    "<tag> a<b>c < d > e",
    "...and...",
    "",
    " ",
    "   ",
]


@pytest.mark.parametrize("text", SPACING)
def test_known_words_come_back_with_their_spacing(text: str) -> None:
    vocabulary = Vocabulary.train([text], "word", plain=True)
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_each_mark_is_a_token_of_its_own() -> None:
    vocabulary = Vocabulary.train([], "word", plain=True)
    text = '. , " ; ! ? ( ) - --\n'
    assert len(vocabulary.encode(text)) == 11
    assert vocabulary.unknown not in vocabulary.encode(text)


def test_spacing_takes_no_tokens() -> None:
    text = SPACING[0]
    vocabulary = Vocabulary.train([text], "word")
    assert len(vocabulary.encode(text)) == len(re.findall(r"[^\s\w]|\w+", text))


def test_spacing_is_known_for_words_met_otherwise_spaced() -> None:
    vocabulary = Vocabulary.train(["one two three"], "word")
    text = '"one...two" (three)--one! "Two?'.replace("Two", "two")
    assert vocabulary.decode(vocabulary.encode(text)) == text


def test_a_word_not_known_shows() -> None:
    vocabulary = Vocabulary.train(["hello you"], "word")
    assert vocabulary.decode(vocabulary.encode("hello, Newman!")) == "hello, <unk>!"


def test_rare_words_have_no_token() -> None:
    vocabulary = Vocabulary.train(["often often once"], "word", min_count=2)
    assert vocabulary.unknown_words("often, once... once or never") == ["once", "or", "never"]


def test_size_keeps_the_most_frequent_words() -> None:
    everything = Vocabulary.train(["a a a b b c"], "word")
    smaller = Vocabulary.train(["a a a b b c"], "word", size=everything.size - 1)
    assert smaller.unknown_words("a b c") == ["c"]


def test_unknown_words_are_counted_with_their_characters() -> None:
    vocabulary = Vocabulary.train(["hello you"], "word", speakers=["JERRY"])
    elements = [
        Element("dialogue", "hello, Newman! you", "JERRY"),
        Element("action", "hello"),
        Element("dialogue", "été.été", "Kramer"),
    ]
    encoded = vocabulary.encode_elements(elements)
    assert encoded.unknown_count == 4
    assert encoded.unknown_characters == len("NewmanKramerétéété")
    assert (encoded.ids == vocabulary.unknown).sum() == 4


def test_the_two_signs_in_a_text_do_no_harm() -> None:
    vocabulary = Vocabulary.train(["a‿b ␣ c"], "word")
    assert vocabulary.unknown_words("a‿b") == ["‿"]
    assert vocabulary.decode(vocabulary.encode("a ␣ c")).split() == ["a", "c"]


def test_nearest_known_words_are_suggested() -> None:
    vocabulary = Vocabulary.train(["Hello there, friend. Hold the door!"], "word")
    assert vocabulary.suggest("helo")[0] == "Hello"
    assert vocabulary.suggest("xyzzy") == []


@pytest.mark.parametrize("corpus", ["seinfeld.txt", "tinyshakespeare.txt"])
@pytest.mark.slow
def test_real_lines_come_back_for_little(corpus: str, shared_corpora: Path) -> None:
    lines = (shared_corpora / corpus).read_text(encoding="utf-8").splitlines()[:30_000]
    vocabulary = Vocabulary.train(lines, "word", plain=True)
    ids = [*map(vocabulary.encode, lines)]
    assert [vocabulary.decode(each) for each in ids] == lines
    stripped = [line.strip() for line in lines]
    tokens = sum(len(vocabulary.encode(line)) for line in stripped)
    split = sum(len(re.findall(r'-+|[.,";!?()]|[^\s.,";!?()-]+', line)) for line in stripped)
    assert tokens < 1.005 * split
