"""Automata that are built as texts reach them forbid what their rules say, with and without the kernel."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.kernels import all_kernels, computing_with

from scriptforge.generation import automata
from scriptforge.generation.automata import AfterIdle, Automata, Forbidden
from scriptforge.generation.brackets import BalancedBrackets
from scriptforge.generation.cast import resolve_cast
from scriptforge.generation.grammar import Mask
from scriptforge.generation.speaker_rules import CastConstraint, KnownNames
from scriptforge.generation.spelling import Spelling, WholeWords
from scriptforge.options import GenerateOptions
from scriptforge.text_statistics.brackets import BracketStatistics
from scriptforge.vocabulary import LEVELS, Level, Vocabulary
from scriptforge.vocabulary.lexicon import WordCount

SIZE = 11


@dataclass(frozen=True)
class Sum:
    """A rule on the sum of the tokens so far, of which every third is idle."""

    modulus: int
    start: int = 0

    def after(self, state: int, id_: int, *, drawn: bool) -> int:
        if drawn and state % 3 == 0:
            common = self.after_idle(id_)
            if isinstance(common, int):
                return common
            if common is AfterIdle.PASSING:
                return (state * 2 + 3) % self.modulus
        return (state + id_ + drawn) % self.modulus

    def forbidden(self, state: int) -> Forbidden:
        mask_V = np.arange(SIZE) % (state + 2) == 0
        otherwise_V = np.arange(SIZE) != state % SIZE if state % 2 else None
        return Forbidden(mask_V, otherwise_V, replaces=state % 5 == 4)

    def is_idle(self, state: int) -> bool:
        return state % 3 == 0

    def after_idle(self, id_: int) -> "int | AfterIdle":
        return id_ if id_ % 4 == 0 else AfterIdle.PASSING if id_ % 4 == 1 else AfterIdle.UNDECIDED


def naively(rules: Sequence[Sum], states: Sequence[int], forbidden_V: Mask) -> Mask:
    for rule, state in zip(rules, states, strict=True):
        mask_V, otherwise_V, replaces = rule.forbidden(state)
        forbidden_V = mask_V if replaces else forbidden_V | mask_V
        if otherwise_V is not None and forbidden_V.all():
            forbidden_V = otherwise_V
    return forbidden_V


ids = st.lists(st.one_of(st.none(), st.integers(0, SIZE - 1)), min_size=3, max_size=3)
steps = st.lists(st.tuples(ids, st.booleans()), max_size=30)


@pytest.mark.parametrize("room", [8, 4096], ids=["forgetting", "remembering"])
@given(
    moduli=st.lists(st.integers(1, 40), max_size=3),
    split=st.integers(0, 3),
    steps=steps,
    seed=st.integers(0, 99),
)
def test_they_forbid_what_their_rules_say(
    room: int, moduli: list[int], split: int, steps: list[Any], seed: int
) -> None:
    rules = [Sum(modulus) for modulus in moduli]
    grammar_BV = np.random.default_rng(seed).random((3, SIZE)) < 0.5
    for loaded in (None, all_kernels()[0]):
        with pytest.MonkeyPatch.context() as patch, computing_with(loaded):
            for limit in ("_MIN_STATES", "_MAX_STATES", "_MAX_TRANSITIONS"):
                patch.setattr(automata, limit, room)
            followed = Automata(rules[:split], rules[split:], SIZE, 3)
        states = [[rule.start for rule in rules] for _ in range(3)]
        for ids, drawn in steps:
            followed.advance(ids, drawn=drawn)
            for row, id_ in enumerate(ids):
                if id_ is not None:
                    before = zip(rules, states[row], strict=True)
                    states[row] = [rule.after(state, id_, drawn=drawn) for rule, state in before]
            if ids[0] == 7:
                followed.copy_sequences({2: 0})
                states[2] = list(states[0])
            well_formed_BV, forbidden_BV = followed.forbid(grammar_BV)
            for row in range(3):
                expected_V = naively(rules[:split], states[row][:split], grammar_BV[row])
                assert well_formed_BV[row].tolist() == expected_V.tolist()
                expected_V = naively(rules[split:], states[row][split:], expected_V)
                assert forbidden_BV[row].tolist() == expected_V.tolist()


@dataclass(frozen=True)
class Interrupted(Sum):
    """The same, but the first question for what a state forbids is interrupted."""

    asked: set[int] = field(default_factory=set, hash=False)

    def forbidden(self, state: int) -> Forbidden:
        if state not in self.asked:
            self.asked.add(state)
            raise KeyboardInterrupt
        self.asked.discard(state)
        return super().forbidden(state)


@pytest.mark.parametrize("room", [4, 4096], ids=["forgetting", "remembering"])
def test_an_interrupted_step_can_be_made_again(room: int) -> None:
    draw = np.random.default_rng(1)
    nothing_1V = np.zeros((1, SIZE), np.bool_)
    for loaded in (None, all_kernels()[0]):
        rule, state = Interrupted(30), 0
        with pytest.MonkeyPatch.context() as patch, computing_with(loaded):
            for limit in ("_MIN_STATES", "_MAX_STATES", "_MAX_TRANSITIONS"):
                patch.setattr(automata, limit, room)
            followed = Automata([rule], [], SIZE, 1)
            again = 0
            for id_ in draw.integers(0, SIZE, 200).tolist():
                for act in (
                    partial(followed.advance, [id_], drawn=True),
                    partial(followed.forbid, nothing_1V),
                ):
                    while True:
                        try:
                            act()
                            break
                        except KeyboardInterrupt:
                            again += 1
                state = rule.after(state, id_, drawn=True)
                forbidden_1V, _ = followed.forbid(nothing_1V)
                assert forbidden_1V[0].tolist() == naively([Sum(30)], [state], nothing_1V[0]).tolist()
        assert again >= 10


@pytest.mark.parametrize("level", LEVELS)
def test_rules_say_of_idle_states_what_they_say_of_each(
    vocabulary_of: Callable[[Level], Vocabulary], level: Level
) -> None:
    vocabulary, draw = vocabulary_of(level), random.Random(1)
    words = WordCount()
    for text in vocabulary.token_texts:
        words.add(text)
    lexicon = words.lexicon()
    cast = resolve_cast(GenerateOptions(cast=("Jerry", "newman"), next_speaker="newman"), vocabulary)
    rules: list[Any] = [
        BalancedBrackets(BracketStatistics(closed=["()", "“”"], turning=["to"]), vocabulary),
        KnownNames(["Jerry", "newman"], vocabulary),
        CastConstraint(cast, vocabulary, must_speak=True),
        WholeWords(Spelling(lexicon, vocabulary)),
    ]
    for rule in rules:
        states = {rule.start}
        for _ in range(40):
            state = rule.start
            for id_ in draw.choices(range(vocabulary.size), k=20):
                state = rule.after(state, id_, drawn=draw.random() < 0.7)
                states.add(state)
        idle = [state for state in states if rule.is_idle(state)]
        passed: dict[Any, Any] = {}
        for id_ in range(vocabulary.size):
            common = rule.after_idle(id_)
            for state in draw.sample(idle, min(10, len(idle))):
                after = rule.after(state, id_, drawn=True)
                if common is AfterIdle.PASSING:
                    assert passed.setdefault(state, after) == after
                elif common is not AfterIdle.UNDECIDED:
                    assert after == common
