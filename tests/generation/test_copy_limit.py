"""Nothing longer than the limit is copied, at any level, however much a model would like to copy."""

import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.generation import generate
from support.slow import slow

from scriptforge.copying import Index, examine, lines_of_script, lines_of_text
from scriptforge.copying.index import fold
from scriptforge.errors import UsageError
from scriptforge.generation.copy_limit import CopyLimit
from scriptforge.generation.grammar import Grammar
from scriptforge.generation.transcript import new_transcript
from scriptforge.models.layers import HeadedModel
from scriptforge.options import GenerateOptions
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import LEVELS, Level, Vocabulary

PLAY = (
    Element("heading", "INT. FERRY - NIGHT"),
    Element("action", "The café's lamp goes out… and in/out again, at 8:30 or 9:45."),
    Element("dialogue", "Who's there? I said: who’s there, and don't say “nobody” again!", "Ida"),
    Element("dialogue", "Nobody. It is nobody — nobody at all, and/or the goose.", "Walt"),
    Element("dialogue", "The goose, the goose, the goose!\nIs it the goose?", "Ida"),
    Element("transition", "CUT TO:"),
    Element("dialogue", "It is the goose, and it is the goose that I said it is.", "Uncle Ünal"),
    Element("dialogue", "Who said it is? I don't say it is. Straße, straße, naïveté, é.", "Walt"),
    Element("dialogue", "Who's there, and don't say it is nobody at all.", "Ida"),
)
TEXT = "".join(f"{element.speaker}: {element.text}\n\n" for element in PLAY)
INDEX = Index(lines_of_script(PLAY))
PLAIN_INDEX = Index(lines_of_text(TEXT))
SEQUENCES = 2
STEPS = {"word": 60, "bpe": 120, "char": 200}


def train(level: Level, *, plain: bool) -> Vocabulary:
    texts = [TEXT] if plain else [part for element in PLAY for part in (element.text, element.speaker)]
    return Vocabulary.train(
        texts * 3,
        level,
        size=330 if level == "bpe" else None,
        min_count=4 if level == "char" else 1,  # rare characters are spelled in bytes
        speakers=() if plain else ["Ida"],
        plain=plain,
    )


VOCABULARIES = {(level, plain): train(level, plain=plain) for level in LEVELS for plain in (False, True)}


class Copycat:
    """Goes on with the training text for as long as it may, and after a stumble from another such place.

    Args:
        ids: the training text.
        eagerness: how often it copies where it may, 0 … 1; else it takes anything.
        seed: decides everything.
    """

    def __init__(self, ids: Sequence[int], eagerness: float, seed: int) -> None:
        self._ids = [*ids, *ids[:1]]
        self._places: dict[int, list[int]] = {}
        for place, id_ in enumerate(ids):
            self._places.setdefault(id_, []).append(place)
        self._eagerness = eagerness
        self._random = random.Random(seed)
        self._place = 0

    def draw(self, forbidden_V: NDArray[np.bool_]) -> int:
        wanted = self._ids[self._place]
        if forbidden_V[wanted] or self._random.random() > self._eagerness:
            wanted = self._random.choice(np.flatnonzero(~forbidden_V).tolist())
        places = self._places.get(wanted) or [0]
        self._place = (self._place if self._place in places else self._random.choice(places)) + 1
        return wanted


def write(
    vocabulary: Vocabulary, limit: CopyLimit | None, eagerness: float, seed: int
) -> Iterator[str | list[Element]]:
    """What copycats write in all sequences: elements of scripts, or plain texts."""
    training = vocabulary.encode(TEXT) if vocabulary.plain else vocabulary.encode_elements(PLAY).ids.tolist()
    copycats = [Copycat(training, eagerness, seed * SEQUENCES + sequence) for sequence in range(SEQUENCES)]
    grammar = Grammar(vocabulary)
    transcripts = [new_transcript(vocabulary) for _ in range(SEQUENCES)]
    texts = [""] * SEQUENCES
    position = grammar.advance(grammar.start(SEQUENCES), [vocabulary.end] * SEQUENCES)
    for _ in range(STEPS[vocabulary.level]):
        forbidden_BV = grammar.forbidden(position)
        if limit:
            forbidden_BV = limit.forbid(forbidden_BV)
            assert not forbidden_BV.all(-1).any()
        ids = [copycat.draw(forbidden_V) for copycat, forbidden_V in zip(copycats, forbidden_BV, strict=True)]
        position = grammar.advance(position, ids)
        if limit:
            limit.advance(ids)
        for sequence, id_ in enumerate(ids):
            texts[sequence] += transcripts[sequence].push(id_)
    for text, transcript in zip(texts, transcripts, strict=True):
        yield text if vocabulary.plain else transcript.elements


