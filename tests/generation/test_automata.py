"""Automata that are built as texts reach them forbid what their rules say, with and without the kernel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.kernels import all_kernels, computing_with

from scriptforge.generation import automata
from scriptforge.generation.automata import AfterIdle, Automata, Forbidden
from scriptforge.generation.grammar import Mask

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
            if common is AfterIdle.UNCHANGED:
                return state
        return (state + id_ + drawn) % self.modulus

    def forbidden(self, state: int) -> Forbidden:
        mask_V = np.arange(SIZE) % (state + 2) == 0
        otherwise_V = np.arange(SIZE) != state % SIZE if state % 2 else None
        return Forbidden(mask_V, otherwise_V, replaces=state % 5 == 4)

    def is_idle(self, state: int) -> bool:
        return state % 3 == 0

    def after_idle(self, id_: int) -> "int | AfterIdle":
        return id_ if id_ % 4 == 0 else AfterIdle.UNCHANGED if id_ % 4 == 1 else AfterIdle.UNDECIDED


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
