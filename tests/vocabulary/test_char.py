"""The char level: characters seen, and bytes for the others."""

from pathlib import Path

from scriptforge.vocabulary import Vocabulary


def test_seen_characters_are_one_token_and_others_their_bytes() -> None:
    vocabulary = Vocabulary.train(["né à"], "char")
    assert len(vocabulary.encode("né")) == 2
    assert [len(vocabulary.encode(text)) for text in ("z", "è", "中", "🎭", "\0", "\n")] == [1, 2, 3, 4, 1, 1]


def test_text_that_looks_like_a_byte_is_text() -> None:
    vocabulary = Vocabulary.train(["<0x4>"], "char")
    for text in ("<0x41>", "<0xE2>", "##a"):
        assert len(vocabulary.encode(text)) == len(text)
        assert vocabulary.decode(vocabulary.encode(text)) == text


def test_rare_characters_are_spelled() -> None:
    vocabulary = Vocabulary.train(["aaéé中"], "char", min_count=2)
    assert [len(vocabulary.encode(text)) for text in ("a", "é", "中")] == [1, 1, 3]


def test_there_are_no_unknown_words() -> None:
    vocabulary = Vocabulary.train(["a"], "char")
    assert vocabulary.unknown is None
    assert vocabulary.unknown_words("never seen") == []
    assert vocabulary.suggest("never") == []


def test_a_long_text_in_one_piece_comes_back(shared_corpora: Path) -> None:
    text = (shared_corpora / "tinyshakespeare.txt").read_text(encoding="utf-8")
    vocabulary = Vocabulary.train(text.splitlines(keepends=True), "char", plain=True)
    ids = vocabulary.encode(text)
    assert len(ids) == len(text)
    assert vocabulary.decode(ids) == text
