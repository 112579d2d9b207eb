"""The bpe level: pieces of words over bytes."""

from pathlib import Path

from scriptforge.vocabulary import Vocabulary


def test_frequent_sequences_are_one_token() -> None:
    vocabulary = Vocabulary.train(["the cat and the dog"] * 9, "bpe", size=270)
    assert len(vocabulary.encode(" the")) == 1
    assert len(vocabulary.encode("中")) == 3


def test_rare_pairs_are_not_merged() -> None:
    texts = ["abababab", "xy"]
    size = Vocabulary.train(texts, "bpe").size
    assert Vocabulary.train(texts, "bpe", min_count=3).size < size


def test_real_lines_come_back_for_half_their_characters(shared_corpora: Path) -> None:
    lines = (shared_corpora / "seinfeld.txt").read_text(encoding="utf-8").splitlines()[:20_000]
    vocabulary = Vocabulary.train(lines, "bpe", plain=True)
    encoded = vocabulary.encode_texts(lines)
    assert vocabulary.size == 2000
    assert vocabulary.decode(encoded.ids) == "".join(lines)
    assert len(encoded.ids) < sum(map(len, lines)) / 2
