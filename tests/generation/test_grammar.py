"""The grammar lets through what it should, at any level, whatever a model would like to write."""

from collections.abc import Callable, Iterable
from itertools import cycle, islice

import numpy as np
import pytest

from scriptforge.generation.grammar import (
    BLANK_LIMIT,
    NAME_LIMIT,
    NO_RUN,
    RUN_LIMITS,
    TEXT_LIMITS,
    Grammar,
    GrammarState,
    Position,
    build_rules,
)
from scriptforge.screenplay.script import Element
from scriptforge.vocabulary import LEVELS, Vocabulary


def allowed_after(vocabulary: Vocabulary, ids: Iterable[int]) -> set[int]:
    """What may come after an `<end>` and ids, each of which must itself have been allowed."""
    grammar = Grammar(vocabulary)
    position = grammar.advance(grammar.start(1), [vocabulary.end])
    for id_ in ids:
        assert not grammar.forbidden(position)[0, id_]
        position = grammar.advance(position, [id_])
    return set(np.flatnonzero(~grammar.forbidden(position)[0]).tolist())


def varied(vocabulary: Vocabulary, count: int) -> list[int]:
    """So many tokens of text, three in turns."""
    words = ("verse", "what", "newman", "hello", "now")
    ids = dict.fromkeys(vocabulary.encode(word)[0] for word in words)
    known = [id_ for id_ in ids if id_ != vocabulary.unknown]
    return list(islice(cycle(known[:3]), count))


def kinds(vocabulary: Vocabulary) -> set[int]:
    openings = {vocabulary.heading, vocabulary.action, vocabulary.transition, vocabulary.cue}
    return openings | set(vocabulary.speakers.values())


def test_a_script_opens_with_a_kind(vocabulary: Vocabulary) -> None:
    assert allowed_after(vocabulary, []) == kinds(vocabulary)


def test_a_cue_is_followed_by_text_that_says_something(vocabulary: Vocabulary) -> None:
    allowed = allowed_after(vocabulary, [vocabulary.speakers["Jerry"]])
    assert all(vocabulary.is_text[id_] and vocabulary.decode([id_]).strip() for id_ in allowed)
    assert set(vocabulary.encode("what")[:1]) <= allowed


def test_after_text_anything_may_come_but_says_and_unknown(vocabulary: Vocabulary) -> None:
    allowed = allowed_after(vocabulary, [vocabulary.action, *vocabulary.encode("what")])
    assert kinds(vocabulary) | {vocabulary.end} <= allowed
    assert vocabulary.says not in allowed
    assert vocabulary.unknown not in allowed
    assert set(vocabulary.encode("a\nb")[1:2]) <= allowed


def test_a_line_break_is_followed_by_text(vocabulary: Vocabulary) -> None:
    allowed = allowed_after(vocabulary, [vocabulary.action, *vocabulary.encode("verse\n")])
    assert all(vocabulary.decode([id_]).strip() for id_ in allowed)


def test_only_a_heading_between_scenes_may_be_empty(vocabulary: Vocabulary) -> None:
    assert not allowed_after(vocabulary, [vocabulary.heading]) & kinds(vocabulary)
    before = [vocabulary.action, *vocabulary.encode("verse")]
    allowed = allowed_after(vocabulary, [*before, vocabulary.heading])
    assert kinds(vocabulary) <= allowed
    assert vocabulary.end not in allowed


def test_a_spelled_name_is_ended_by_says_once_it_is_not_empty(vocabulary: Vocabulary) -> None:
    ids = [vocabulary.cue]
    assert vocabulary.says not in allowed_after(vocabulary, ids)
    named = allowed_after(vocabulary, [*ids, *vocabulary.encode("newman")])
    assert vocabulary.says in named
    assert not named & (kinds(vocabulary) | {vocabulary.end})
    assert not any(set(":\n") & set(vocabulary.decode([id_])) for id_ in named)


def test_elements_of_the_corpus_are_allowed(
    vocabulary: Vocabulary, script_elements: tuple[Element, ...]
) -> None:
    ids = vocabulary.encode_elements(script_elements).ids.tolist()
    assert vocabulary.end in allowed_after(vocabulary, [*ids])


@pytest.mark.parametrize("opening", ["cue", "action"])
def test_what_grows_too_long_is_ended(vocabulary: Vocabulary, opening: str) -> None:
    limit = NAME_LIMIT if opening == "cue" else TEXT_LIMITS[vocabulary.level]
    ids = [getattr(vocabulary, opening), *varied(vocabulary, limit)]
    expected = {vocabulary.says} if opening == "cue" else kinds(vocabulary) | {vocabulary.end}
    assert allowed_after(vocabulary, ids) == expected


@pytest.mark.parametrize("pattern", [("no",), ("no", "verse")])
def test_the_same_over_and_over_is_ended(vocabulary: Vocabulary, pattern: tuple[str, ...]) -> None:
    limit = RUN_LIMITS[vocabulary.level]
    ids = [vocabulary.encode(word)[0] for word in pattern] * limit
    assert ids[0] in allowed_after(vocabulary, [vocabulary.action, *ids[: limit - 1]])
    ended = allowed_after(vocabulary, [vocabulary.action, *ids[:limit]])
    assert ended == kinds(vocabulary) | {vocabulary.end}


def test_plain_text_may_be_anything_known(plain_vocabulary: Vocabulary) -> None:
    allowed = allowed_after(plain_vocabulary, [*plain_vocabulary.encode("what\n")])
    assert allowed == set(range(plain_vocabulary.size)) - {plain_vocabulary.unknown}