def longest_copy(written: str | list[Element]) -> int:
    if isinstance(written, str):
        report = examine(lines_of_text(written), PLAIN_INDEX)
    else:
        report = examine(lines_of_script(written), INDEX)
    return report.longest_copy.words if report.longest_copy else 0


@pytest.mark.parametrize("plain", [False, True], ids=["script", "plain"])
@pytest.mark.parametrize("level", ["word", *slow(["bpe", "char"])])
@settings(max_examples=25)
@given(words=st.integers(1, 6), eagerness=st.sampled_from([0.8, 0.98, 1.0]), seed=st.integers(0, 1_000_000))
def test_no_copy_is_longer_than_the_limit(
    level: Level, plain: bool, words: int, eagerness: float, seed: int
) -> None:
    vocabulary = VOCABULARIES[level, plain]
    limit = CopyLimit(PLAIN_INDEX if plain else INDEX, vocabulary, words, SEQUENCES)
    longest = max(map(longest_copy, write(vocabulary, limit, eagerness, seed)))
    assert longest <= words
    assert not limit.limit_overrides


@pytest.mark.parametrize("plain", [False, True], ids=["script", "plain"])
@pytest.mark.parametrize("level", LEVELS)
def test_without_a_limit_copycats_copy(level: Level, plain: bool) -> None:
    assert max(map(longest_copy, write(VOCABULARIES[level, plain], None, 1.0, 0))) > 8


@pytest.fixture(params=LEVELS)
def vocabulary(request: pytest.FixtureRequest) -> Vocabulary:
    """A vocabulary for scripts that knows every word of the play."""
    return VOCABULARIES[request.param, False]


def forbidden_after(
    vocabulary: Vocabulary, ids: Sequence[int], words: int, allowed: Sequence[int] = ()
) -> tuple[set[int], int]:
    """What the limit alone forbids after ids, and how often it was relaxed.

    Args:
        vocabulary: for scripts.
        ids: what a sequence has read.
        words: the limit.
        allowed: the only ids that the grammar allows; all if there are none.
    """
    limit = CopyLimit(INDEX, vocabulary, words, 1)
    for id_ in ids:
        limit.advance([id_])
    before_1V = np.full((1, vocabulary.size), bool(allowed))
    before_1V[0, list(allowed)] = False
    added_1V = limit.forbid(before_1V) & ~before_1V
    return set(np.flatnonzero(added_1V[0]).tolist()), limit.limit_overrides


def said(vocabulary: Vocabulary, text: str) -> list[int]:
    return [vocabulary.action, *vocabulary.encode(text)]


def test_what_begins_the_copied_word_is_forbidden_and_nothing_else(vocabulary: Vocabulary) -> None:
    ids = said(vocabulary, "Who? It is the")
    before = {"word": [], "bpe": [], "char": vocabulary.encode(" ")}[vocabulary.level]
    forbidden, limit_overrides = forbidden_after(vocabulary, [*ids, *before], 3)
    texts = {vocabulary.decode([id_]) for id_ in forbidden}
    assert texts
    assert all("goose".startswith(fold(text).strip()) and fold(text).strip() for text in texts)
    wanted = vocabulary.encode("x goose")[
        1 if vocabulary.level == "word" else len(vocabulary.encode("x ")) - 1
    ]
    if vocabulary.level == "char":
        wanted = vocabulary.encode("g")[0]
    assert wanted in forbidden
    assert not limit_overrides
    assert forbidden_after(vocabulary, [*ids, *before], 4) == (set(), 0)


