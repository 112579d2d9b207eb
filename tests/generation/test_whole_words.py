"""No word is written that the training text does not have, and writing never comes to a dead end."""

import random
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.generation import generate

from scriptforge.copying import Index, lines_of_script
from scriptforge.generation import grammar
from scriptforge.generation.automata import Automata
from scriptforge.generation.spelling import WholeWords, spelling_of
from scriptforge.models.recurrent import Recurrent
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import Level, Vocabulary
from scriptforge.vocabulary.lexicon import WordCount

Make = Callable[[Vocabulary], Recurrent]

PLAY = (
    Element("heading", "INT. FERRY - NIGHT"),
    Element("action", "The café's lamp goes out… and in again, at 8:30 or 9:45. Naïveté (brief)."),
    Element("dialogue", "Who's there? I said: who’s there, and don't say “nobody” again!", "Ida"),
    Element(
        "dialogue", "It's McDonald, the ferryman — gonna' take the dog-eared ticket, 'tis 7 o'clock.", "Walt"
    ),
    Element("dialogue", "Straße, 中文也行, ЧТО это такое?", "Uncle Ünal"),
)
TEXTS = [part for element in PLAY for part in (element.text, element.speaker)]
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
WORDS = {word.lower().replace("’", "'") for text in TEXTS for word in WORD.findall(text)}
CASES = {case for word in WORDS for case in (word, word[0].upper() + word[1:], word.upper())} | {"McDonald"}
CASES -= {"STRASSE"}  # another word
SPELLINGS = CASES | {case.replace("'", "’") for case in CASES}
INDEX = Index(lines_of_script(PLAY))
UNSPACED = set("中文也行")
CHARACTERS = {character for text in TEXTS for character in text}.union(*SPELLINGS)

INCOMPLETE = "\N{REPLACEMENT CHARACTER}"

WILD = GenerateOptions(temperature=1, min_p=0, seed=1, lines=3, count=4)
KINDS: list[tuple[Level, bool]] = [("bpe", False), ("bpe", True), ("char", False), ("char", True)]


def train(level: Level, *, plain: bool) -> Vocabulary:
    vocabulary = Vocabulary.train(
        TEXTS,
        level,
        size=330 if level == "bpe" else None,
        min_count=2,  # at the char level, rare characters are spelled in bytes
        speakers=() if plain else ["Ida"],
        plain=plain,
    )
    words = WordCount()
    for text in TEXTS:
        words.add(text)
    vocabulary.lexicon = words.lexicon()
    return vocabulary


VOCABULARIES = {(level, plain): train(level, plain=plain) for level, plain in KINDS}


def rule_of(vocabulary: Vocabulary) -> Automata:
    spelling = spelling_of(vocabulary)
    assert spelling
    return Automata([WholeWords(spelling)], [], vocabulary.size, 1)


def words_in(text: str) -> list[re.Match[str]]:
    return list(WORD.finditer("".join(" " if character in UNSPACED else character for character in text)))


def strange_words(text: str) -> list[str]:
    return [match[0] for match in words_in(text) if match[0].lower().replace("’", "'") not in WORDS]


def is_possible(text: str) -> bool:
    """Whether words of the play can come of a text: all of it is read anew, and every spelling tried."""
    if any(character not in CHARACTERS and not character.isascii() for character in text):
        return False
    found = words_in(text)
    if not found:
        return True
    *whole, last = found
    rest = text[last.start() :]
    if rest == last[0]:
        may_end = any(spelling.startswith(rest) for spelling in SPELLINGS)
    elif rest[len(last[0]) :] in ("'", "’"):
        may_end = last[0] in SPELLINGS or any(spelling.startswith(rest) for spelling in SPELLINGS)
    else:
        may_end = last[0] in SPELLINGS
    return may_end and all(match[0] in SPELLINGS for match in whole)


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=map(str, VOCABULARIES))
@settings(max_examples=8)
@given(seed=st.integers(0, 1_000_000))
def test_what_may_come_is_what_a_naive_reader_lets_come(vocabulary: Vocabulary, seed: int) -> None:
    draw = random.Random(seed)
    rule = rule_of(vocabulary)
    ids: list[int] = []
    nothing_1V = np.zeros((1, vocabulary.size), np.bool_)
    texts = vocabulary.is_text.nonzero()[0].tolist()
    whole = [id_ for id_ in texts if INCOMPLETE not in vocabulary.token_texts[id_]]
    for _ in range(20):
        (may_not_come,) = rule.forbid(nothing_1V)[0].tolist()
        text = vocabulary.decode(ids)
        if not text.endswith(INCOMPLETE):
            for id_ in [*draw.sample(whole, 40), *(id_ for id_ in whole if not may_not_come[id_])]:
                token = vocabulary.token_texts[id_]
                assert may_not_come[id_] != is_possible(text + token), (text, token)
            assert may_not_come[vocabulary.end] != is_possible(f"{text} "), text
        ids.append(draw.choice([id_ for id_ in texts if not may_not_come[id_]]))
        rule.advance(ids[-1:], drawn=True)


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=map(str, VOCABULARIES))
def test_the_training_text_itself_may_come(vocabulary: Vocabulary) -> None:
    for text in TEXTS:
        rule = rule_of(vocabulary)
        for id_ in [*vocabulary.encode(text), vocabulary.end]:
            forbidden_1V, _ = rule.forbid(np.zeros((1, vocabulary.size), np.bool_))
            assert not forbidden_1V[0, id_], (text, vocabulary.decode([id_]))
            rule.advance([id_], drawn=True)