def test_plain_gaps_and_lines_end_some_time(plain_vocabulary: Vocabulary) -> None:
    line_break = plain_vocabulary.encode("\n")
    gap = allowed_after(plain_vocabulary, [*line_break * BLANK_LIMIT])
    assert all(plain_vocabulary.decode([id_]).strip() for id_ in gap)
    words = varied(plain_vocabulary, TEXT_LIMITS[plain_vocabulary.level] + 1)
    line = allowed_after(plain_vocabulary, [*words])
    assert all(id_ == plain_vocabulary.end or "\n" in plain_vocabulary.decode([id_]) for id_ in line)


def test_no_position_is_a_dead_end(vocabulary: Vocabulary, plain_vocabulary: Vocabulary) -> None:
    for each, start in ((vocabulary, range(6)), (plain_vocabulary, range(6, 8))):
        grammar = Grammar(each)
        for length in (0, TEXT_LIMITS[each.level]):
            places = list(start)
            forbidden_BV = grammar.forbidden(Position(places, [length] * len(places), [NO_RUN] * len(places)))
            assert not forbidden_BV.all(-1).any()


def test_sequences_go_their_own_ways(vocabulary_of: Callable[[str], Vocabulary]) -> None:
    for level in LEVELS:
        vocabulary = vocabulary_of(level)
        grammar = Grammar(vocabulary)
        position = grammar.start(2)
        for ids in ([vocabulary.end] * 2, [vocabulary.cue, vocabulary.action]):
            position = grammar.advance(position, ids)
        word = vocabulary.encode("newman")[0]
        position = grammar.advance(position, [word, word])
        first_V, second_V = ~grammar.forbidden(position)
        assert first_V[vocabulary.says]
        assert not second_V[vocabulary.says]


class TestMix:
    """Two sources that both have a Jerry, and one speaker who may come anywhere."""

    @pytest.fixture(params=LEVELS)
    def mix(self, request: pytest.FixtureRequest) -> Vocabulary:
        sources = {"diner": ["Jerry"], "bridge": ["Jerry", "Bo"]}
        return Vocabulary.train(["what now? verse"], request.param, speakers=["Dee"], sources=sources)

    def opened(self, mix: Vocabulary, source: str) -> set[int]:
        """The kinds and cues that may open a line of a source."""
        own = {token.id for token in mix.speaker_tokens if token.source in (None, source)}
        return {mix.heading, mix.action, mix.transition, mix.cue} | own

    def test_a_script_begins_with_exactly_one_source(self, mix: Vocabulary) -> None:
        assert allowed_after(mix, []) == set(mix.sources.values())
        for source, id_ in mix.sources.items():
            assert allowed_after(mix, [id_]) == self.opened(mix, source)

    def test_only_the_speakers_of_the_source_may_follow(self, mix: Vocabulary) -> None:
        words = mix.encode("what")
        for source, id_ in mix.sources.items():
            cue = mix.speaker_id("Jerry", source)
            assert cue is not None
            for ids in ([cue, *words], [mix.cue, *words, mix.says, *words], [mix.heading, *words]):
                allowed = {id_ for id_ in allowed_after(mix, [id_, *ids]) if not mix.is_text[id_]}
                assert allowed - {mix.end} == self.opened(mix, source)

    def test_a_sequence_stays_with_its_source(self, mix: Vocabulary) -> None:
        source = mix.sources["bridge"]
        assert allowed_after(mix, [source, mix.action, *mix.encode("what"), mix.end]) == {source}

    def test_no_text_is_a_source(self, mix: Vocabulary) -> None:
        ids = [mix.sources["diner"], mix.action, *mix.encode("what")]
        for length in range(1, len(ids) + 1):
            assert not allowed_after(mix, ids[:length]) & set(mix.sources.values())

    @pytest.mark.parametrize("opening", ["cue", "action"])
    def test_what_grows_too_long_is_ended(self, mix: Vocabulary, opening: str) -> None:
        limit = NAME_LIMIT if opening == "cue" else TEXT_LIMITS[mix.level]
        ids = [mix.sources["bridge"], getattr(mix, opening), *varied(mix, limit)]
        expected = {mix.says} if opening == "cue" else self.opened(mix, "bridge") | {mix.end}
        assert allowed_after(mix, ids) == expected

    def test_rows_made_on_demand_are_those_of_the_tables(self, mix: Vocabulary) -> None:
        grammar, rules = Grammar(mix), build_rules(mix)
        for state in range((1 + len(mix.sources)) * len(GrammarState)):
            for length, closing_V in ((0, True), (max(rules.limits), rules.closing_PV[state])):
                place = Position([state], [length], [NO_RUN])
                assert np.array_equal(~grammar.forbidden(place)[0], rules.allowed_PV[state] & closing_V)
            after = grammar.advance(
                Position([state] * mix.size, [5] * mix.size, [NO_RUN] * mix.size), range(mix.size)
            )
            assert after.states == rules.next_PV[state].tolist()
            assert [not length for length in after.lengths] == rules.resets_PV[state].tolist()

    def test_no_position_is_a_dead_end(self, mix: Vocabulary) -> None:
        grammar = Grammar(mix)
        size = len(GrammarState)
        reachable = (*range(6), GrammarState.SOURCE)
        for length in (0, TEXT_LIMITS[mix.level]):
            places = [number * size + place for number in range(3) for place in reachable]
            forbidden_BV = grammar.forbidden(Position(places, [length] * len(places), [NO_RUN] * len(places)))
            assert not forbidden_BV.all(-1).any()
