"""Streaming: parts that join to the whole, at every level."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scriptforge.vocabulary import LEVELS, Level, Vocabulary

TEXT = 'He said, "two-thirds...no." ( Or  not?) Yes; no!\n\nÉté 中文 🎭 - end'
VOCABULARIES = {level: Vocabulary.train([TEXT], level) for level in LEVELS}


def streamed(vocabulary: Vocabulary, ids: list[int]) -> list[str]:
    stream = vocabulary.text_stream()
    return [*map(stream.push, ids), stream.finish()]


@pytest.mark.parametrize("level", LEVELS)
def test_parts_join_to_the_text(level: Level) -> None:
    vocabulary = VOCABULARIES[level]
    assert "".join(streamed(vocabulary, vocabulary.encode(TEXT))) == TEXT


@given(data=st.data())
def test_parts_of_any_ids_join_to_what_decoding_gives(data: st.DataObject) -> None:
    vocabulary = VOCABULARIES[data.draw(st.sampled_from(LEVELS))]
    ids = data.draw(st.lists(st.integers(0, vocabulary.size - 1)))
    assert "".join(streamed(vocabulary, ids)) == vocabulary.decode(ids)


def test_a_space_comes_with_the_word_after_it() -> None:
    vocabulary = VOCABULARIES["word"]
    assert streamed(vocabulary, vocabulary.encode("Yes, no!")) == ["Yes", ",", " no", "!", ""]


@pytest.mark.parametrize("level", ["bpe", "char"])
def test_a_character_is_given_once_whole(level: Level) -> None:
    vocabulary = VOCABULARIES[level]
    parts = streamed(vocabulary, vocabulary.encode("🐕!"))
    assert [part for part in parts if part] == ["🐕", "!"]
    assert len(parts) > 3


@pytest.mark.parametrize("level", ["bpe", "char"])
def test_a_character_left_incomplete_shows_at_the_end(level: Level) -> None:
    vocabulary = VOCABULARIES[level]
    *parts, last = streamed(vocabulary, vocabulary.encode("a🐕")[:-1])
    assert "".join(parts) == "a"
    assert set(last) == {"�"}
