"""Encoding part by part gives what the library gives for the whole."""

import sys
from collections.abc import Callable
from pathlib import Path
from string import ascii_letters
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tiny import comedy
from tokenizers import Tokenizer

from scriptforge.vocabulary import LEVELS, Level, Vocabulary

PLAY = comedy(200) + "“Ça va — naïve‿ café” it's I'LL 'twas 3,000 <unk> ΣΑΣ İ\n"
SIZES = {"word": None, "bpe": 700, "char": 300}  # in 300, some characters are spelled in bytes
# What the rules of the levels turn on: marks, their two signs, apostrophes, and white space of all kinds,
# among it what is so to Python alone (\x1c) or in pairs only.
TROUBLE = " .,;!?)(<>\"-‿␣'\n\t\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2003\u2028\u3000\u200b\u0301aZsté3Σİ中🎭"
texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.sampled_from(TROUBLE)),
    st.text(st.sampled_from(" ,'-" + ascii_letters)),
    st.lists(st.sampled_from([*PLAY.split(" ")[:60], "", "'s", " ", "\n", "zeugma"])).map(" ".join),
)
VOCABULARIES = {
    (level, lower): Vocabulary.train(PLAY.splitlines(True), level, size=SIZES[level], lower=lower, plain=True)
    for level in LEVELS
    for lower in (False, True)
}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Level, bool], Tokenizer]:
    """The tokenizers of all vocabularies, as the library alone loads them."""
    path = tmp_path_factory.mktemp("vocabulary") / "tokenizer.json"

    def loaded(vocabulary: Vocabulary) -> Tokenizer:
        vocabulary.save(path)
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.encode_special_tokens = True
        return tokenizer

    return {key: loaded(vocabulary) for key, vocabulary in VOCABULARIES.items()}


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("level", LEVELS)
@given(texts=st.lists(texts, min_size=1, max_size=4))
def test_the_ids_are_those_of_the_library(
    level: Level, lower: bool, texts: list[str], libraries: dict[tuple[Level, bool], Tokenizer]
) -> None:
    vocabulary, library = VOCABULARIES[level, lower], libraries[level, lower]
    encoded = vocabulary.encode_texts(texts)
    encodings = library.encode_batch(texts)
    assert encoded.ids.tolist() == [id_ for encoding in encodings for id_ in encoding.ids]
    spans = [
        span
        for encoding in encodings
        for id_, span in zip(encoding.ids, encoding.offsets, strict=True)
        if id_ == vocabulary.unknown
    ]
    assert encoded.unknown_count == len(spans)
    assert encoded.unknown_characters == sum(stop - start for start, stop in spans)


@pytest.mark.slow
def test_more_different_words_than_are_remembered() -> None:
    vocabulary = VOCABULARIES["bpe", False]
    many = " ".join(f"w{number}" for number in range(130_000))
    for text in (many, PLAY, many[:1000]):
        assert vocabulary.encode_texts([text]).ids.tolist() == vocabulary.encode(text)


def test_after_a_text_that_cannot_be_encoded_all_is_as_before() -> None:
    vocabulary = VOCABULARIES["word", False]
    with pytest.raises(TypeError):
        vocabulary.encode_texts(["zeugma \ud800", "goose"])
    encoded = vocabulary.encode_texts(["goose zeugma"])
    assert encoded.ids.tolist() == vocabulary.encode("goose zeugma")
    assert (encoded.unknown_count, encoded.unknown_characters) == (1, 6)


class _Stopped(Exception):
    """What interrupts an encoder."""


def test_after_an_interruption_at_any_line_all_is_as_before() -> None:
    for line in range(100):
        vocabulary = Vocabulary.train(PLAY.splitlines(True), "word", plain=True)
        vocabulary.encode_texts(["goose"])
        stopped = _encode_until(vocabulary, line, "my aunt, zeugma, the mayor")
        encoded = vocabulary.encode_texts(["goose zeugma the ferryman"])
        assert encoded.ids.tolist() == vocabulary.encode("goose zeugma the ferryman")
        assert (encoded.unknown_count, encoded.unknown_characters) == (1, 6)
        if not stopped:
            break
    assert line > 10 and not stopped


def _encode_until(vocabulary: Vocabulary, line: int, text: str) -> bool:
    """Encode a text, but stop at one of the lines where new parts are learnt; return whether it came."""
    left = line

    def stop(frame: FrameType, event: str, argument: object) -> Callable[..., Any] | None:
        nonlocal left
        if frame.f_code.co_name != "_learn":
            return stop
        if event == "line":
            left -= 1
            if left < 0:
                raise _Stopped
        return stop

    before = sys.gettrace()
    sys.settrace(stop)
    try:
        vocabulary.encode_texts([text])
    except _Stopped:
        return True
    finally:
        sys.settrace(before)
    return False


def test_it_can_be_watched_by_a_profiler_that_keeps_frames() -> None:
    # Dask's does, in the workers of a cluster: what a function held then lives on after its return.
    vocabulary = Vocabulary.train(PLAY.splitlines(True), "word", plain=True)
    frames: list[FrameType] = []
    sys.setprofile(lambda frame, event, argument: frames.append(frame))
    try:
        encoded = [vocabulary.encode_texts([text]) for text in ("goose zeugma", "the ferryman")]
    finally:
        sys.setprofile(None)
    assert [each.ids.tolist() for each in encoded] == [
        vocabulary.encode(text) for text in ("goose zeugma", "the ferryman")
    ]


def test_a_file_loads_and_encodes_the_same(tmp_path: Path) -> None:
    for vocabulary in VOCABULARIES.values():
        vocabulary.save(tmp_path / "tokenizer.json")
        loaded = Vocabulary.load(tmp_path / "tokenizer.json")
        before, after = (each.encode_texts([PLAY, "zeugma"]) for each in (vocabulary, loaded))
        assert before.ids.tolist() == after.ids.tolist()
        assert (before.unknown_count, before.unknown_characters) == (
            after.unknown_count,
            after.unknown_characters,
        )
