"""What a token of one vocabulary is in another."""

import pytest
from support.tiny import comedy

from scriptforge.training.transfer import token_mapping
from scriptforge.vocabulary import Level, Vocabulary

OLD = [comedy(200)]
NEW = ["The umbrella of the harbour master.", "Nobody asks the goose!"]


def vocabulary(texts: list[str], level: Level, speakers: tuple[str, ...]) -> Vocabulary:
    return Vocabulary.train(texts, level, size=None if level != "bpe" else 300, speakers=speakers)


@pytest.mark.parametrize("level", ["word", "bpe", "char"])
def test_a_token_of_both_is_its_own_counterpart(level: Level) -> None:
    old = vocabulary(OLD, level, ("ANN",))
    assert token_mapping(old, old) == [[id_] for id_ in range(old.size)]


@pytest.mark.parametrize("level", ["word", "bpe", "char"])
def test_mapped_tokens_say_the_same_where_the_old_vocabulary_can(level: Level) -> None:
    old, new = vocabulary(OLD, level, ("ANN",)), vocabulary(NEW, level, ("ANN",))
    for id_, ids in enumerate(token_mapping(new, old)):
        if ids and new.is_text[id_] and new.tokens[id_] not in old.tokens:
            assert old.decode(ids).strip() in new.token_texts[id_]


def test_a_new_speaker_is_like_all_the_old_ones() -> None:
    old = vocabulary(OLD, "char", ("ANN", "BEN"))
    new = vocabulary(OLD, "char", ("BEN", "IDA"))
    known = token_mapping(new, old)
    assert known[new.speakers["BEN"]] == [old.speakers["BEN"]]
    assert known[new.speakers["IDA"]] == [old.speakers["ANN"], old.speakers["BEN"]]


def test_a_word_that_the_old_vocabulary_does_not_know_has_none() -> None:
    old, new = vocabulary(OLD, "word", ()), vocabulary(NEW, "word", ())
    assert token_mapping(new, old)[new.encode("umbrella")[0]] == []