MORE_RULES = {
    "alone": WILD,
    "no copies": replace(WILD, max_copy=1),
    "no repetition": replace(WILD, no_repeat_ngram=1, repetition_penalty=2),
    "likeliest": replace(WILD, temperature=0, count=1),
    "a cast": replace(WILD, cast=("Walt", "Zoë"), next_speaker="Zoë", stage_directions=False),
    "a prime": replace(WILD, prime="ida: who's"),
}


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=map(str, VOCABULARIES))
@pytest.mark.parametrize("options", MORE_RULES.values(), ids=MORE_RULES)
@pytest.mark.parametrize("limit", [3, 60])
def test_only_words_of_the_text_are_written_whatever_else_is_asked_for(
    vocabulary: Vocabulary,
    untrained_model: Make,
    monkeypatch: pytest.MonkeyPatch,
    options: GenerateOptions,
    limit: int,
) -> None:
    monkeypatch.setitem(grammar.TEXT_LIMITS, vocabulary.level, limit)
    grammar.grammar_of.cache_clear()
    if vocabulary.plain:
        options = replace(options, cast=(), next_speaker="", stage_directions=True)
    for text in generate(untrained_model(vocabulary), vocabulary, options, INDEX):
        said = [text.text] if vocabulary.plain else [element.text for element in text.elements]
        assert [strange_words(each) for each in said] == [[] for _ in said]
        named = {element.speaker for element in text.elements} - {"Zoë"}
        assert not strange_words(" ".join(named))


@pytest.mark.parametrize("vocabulary", VOCABULARIES.values(), ids=map(str, VOCABULARIES))
def test_words_are_invented_where_that_is_asked_for(vocabulary: Vocabulary, untrained_model: Make) -> None:
    invented = generate(untrained_model(vocabulary), vocabulary, replace(WILD, invent_words=True))
    assert all(strange_words(text.text) for text in invented)


def test_a_line_that_is_too_long_ends_with_a_whole_word() -> None:
    vocabulary = VOCABULARIES["char", False]
    only_end_1V = vocabulary.is_text[None]
    rule = rule_of(vocabulary)
    for id_ in vocabulary.encode("the fer"):
        rule.advance([id_], drawn=True)
    for letter in "ry":
        (may_not_come,) = rule.forbid(only_end_1V)[0].tolist()
        come = [
            token for token, may_not in zip(vocabulary.token_texts, may_not_come, strict=True) if not may_not
        ]
        assert come == [letter] if letter != "m" else come
        rule.advance(vocabulary.encode(letter), drawn=True)
    assert np.array_equal(rule.forbid(only_end_1V)[0], only_end_1V), "the ferry, and not the ferryman"


@pytest.mark.parametrize("level", ["bpe", "char"])
@pytest.mark.parametrize(
    "prime", ["ida: who is xyzz", "ida: fer", "ida: zzz: the ferr", "xyzz", "ida: o'zz'"]
)
def test_given_words_stand_and_what_follows_is_words(level: Level, untrained_model: Make, prime: str) -> None:
    vocabulary = VOCABULARIES[level, False]
    model = untrained_model(vocabulary)
    given = prime.removeprefix("ida: ")
    for text in generate(model, vocabulary, replace(WILD, prime=prime)):
        first, *others = text.elements
        assert first.text.startswith(given)
        assert not strange_words(first.text[len(given) :])
        assert not any(strange_words(element.text) for element in others)


@pytest.mark.parametrize("level", ["bpe", "char"])
def test_an_open_word_becomes_one_of_the_text(level: Level, untrained_model: Make) -> None:
    vocabulary = VOCABULARIES[level, False]
    texts = generate(
        untrained_model(vocabulary), vocabulary, replace(WILD, prime="ida: the ferr", prime_open=True)
    )
    endings = {text.elements[0].text.removeprefix("the ferr")[:1] for text in texts}
    assert all(ending == "y" or not WORD.match(ending) or ending in UNSPACED for ending in endings)


def test_models_of_words_and_without_a_lexicon_write_as_before() -> None:
    assert spelling_of(Vocabulary.train(TEXTS, "char")) is None
    words = Vocabulary.train(TEXTS, "word")
    words.lexicon = VOCABULARIES["char", False].lexicon
    assert spelling_of(words) is None