def test_a_mask_far_from_any_copy_is_passed_on_as_it_is(vocabulary: Vocabulary) -> None:
    limit = CopyLimit(INDEX, vocabulary, 8, 1)
    forbidden_BV = np.zeros((1, vocabulary.size), np.bool_)
    for id_ in said(vocabulary, "It is the"):
        limit.advance([id_])
        assert limit.forbid(forbidden_BV) is forbidden_BV


def test_speakers_names_are_no_words(vocabulary: Vocabulary) -> None:
    name = [vocabulary.cue, *vocabulary.encode("goose")]
    assert forbidden_after(vocabulary, [*said(vocabulary, "It is the"), *name], 3) == (set(), 0)
    spoken = [*said(vocabulary, "It is"), *name, vocabulary.says, *vocabulary.encode("the\n")]
    forbidden, _ = forbidden_after(vocabulary, spoken, 3)
    assert {fold(vocabulary.decode([id_])).strip() for id_ in forbidden} >= {
        "goose" if vocabulary.level == "word" else "g"
    }


def test_where_only_a_copy_can_come_it_comes_and_is_counted(vocabulary: Vocabulary) -> None:
    ids = said(vocabulary, "It is the\n")
    only = vocabulary.encode("goose")[:1]
    assert forbidden_after(vocabulary, ids, 3, allowed=only) == (set(), 1)
    assert forbidden_after(vocabulary, ids, 3, allowed=[*only, vocabulary.end]) == ({*only}, 0)


def test_sequences_are_limited_each_for_itself(vocabulary: Vocabulary) -> None:
    limit = CopyLimit(INDEX, vocabulary, 3, 2)
    for ids in zip(said(vocabulary, "It is the\n"), said(vocabulary, "at at at\n" * 4), strict=False):
        limit.advance(ids)
    forbidden_BV = limit.forbid(np.zeros((2, vocabulary.size), np.bool_))
    assert forbidden_BV.any(-1).tolist() == [True, False]


def test_a_prime_that_stops_within_a_word_does_not_become_a_copy() -> None:
    vocabulary = VOCABULARIES["char", False]
    forbidden, _ = forbidden_after(vocabulary, said(vocabulary, "It is the goo"), 3)
    assert {vocabulary.decode([id_]) for id_ in forbidden} >= {"s"}
    assert not forbidden & {vocabulary.end, *vocabulary.encode(" .t")}


def test_a_copy_that_was_given_may_end_and_is_not_gone_on_with(vocabulary: Vocabulary) -> None:
    ids = said(vocabulary, "It is the goose")
    forbidden, _ = forbidden_after(vocabulary, ids, 3)
    assert not forbidden & {vocabulary.end, vocabulary.action, *vocabulary.encode("?")}
    forbidden, _ = forbidden_after(vocabulary, [*ids, *vocabulary.encode("\n")], 3)
    assert vocabulary.encode("and")[0] in forbidden
    assert vocabulary.encode("nobody")[0] not in forbidden


def test_a_character_spelled_in_bytes_is_a_letter() -> None:
    vocabulary = VOCABULARIES["char", False]
    first, *rest = vocabulary.encode("ï")  # too rare to have a token
    assert rest
    ids = [*said(vocabulary, "straße, straße, na"), first]
    forbidden, _ = forbidden_after(vocabulary, ids, 2)
    assert rest[0] in forbidden  # which would make it naï…, a word begun by what was given
    assert vocabulary.end not in forbidden


def test_a_limit_of_nothing_is_refused(vocabulary: Vocabulary) -> None:
    with pytest.raises(UsageError, match="cannot be 0"):
        CopyLimit(INDEX, vocabulary, 0, 1)


def test_without_the_training_text_copies_cannot_be_limited(
    vocabulary: Vocabulary, untrained_model: Callable[[Vocabulary], HeadedModel]
) -> None:
    with pytest.raises(UsageError, match="cannot be limited without the training text"):
        generate(untrained_model(vocabulary), vocabulary, GenerateOptions(max_copy=3))
