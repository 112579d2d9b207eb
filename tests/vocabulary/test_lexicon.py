"""Which words and characters a text has, and the file that keeps them."""

import re
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.errors import DatasetError
from scriptforge.vocabulary.lexicon import LONGEST_WORD, MAX_LEXICON, Lexicon, WordCount, words_of


def lexicon_of(*texts: str) -> Lexicon:
    words = WordCount()
    for text in texts:
        words.add(text)
    return words.lexicon()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It’s IT'S, it's!", ["it's", "it's", "it's"]),
        ("A dog-eared 'quote', rock 'n' roll.", ["a", "dog", "eared", "quote", "rock", "n", "roll"]),
        ("gonna' don''t fo'c's'le", ["gonna", "don", "t", "fo'c's'le"]),
        ("R2-D2 came 4th in 1987 (snake_case).", ["r", "d", "came", "th", "in", "snake", "case"]),
        ("Naïve e\u0301tude, Straße, Ärger", ["naïve", "e\u0301tude", "straße", "ärger"]),
        ("これは本です、OK? ไทย 中文 한국어", ["ok", "한국어"]),
        ("人々 〇 〻 〆", []),
        ("¼ … — 7", []),
    ],
)
def test_what_a_word_is(text: str, words: list[str]) -> None:
    assert words_of(text) == words


def test_a_lexicon_has_words_unusual_spellings_and_unusual_characters() -> None:
    lexicon = lexicon_of("JERRY said… “It's McDonald's, Jerry”", "中文, 9 — é!", "mcDONALD's")
    entries = ["jerry", "said", "it's", "mcdonald's", "McDonald's", "mcDONALD's", "é", *"…“”中文—"]
    assert lexicon.document == "".join(f"{entry}\n" for entry in sorted(entries))
    assert lexicon.words == {"jerry", "said", "it's", "mcdonald's", "é"}
    assert lexicon.characters == set("…“”中文—")


def test_spellings_are_those_that_people_use() -> None:
    spelled = {spelling.decode() for spelling in lexicon_of("it's o'Brien straße").spellings}
    assert {"it's", "It’s", "IT'S", "o'Brien", "O’BRIEN", "O'brien", "Straße"} <= spelled
    assert not spelled & {"iT's", "O'BRIen", "STRASSE"}  # whose lower case is another word


def test_words_too_long_for_anybody_are_left_out() -> None:
    assert lexicon_of("a" * LONGEST_WORD, "b" * (LONGEST_WORD + 1)).words == {"a" * LONGEST_WORD}


@given(st.text("abZ'7_-. \t\n\x1c\x7f"))
def test_words_are_letters_with_single_apostrophes_between_them(text: str) -> None:
    words = re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower())
    assert words_of(text) == words
    assert words_of(f"{text} é") == [*words, "é"]  # text in ASCII takes a shorter way


@given(st.lists(st.text("abÉ'’ …中\n"), max_size=5))
def test_pieces_counted_at_once_give_the_lexicon_of_pieces_counted_one_by_one(pieces: list[str]) -> None:
    words = WordCount()
    words.add(*pieces)
    assert words.lexicon().entries == lexicon_of(*pieces).entries


@given(st.lists(st.lists(st.text("abÉ'’ …中\n"), max_size=3), max_size=4))
def test_merged_counts_give_the_lexicon_of_all_pieces(parts: list[list[str]]) -> None:
    together = WordCount()
    for pieces in parts:
        words = WordCount()
        words.add(*pieces)
        together.merge(words)
    assert together.lexicon().entries == lexicon_of(*chain.from_iterable(parts)).entries


@given(st.lists(st.text("abÉéß'’ İiςΣ-…中7\u0301\u2028\x85\n"), max_size=5))
def test_a_lexicon_comes_back_and_has_every_word_of_its_text(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    lexicon = lexicon_of(*texts)
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.txt"
    path.write_bytes(lexicon.document.encode())
    assert Lexicon.load(path).entries == lexicon.entries
    for text in texts:
        assert lexicon.words.issuperset(words_of(text))


@pytest.mark.parametrize(
    "content",
    [
        b"jerry",
        b"jerry\nelaine\n",
        b"jerry\njerry\n",
        b"\njerry\n",
        b"the bank\n",
        b"jerry.\n",
        b"it\xe2\x80\x99s\n",
        b"7\n",
        b"!\n",
        "……\n".encode(),
        b"jerry\xff\n",
        b"jerry\r\n",
        b"x" * (LONGEST_WORD + 1) + b"\n",
    ],
)
def test_a_file_that_we_do_not_write_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lexicon.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=r"lexicon.txt is damaged"):
        Lexicon.load(tmp_path / "lexicon.txt")


def test_an_enormous_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "lexicon.txt").open("wb") as file:
        file.truncate(MAX_LEXICON + 1)
    with pytest.raises(DatasetError, match=r"lexicon.txt is damaged"):
        Lexicon.load(tmp_path / "lexicon.txt")
